//! An ITSM that fails: exactly one incident all the same.

use azure_simulator::alerts::Alert;
use itsm_simulator::servicenow::Switches;
use itsm_simulator::{Effect, Fault};

use crate::world::{Differences, World, in_world, metric, minutes_after, rule, until};

#[test]
fn a_create_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.snow().inject(Fault::new(Effect::Reset).on("create").times(1).after_write()).unwrap();
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        assert_eq!(world.snow().calls().of("create"), 1);
        assert_eq!(world.incident().field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn a_create_that_did_not_happen_is_repeated_after_a_look() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.snow().inject(Fault::new(Effect::Reset).on("create").times(1)).unwrap();
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        assert_eq!(world.snow().calls().of("create"), 2);
        assert!(world.snow().calls().of("query_incident") >= 1);
        world.incident();
        world.stop().await;
    });
}

#[test]
fn every_call_failing_now_and_then_still_makes_one_incident_each() {
    in_world(async {
        let world = World::with_workers(2).await;
        for (effect, after) in [
            (Effect::Reset, true),
            (Effect::Reset, false),
            (Effect::Answer { status: 500, body: None, retry_after_s: None }, true),
            (Effect::Answer { status: 503, body: None, retry_after_s: None }, false),
            (Effect::HtmlPage, false),
            (Effect::ErrorInSuccess { message: "Transaction cancelled".to_owned() }, true),
        ] {
            let fault = Fault::new(effect).with_probability(0.05);
            world.snow().inject(if after { fault.after_write() } else { fault }).unwrap();
        }
        let alerts: Vec<_> = (0..60).map(metric).collect();
        world.send_all(alerts.iter().map(|alert| alert.fired()).collect()).await;
        world.settled(60).await;
        world
            .send_all(alerts.iter().filter_map(|alert| alert.resolved(minutes_after(alert, 5))).collect())
            .await;
        world.settled(120).await;
        let summary = world.snow().summary();
        assert_eq!(summary.total, 60, "{summary:?}");
        assert!(summary.duplicates.is_empty(), "{summary:?}");
        assert!(world.snow().tickets().iter().all(|incident| incident.field("state") == "6"));
        world.stop().await;
    });
}

#[test]
fn our_own_resolution_whose_answer_was_lost_is_not_taken_for_a_decision_of_people() {
    in_world(async {
        let settings = "route.correlation_key = 'all of them'\nsync.retry.look_up_after = '2s'";
        let world = World::build(1, &Differences { settings, ..Differences::default() }).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        world.snow().inject(Fault::new(Effect::Reset).on("update").times(1).after_write()).unwrap();
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        until("nobody knows what became of it", async || {
            let unsure = "SELECT bool_or(write_unsure) FROM tickets";
            let unsure: bool = sqlx::query_scalar(unsure).fetch_one(&world.pool).await.unwrap();
            unsure.then_some(())
        })
        .await;
        // Another alert of the same ticket, which fired before and is heard only now.
        world.send(rule(2).fire(minutes_after(&alert, -1)).fired()).await;
        world.settled(3).await;
        assert_eq!(world.incident().field("state"), "2", "it fires, so the ticket is open");
        world.stop().await;
    });
}

#[test]
fn a_cmdb_that_does_not_answer_keeps_no_target_shut() {
    in_world(async {
        let mut world = World::with_workers(0).await;
        let down = Effect::Answer { status: 503, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(down).on("query_ci")).unwrap();
        world.start_worker().await;
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        assert_eq!(world.incident().field("state"), "1");
        let missing = world.tickets().await.remove(0).ci_missing.unwrap();
        assert!(missing.contains("could not be asked"), "{missing}");
        world.stop().await;
    });
}

#[test]
fn a_cmdb_that_hangs_is_not_asked_again_at_every_change() {
    in_world(async {
        let mut world = World::with_workers(0).await;
        world.snow().inject(Fault::new(Effect::Delay { ms: 20_000 }).on("query_ci")).unwrap();
        world.start_worker().await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        let missing = world.tickets().await.remove(0).ci_missing.unwrap();
        assert!(missing.contains("could not be asked"), "{missing}");
        let asked = world.snow().calls().of("query_ci");
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        assert_eq!((world.incident().field("state"), world.snow().calls().of("query_ci")), ("6", asked));
        world.stop().await;
    });
}

