//! Many alerts through two workers at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::world::{World, in_world, metric, minutes_after};

const ALERTS: u64 = 2_000;

#[test]
fn two_thousand_alerts_delivered_twice_become_two_thousand_incidents_and_all_resolve() {
    in_world(async {
        let world = World::with_workers(2).await;
        let alerts: Vec<_> = (0..ALERTS).map(metric).collect();
        world.send_all(shuffled(1, alerts.iter().flat_map(|alert| [alert.fired(), alert.fired()]))).await;
        world.settled(4_000).await;
        assert_eq!(states(&world), BTreeMap::from([("1".to_owned(), 2_000)]));
        assert_each_alert_has_one_incident(&world);

        let resolutions = alerts
            .iter()
            .filter_map(|alert| alert.resolved(minutes_after(alert, 5)))
            .flat_map(|body| [body.clone(), body]);
        world.send_all(shuffled(2, resolutions)).await;
        world.settled(8_000).await;
        assert_eq!(states(&world), BTreeMap::from([("6".to_owned(), 2_000)]));
        assert_each_alert_has_one_incident(&world);
        world.stop().await;
    });
}

#[test]
fn all_deliveries_of_two_thousand_alerts_shuffled_together_leave_no_incident_open_and_none_twice() {
    in_world(async {
        let world = World::with_workers(2).await;
        let bodies = (0..ALERTS).map(metric).flat_map(|alert| {
            let resolved = alert.resolved(minutes_after(&alert, 5)).unwrap();
            [alert.fired(), alert.fired(), resolved.clone(), resolved]
        });
        world.send_all(shuffled(3, bodies)).await;
        world.settled(8_000).await;

        assert_each_alert_has_one_incident(&world);
        let made = world.snow().tickets().len();
        assert!(states(&world).keys().all(|state| state == "6"), "{:?}", states(&world));
        // Every alert without an incident is explained, by itself or by its ticket.
        let unheard = worker::store::listing::without_ticket(&world.pool, 10_000).await.unwrap().len();
        let tickets = world.tickets().await;
        let not_needed = tickets.iter().filter(|ticket| ticket.state == "not_needed");
        let reasons: Vec<_> = not_needed.map(|ticket| ticket.reason.as_deref()).collect();
        assert!(
            reasons.iter().all(|reason| *reason == Some("resolved before its ticket was made")),
            "{reasons:?}"
        );
        assert_eq!(made + unheard + reasons.len(), 2_000);
        world.stop().await;
    });
}

fn shuffled(seed: u64, bodies: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut bodies: Vec<_> = bodies.collect();
    bodies.shuffle(&mut StdRng::seed_from_u64(seed));
    bodies
}

fn states(world: &World) -> BTreeMap<String, usize> {
    world.snow().tickets().iter().fold(BTreeMap::new(), |mut states, incident| {
        *states.entry(incident.field("state").to_owned()).or_default() += 1;
        states
    })
}

fn assert_each_alert_has_one_incident(world: &World) {
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    for incident in world.snow().tickets() {
        *by_key.entry(incident.field("correlation_id").to_owned()).or_default() += 1;
    }
    let doubled: Vec<_> = by_key.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
}
