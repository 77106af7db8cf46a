//! Workers that are processes of their own, and die or stand still between any two steps.

use std::time::Duration;

use itsm_simulator::servicenow::Ticket;
use itsm_simulator::{Effect, Fault};
use rustix::process::Signal;
use stack::{Process, ProcessError};
use worker::failure_point::FailurePoint;

use crate::world::{Differences, World, in_world, metric, minutes_after, rule, until};

/// Short enough that a take-over comes soon; the lease covers the calls of a pass.
const LEASES: [(&str, &str); 3] = [
    ("SECURE_EXPORT__SYNC__LEASE", "3300ms"),
    ("SECURE_EXPORT__TARGETS__SNOW__REQUEST_DEADLINE", "400ms"),
    ("SECURE_EXPORT__SWEEP__INTERVAL", "300ms"),
];
/// Longer than a lease and the wait after it.
const LONG_WORK_MS: u64 = 8_000;

#[test]
fn a_crash_between_any_two_steps_leaves_one_incident_in_the_right_state() {
    in_world(async {
        // The read that a write begins with is not what is dangerous: the second call is.
        let points = FailurePoint::ALL.into_iter().filter_map(|point| match point {
            FailurePoint::BeforeCall | FailurePoint::AfterCall => Some((point, 2)),
            FailurePoint::Received
            | FailurePoint::Committed
            | FailurePoint::Acknowledged
            | FailurePoint::Claimed
            | FailurePoint::BeforeRecord
            | FailurePoint::Recorded => Some((point, 1)),
            // Those of the dead letters have tests of their own.
            FailurePoint::LetterStored | FailurePoint::LetterReplayed => None,
        });
        futures_util::future::join_all(points.map(|(point, time)| survives(point, time))).await;
    });
}

/// An alert fires, resolves and fires again; each time the worker that hears of it crashes at the point.
async fn survives(point: FailurePoint, time: u32) {
    let world = World::with_workers(0).await;
    let alert = metric(1);
    let again = rule(1).fire(minutes_after(&alert, 10));
    let scenes = [
        (alert.fired(), 1, "1"),
        (alert.resolved(minutes_after(&alert, 5)).unwrap(), time, "6"),
        (again.fired(), time, "2"),
    ];
    for (heard, (body, time, state)) in (1..).zip(scenes) {
        world.send(body).await;
        let crash_at = format!("{}:{time}", point.name());
        let mut doomed = start(&world, "doomed", &[("SECURE_EXPORT_CRASH_AT", &crash_at)]);
        let ended = doomed.ended().await;
        assert!(
            matches!(ended, ProcessError::Ended { status, .. } if status.code().is_none()),
            "{point:?}: {ended}"
        );
        let survivor = start(&world, "survivor", &[]);
        world.settled(heard).await;
        survivor.stop(Signal::TERM, Duration::from_secs(10)).await;
        assert_eq!(world.incident().field("state"), state, "{point:?}");
    }
    world.stop().await;
}

/// Like every other note: twice only if nobody knows whether the first was written.
#[test]
fn a_crash_around_the_note_that_an_alert_is_resolved_writes_it_twice_at_most() {
    in_world(async {
        for (point, time, notes) in [
            (FailurePoint::BeforeCall, 2, 1),
            (FailurePoint::AfterCall, 2, 2),
            (FailurePoint::BeforeRecord, 1, 2),
            (FailurePoint::Recorded, 1, 1),
        ] {
            let settings = "route.resolve.action = 'note'";
            let world = World::build(0, &Differences { settings, ..Differences::default() }).await;
            let alert = metric(1);
            world.send(alert.fired()).await;
            let first = start(&world, "first", &[]);
            world.settled(1).await;
            first.stop(Signal::TERM, Duration::from_secs(10)).await;
            world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
            let crash_at = format!("{}:{time}", point.name());
            drop(start(&world, "doomed", &[("SECURE_EXPORT_CRASH_AT", &crash_at)]).ended().await);
            let survivor = start(&world, "survivor", &[]);
            world.settled(2).await;
            survivor.stop(Signal::TERM, Duration::from_secs(10)).await;
            let incident = world.incident();
            let told = incident.journal.iter().filter(|entry| entry.value.contains("alert resolved at"));
            assert_eq!((incident.field("state"), told.count()), ("1", notes), "{point:?}");
            assert_eq!(world.tickets().await[0].state, "resolved", "{point:?}");
            world.stop().await;
        }
    });
}