#[test]
fn a_throttled_target_is_left_alone_until_it_says() {
    in_world(async {
        let world = World::with_workers(1).await;
        let throttled = Effect::Answer { status: 429, body: None, retry_after_s: Some(2) };
        world.snow().inject(Fault::new(throttled).on("create").times(1)).unwrap();
        let started = std::time::Instant::now();
        world.send(metric(1).fired()).await;
        until("the target is paused", async || {
            let paused = worker::store::targets::paused(&world.pool).await.unwrap();
            (!paused.is_empty()).then_some(())
        })
        .await;
        world.send_all((2..10).map(|number| metric(number).fired()).collect()).await;
        world.settled(9).await;
        assert!(started.elapsed() >= std::time::Duration::from_millis(1_900), "{:?}", started.elapsed());
        assert_eq!(world.snow().tickets().len(), 9);
        world.stop().await;
    });
}

#[test]
fn a_refused_resolution_is_parked_with_the_words_of_the_itsm_and_an_operator_can_retry_it() {
    in_world(async {
        let (world, _alert) = with_refused_resolution().await;
        let parked = world.tickets().await.remove(0);
        assert_eq!(parked.state, "parked");
        assert!(parked.reason.as_deref().unwrap().contains("Root cause"), "{parked:?}");

        world.snow().configure(Switches::default());
        assert_eq!(worker::store::listing::retry(&world.pool, &[parked.ticket_id]).await.unwrap(), 1);
        world.settled(2).await;
        assert_eq!(world.incident().field("state"), "6");
        world.stop().await;
    });
}

#[test]
fn a_hundred_firings_during_an_outage_cost_one_incident() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.send(metric(9).fired()).await;
        world.settled(1).await;
        let down = Effect::Answer { status: 503, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(down)).unwrap();
        let first = metric(1);
        for minute in 0..100 {
            let alert = rule(1).fire(minutes_after(&first, minute));
            world.send(alert.fired()).await;
        }
        until("all are heard", async || {
            let heard: i64 = sqlx::query_scalar("SELECT count(*) FROM notifications")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            (heard == 101).then_some(())
        })
        .await;
        world.snow().clear_faults();
        world.snow().clear_calls();
        world.settled(101).await;
        assert_eq!(world.snow().tickets().len(), 2);
        assert!(world.snow().calls().of("create") <= 1);
        assert!(world.snow().calls().of("update") <= 1);
        world.stop().await;
    });
}

#[test]
fn a_worker_that_stops_leaves_its_work_to_the_next() {
    in_world(async {
        let mut world = World::with_workers(1).await;
        world.snow().inject(Fault::new(Effect::Delay { ms: 300 }).on("create")).unwrap();
        world.send_all((0..100).map(|number| metric(number).fired()).collect()).await;
        until("some incidents are made", async || (world.snow().tickets().len() > 10).then_some(())).await;
        world.stop_workers().await;
        let made = world.snow().tickets().len();
        assert!(made < 100, "the worker should have left some for the next");
        world.snow().clear_faults();
        world.start_worker().await;
        world.settled(100).await;
        let summary = world.snow().summary();
        assert_eq!((summary.total, summary.duplicates.len()), (100, 0));
        world.stop().await;
    });
}

#[test]
fn an_incident_whose_resolution_was_refused_is_still_resolved_after_another_took_its_place() {
    in_world(async {
        let (world, alert) = with_refused_resolution().await;
        world.send(rule(1).fire(minutes_after(&alert, 60 * 24 * 3)).fired()).await;
        world.settled(3).await;
        assert_eq!(world.snow().tickets().len(), 2);
        let parked: Vec<_> =
            world.tickets().await.into_iter().filter(|ticket| ticket.state == "parked").collect();
        assert_eq!(parked.len(), 1, "the refused resolution still waits for an operator");

        world.snow().configure(Switches::default());
        assert_eq!(worker::store::listing::retry(&world.pool, &[parked[0].ticket_id]).await.unwrap(), 1);
        world.settled(3).await;
        let mut states: Vec<String> =
            world.snow().tickets().iter().map(|incident| incident.field("state").to_owned()).collect();
        states.sort();
        assert_eq!(states, ["1", "6"]);
        world.stop().await;
    });
}

