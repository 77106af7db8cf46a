//! From the queue to a real Request Tracker: the life of a ticket, and many at once.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use stack::request_tracker::{CATALOG, KEY_FIELD, QUEUE, RESOURCE_FIELD};
use stack::testing::TestRequestTracker;
use tokio::time::Instant;

use crate::world::{Differences, World, in_world, metric, minutes_after, rule};

/// Three processes serve two cores.
const PATIENCE: Duration = Duration::from_secs(400);
const MANY: u64 = 300;

/// A worker's settings for the Request Tracker of this run.
fn settings(tracker: &TestRequestTracker) -> String {
    let access = tracker.access();
    format!(
        r#"
        route.target = "rt"
        route.reopen_window = "1h"
        [targets.rt]
        concurrency = 2
        request_deadline = "14s"
        [targets.rt.connector.request_tracker]
        base_url = "{}"
        queue = "{QUEUE}"
        key_field = "{KEY_FIELD}"
        auth.token.value = "{}"
        ci = {{ catalog = "{CATALOG}", arm_id_field = "{RESOURCE_FIELD}" }}
        "#,
        access.base_url, access.token
    )
}

async fn world(tracker: &TestRequestTracker, workers: usize) -> World {
    World::build(workers, &Differences { settings: &settings(tracker), ..Differences::default() }).await
}

/// A ticket as Request Tracker has it.
#[derive(Debug)]
struct Held {
    id: u64,
    status: String,
    asset: Option<String>,
    text: String,
}

/// The tickets of this world, in the order in which they were made.
async fn held(world: &World, tracker: &TestRequestTracker) -> Vec<Held> {
    let mut held = Vec::new();
    for ticket in world.tickets().await {
        let id = ticket.number.unwrap().trim_start_matches('#').parse().unwrap();
        let record = tracker.ticket(id).await.unwrap();
        let mut links = record["_hyperlinks"].as_array().unwrap().iter();
        let asset = links.find(|link| link["ref"] == "refers-to" && link["type"] == "asset");
        held.push(Held {
            id,
            status: record["Status"].as_str().unwrap().to_owned(),
            asset: asset.map(|link| link["id"].as_str().unwrap().to_owned()),
            text: tracker.texts(id).await.unwrap().join("\n"),
        });
    }
    held.sort_by_key(|held| held.id);
    held
}

fn statuses(tickets: &[Held]) -> Vec<&str> {
    tickets.iter().map(|ticket| &*ticket.status).collect()
}

/// The keys of all tickets there are, those of other tests among them.
async fn keys(tracker: &TestRequestTracker) -> Vec<String> {
    let query = format!("'CF.{{{KEY_FIELD}}}' LIKE 'sx1-'");
    let mut keys = Vec::new();
    for page in 1.. {
        let page = page.to_string();
        let query = [("query", &*query), ("fields", "CustomFields"), ("per_page", "100"), ("page", &*page)];
        let answer = tracker.request(Method::GET, "tickets", &query, None).await.unwrap();
        let items = answer["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        // A ticket that was moved to a queue without custom fields shows none.
        let fields = items.iter().filter_map(|item| item["CustomFields"].as_array()).flatten();
        let of_keys = fields.filter(|field| field["name"] == KEY_FIELD);
        keys.extend(of_keys.map(|field| field["values"][0].as_str().unwrap_or_default().to_owned()));
    }
    keys
}

#[test]
fn a_ticket_has_its_asset_and_is_resolved_reopened_and_followed_by_another() {
    in_world(async {
        let tracker = TestRequestTracker::from_env().unwrap();
        let world = world(&tracker, 1).await;
        let alert = metric(1);
        let body: Value = serde_json::from_slice(&alert.fired()).unwrap();
        let target = body["data"]["essentials"]["alertTargetIDs"][0].as_str().unwrap().to_owned();
        let asset = tracker.create_asset("web-01", &target.to_uppercase()).await.unwrap();

        world.send(alert.fired()).await;
        world.settled(1).await;
        let tickets = held(&world, &tracker).await;
        assert_eq!(statuses(&tickets), ["new"]);
        assert_eq!(tickets[0].asset, Some(asset.to_string()));

        world.send(alert.resolved(minutes_after(&alert, 5)).unwrap()).await;
        world.settled(2).await;
        assert_eq!(statuses(&held(&world, &tracker).await), ["resolved"]);

        let again = rule(1).fire(minutes_after(&alert, 10));
        world.send(again.fired()).await;
        world.settled(3).await;
        assert_eq!(statuses(&held(&world, &tracker).await), ["open"]);

        world.send(again.resolved(minutes_after(&alert, 15)).unwrap()).await;
        world.settled(4).await;
        let later = rule(1).fire(minutes_after(&alert, 24 * 60));
        world.send(later.fired()).await;
        world.settled(5).await;
        let tickets = held(&world, &tracker).await;
        assert_eq!(statuses(&tickets), ["resolved", "new"]);
        assert!(tickets[1].text.contains(&format!("Follows #{}", tickets[0].id)), "{tickets:?}");
        world.stop().await;
    });
}

#[test]
fn three_hundred_alerts_through_two_workers_become_three_hundred_tickets() {
    in_world(async {
        let tracker = TestRequestTracker::from_env().unwrap();
        let world = world(&tracker, 2).await;
        let bodies = (0..MANY).map(|number| metric(number).fired());
        let begin = Instant::now();
        world.send_all(bodies.clone().chain(bodies).collect()).await;
        world.settled_within(PATIENCE, 2 * i64::try_from(MANY).unwrap()).await;
        let took = begin.elapsed();

        let tickets = world.tickets().await;
        let numbers: BTreeSet<_> = tickets.iter().map(|ticket| ticket.number.clone().unwrap()).collect();
        assert_eq!((tickets.len(), numbers.len()), (300, 300));
        let keys = keys(&tracker).await;
        for ticket in &tickets {
            let found = keys.iter().filter(|key| **key == ticket.correlation_id).count();
            assert_eq!(found, 1, "{}", ticket.correlation_id);
        }
        let calls: (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(duration_ms), 0)::bigint FROM attempts WHERE action = 'create'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        println!(
            "real: {MANY} alerts, each twice, through 2 workers: {} tickets in {:.1} s, {} creates of {} ms each",
            tickets.len(),
            took.as_secs_f64(),
            calls.0,
            calls.1 / calls.0.max(1)
        );
        world.stop().await;
    });
}
