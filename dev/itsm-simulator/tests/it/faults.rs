use itsm_simulator::{Effect, Fault};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, body, text};

#[tokio::test]
async fn a_reset_before_the_write_leaves_nothing_and_answers_nothing() {
    let world = World::new().await;
    world.servicenow().inject(Fault::new(Effect::Reset).on("create").times(1)).unwrap();
    let failed = world.call(Method::POST, "incident").json(&json!({})).send().await;
    assert!(failed.unwrap_err().is_request());
    assert_eq!(world.servicenow().tickets().len(), 0);
    world.create(json!({})).await;
}

#[tokio::test]
async fn a_reset_after_the_write_loses_only_the_answer() {
    let world = World::new().await;
    world.servicenow().inject(Fault::new(Effect::Reset).on("create").after_write()).unwrap();
    let failed = world.call(Method::POST, "incident").json(&json!({"correlation_id": "key"})).send().await;
    assert!(failed.unwrap_err().is_request());
    assert_eq!(world.servicenow().tickets_of("key").len(), 1);
}

#[tokio::test]
async fn a_reset_puts_no_byte_on_the_wire_even_after_earlier_answers() {
    let world = World::new().await;
    world.servicenow().inject(Fault::new(Effect::Reset).nth(2)).unwrap();
    let address = world.simulator.base_url().replace("http://", "");
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /servicenow/api/now/table/incident HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 4096];
    assert!(socket.read(&mut first).await.unwrap() > 0);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    // Closed or reset, as the system pleases.
    socket.read_to_end(&mut rest).await.ok();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_success_can_carry_an_error_or_a_page() {
    let world = World::new().await;
    let message = "Transaction cancelled: maximum execution time exceeded".to_owned();
    world.servicenow().inject(Fault::new(Effect::ErrorInSuccess { message }).times(1)).unwrap();
    world.servicenow().inject(Fault::new(Effect::HtmlPage).nth(2)).unwrap();
    let failed = world.call(Method::GET, "incident").send().await.unwrap();
    assert_eq!(failed.status(), 200);
    assert!(text(&body(failed).await["error"], "message").starts_with("Transaction cancelled"));
    let page = world.call(Method::GET, "incident").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_refusal_can_have_any_status_and_a_wait() {
    let world = World::new().await;
    let effect = Effect::Answer { status: 503, body: None, retry_after_s: Some(7) };
    world.servicenow().inject(Fault::new(effect)).unwrap();
    let refused = world.call(Method::GET, "incident").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"7".parse().unwrap()));
}

#[tokio::test]
async fn a_record_can_be_hidden_by_an_access_rule() {
    let world = World::new().await;
    let record = world.create(json!({})).await;
    world.servicenow().inject(Fault::new(Effect::Hidden)).unwrap();
    assert_eq!(world.update(&record, json!({"state": "2"})).await.status(), 404);
    assert_eq!(world.count("incident", "state=1").await, 0);
    world.servicenow().clear_faults();
    assert_eq!(world.count("incident", "state=1").await, 1);
}

#[tokio::test]
async fn a_lagging_search_misses_young_records_that_can_be_read_by_id() {
    let world = World::new().await;
    world.servicenow().inject(Fault::new(Effect::SearchLag { ms: 60_000 })).unwrap();
    let record = world.create(json!({"correlation_id": "key"})).await;
    assert_eq!(world.count("incident", "correlation_id=key").await, 0);
    world.get(&format!("incident/{}", text(&record, "sys_id"))).await;
    world.simulator.clock().advance(std::time::Duration::from_secs(60));
    assert_eq!(world.count("incident", "correlation_id=key").await, 1);
}

#[tokio::test]
async fn a_delay_after_the_write_outlasts_a_clients_deadline() {
    let world = World::new().await;
    world.servicenow().inject(Fault::new(Effect::Delay { ms: 60_000 }).on("create").after_write()).unwrap();
    let call = world.call(Method::POST, "incident").json(&json!({}));
    let late = call.timeout(std::time::Duration::from_millis(300)).send().await;
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(world.servicenow().tickets().len(), 1);
}
