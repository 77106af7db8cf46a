//! Tickets that people end themselves: the route has them told that the alerts are resolved, or not even that.

use itsm_simulator::servicenow::{PersonalChange, Ticket};
use worker::store::retention;

use crate::world::{Differences, World, in_world, metric, minutes_after, rule};

#[test]
fn people_are_told_once_that_an_alert_is_resolved_and_the_next_firing_goes_on_with_what_they_made_of_it() {
    in_world(async {
        let world = with_action("note").await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        for heard in 2..4 {
            world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
            world.settled(heard).await;
        }
        let incident = world.incident();
        assert_eq!((incident.field("state"), farewells(&incident)), ("1", 1));
        is_done(&world).await;

        let again = rule(1).fire(minutes_after(&alert, 10));
        world.send(again.fired()).await;
        world.settled(4).await;
        assert_eq!(notes_of(&world.incident(), "fired again"), 1);
        world.send(again.resolved(minutes_after(&alert, 15)).unwrap()).await;
        world.settled(5).await;
        assert_eq!((world.incident().field("state"), farewells(&world.incident())), ("1", 2));

        let fields = [("state", "6"), ("close_code", "Solution provided"), ("close_notes", "done")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        world.snow().change_as_person(&incident.number, PersonalChange::Edit { fields }).unwrap();
        world.send(rule(1).fire(minutes_after(&alert, 20)).fired()).await;
        world.settled(6).await;
        assert_eq!(world.incident().field("state"), "2", "as after our own resolution");
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_the_route_leaves_hears_nothing_of_the_resolution_and_a_successor_follows_it_once_closed() {
    in_world(async {
        let world = with_action("leave").await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        let calls = world.snow().calls().total;
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        assert_eq!(world.snow().calls().total, calls);
        let old = world.incident();
        assert_eq!((old.field("state"), farewells(&old)), ("1", 0));
        is_done(&world).await;

        world.snow().change_as_person(&old.number, PersonalChange::Close).unwrap();
        world.send(rule(1).fire(minutes_after(&alert, 10)).fired()).await;
        world.settled(3).await;
        let new = world.snow().tickets().into_iter().find(|one| one.number != old.number).unwrap();
        assert_eq!((new.field("state"), notes_of(&new, &format!("Follows {}", old.number))), ("1", 1));
        world.stop().await;
    });
}

async fn with_action(action: &str) -> World {
    let settings = format!("route.resolve.action = '{action}'");
    World::build(1, &Differences { settings: &settings, ..Differences::default() }).await
}

/// Nothing is owed to the ticket any more, and the ledger says why.
async fn is_done(world: &World) {
    let ticket = world.tickets().await.remove(0);
    assert_eq!((ticket.state.as_str(), ticket.wants.as_str()), ("resolved", "resolved"));
    assert!(ticket.reason.is_some_and(|reason| reason.contains("leaves its state to people")));
    assert_eq!(retention::repair(&world.pool).await.unwrap(), 0, "it is not adrift");
}

fn farewells(incident: &Ticket) -> usize {
    notes_of(incident, "alert resolved at")
}

fn notes_of(incident: &Ticket, text: &str) -> usize {
    incident.journal.iter().filter(|entry| entry.value.contains(text)).count()
}
