//! Open tickets are looked at again: at a limited pace, behind everything else, and for what the CMDB lacked.

use std::time::Duration;

use itsm_simulator::servicenow::{CiSeed, PersonalChange};
use itsm_simulator::{Effect, Fault};
use worker::store::listing::{CiFilter, Filter, backlog, retry, tickets};
use worker::sweep::plan_looks;
use worker::sync::pace::LookAgainSettings;

use crate::leases::{LEASE, claimed, terms, with_due_tickets};
use crate::world::{Differences, World, in_world, metric, minutes_after, until};

const LOOKS: &str = "sweep.interval = '100ms'
    sync.look_again.every = '200ms'
    sync.look_again.per_minute = 6000
    sync.ci_cache.missing = '50ms'";

#[test]
fn a_configuration_item_that_appears_later_is_bound_while_the_ticket_is_open() {
    in_world(async {
        let world = with(LOOKS).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        until("the incident is listed without an item", async || {
            let without = without_ci(&world).await;
            let line = without.first()?;
            assert_eq!(line.ci_missing.as_deref(), Some("the CMDB has none that fits"));
            (backlog(&world.pool).await.unwrap()[0].without_ci == 1).then_some(())
        })
        .await;
        let listed = world.command(&["tickets", "list", "--without-ci"], &[]).await;
        let listed = String::from_utf8(listed.stdout).unwrap();
        let number = world.incident().number;
        assert!(listed.contains(&number) && listed.contains("the CMDB has none that fits"), "{listed}");

        let ci = seed(&world, &alert.fired());
        until("it is bound", async || (world.incident().field("cmdb_ci") == ci).then_some(())).await;
        until("the ledger knows", async || without_ci(&world).await.is_empty().then_some(())).await;
        let notes = |world: &World| {
            let found = |value: &str| value.contains("configuration item has been found");
            world.incident().journal.iter().filter(|entry| found(&entry.value)).count()
        };
        assert_eq!((notes(&world), world.incident().field("state")), (1, "1"));
        assert!(backlog(&world.pool).await.unwrap().iter().all(|line| line.without_ci == 0));

        let writes = world.incident().writes.len();
        looked_at_again(&world).await;
        assert_eq!(world.incident().writes.len(), writes, "what is bound is left alone");
        world.stop().await;
    });
}

#[test]
fn a_configuration_item_that_appears_later_goes_along_with_the_next_change() {
    in_world(async {
        let world = with("sync.look_again.every = '0s'\nsync.ci_cache.missing = '0s'").await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        let ci = seed(&world, &alert.fired());
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        let incident = world.incident();
        assert_eq!((incident.field("cmdb_ci"), incident.field("state")), (&*ci, "6"));
        assert_eq!(world.snow().calls().of("update"), 1);
        assert!(without_ci(&world).await.is_empty());
        world.stop().await;
    });
}

#[test]
fn a_configuration_item_that_the_itsm_refuses_holds_nothing_up() {
    in_world(async {
        let world = with("sync.look_again.every = '0s'\nsync.ci_cache.missing = '0s'").await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        seed(&world, &alert.fired());
        world.snow().inject(Fault::new(refusal()).on("update").times(1)).unwrap();
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        let incident = world.incident();
        assert_eq!((incident.field("cmdb_ci"), incident.field("state")), ("", "6"));
        let missing = world.tickets().await.remove(0).ci_missing.unwrap();
        assert!(missing.starts_with("web-01 (") && missing.contains("was not taken"), "{missing}");
        world.stop().await;
    });
}

#[test]
fn a_configuration_item_that_the_itsm_refuses_on_a_new_ticket_holds_nothing_up() {
    in_world(async {
        let world = with("sync.look_again.every = '0s'").await;
        let alert = metric(1);
        seed(&world, &alert.fired());
        world.snow().inject(Fault::new(refusal()).on("create").times(1)).unwrap();
        world.send(alert.fired()).await;
        world.settled(1).await;
        let incident = world.incident();
        assert_eq!((incident.field("cmdb_ci"), incident.field("state")), ("", "1"));
        let line = world.tickets().await.remove(0);
        let missing = line.ci_missing.unwrap();
        assert!(missing.starts_with("web-01 (") && missing.contains("was not taken"), "{missing}");
        assert_eq!((line.state.as_str(), line.ci), ("open", None));
        world.stop().await;
    });
}

#[test]
fn a_configuration_item_that_is_not_what_a_new_ticket_was_refused_for_is_bound_when_an_operator_retries_it() {
    in_world(async {
        let world = with("sync.look_again.every = '0s'").await;
        let alert = metric(1);
        let ci = seed(&world, &alert.fired());
        world.snow().inject(Fault::new(refusal()).on("create").times(2)).unwrap();
        world.send(alert.fired()).await;
        let parked =
            until("it is parked", async || world.tickets().await.pop().filter(|line| line.state == "parked"))
                .await;
        assert_eq!(retry(&world.pool, &[parked.ticket_id]).await.unwrap(), 1);
        world.settled(1).await;
        assert_eq!(world.incident().field("cmdb_ci"), ci);
        world.stop().await;
    });
}