#[test]
fn a_worker_that_was_stopped_right_before_a_call_sends_nothing_after_its_lease() {
    in_world(async {
        let world = World::with_workers(0).await;
        world.send(metric(1).fired()).await;
        let sleeper = start(&world, "sleeper", &[("SECURE_EXPORT_STOP_AT", "before_call")]);
        let status = format!("/proc/{}/status", sleeper.pid());
        until("it has stopped", async || {
            std::fs::read_to_string(&status).ok()?.contains("State:\tT").then_some(())
        })
        .await;
        let heir = start(&world, "heir", &[]);
        until("another has made the incident", async || (world.snow().tickets().len() == 1).then_some(()))
            .await;
        heir.stop(Signal::TERM, Duration::from_secs(10)).await;
        sleeper.signal(Signal::CONT);
        // Once it has done something else, it has done all that it would with what it had.
        world.send(metric(2).fired()).await;
        until("the second incident", async || (world.snow().tickets().len() == 2).then_some(())).await;
        world.settled(2).await;
        assert_eq!(world.snow().calls().of("create"), 2, "nothing was sent for the ticket that it had lost");
        sleeper.stop(Signal::TERM, Duration::from_secs(10)).await;
        world.stop().await;
    });
}

#[test]
fn a_worker_that_wakes_after_its_ticket_was_taken_over_changes_nothing_and_the_double_is_closed() {
    in_world(async {
        let (world, sleeper) = doubled(&[("SECURE_EXPORT__SYNC__DOUBLE_CHECK__AFTER", "1h")]).await;
        sleeper.signal(Signal::CONT);
        healed(&world).await;
        let creates: i64 = sqlx::query_scalar("SELECT count(*) FROM attempts WHERE action = 'create'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(creates, 2, "what the sleeper sent is on record");
        world.stop().await;
    });
}

#[test]
fn a_double_of_a_worker_that_never_wakes_is_found_by_the_sweep() {
    in_world(async {
        let (world, sleeper) = doubled(&[("SECURE_EXPORT__SYNC__DOUBLE_CHECK__AFTER", "6s")]).await;
        drop(sleeper);
        healed(&world).await;
        world.stop().await;
    });
}

/// A worker stands still while the ITSM takes its time over its create; another one takes the ticket over, finds
/// nothing and creates; then the first create is carried out.
async fn doubled(variables: &[(&str, &str)]) -> (World, Process) {
    let world = World::build(0, &Differences::default()).await;
    world.snow().inject(Fault::new(Effect::Delay { ms: LONG_WORK_MS }).on("create").times(1)).unwrap();
    world.send(metric(1).fired()).await;
    let sleeper = start(&world, "sleeper", variables);
    until("the first create is on its way", async || (world.snow().calls().of("create") == 1).then_some(()))
        .await;
    sleeper.signal(Signal::STOP);
    let heir = start(&world, "heir", variables);
    until("there are two incidents", async || (world.snow().tickets().len() == 2).then_some(())).await;
    world.keep(heir);
    (world, sleeper)
}

/// The older incident stays and follows its alert, the younger is closed with a link to it.
async fn healed(world: &World) {
    let (kept, closed) = until("one of the two is closed as a duplicate", async || {
        let all = world.snow().tickets();
        let closed = all.iter().find(|ticket| ticket.field("close_code") == "Duplicate")?.clone();
        Some((all.into_iter().find(|ticket| ticket.number != closed.number)?, closed))
    })
    .await;
    assert!(kept.number < closed.number, "{} stays, {} is closed", kept.number, closed.number);
    assert_eq!((kept.field("state"), closed.field("state")), ("1", "6"));
    assert_eq!(closed.field("parent_incident"), id(&kept));
    world.settled(1).await;
    assert_eq!(world.tickets().await[0].number.as_deref(), Some(kept.number.as_str()));

    world.send(metric(1).resolved(minutes_after(&metric(1), 5)).unwrap()).await;
    world.settled(2).await;
    assert!(world.snow().tickets().iter().all(|ticket| ticket.field("state") == "6"));
}

fn id(ticket: &Ticket) -> &str {
    ticket.field("sys_id")
}

fn start(world: &World, name: &str, variables: &[(&str, &str)]) -> Process {
    world.process(name, &[&LEASES, variables].concat())
}
