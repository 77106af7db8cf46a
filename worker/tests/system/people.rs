//! People end tickets while their alerts fire. The sweep notices, and the route says what follows.

use azure_simulator::alerts::Alert;
use itsm_simulator::servicenow::{PersonalChange, Ticket};
use itsm_simulator::{Effect, Fault};

use worker::sync::plan::MOST_RETURNS;

use crate::world::{Differences, World, at, in_world, kind, metric, minutes_after, rule, until};

/// Looks come one after the other, so that a test need not wait for them.
const LOOKS: &str =
    "sweep.interval = '100ms'\nsync.look_again.every = '200ms'\nsync.look_again.per_minute = 6000";

#[test]
fn a_ticket_that_is_closed_while_its_alert_fires_gets_a_linked_successor_without_any_notification() {
    in_world(async {
        let world = with_people("").await;
        let deeds = [PersonalChange::Close, PersonalChange::Cancel, PersonalChange::Delete];
        for (number, deed) in (1..).zip(deeds) {
            let old = fired(&world, &metric(number)).await;
            world.snow().change_as_person(&old.number, deed).unwrap();
            let writes = world.snow().ticket(&old.number).unwrap().writes.len();
            let new = successor(&world, &old).await;
            assert_eq!(new.field("state"), "1");
            assert_eq!(world.snow().ticket(&old.number).unwrap().writes.len(), writes);
            let reason = ledger(&world, &old).await.reason;
            assert_eq!(reason.as_deref(), Some("closed or removed in the ITSM"));
        }
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_is_closed_again_and_again_is_left_in_the_end() {
    in_world(async {
        let world = with_people("").await;
        let mut last = fired(&world, &metric(1)).await;
        for _ in 0..MOST_RETURNS {
            world.snow().change_as_person(&last.number, PersonalChange::Close).unwrap();
            last = successor(&world, &last).await;
        }
        world.snow().change_as_person(&last.number, PersonalChange::Close).unwrap();
        let reason = left(&world, &last).await;
        assert!(reason.contains("again and again"), "{reason}");

        world.send(rule(1).fire(minutes_after(&metric(1), 10)).fired()).await;
        assert_eq!(successor(&world, &last).await.field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn a_closed_ticket_is_left_if_the_route_says_so_until_its_alert_fires_anew() {
    in_world(async {
        let world = with_people("route.people.closed = 'leave'").await;
        let alert = metric(1);
        let old = fired(&world, &alert).await;
        world.snow().change_as_person(&old.number, PersonalChange::Close).unwrap();
        let reason = left(&world, &old).await;
        assert!(reason.starts_with("closed or removed in the ITSM while its alert fires"), "{reason}");

        let reads = world.snow().calls().of("read");
        world.send(alert.fired()).await;
        world.settled(2).await;
        assert_eq!(world.incident().number, old.number);
        assert_eq!(world.snow().calls().of("read"), reads, "what is closed is not read again");
        world.send(rule(1).fire(minutes_after(&alert, 10)).fired()).await;
        assert_eq!(successor(&world, &old).await.field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn a_left_ticket_whose_alert_resolves_and_fires_again_gets_a_successor() {
    in_world(async {
        let world = with_people("route.people.closed = 'leave'").await;
        let alert = metric(1);
        let old = fired(&world, &alert).await;
        world.snow().change_as_person(&old.number, PersonalChange::Close).unwrap();
        left(&world, &old).await;
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        assert_eq!(ledger(&world, &old).await.state, "closed");
        world.send(rule(1).fire(minutes_after(&alert, 10)).fired()).await;
        assert_eq!(successor(&world, &old).await.field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_a_person_resolved_stays_so_until_its_alert_fires_anew_and_also_when_it_is_closed_then() {
    in_world(async {
        let world = with_people("").await;
        for (number, is_closed_then) in [(1, false), (2, true)] {
            let alert = metric(number);
            let incident = fired(&world, &alert).await;
            resolve(&world, &incident);
            let reason = left(&world, &incident).await;
            assert!(reason.starts_with("resolved in the ITSM while its alert fires"), "{reason}");
            if is_closed_then {
                world.snow().change_as_person(&incident.number, PersonalChange::Close).unwrap();
                until("the ledger knows that it is closed", async || {
                    let reason = ledger(&world, &incident).await.reason?;
                    reason.starts_with("closed or removed").then_some(())
                })
                .await;
            }
            let count = world.snow().tickets().len();
            world.send(rule(number).fire(minutes_after(&alert, 10)).fired()).await;
            if is_closed_then {
                assert_eq!(count, 2);
                assert_eq!(successor(&world, &incident).await.field("state"), "1");
            } else {
                until("it is reopened", async || is_in_state(&world, &incident, "2")).await;
            }
        }
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_a_person_resolved_is_reopened_if_the_route_says_so_but_not_for_ever() {
    in_world(async {
        let world = with_people("route.people.resolved = 'reopen'").await;
        let alert = metric(1);
        let incident = fired(&world, &alert).await;
        for _ in 0..MOST_RETURNS {
            resolve(&world, &incident);
            until("it is reopened", async || is_in_state(&world, &incident, "2")).await;
        }
        resolve(&world, &incident);
        let reason = left(&world, &incident).await;
        assert!(reason.contains("again and again"), "{reason}");
        let reopened = world.incident();
        assert_eq!(reopened.field("state"), "6");
        let notes = reopened.journal.iter().filter(|entry| entry.value.contains("is not resolved")).count();
        assert_eq!(u32::try_from(notes), Ok(MOST_RETURNS));

        world.send(rule(1).fire(minutes_after(&alert, 10)).fired()).await;
        until("it is reopened", async || is_in_state(&world, &incident, "2")).await;
        world.stop().await;
    });
}

#[test]
fn a_rule_of_the_itsm_that_resolves_whatever_is_reopened_wins_also_where_each_reopening_is_half_refused() {
    in_world(async {
        let world = with_people("route.people.resolved = 'reopen'").await;
        let alert = metric(1);
        let incident = fired(&world, &alert).await;
        let refused = Effect::Answer { status: 403, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(refused).on("update").after_write()).unwrap();
        for returns in 1..=i32::try_from(MOST_RETURNS).unwrap() {
            resolve(&world, &incident);
            until("it is reopened, and that counts", async || {
                let counted: i32 = sqlx::query_scalar("SELECT brought_back FROM tickets")
                    .fetch_one(&world.pool)
                    .await
                    .unwrap();
                (counted == returns).then_some(())
            })
            .await;
            assert_eq!(is_in_state(&world, &incident, "2"), Some(()));
        }
        resolve(&world, &incident);
        let reason = left(&world, &incident).await;
        assert!(reason.contains("again and again"), "{reason}");
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_a_person_resolved_gets_a_successor_if_the_route_says_so_and_stays_as_it_is() {
    in_world(async {
        let world = with_people("route.people.resolved = 'new'").await;
        let alert = metric(1);
        let old = fired(&world, &alert).await;
        resolve(&world, &old);
        let writes = world.snow().ticket(&old.number).unwrap().writes.len();
        let new = successor(&world, &old).await;
        assert_eq!(new.field("state"), "1");
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        until("the new one is resolved", async || is_in_state(&world, &new, "6")).await;
        assert_eq!(world.snow().ticket(&old.number).unwrap().writes.len(), writes);
        assert_eq!(ledger(&world, &old).await.state, "ended");
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_people_will_not_fix_is_left_whatever_the_route_says_until_its_alert_fires_anew() {
    in_world(async {
        let route = "route.people.resolved = 'reopen'\nroute.people.wont_fix = [\"won't fix\"]";
        let world = with_people(route).await;
        let alert = metric(1);
        let incident = fired(&world, &alert).await;
        resolve_as(&world, &incident, "Won't fix");
        left(&world, &incident).await;
        assert_eq!(is_in_state(&world, &incident, "6"), Some(()));
        let looks = world.snow().calls().of("read");
        until("it is looked at again", async || (world.snow().calls().of("read") > looks + 1).then_some(()))
            .await;
        assert_eq!(is_in_state(&world, &incident, "6"), Some(()), "nor is it reopened at the next look");

        world.send(rule(1).fire(minutes_after(&alert, 10)).fired()).await;
        until("it is reopened", async || is_in_state(&world, &incident, "2")).await;
        resolve(&world, &incident);
        until("any other code is answered as the route says", async || {
            let reopened = world.snow().ticket(&incident.number)?;
            (reopened.field("reopen_count") == "2").then_some(())
        })
        .await;
        world.stop().await;
    });
}

#[test]
fn a_ticket_of_an_alert_that_azure_never_resolves_stays_as_people_leave_it() {
    in_world(async {
        let world = with_people("route.people.resolved = 'reopen'").await;
        for (number, close) in [(1, true), (2, false)] {
            let alert = azure_simulator::alerts::AlertRule::new(kind("activity-administrative"), 7, number);
            let incident = fired(&world, &alert.fire(at("2026-03-22T13:58:24Z"))).await;
            if close {
                world.snow().change_as_person(&incident.number, PersonalChange::Close).unwrap();
            } else {
                resolve(&world, &incident);
            }
            left(&world, &incident).await;
        }
        assert_eq!(world.snow().tickets().len(), 2);
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_alerts_share_is_left_only_if_azure_resolves_none_of_those_that_fire() {
    in_world(async {
        let world = with_people("route.correlation_key = 'one'").await;
        let ends = metric(1);
        let rule = azure_simulator::alerts::AlertRule::new(kind("activity-administrative"), 7, 2);
        let endless = rule.fire(minutes_after(&ends, 5));
        let first = fired(&world, &ends).await;
        world.send(endless.fired()).await;
        world.settled(2).await;
        world.snow().change_as_person(&first.number, PersonalChange::Close).unwrap();
        let second = successor(&world, &first).await;

        // The ticket shows the alert that fired last, which does not fire any more.
        let last = ends.again(minutes_after(&ends, 10));
        world.send(last.fired()).await;
        world.settled(3).await;
        world.send(last.resolved(minutes_after(&ends, 15)).unwrap()).await;
        world.settled(4).await;
        world.snow().change_as_person(&second.number, PersonalChange::Close).unwrap();
        left(&world, &second).await;
        assert_eq!(world.snow().tickets().len(), 2);
        world.stop().await;
    });
}

async fn with_people(settings: &str) -> World {
    let settings = format!("{LOOKS}\n{settings}");
    World::build(2, &Differences { settings: &settings, ..Differences::default() }).await
}

/// The incident of an alert that fires.
async fn fired(world: &World, alert: &Alert) -> Ticket {
    let before = world.snow().tickets();
    world.send(alert.fired()).await;
    until("it has an incident", async || {
        let new = world.snow().tickets().into_iter().find(|incident| {
            incident.field("state") == "1" && before.iter().all(|old| old.number != incident.number)
        })?;
        ledger_has(world, &new).await.then_some(new)
    })
    .await
}

/// The incident that names this one as the one that it follows.
async fn successor(world: &World, old: &Ticket) -> Ticket {
    until("another incident follows it", async || {
        let names_it = |incident: &Ticket| {
            incident.journal.iter().any(|entry| entry.value.contains(&format!("Follows {}", old.number)))
        };
        let new = world.snow().tickets().into_iter().find(names_it)?;
        ledger_has(world, &new).await.then_some(new)
    })
    .await
}

/// Why this incident is left as people have it, once it is.
async fn left(world: &World, incident: &Ticket) -> String {
    until("it is left alone", async || {
        let line = ledger(world, incident).await;
        (line.state == "left").then_some(line.reason?)
    })
    .await
}

async fn ledger(world: &World, incident: &Ticket) -> worker::store::listing::TicketLine {
    let mut lines = world.tickets().await;
    lines.retain(|line| line.number.as_deref() == Some(&incident.number));
    lines.remove(0)
}

async fn ledger_has(world: &World, incident: &Ticket) -> bool {
    world.tickets().await.iter().any(|line| line.number.as_deref() == Some(&incident.number))
}

fn resolve(world: &World, incident: &Ticket) {
    resolve_as(world, incident, "Solution provided");
}

fn resolve_as(world: &World, incident: &Ticket, close_code: &str) {
    let fields = [("state", "6"), ("close_code", close_code), ("close_notes", "done")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    world.snow().change_as_person(&incident.number, PersonalChange::Edit { fields }).unwrap();
}

fn is_in_state(world: &World, incident: &Ticket, state: &str) -> Option<()> {
    (world.snow().ticket(&incident.number)?.field("state") == state).then_some(())
}
