//! What stands for more or for less than one alert: incidents of Azure, tests, action groups.

use azure_simulator::alerts::AlertRule;
use serde_json::{Value, json};

use crate::world::{World, at, in_world, kind, metric, minutes_after, press};

#[test]
fn the_end_of_an_incident_that_azure_calls_fired_resolves_the_ticket_of_its_beginning() {
    for name in ["service-health", "resource-health"] {
        in_world(async {
            let world = World::with_workers(1).await;
            let alert = AlertRule::new(kind(name), 7, 1).fire(at("2026-03-22T13:58:24Z"));
            world.send(alert.fired()).await;
            world.settled(1).await;
            assert_eq!(world.incident().field("state"), "1", "{name}");
            world.send(alert.over(minutes_after(&alert, 30)).unwrap()).await;
            world.settled(2).await;
            assert_eq!(world.incident().field("state"), "6", "{name}");
            // What was said before the end changes nothing after it.
            world.send(alert.fired()).await;
            world.settled(3).await;
            assert_eq!(world.incident().field("state"), "6", "{name}");
            world.stop().await;
        });
    }
}

#[test]
fn the_end_of_an_incident_that_is_heard_first_leaves_no_ticket_open() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = AlertRule::new(kind("service-health"), 7, 1).fire(at("2026-03-22T13:58:24Z"));
        world.send(alert.over(minutes_after(&alert, 30)).unwrap()).await;
        world.settled(1).await;
        world.send(alert.fired()).await;
        world.settled(2).await;
        assert!(world.snow().tickets().is_empty());
        world.stop().await;
    });
}

#[test]
fn an_alert_that_comes_through_two_action_groups_is_one_incident() {
    in_world(async {
        let world = World::with_workers(1).await;
        let alert = metric(1);
        let mut other: Value = serde_json::from_slice(&alert.fired()).unwrap();
        other["data"]["customProperties"] = json!({"group": "other"});
        world.send(alert.fired()).await;
        world.send(other.to_string().into()).await;
        world.settled(2).await;
        assert_eq!(world.incident().field("state"), "1");
        assert_eq!(world.snow().calls().of("create"), 1);
        world.stop().await;
    });
}

#[test]
fn each_press_of_the_test_button_is_an_incident_of_its_own() {
    in_world(async {
        let world = World::with_workers(1).await;
        for minute in [1, 2, 2] {
            world.send(press(minute)).await;
        }
        world.settled(3).await;
        let incidents = world.snow().tickets();
        assert_eq!(incidents.len(), 2);
        assert!(incidents.iter().all(|incident| incident.field("short_description").starts_with("[Test] ")));
        world.stop().await;
    });
}
