//! Alerts whose end Azure never tells, and their tickets.

use azure_simulator::alerts::{Alert, AlertRule};
use jiff::Timestamp;
use worker::intake::expiry::{Expired, More, expire};
use worker::policy::expiry::ANSWERED;
use worker::store::listing;

use crate::world::{Differences, World, at, in_world, kind, metric, minutes_after, press, until};

/// The time does not pass by itself: the tests make it pass, once they have seen what is before.
const EXPIRES: &str = "sweep.interval = \"200ms\"\nroute.auto_resolve.after = \"1h\"";

async fn with(settings: &str) -> World {
    World::build(1, &Differences { settings, ..Differences::default() }).await
}

fn stateless() -> AlertRule {
    AlertRule::new(kind("simple-log"), 7, 1)
}

fn first_of(rule: &AlertRule) -> Alert {
    rule.fire(at("2026-03-22T13:58:24Z"))
}

/// Waits until the only incident is in this state, and answers its notes.
async fn notes_in_state(world: &World, state: &str) -> Vec<String> {
    until(&format!("the incident is in state {state}"), async || {
        (world.incident().field("state") == state).then_some(())
    })
    .await;
    world.incident().journal.iter().map(|entry| entry.value.clone()).collect()
}

#[test]
fn every_firing_of_a_stateless_rule_is_a_note_on_one_incident_which_is_resolved_with_the_last() {
    in_world(async {
        let world = with(EXPIRES).await;
        let (rule, first) = (stateless(), first_of(&stateless()));
        world.send(first.fired()).await;
        world.settled(1).await;
        for (minutes, heard) in [(5, 2), (10, 3), (15, 4)] {
            // Another alert of the same series: its id is its own.
            world.send(rule.fire(minutes_after(&first, minutes)).fired()).await;
            world.settled(heard).await;
        }
        let incident = world.incident();
        assert_eq!(incident.field("state"), "1");
        let notes: Vec<&str> = incident.journal.iter().map(|entry| entry.value.as_str()).collect();
        for alerts in [2, 3, 4] {
            let count = format!("This ticket stands for {alerts} alerts.");
            assert_eq!(notes.iter().filter(|note| note.contains(&count)).count(), 1, "{notes:?}");
        }

        pass(&world, 3).await;
        until("all but one count as resolved", async || (expiring(&world).await == 1).then_some(())).await;
        world.settled(4).await;
        assert_eq!(world.incident().field("state"), "1");
        pass(&world, 1).await;
        notes_in_state(&world, "6").await;
        world.stop().await;
    });
}

#[test]
fn the_alerts_of_a_ticket_are_counted_up_to_a_limit() {
    in_world(async {
        let (world, rule) = (World::with_workers(1).await, stateless());
        let first = first_of(&rule);
        world.send(first.fired()).await;
        world.settled(1).await;
        for many in [
            "INSERT INTO alerts (alert_key, tenant_id, alert_id)
             SELECT sha256(number::text::bytea), gen_random_uuid(), number::text FROM generate_series(1, 1200) number",
            "INSERT INTO ticket_alerts (ticket_id, alert_key)
             SELECT ticket_id, alert_key FROM tickets, alerts ON CONFLICT DO NOTHING",
        ] {
            sqlx::query(many).execute(&world.pool).await.unwrap();
        }
        world.send(rule.fire(minutes_after(&first, 5)).fired()).await;
        world.settled(2).await;
        let notes = world.incident().journal;
        let said = "This ticket stands for 1000 alerts.";
        assert!(notes.iter().any(|note| note.value.contains(said)), "{notes:?}");
        world.stop().await;
    });
}

#[test]
fn an_alert_that_does_not_fire_anew_counts_as_resolved_and_a_new_firing_reopens_its_incident() {
    in_world(async {
        let world = with(EXPIRES).await;
        let first = first_of(&stateless());
        world.send(first.fired()).await;
        world.settled(1).await;
        assert_eq!(world.incident().field("state"), "1");
        pass(&world, 1).await;
        let notes = notes_in_state(&world, "6").await;
        let said = "No new firing since 2026-03-22T13:58:24Z: counted as resolved (auto_resolve.after).";
        assert!(notes.iter().any(|note| note.contains(said)), "{notes:?}");

        // What fired before says nothing new; what fired after reopens it, also if it was long on its way.
        world.send(first.again(minutes_after(&first, -5)).fired()).await;
        world.settled(2).await;
        assert_eq!(world.incident().field("state"), "6");
        world.send(first.again(minutes_after(&first, 5)).fired()).await;
        notes_in_state(&world, "2").await;
        pass(&world, 1).await;
        notes_in_state(&world, "6").await;
        world.stop().await;
    });
}

