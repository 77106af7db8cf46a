//! The life of a ticket.

use itsm_simulator::servicenow::{CiSeed, PersonalChange};

use crate::world::{Differences, World, in_world, kind, metric, minutes_after, rule};

#[test]
fn an_alert_becomes_one_incident_with_its_configuration_item_and_is_resolved_with_it() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = metric(1);
        let target = target_of(&alert.fired());
        let ci = world.snow().seed_ci(CiSeed {
            name: "web-01".to_owned(),
            object_id: target.to_uppercase(),
            ..CiSeed::default()
        });
        world.send(alert.fired()).await;
        world.settled(1).await;
        let incident = world.incident();
        assert_eq!(incident.field("state"), "1");
        assert_eq!(incident.field("cmdb_ci"), ci.unwrap());
        assert!(incident.field("short_description").contains(&rule_name(&alert.fired())), "{incident:?}");
        assert!(incident.field("correlation_id").starts_with("sx1-"));

        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        let incident = world.incident();
        assert_eq!(incident.field("state"), "6");
        assert_eq!(incident.field("close_code"), "Solution provided");
        let calls = world.snow().calls();
        assert_eq!(["create", "read", "update"].map(|operation| calls.of(operation)), [1, 1, 1]);
        world.stop().await;
    });
}

#[test]
fn an_alert_that_never_resolves_stays_open() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = azure_simulator::alerts::AlertRule::new(kind("activity-administrative"), 7, 1);
        let alert = alert.fire(crate::world::at("2026-03-22T13:58:24Z"));
        assert!(alert.resolved(minutes_after(&alert, 5)).is_none());
        world.send(alert.fired()).await;
        world.settled(1).await;
        assert_eq!(world.incident().field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn a_repeated_delivery_changes_nothing_and_calls_nobody() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        let calls = world.snow().calls().total;
        world.send(alert.fired()).await;
        world.settled(2).await;
        assert_eq!(world.snow().calls().total, calls);
        world.stop().await;
    });
}

#[test]
fn an_alert_resolved_before_its_ticket_was_made_gets_none_and_the_ledger_says_why() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = metric(1);
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(1).await;
        world.send(alert.fired()).await;
        world.settled(2).await;
        assert!(world.snow().tickets().is_empty());
        let without = worker::store::listing::without_ticket(&world.pool, 10).await.unwrap();
        assert_eq!(without.len(), 1);
        assert_eq!(without[0].reason, "resolved before its ticket was made");
        world.stop().await;
    });
}

#[test]
fn a_route_may_want_a_ticket_for_the_record() {
    in_world(async {
        let settings =
            Differences { settings: "route.already_resolved = \"record\"", ..Differences::default() };
        let world = World::build(1, &settings).await;
        let alert = metric(1);
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(1).await;
        assert_eq!(world.incident().field("state"), "6");
        world.stop().await;
    });
}

#[test]
fn a_firing_within_the_window_reopens_the_incident_and_a_later_one_gets_another() {
    in_world(async {
        let world = World::with_workers(1).await;
        let (first, number) = (metric(1), rule(1));
        world.send_all(vec![first.fired()]).await;
        world.settled(1).await;
        world.send(first.resolved(minutes_after(&first, 5)).unwrap()).await;
        world.settled(2).await;

        let again = number.fire(minutes_after(&first, 30));
        world.send(again.fired()).await;
        world.settled(3).await;
        let incident = world.incident();
        assert_eq!((incident.field("state"), incident.field("reopen_count")), ("2", "1"));
        world.send(again.resolved(minutes_after(&again, 5)).unwrap()).await;
        world.settled(4).await;

        let later = number.fire(minutes_after(&again, 60 * 24 * 2));
        world.send(later.fired()).await;
        world.settled(5).await;
        let mut incidents = world.snow().tickets();
        incidents.sort_by(|a, b| a.number.cmp(&b.number));
        assert_eq!(incidents.iter().map(|one| one.field("state")).collect::<Vec<_>>(), ["6", "1"]);
        let followed = incidents[1].journal.iter().any(|entry| entry.value.contains(&incidents[0].number));
        assert!(followed, "the new incident should name the one it follows: {:?}", incidents[1].journal);
        world.stop().await;
    });
}

