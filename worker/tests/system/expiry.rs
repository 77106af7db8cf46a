//! Alerts whose end Azure never tells, and their tickets.

use crate::world::{World, in_world, kind, minutes_after};

#[test]
fn every_firing_of_a_stateless_rule_is_a_note_on_one_incident_which_knows_how_many_there_are() {
    in_world(async {
        let world = World::with_workers(1).await;
        let rule = azure_simulator::alerts::AlertRule::new(kind("simple-log"), 7, 1);
        let first = rule.fire(crate::world::at("2026-03-22T13:58:24Z"));
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
        world.stop().await;
    });
}
