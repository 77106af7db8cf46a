//! In a maintenance window new tickets wait.

use jiff::{SignedDuration, Timestamp};
use worker::store::listing::{self, TicketLine};

use crate::world::{Differences, World, in_world, metric, minutes_after, rule, until};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A window around now for alert rules like this one, and a rule that drops markers for this reason.
fn settings(rule: &str, end: Timestamp, reason: &str) -> String {
    let start = Timestamp::now() - HOUR;
    format!(
        "maintenance_windows = [{{ name = \"work\", match = {{ rule = \"{rule}\" }}, from = \"{start}\", until = \"{end}\" }}]\n{}",
        markers(reason)
    )
}

fn markers(reason: &str) -> String {
    format!("routes = [{{ name = \"markers\", match = {{ rule = \"cpu-high-9*\" }}, drop = \"{reason}\" }}]")
}

async fn with(settings: &str) -> World {
    World::build(1, &Differences { settings, ..Differences::default() }).await
}

impl World {
    /// Has other windows and rules count, and waits until they do: until a marker is dropped for the new reason.
    async fn change(&self, settings: &str, reason: &str) {
        let before = std::fs::read_to_string(self.settings_file()).unwrap();
        let changes = ["routes =", "maintenance_windows ="];
        let kept =
            before.lines().filter(|line| !changes.iter().any(|key| line.trim_start().starts_with(key)));
        let file = format!("{settings}\n{}", kept.collect::<Vec<_>>().join("\n"));
        std::fs::write(self.settings_file(), file).unwrap();
        let mut sent = listing::without_ticket(&self.pool, 10_000).await.unwrap().len();
        until("the new settings count", async || {
            self.send(metric(9_000 + u64::try_from(sent).unwrap()).fired()).await;
            sent += 1;
            let dropped = listing::without_ticket(&self.pool, 10_000).await.unwrap();
            dropped.iter().any(|alert| alert.reason.ends_with(reason)).then_some(())
        })
        .await;
    }

    /// The only ticket that is for this alert rule, once it waits until then.
    async fn waits(&self, rule: &str, end: Timestamp) -> TicketLine {
        until("it waits for the end", async || {
            let mut tickets = self.tickets().await;
            tickets.retain(|ticket| ticket.rule.as_deref() == Some(rule));
            let ticket = tickets.pop()?;
            assert!(tickets.is_empty());
            let waits = ticket.waits_until?.to_jiff().duration_since(end).abs();
            (waits < SignedDuration::from_mins(1)).then_some(ticket)
        })
        .await
    }
}

#[test]
fn what_still_fires_at_the_end_gets_its_ticket_then_and_what_was_resolved_gets_none() {
    in_world(async {
        let end = Timestamp::now() + SignedDuration::from_secs(4);
        let world = with(&settings("cpu-high-*", end, "at first")).await;
        let (long, short) = (metric(1), metric(2));
        world.send_all(vec![long.fired(), short.fired()]).await;
        world.send(short.resolved(minutes_after(&short, 1)).unwrap()).await;
        world.settled(3).await;
        assert!(world.incident().field("short_description").contains("cpu-high-01"));
        for ticket in world.tickets().await {
            let calls = listing::attempts(&world.pool, ticket.ticket_id).await.unwrap();
            assert!(calls.iter().all(|call| call.started_at.to_jiff() >= end), "{calls:?} before {end}");
            if ticket.rule.as_deref() == Some("cpu-high-02") {
                assert_eq!(ticket.state, "not_needed");
                assert_eq!(ticket.reason.as_deref(), Some("resolved before its ticket was made"));
                assert!(calls.is_empty());
            }
        }
        world.stop().await;
    });
}

#[test]
fn a_window_that_comes_after_the_ticket_was_made_holds_nothing_of_it() {
    in_world(async {
        let world = with(&markers("at first")).await;
        let alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        let end = Timestamp::now() + HOUR;
        world.change(&settings("*", end, "now"), "now").await;
        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        until("it is resolved", async || (world.incident().field("state") == "6").then_some(())).await;
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_waits_is_made_for_an_alert_that_joins_it_and_has_not_to_wait() {
    in_world(async {
        let end = Timestamp::now() + HOUR;
        let shared = format!("{}\nroute.correlation_key = \"one\"", settings("cpu-high-01", end, "at first"));
        let world = with(&shared).await;
        let held = metric(1);
        world.send(held.fired()).await;
        world.waits("cpu-high-01", end).await;
        world.send(rule(2).fire(minutes_after(&held, 1)).fired()).await;
        world.settled(2).await;
        assert!(world.incident().field("short_description").contains("cpu-high-02"));
        world.stop().await;
    });
}

#[test]
fn a_ticket_that_waits_waits_longer_when_its_window_is_prolonged_and_no_more_when_it_is_gone() {
    in_world(async {
        let (first, second) = (Timestamp::now() + HOUR, Timestamp::now() + HOUR * 2);
        let world = with(&settings("cpu-high-01", first, "at first")).await;
        world.send(metric(1).fired()).await;
        world.waits("cpu-high-01", first).await;

        world.change(&settings("cpu-high-01", second, "longer"), "longer").await;
        // Due as at the end of the window that was.
        let ticket = world.waits("cpu-high-01", first).await;
        assert_eq!(listing::retry(&world.pool, &[ticket.ticket_id]).await.unwrap(), 1);
        let held = world.waits("cpu-high-01", second).await;
        assert_eq!(held.reason.as_deref(), Some("waits for the end of a maintenance window"));
        assert!(listing::attempts(&world.pool, held.ticket_id).await.unwrap().is_empty());
        assert!(world.snow().tickets().is_empty());

        world.change(&markers("gone"), "gone").await;
        listing::retry(&world.pool, &[ticket.ticket_id]).await.unwrap();
        world.settled(1).await;
        assert!(world.incident().field("short_description").contains("cpu-high-01"));
        world.stop().await;
    });
}
