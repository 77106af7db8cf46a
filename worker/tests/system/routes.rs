//! Rules decide which tickets an alert gets, and how long they wait.

use std::time::Duration;

use rustix::process::Signal;
use worker::store::listing;

use crate::world::{Differences, World, in_world, metric, minutes_after, rule, until};

async fn with(settings: &str) -> World {
    World::build(1, &Differences { settings, ..Differences::default() }).await
}

#[test]
fn an_alert_that_a_rule_drops_gets_no_ticket_and_the_ledger_says_by_which_and_why() {
    in_world(async {
        let world =
            with("routes = [{ name = \"quiet\", match = { rule = [\"cpu-high-01\"] }, drop = \"known\" }]")
                .await;
        let alert = metric(1);
        world.send_all(vec![alert.fired(), metric(2).fired()]).await;
        world.settled(2).await;
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(3).await;
        assert_eq!(world.incident().field("state"), "1");
        let without = listing::without_ticket(&world.pool, 10).await.unwrap();
        let reasons: Vec<_> = without.iter().map(|alert| alert.reason.as_str()).collect();
        assert_eq!(reasons, ["dropped by the rule quiet: known"]);
        world.stop().await;
    });
}

#[test]
fn an_alert_less_severe_than_the_minimum_of_its_rule_gets_no_ticket_and_the_ledger_says_why() {
    in_world(async {
        let world = with("routes = [{ name = \"calls\", match = { rule = [\"cpu-high-01\"] }, minimum_severity = \"Sev1\" }]").await;
        let severe = rule(1).fire(minutes_after(&metric(1), 1)).fired();
        let severe = String::from_utf8(severe.to_vec()).unwrap().replace("\"Sev2\"", "\"Sev1\"");
        world.send_all(vec![metric(1).fired(), severe.into()]).await;
        world.settled(2).await;
        assert_eq!(world.incident().field("urgency"), "1");
        let without = listing::without_ticket(&world.pool, 10).await.unwrap();
        let reasons: Vec<_> = without.iter().map(|alert| alert.reason.as_str()).collect();
        assert_eq!(reasons, ["dropped by the rule calls: less severe than its minimum_severity, Sev1"]);
        world.stop().await;
    });
}

#[test]
fn a_rule_changes_what_it_says_and_leaves_the_rest_to_the_default() {
    in_world(async {
        let world = with(
            "routes = [{ name = \"one\", match = { rule = [\"cpu-high-01\"] }, open = { summary = \"Call the database people\" } }]",
        )
        .await;
        world.send_all(vec![metric(1).fired(), metric(2).fired()]).await;
        world.settled(2).await;
        let summaries: Vec<_> =
            world.snow().tickets().iter().map(|one| one.field("short_description").to_owned()).collect();
        assert_eq!(
            summaries.iter().filter(|text| *text == "Call the database people").count(),
            1,
            "{summaries:?}"
        );
        let tickets = world.tickets().await;
        assert!(tickets.iter().all(|ticket| ticket.wants == "open"));
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_waits_is_made_only_for_an_alert_that_still_fires_then() {
    in_world(async {
        let world = with("route.open_after = \"2s\"").await;
        let (short, long) = (metric(1), metric(2));
        world.send_all(vec![short.fired(), long.fired()]).await;
        world.send(short.resolved(minutes_after(&short, 1)).unwrap()).await;
        assert!(world.snow().tickets().is_empty());
        world.settled(3).await;
        let incident = world.incident();
        assert!(
            incident.field("short_description").contains("cpu-high-02"),
            "{}",
            incident.field("short_description")
        );
        world.stop().await;
    });
}

#[test]
fn an_alert_that_fires_again_before_its_resolution_was_written_leaves_its_ticket_open() {
    in_world(async {
        let world = with("route.resolve_after = \"2s\"").await;
        let first = metric(1);
        world.send(first.fired()).await;
        world.settled(1).await;
        world.send(first.resolved(minutes_after(&first, 1)).unwrap()).await;
        let again = rule(1).fire(minutes_after(&first, 2));
        world.send(again.fired()).await;
        world.settled(3).await;
        let incident = world.incident();
        assert_eq!((incident.field("state"), incident.field("reopen_count")), ("1", "0"));

        world.send(again.resolved(minutes_after(&again, 1)).unwrap()).await;
        world.settled(4).await;
        assert_eq!(world.incident().field("state"), "6");
        world.stop().await;
    });
}

#[test]
fn a_ticket_goes_on_when_its_rule_is_no_more_and_its_alert_fires_again() {
    in_world(async {
        let settings = "routes = [{ name = \"old\", correlation_key = \"{{ alert.rule }}\" }]";
        let world = World::build(0, &Differences { settings, ..Differences::default() }).await;
        let former = world.process("former", &[]);
        let first = metric(1);
        world.send(first.fired()).await;
        world.settled(1).await;
        former.stop(Signal::TERM, Duration::from_secs(10)).await;
        let file = std::fs::read_to_string(world.settings_file()).unwrap();
        let kept: Vec<_> = file.lines().filter(|line| !line.trim_start().starts_with("routes =")).collect();
        std::fs::write(world.settings_file(), kept.join("\n")).unwrap();
        world.keep(world.process("heir", &[]));
        let again = first.again(minutes_after(&first, 5));
        world.send(again.fired()).await;
        world.settled(2).await;
        // The default would have another key for it.
        assert_eq!(world.incident().field("state"), "1");
        world.send(again.resolved(minutes_after(&again, 5)).unwrap()).await;
        world.settled(3).await;
        assert_eq!(world.incident().field("state"), "6");
        world.stop().await;
    });
}

#[test]
fn rules_that_change_in_the_file_count_from_the_next_alert_on() {
    in_world(async {
        let world = with("").await;
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        let before = std::fs::read_to_string(world.settings_file()).unwrap();
        let rules = "routes = [{ name = \"all\", drop = \"enough\" }]\n";
        std::fs::write(world.settings_file(), format!("{rules}{before}")).unwrap();
        an_alert_is_dropped(&world).await;
        world.stop().await;
    });
}

/// Sends alerts, after a first one, until there is one without a ticket.
async fn an_alert_is_dropped(world: &World) {
    let mut number = 2;
    until("the new rules count", async || {
        world.send(metric(number).fired()).await;
        world.settled(i64::try_from(number).unwrap()).await;
        number += 1;
        let dropped = listing::without_ticket(&world.pool, 10).await.unwrap();
        (!dropped.is_empty()).then_some(())
    })
    .await;
}

#[test]
fn templates_as_deep_as_may_be_are_taken_while_the_worker_runs() {
    in_world(async {
        let world = World::with_workers(0).await;
        let worker = world.process("worker", &[]);
        world.send(metric(1).fired()).await;
        world.settled(1).await;
        let nested = "{% set ns = namespace(x=1) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}";
        let sum = format!("{{{{ 1{} }}}}", "+1".repeat(8_000));
        let before = std::fs::read_to_string(world.settings_file()).unwrap();
        let rules = format!(
            "routes = [{{ name = \"deep\", open.note = '{nested}', open.summary = '{sum}', match.rule = \"none\" }}, \
             {{ name = \"all\", drop = \"enough\" }}]\n"
        );
        std::fs::write(world.settings_file(), format!("{rules}{before}")).unwrap();
        worker.signal(Signal::HUP);
        an_alert_is_dropped(&world).await;
        worker.stop(Signal::TERM, Duration::from_secs(10)).await;
        world.stop().await;
    });
}
