//! A real Request Tracker: what tests find in it, and what it leaves behind, which is nothing.
//!
//! `make test-real` builds and runs these tests; nothing else does, because most machines have no Request Tracker.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use stack::{
    RequestTracker, http_client,
    request_tracker::{Access, CATALOG, KEY_FIELD, OTHER_QUEUE, QUEUE, RESOURCE_FIELD, SEVERITY_FIELD},
    testing::{self, TestRequestTracker},
};
use tokio::{net::TcpStream, time};
use url::Url;

/// A server that is told to end lets its workers finish first.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn two_side_by_side_know_nothing_of_each_other_and_both_are_gone_afterwards() {
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) =
        tokio::join!(RequestTracker::start(folder.path()), RequestTracker::start(other_folder.path()));
    let (one, other) = (one.unwrap(), other.unwrap());
    let (access, other_access) = (one.access().clone(), other.access().clone());

    assert_eq!(get(&access, &access.token, "rt").await, StatusCode::OK);
    assert_eq!(get(&access, &other_access.token, "rt").await, StatusCode::UNAUTHORIZED);
    TestRequestTracker::new(access.clone()).unwrap().create_ticket(ticket("one")).await.unwrap();
    let found = TestRequestTracker::new(other_access.clone()).unwrap().find_tickets("id > 0").await.unwrap();
    assert!(found.is_empty(), "{found:?}");

    assert!(processes(&access.base_url).len() > 1, "the server and its workers");
    one.stop().await;
    assert_gone(&access.base_url).await;
    assert_eq!(get(&other_access, &other_access.token, "rt").await, StatusCode::OK);
    drop(other);
    assert_gone(&other_access.base_url).await;
}

#[tokio::test]
async fn a_command_finds_it_and_afterwards_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let status = stack_with("env > \"$0\"; exit 7", &folder.path().join("environment"));
    assert_eq!(status.code(), Some(7));
    let environment = fs::read_to_string(folder.path().join("environment")).unwrap();
    for name in [
        testing::REQUEST_TRACKER_TOKEN,
        testing::REQUEST_TRACKER_LIMITED_TOKEN,
        testing::REQUEST_TRACKER_ADMIN_TOKEN,
    ] {
        assert!(value(&environment, name).is_some_and(|token| !token.is_empty()), "{name} is not set");
    }
    assert_gone(value(&environment, testing::REQUEST_TRACKER_URL).unwrap()).await;
}

#[tokio::test]
async fn it_does_not_outlive_a_stack_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let status = stack_with("env > \"$0\"; kill -9 $PPID", &folder.path().join("environment"));
    assert_eq!(status.code(), None);
    let environment = fs::read_to_string(folder.path().join("environment")).unwrap();
    assert_gone(value(&environment, testing::REQUEST_TRACKER_URL).unwrap()).await;
}

#[tokio::test]
async fn its_users_may_do_what_they_are_there_for_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = RequestTracker::start(folder.path()).await.unwrap();
    let access = server.access().clone();
    let tracker = TestRequestTracker::new(access.clone()).unwrap();

    let filled = create(&access, &access.token, "connector").await;
    assert_eq!(fields(&tracker, filled).await, ["connector", "Sev2"]);
    assert_eq!(get(&access, &access.token, &format!("ticket/{filled}")).await, StatusCode::OK);
    let lacking = create(&access, &access.limited_token, "limited").await;
    assert_eq!(fields(&tracker, lacking).await, ["", ""]);
    let path = format!("ticket/{lacking}");
    assert_eq!(get(&access, &access.limited_token, &path).await, StatusCode::FORBIDDEN);

    let asset = tracker.create_asset("web-07", "/subscriptions/1").await.unwrap();
    let query = format!("Catalog = '{CATALOG}' AND 'CF.{{{RESOURCE_FIELD}}}' = '/subscriptions/1'");
    let found = tracker.request(reqwest::Method::GET, "assets", &[("query", &query)], None).await.unwrap();
    assert_eq!(found.pointer("/items/0/id"), Some(&json!(asset.to_string())));
    assert_eq!(get(&access, &access.token, &format!("asset/{asset}")).await, StatusCode::OK);
    tracker.delete_asset(asset).await.unwrap();

    tracker.set_status(filled, "rejected").await.unwrap();
    assert!(tracker.set_status(filled, "closed").await.is_err(), "there is no such status");
    tracker.merge(filled, lacking).await.unwrap();
    assert_eq!(tracker.find_tickets(&format!("Queue = '{QUEUE}'")).await.unwrap(), [lacking]);
    assert_eq!(tracker.texts(lacking).await.unwrap(), ["connector fired", "limited fired"]);
    tracker.move_to(lacking, OTHER_QUEUE).await.unwrap();
    assert_eq!(get(&access, &access.token, &path).await, StatusCode::FORBIDDEN);
    server.stop().await;
}

fn ticket(key: &str) -> Value {
    json!({
        "Queue": QUEUE,
        "Subject": key,
        "Content": format!("{key} fired"),
        "ContentType": "text/plain",
        "CustomFields": { (KEY_FIELD): key, (SEVERITY_FIELD): "Sev2" },
    })
}

async fn create(access: &Access, token: &str, key: &str) -> u64 {
    let request = http_client().unwrap().post(format!("{}/REST/2.0/ticket", access.base_url));
    let request = request.header("Authorization", format!("token {token}")).json(&ticket(key));
    let answer: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    answer.get("id").unwrap().as_str().unwrap().parse().unwrap()
}

async fn get(access: &Access, token: &str, path: &str) -> StatusCode {
    let request = http_client().unwrap().get(format!("{}/REST/2.0/{path}", access.base_url));
    request.header("Authorization", format!("token {token}")).send().await.unwrap().status()
}

/// What stands in the two custom fields of a ticket.
async fn fields(tracker: &TestRequestTracker, ticket: u64) -> [String; 2] {
    let ticket = tracker.ticket(ticket).await.unwrap();
    let custom = ticket.get("CustomFields").unwrap().as_array().unwrap();
    [KEY_FIELD, SEVERITY_FIELD].map(|name| {
        let field = custom.iter().find(|field| field.get("name").unwrap() == name).unwrap();
        field.pointer("/values/0").and_then(Value::as_str).unwrap_or_default().to_owned()
    })
}

fn stack_with(script: &str, environment: &Path) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
    command.args(["with", "--request-tracker", "--", "sh", "-c", script]).arg(environment).status().unwrap()
}

fn value<'a>(environment: &'a str, name: &str) -> Option<&'a str> {
    environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Waits until nobody listens at the address and no process is left that was started for it.
async fn assert_gone(base_url: &str) {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port(base_url))).await.is_ok() || !processes(base_url).is_empty() {
        assert!(begin.elapsed() < LIMIT, "{base_url} is still served by {:?}", processes(base_url));
        time::sleep(Duration::from_millis(20)).await;
    }
}

fn port(base_url: &str) -> u16 {
    base_url.parse::<Url>().unwrap().port().unwrap()
}

/// The processes whose command line names the port of this server, as that of each of its workers does.
fn processes(base_url: &str) -> Vec<String> {
    let port = port(base_url).to_string();
    let names_port = |line: &Vec<u8>| {
        let mut arguments = line.split(|byte| *byte == 0);
        arguments.any(|argument| argument == port.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    // A process can end while we look.
    let lines = entries.filter_map(|entry| fs::read(entry.join("cmdline")).ok());
    lines.filter(names_port).map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