#[test]
fn a_configuration_item_that_the_itsm_refused_is_not_tried_again_while_the_cmdb_names_no_other() {
    in_world(async {
        let world = with(LOOKS).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        world.snow().inject(Fault::new(refusal()).on("update")).unwrap();
        seed(&world, &alert.fired());
        until("it is refused", async || {
            let line = without_ci(&world).await.pop()?;
            line.ci_missing.filter(|reason| reason.contains("was not taken"))
        })
        .await;
        looked_at_again(&world).await;
        assert_eq!(world.snow().calls().of("update"), 1);
        world.stop().await;
    });
}

#[test]
fn a_target_that_is_down_postpones_looks_and_nothing_counts_as_failing() {
    in_world(async {
        let world = with(LOOKS).await;
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        let old = world.incident().number;
        let down = Effect::Answer { status: 503, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(down)).unwrap();
        world.snow().change_as_person(&old, PersonalChange::Close).unwrap();
        until("looks have failed", async || {
            let failed: i64 =
                sqlx::query_scalar("SELECT count(*) FROM attempts WHERE outcome = 'unavailable'")
                    .fetch_one(&world.pool)
                    .await
                    .unwrap();
            (failed >= 2).then_some(())
        })
        .await;
        let failing: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM tickets WHERE failing_since IS NOT NULL OR due_at IS NOT NULL OR parked_at IS NOT NULL",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(failing, 0);
        world.snow().clear_faults();
        until("another incident follows", async || (world.snow().tickets().len() == 2).then_some(())).await;
        world.stop().await;
    });
}

#[test]
fn looks_are_claimed_behind_what_is_due_and_by_no_more_than_are_free() {
    in_world(async {
        let world = with_due_tickets(5).await;
        // The two that were due first are in sync by now, and it is long time to look at them.
        sqlx::query(
            "UPDATE tickets SET due_at = NULL, look_at = now() - interval '1 day', synced = 'open',
                                external_id = ticket_id::text, told_through = fired_at
             WHERE ticket_id IN (SELECT ticket_id FROM tickets ORDER BY ticket_id LIMIT 2)",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let first = claimed(&world.pool, 4, &terms(LEASE, "first")).await;
        assert_eq!(first.iter().map(|claim| claim.look_due).filter(|look| *look).count(), 1);
        let second = claimed(&world.pool, 4, &terms(LEASE, "second")).await;
        assert_eq!(second.iter().map(|claim| claim.look_due).collect::<Vec<_>>(), [true]);
        assert!(claimed(&world.pool, 4, &terms(LEASE, "third")).await.is_empty());
        world.stop().await;
    });
}

#[test]
fn two_workers_that_plan_looks_at_once_keep_one_pace_and_plan_each_ticket_once() {
    in_world(async {
        const PACE: LookAgainSettings = LookAgainSettings { every: Duration::from_secs(60), per_minute: 20 };
        let world = with_due_tickets(30).await;
        sqlx::query(
            "UPDATE tickets SET due_at = NULL, looked_at = now() - interval '1 day', synced = 'open',
                                external_id = ticket_id::text, told_through = fired_at",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let plan = async || {
            let mut connection = world.pool.acquire().await.unwrap();
            plan_looks(&mut connection, "snow", PACE).await.unwrap()
        };
        let (one, other) = tokio::join!(plan(), plan());
        assert_eq!(one + other, 20, "one minute's worth");
        let planned: i64 = sqlx::query_scalar("SELECT count(DISTINCT look_at) FROM tickets")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(planned, 20, "none twice");
        world.stop().await;
    });
}

async fn with(settings: &str) -> World {
    World::build(1, &Differences { settings, ..Differences::default() }).await
}

fn refusal() -> Effect {
    Effect::Answer { status: 400, body: None, retry_after_s: None }
}

fn seed(world: &World, body: &[u8]) -> String {
    let read = shared::alert::Notification::parse(body).unwrap();
    let object_id = read.essentials.target_ids[0].to_string();
    let seed = CiSeed { name: "web-01".to_owned(), object_id, ..CiSeed::default() };
    world.snow().seed_ci(seed).unwrap()
}

async fn without_ci(world: &World) -> Vec<worker::store::listing::TicketLine> {
    let filter = Filter { ci: CiFilter::Missing, limit: 10, ..Filter::default() };
    tickets(&world.pool, &filter).await.unwrap()
}

/// Waits until every ticket has been looked at once more.
async fn looked_at_again(world: &World) {
    let reads = world.snow().calls().of("read");
    until("it is read again", async || (world.snow().calls().of("read") > reads + 1).then_some(())).await;
}