#[test]
fn an_alert_that_azure_resolves_is_left_to_azure_unless_its_rule_says_all() {
    for (settings, ends) in [("", false), ("\nroute.auto_resolve.alerts = \"all\"", true)] {
        in_world(async {
            let world = with(&format!("{EXPIRES}{settings}")).await;
            world.send(metric(1).fired()).await;
            world.settled(1).await;
            let expires =
                "SELECT expires_at BETWEEN now() + interval '50m' AND now() + interval '1h' FROM alerts";
            let expires: Option<bool> = sqlx::query_scalar(expires).fetch_one(&world.pool).await.unwrap();
            assert_eq!(expires, ends.then_some(true));
            world.stop().await;
        });
    }
}

#[test]
fn an_alert_that_is_resolved_does_not_count_as_resolved_once_more() {
    in_world(async {
        let settings = "route.auto_resolve = { after = \"1h\", alerts = \"all\" }";
        let world = with(settings).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        assert_eq!(expiring(&world).await, 1);
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        assert_eq!(expiring(&world).await, 0);
        let notes = notes_in_state(&world, "6").await;
        assert!(notes.iter().any(|note| note.contains("Azure Monitor alert resolved at ")), "{notes:?}");
        world.stop().await;
    });
}

#[test]
fn two_workers_that_look_at_once_take_each_alert_once_and_both_leave_what_is_locked() {
    in_world(async {
        let world = with("sweep.interval = \"1h\"\nroute.auto_resolve.after = \"1h\"").await;
        for number in 1..=3 {
            let rule = AlertRule::new(kind("simple-log"), 7, number);
            world.send(first_of(&rule).fired()).await;
        }
        world.settled(3).await;
        assert_eq!(expiring(&world).await, 3);
        pass(&world, 3).await;
        let policy = worker::config::load(Some(world.settings_file())).unwrap().policy;
        let mut hearing = world.pool.begin().await.unwrap();
        sqlx::query("SELECT FROM alerts ORDER BY alert_key LIMIT 1 FOR UPDATE")
            .execute(&mut *hearing)
            .await
            .unwrap();
        let (mut one, mut other) = (world.pool.acquire().await.unwrap(), world.pool.acquire().await.unwrap());
        let now = Timestamp::now();
        let (one, other) = tokio::join!(expire(&mut one, &policy, now), expire(&mut other, &policy, now));
        assert_eq!(one.unwrap().alerts + other.unwrap().alerts, 2);
        hearing.rollback().await.unwrap();
        let mut connection = world.pool.acquire().await.unwrap();
        let last = expire(&mut connection, &policy, now).await.unwrap();
        assert_eq!(last, Expired { alerts: 1, more: More::No });
        until("all are resolved", async || {
            world.snow().tickets().iter().all(|incident| incident.field("state") == "6").then_some(())
        })
        .await;
        world.stop().await;
    });
}

#[test]
fn the_incident_of_a_test_of_the_portal_is_resolved_by_itself() {
    in_world(async {
        let world = with("sweep.interval = \"200ms\"\nroute.portal_test.resolve_after = \"1h\"").await;
        world.send(press(1)).await;
        world.settled(1).await;
        pass(&world, 1).await;
        let notes = notes_in_state(&world, "6").await;
        let said = "Test notification: counted as resolved (portal_test.resolve_after).";
        assert!(notes.iter().any(|note| note.contains(said)), "{notes:?}");
        world.stop().await;
    });
}

#[test]
fn a_test_of_the_portal_that_is_only_answered_makes_no_incident_and_the_ledger_says_why() {
    in_world(async {
        let world = with("route.portal_test.action = \"answer\"").await;
        world.send(press(1)).await;
        world.send(metric(2).fired()).await;
        world.settled(2).await;
        assert!(!world.incident().field("short_description").contains("[Test]"));
        let without = listing::without_ticket(&world.pool, 10).await.unwrap();
        let reasons: Vec<&str> = without.iter().map(|alert| alert.reason.as_str()).collect();
        assert_eq!(reasons, [format!("dropped by the rule route: {ANSWERED}")]);
        world.stop().await;
    });
}

/// Makes the time pass after which alerts count as resolved, for so many of them.
async fn pass(world: &World, alerts: u64) {
    let sooner = sqlx::query(
        "UPDATE alerts SET expires_at = now() WHERE alert_key IN (
             SELECT alert_key FROM alerts WHERE expires_at IS NOT NULL ORDER BY alert_key LIMIT $1)",
    );
    let made = sooner.bind(i64::try_from(alerts).unwrap()).execute(&world.pool).await.unwrap();
    assert_eq!(made.rows_affected(), alerts);
}

/// Alerts that will count as resolved.
async fn expiring(world: &World) -> i64 {
    let expiring = sqlx::query_scalar("SELECT count(*) FROM alerts WHERE expires_at IS NOT NULL");
    expiring.fetch_one(&world.pool).await.unwrap()
}
