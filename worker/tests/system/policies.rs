//! Whatever the policy, and in whichever order and however often notifications come: the same tickets in the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use actix_web::rt::{System, SystemRunner};
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;
use uuid::Uuid;
use worker::config;
use worker::intake::batch::reconcile;
use worker::intake::reading::read;
use worker::metrics::IntakeMetrics;
use worker::policy::rules::Policy;

use crate::world::{Differences, World, message, metric};

/// New tickets of one target, where a policy has a limit; its interval is longer than a case takes.
const STORM_LIMIT: i64 = 2;

const POLICIES: [&str; 8] = [
    "",
    "route.reopen_window = '1m'
     route.already_resolved = 'record'",
    "route.correlation_key = '{% if alert.rule in [\"cpu-high-00\", \"cpu-high-01\"] %}a{% else %}b{% endif %}'
     route.reopen_window = '1m'",
    "route.open_after = '1h'
     route.resolve_after = '1h'
     route.flapping = { firings = 1, window = '1h' }",
    "route.storm = { limit = 2, interval = '1h' }
     route.reopen_window = '1m'",
    "route.storm = { limit = 2, interval = '1h' }
     route.flapping = { firings = 1, window = '1h' }
     route.correlation_key = '{% if alert.rule == \"cpu-high-00\" %}a{% else %}{{ alert.rule }}{% endif %}'
     routes = [
         { name = 'copy', target = 'twin', continue = true, open_after = '1h' },
         { name = 'main', target = 'snow', reopen_window = '1m' },
     ]",
    "route.storm = { limit = 2, interval = '1h' }
     route.correlation_key = 'all'
     route.reopen_window = '1m'",
    "routes = [{ name = 'one', continue = true }, { name = 'same', open_after = '1h' }]",
];
/// Targets of each policy, and whether it has a limit of new tickets.
const TARGETS: [(&[&str], bool); 8] = [
    (&["snow"], false),
    (&["snow"], false),
    (&["snow"], false),
    (&["snow"], false),
    (&["snow"], true),
    (&["snow", "twin"], true),
    (&["snow"], false),
    (&["snow"], false),
];

/// What is heard of one of a few alerts, which fires once a round and may be resolved later in the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    alert: u64,
    round: i64,
    fires: bool,
}

#[derive(Debug, Clone)]
struct Story {
    policy: usize,
    /// Each batch is one transaction; after some, the workers have their turn.
    batches: Vec<(Vec<Event>, bool)>,
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..4_u64, 0..4_i64, any::<bool>()).prop_map(|(alert, round, fires)| Event { alert, round, fires })
}

fn in_batches(events: Vec<Event>) -> impl Strategy<Value = Vec<(Vec<Event>, bool)>> {
    prop::collection::vec((1..4_usize, prop::bool::weighted(0.7)), events.len()).prop_map(move |cuts| {
        let (mut batches, mut rest) = (Vec::new(), events.as_slice());
        for (size, synced) in cuts {
            let (batch, more) = rest.split_at(size.min(rest.len()));
            if !batch.is_empty() {
                batches.push((batch.to_vec(), synced));
            }
            rest = more;
        }
        batches
    })
}

/// A story as it happens, and the same in another order, with repetitions.
fn two_stories() -> impl Strategy<Value = (Story, Story)> {
    (0..POLICIES.len(), prop::collection::vec(any_event(), 1..24)).prop_flat_map(|(policy, mut events)| {
        events.sort_by_key(|event| (event.round, !event.fires));
        let repeated = events.iter().chain(&events).copied().collect::<Vec<_>>();
        let other = Just(repeated).prop_shuffle().prop_flat_map(in_batches);
        (in_batches(events), other)
            .prop_map(move |(one, other)| (Story { policy, batches: one }, Story { policy, batches: other }))
    })
}

#[test]
fn any_order_and_repetition_ends_in_the_same_tickets_under_any_policy() {
    let system = System::new();
    let world = system.block_on(World::build(0, &Differences::default()));
    let policies: Vec<Policy> = POLICIES.iter().map(|rules| policy(rules)).collect();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&two_stories(), |(one, other)| {
        let (_, has_limit) = TARGETS[one.policy];
        let first = told(&system, &world.pool, &policies[one.policy], &one)?;
        let second = told(&system, &world.pool, &policies[other.policy], &other)?;
        // Which alerts share the ticket of a storm depends on who came first.
        prop_assert!(has_limit || first == second, "{first:?} is not {second:?}");
        Ok(())
    });
    system.block_on(world.stop());
    outcome.unwrap();
}

#[test]
fn an_alert_whose_ticket_cannot_be_reopened_has_another_one_whatever_it_shares() {
    let system = System::new();
    let world = system.block_on(World::build(0, &Differences::default()));
    let batch = |round, fires, alerts: &[u64]| {
        (alerts.iter().map(|alert| Event { alert: *alert, round, fires }).collect::<Vec<_>>(), true)
    };
    let all = [0, 1, 2, 3];
    // In a storm that is over the limit yet; with one that comes anew; by two rules.
    for (policy_number, again) in [(4, vec![0]), (6, vec![0, 1]), (7, vec![0, 1])] {
        let batches = vec![batch(0, true, &all), batch(0, false, &all), batch(1, true, &again)];
        let story = Story { policy: policy_number, batches };
        let open = told(&system, &world.pool, &policy(POLICIES[policy_number]), &story).unwrap();
        assert_eq!(open.iter().map(|(_, alerts)| alerts.len()).sum::<usize>(), again.len());
    }
    system.block_on(world.stop());
}

