//! One alert, several targets.

use std::time::Duration;

use itsm_simulator::servicenow::{ServiceNow, Ticket};
use itsm_simulator::{Effect, Fault, ItsmSimulator, Running, Settings};
use rustix::process::Signal;

use crate::world::{Differences, World, in_world, metric, minutes_after, rule, until};

const BOTH: &str = r#"route.target = ["snow", "other"]"#;

#[test]
fn an_alert_gets_an_incident_in_every_target_and_each_is_resolved() {
    in_world(async {
        let (world, other) = two_targets(BOTH, 2).await;
        let alerts: Vec<_> = (0..30).map(metric).collect();
        world.send_all(alerts.iter().chain(&alerts).map(|alert| alert.fired()).collect()).await;
        world.settled(60).await;
        for desk in [world.snow(), other.servicenow()] {
            assert_eq!(states(desk), ["1"; 30]);
        }
        world
            .send_all(alerts.iter().filter_map(|alert| alert.resolved(minutes_after(alert, 5))).collect())
            .await;
        world.settled(90).await;
        for desk in [world.snow(), other.servicenow()] {
            assert_eq!(states(desk), ["6"; 30]);
        }
        world.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_target_that_is_down_delays_only_its_own_tickets() {
    in_world(async {
        let (world, other) = two_targets(BOTH, 1).await;
        let down = Effect::Answer { status: 503, body: None, retry_after_s: None };
        other.servicenow().inject(Fault::new(down)).unwrap();
        world.send_all((0..20).map(|number| metric(number).fired()).collect()).await;
        until("the other target has all of its", async || (world.snow().tickets().len() == 20).then_some(()))
            .await;
        assert_eq!(other.servicenow().tickets().len(), 0);
        other.servicenow().clear_faults();
        world.settled(20).await;
        assert_eq!(other.servicenow().tickets().len(), 20);
        world.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_target_that_the_route_names_from_now_on_gets_a_ticket_when_the_alert_fires_again() {
    in_world(async {
        let (world, other) = two_targets(r#"route.target = "snow""#, 0).await;
        let again = rule(1).fire(minutes_after(&metric(1), 10));
        for (heard, (route, body)) in (1..).zip([("snow", metric(1).fired()), ("snow, other", again.fired())])
        {
            let worker = world.process(route, &[("SECURE_EXPORT__ROUTE__TARGET", route)]);
            world.send(body).await;
            world.settled(heard).await;
            worker.stop(Signal::TERM, Duration::from_secs(10)).await;
        }
        assert_eq!([states(world.snow()).len(), states(other.servicenow()).len()], [1, 1]);
        world.stop().await;
        other.stop().await;
    });
}

/// A world with a second instance, which is target `other`.
async fn two_targets(route: &str, workers: usize) -> (World, Running) {
    let other = ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    let settings = format!(
        r#"{route}
        [targets.other.connector.servicenow]
        base_url = "{}/servicenow"
        auth.basic = {{ username = "secure-export", password = "secure-export" }}"#,
        other.base_url()
    );
    (World::build(workers, &Differences { settings: &settings, ..Differences::default() }).await, other)
}

fn states(desk: &ServiceNow) -> Vec<String> {
    desk.tickets().iter().map(|ticket: &Ticket| ticket.field("state").to_owned()).collect()
}