#[test]
fn refused_credentials_rest_the_target_and_one_ticket_tries_them_again() {
    in_world(async {
        let settings = "sync.retry.unauthorized_pause = \"300ms\"";
        let world = World::build(2, &Differences { settings, ..Differences::default() }).await;
        world.send(metric(0).fired()).await;
        world.settled(1).await;
        let refused = Effect::Answer { status: 401, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(refused).on("create")).unwrap();
        world.send(metric(1).fired()).await;
        until("the target rests", async || {
            (!worker::store::targets::paused(&world.pool).await.unwrap().is_empty()).then_some(())
        })
        .await;
        world.send_all((2..40).map(|number| metric(number).fired()).collect()).await;
        world.snow().clear_calls();
        until("the credentials were tried again", async || {
            (world.snow().calls().of("create") >= 3).then_some(())
        })
        .await;
        assert!(world.snow().calls().of("create") < 20, "an account that is tried too often is locked");
        world.snow().clear_faults();
        world.settled(40).await;
        assert_eq!(world.snow().tickets().len(), 40);
        world.stop().await;
    });
}

#[test]
fn a_create_that_lands_after_its_deadline_is_found_and_not_repeated() {
    in_world(async {
        let settings = "sync.retry.look_up_after = \"3s\"";
        let world = World::build(1, &Differences { settings, ..Differences::default() }).await;
        world.snow().inject(Fault::new(Effect::Delay { ms: 3_000 }).on("create").times(1)).unwrap();
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        world.incident();
        world.stop().await;
    });
}

#[test]
fn no_transaction_is_open_while_the_itsm_is_called() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.snow().inject(Fault::new(Effect::Delay { ms: 1_000 }).on("create").times(1)).unwrap();
        world.send(metric(1).fired()).await;
        until("the create is under way", async || {
            let leased: i64 =
                sqlx::query_scalar("SELECT count(*) FROM tickets WHERE lease_until IS NOT NULL")
                    .fetch_one(&world.pool)
                    .await
                    .unwrap();
            (leased == 1).then_some(())
        })
        .await;
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
               AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(open, 0);
        assert!(world.snow().tickets().is_empty(), "the create should still be under way");
        world.settled(1).await;
        world.stop().await;
    });
}

/// A world with one incident, whose resolution the instance has refused for want of a root cause.
async fn with_refused_resolution() -> (World, Alert) {
    let world = World::with_workers(1).await;
    world.snow().configure(Switches {
        mandatory_on_resolve: [("u_root_cause".to_owned(), "Root cause".to_owned())].into(),
        ..Switches::default()
    });
    let alert = metric(1);
    world.send(alert.fired()).await;
    world.settled(1).await;
    world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
    world.settled(2).await;
    (world, alert)
}

#[test]
fn a_reopen_that_is_carried_out_late_does_not_outlast_the_resolution() {
    in_world(async {
        let differences =
            Differences { settings: "sync.retry.look_up_after = \"4s\"", ..Differences::default() };
        let world = World::build(1, &differences).await;
        let alert = metric(1);
        let again = rule(1).fire(minutes_after(&alert, 10));
        world.send(alert.fired()).await;
        world.settled(1).await;
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;

        // The answer is given up after two seconds, the work is done after five.
        world.snow().inject(Fault::new(Effect::Delay { ms: 5_000 }).on("update").times(1)).unwrap();
        world.send(again.fired()).await;
        until("the reopen is on its way", async || (world.snow().calls().of("update") == 2).then_some(()))
            .await;
        world.send(again.resolved(minutes_after(&again, 5)).unwrap()).await;
        world.settled(4).await;
        assert_eq!(world.incident().field("state"), "6");
        assert!(world.snow().calls().of("update") >= 3, "the late reopen was seen and taken back");
        world.stop().await;
    });
}

#[test]
fn a_firing_after_a_create_whose_answer_was_lost_is_written_on_what_it_made() {
    in_world(async {
        let settings = "sync.retry.look_up_after = \"3s\"";
        let world = World::build(1, &Differences { settings, ..Differences::default() }).await;
        world.snow().inject(Fault::new(Effect::Reset).on("create").times(1).after_write()).unwrap();
        world.send(metric(1).fired()).await;
        until("the incident is made", async || (world.snow().tickets().len() == 1).then_some(())).await;
        world.send(rule(1).fire(minutes_after(&metric(1), 10)).fired()).await;
        world.settled(2).await;
        let incident = world.incident();
        let notes: Vec<&str> = incident.journal.iter().map(|entry| entry.value.as_str()).collect();
        assert!(notes.iter().any(|note| note.contains("fired again")), "{notes:?}");
        world.stop().await;
    });
}