fn policy(rules: &str) -> Policy {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let target = if rules.contains("routes") { "route.target = 'snow'" } else { "route.target = ['snow']" };
    write!(
        file,
        "amqp.url = 'amqp://localhost'
         database.url = 'postgres://localhost/x'
         {target}
         {rules}
         [targets.snow.connector.servicenow]
         base_url = 'http://localhost/servicenow'
         auth.basic = {{ username = 'u', password = 'p' }}
         [targets.twin.connector.servicenow]
         base_url = 'http://localhost/twin'
         auth.basic = {{ username = 'u', password = 'p' }}",
    )
    .unwrap();
    config::load(Some(file.path())).unwrap().policy
}

/// The alerts that fire in the end, by the open ticket that they share in a target.
type Open = BTreeSet<(String, BTreeSet<String>)>;

/// Lets the ledger hear a story of a customer of its own, and checks what must be true of every one.
fn told(system: &SystemRunner, pool: &PgPool, policy: &Policy, story: &Story) -> Result<Open, TestCaseError> {
    let tenant = Uuid::new_v4();
    system.block_on(hear(pool, policy, tenant, story));
    let tickets = system.block_on(tickets(pool, tenant));
    let firing = firing(story);
    let (targets, has_limit) = TARGETS[story.policy];
    let mut served: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut open = Open::new();
    for ticket in &tickets {
        let fire: BTreeSet<String> =
            ticket.alerts.iter().filter(|id| firing.contains(*id)).cloned().collect();
        if !ticket.ended {
            prop_assert_eq!(ticket.wants == "open", !fire.is_empty(), "{:?}", ticket);
            for alert in &fire {
                *served.entry((ticket.target.clone(), alert.clone())).or_default() += 1;
            }
            if !fire.is_empty() {
                open.insert((ticket.target.clone(), fire));
            }
        }
        let resolution_is_owed = ticket.wants == "resolved" && ticket.synced == "open";
        prop_assert!(!resolution_is_owed || ticket.due, "a Resolved is swallowed: {ticket:?}");
    }
    for target in targets {
        for alert in &firing {
            let tickets = served.get(&((*target).to_owned(), alert.clone())).copied().unwrap_or_default();
            prop_assert_eq!(tickets, 1, "open tickets of {} in {}", alert, target);
        }
        let own = tickets.iter().filter(|ticket| ticket.target == *target && !ticket.is_of_a_storm).count();
        prop_assert!(!has_limit || i64::try_from(own).unwrap() <= STORM_LIMIT, "{tickets:?}");
    }
    Ok(open)
}

/// The ids of the alerts whose newest firing no Resolved covers.
fn firing(story: &Story) -> BTreeSet<String> {
    let events = || story.batches.iter().flat_map(|(batch, _)| batch);
    let newest = |alert: u64, fires: bool| {
        events().filter(|event| event.alert == alert && event.fires == fires).map(|event| event.round).max()
    };
    let alerts: BTreeSet<u64> = events().map(|event| event.alert).collect();
    let fires = |alert: &u64| newest(*alert, true) > newest(*alert, false);
    alerts.into_iter().filter(fires).map(|alert| metric(alert).alert_id().to_lowercase()).collect()
}

async fn hear(pool: &PgPool, policy: &Policy, tenant: Uuid, story: &Story) {
    let metrics = IntakeMetrics::register(&mut Registry::default());
    for (batch, synced) in &story.batches {
        let readings: Vec<_> = batch
            .iter()
            .map(|event| {
                let first = metric(event.alert);
                let fired_at = first.fired_at() + SignedDuration::from_mins(10 * event.round);
                let alert = first.again(fired_at);
                let resolved = || alert.resolved(fired_at + SignedDuration::from_mins(5)).unwrap();
                let mut message = message(if event.fires { alert.fired() } else { resolved() });
                message.tenant_id = tenant;
                read(&message.properties(), &message.body).unwrap()
            })
            .collect();
        let mut connection = pool.acquire().await.unwrap();
        reconcile(&mut connection, policy, &readings, &metrics).await.unwrap();
        if *synced {
            sqlx::query(
                "UPDATE tickets t
                 SET external_id = CASE WHEN synced <> 'none' OR wants = 'open' THEN ticket_id::text END,
                     synced = CASE WHEN synced <> 'none' OR wants = 'open' THEN wants ELSE 'none' END,
                     told_through = t.fired_at, written_at = now(), due_at = NULL
                 FROM alerts a WHERE a.alert_key = t.shown_alert AND a.tenant_id = $1 AND due_at <= now()",
            )
            .bind(tenant)
            .execute(&mut *connection)
            .await
            .unwrap();
        }
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Line {
    target: String,
    wants: String,
    synced: String,
    ended: bool,
    due: bool,
    is_of_a_storm: bool,
    alerts: Vec<String>,
}

async fn tickets(pool: &PgPool, tenant: Uuid) -> Vec<Line> {
    sqlx::query_as(
        "SELECT target, wants, synced, ended_at IS NOT NULL AS ended, due_at IS NOT NULL AS due,
                storm_since IS NOT NULL AS is_of_a_storm, array_agg(lower(alert_id)) AS alerts
         FROM tickets JOIN ticket_alerts USING (ticket_id) JOIN alerts USING (alert_key)
         WHERE tenant_id = $1 GROUP BY ticket_id",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await
    .unwrap()
}