#[test]
fn an_alert_that_fires_again_while_its_ticket_is_open_adds_a_note() {
    in_world(async {
        let world = World::with_workers(1).await;
        let (first, number) = (metric(1), rule(1));
        world.send(first.fired()).await;
        world.settled(1).await;
        world.send(number.fire(minutes_after(&first, 10)).fired()).await;
        world.settled(2).await;
        let notes =
            world.incident().journal.iter().filter(|entry| entry.value.contains("fired again")).count();
        assert_eq!(notes, 1);
        world.stop().await;
    });
}

#[test]
fn a_closed_incident_is_never_written_to() {
    in_world(async {
        let world = World::with_workers(1).await;
        let (first, number) = (metric(1), rule(1));
        world.send(first.fired()).await;
        world.settled(1).await;
        let old = world.incident();
        world.snow().change_as_person(&old.number, PersonalChange::Close).unwrap();
        let writes = world.snow().ticket(&old.number).unwrap().writes.len();

        world.send(number.fire(minutes_after(&first, 10)).fired()).await;
        world.settled(2).await;
        assert_eq!(world.snow().ticket(&old.number).unwrap().writes.len(), writes);
        let mut incidents = world.snow().tickets();
        incidents.retain(|incident| incident.number != old.number);
        assert_eq!(incidents.len(), 1, "another incident takes its place");
        assert_eq!(incidents[0].field("state"), "1");
        assert!(incidents[0].journal.iter().any(|entry| entry.value.contains(&old.number)));
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_was_closed_before_its_alert_fired_again_says_so() {
    in_world(async {
        let world = World::with_workers(1).await;
        let (first, number) = (metric(1), rule(1));
        world.send(first.fired()).await;
        world.settled(1).await;
        world.snow().change_as_person(&world.incident().number, PersonalChange::Close).unwrap();
        world.send(first.resolved(minutes_after(&first, 5)).unwrap()).await;
        world.settled(2).await;
        world.send(number.fire(minutes_after(&first, 10)).fired()).await;
        world.settled(3).await;
        let mut tickets = world.tickets().await;
        tickets.retain(|ticket| ticket.state == "ended");
        assert_eq!(tickets.len(), 1);
        assert_eq!(tickets[0].reason.as_deref(), Some("fired again after it was closed in the ITSM"));
        world.stop().await;
    });
}

#[test]
fn a_deleted_incident_is_replaced_when_its_alert_fires_again_and_left_when_it_resolves() {
    in_world(async {
        let world = World::with_workers(1).await;
        let (first, second) = (metric(1), metric(2));
        world.send_all(vec![first.fired(), second.fired()]).await;
        world.settled(2).await;
        for incident in world.snow().tickets() {
            world.snow().change_as_person(&incident.number, PersonalChange::Delete).unwrap();
        }
        world.send(rule(1).fire(minutes_after(&first, 10)).fired()).await;
        world.send(second.resolved(minutes_after(&second, 10)).unwrap()).await;
        world.settled(4).await;
        let live: Vec<_> = world.snow().tickets().into_iter().filter(|incident| !incident.deleted).collect();
        assert_eq!(live.len(), 1);
        world.stop().await;
    });
}

#[test]
fn a_template_that_fails_is_reported_and_the_ticket_is_made() {
    in_world(async {
        let settings = Differences {
            settings: "route.open.summary = \"{{ alert.context.condition.nowhere.at_all }}\"",
            ..Differences::default()
        };
        let world = World::build(1, &settings).await;
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        assert!(world.incident().field("short_description").contains(&rule_name(&metric(1).fired())));
        world.stop().await;
    });
}

fn target_of(body: &[u8]) -> String {
    let read = shared::alert::Notification::parse(body).unwrap();
    read.essentials.target_ids[0].to_string()
}

fn rule_name(body: &[u8]) -> String {
    shared::alert::Notification::parse(body).unwrap().essentials.alert_rule.unwrap().into_owned()
}
