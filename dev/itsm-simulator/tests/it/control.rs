use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::world::{World, body};

async fn control(world: &World, method: Method, path: &str, sent: Value) -> Response {
    let url = world.url(&format!("/_control/{path}"));
    world.client.request(method, url).json(&sent).send().await.unwrap()
}

#[tokio::test]
async fn everything_can_be_controlled_over_http() {
    let world = World::new().await;
    let seeds = json!([{"name": "web-07", "class": "cmdb_ci_server", "tags": {"env": "prod"}}]);
    let seeded = body(control(&world, Method::POST, "servicenow/cis", seeds).await).await;
    assert_eq!(seeded["sys_ids"].as_array().unwrap().len(), 1);
    let switches = json!({"close_codes": ["Fixed"]});
    let answer = control(&world, Method::PUT, "servicenow/settings", switches).await;
    assert_eq!(body(answer).await["close_codes"], json!(["Fixed"]));

    world.create(json!({"correlation_id": "key", "work_notes": "fired"})).await;
    let edit = json!({"action": "edit", "fields": {"state": "2", "work_notes": "mine"}});
    let edited = control(&world, Method::POST, "servicenow/tickets/INC0010001", edit).await;
    assert_eq!(edited.status(), 200);
    let listed =
        body(control(&world, Method::GET, "servicenow/tickets?correlation_id=key", json!(null)).await).await;
    assert_eq!(listed["total"], 1);
    let ticket = &listed["tickets"][0];
    assert_eq!(ticket["fields"]["state"], "2");
    assert_eq!(ticket["journal"][1]["value"], "mine");
    assert_eq!(
        (&ticket["writes"][0]["by"], &ticket["writes"][1]["by"]),
        (&json!("secure-export"), &json!("admin"))
    );

    let fault = json!([{"operation": "create", "stage": "after_write", "effect": {"kind": "reset"}}]);
    assert_eq!(control(&world, Method::POST, "servicenow/faults", fault).await.status(), 204);
    let failed = world.call(Method::POST, "incident").json(&json!({})).send().await;
    assert!(failed.is_err());
    assert_eq!(control(&world, Method::DELETE, "servicenow/faults", json!(null)).await.status(), 204);

    let calls = body(control(&world, Method::GET, "servicenow/calls", json!(null)).await).await;
    assert_eq!((&calls["operations"]["create"], &calls["total"]), (&json!(2), &json!(2)));
    assert!(calls["cpu_ms"].is_u64());
    let summary = body(control(&world, Method::GET, "summary", json!(null)).await).await;
    assert_eq!(summary["servicenow"]["by_state"], json!({"1": 1, "2": 1}));

    assert_eq!(control(&world, Method::POST, "reset", json!(null)).await.status(), 204);
    assert_eq!(world.servicenow().tickets().len(), 0);
    assert_eq!(world.count("cmdb_ci", "").await, 0);
}

#[tokio::test]
async fn a_mistake_in_a_control_request_is_named() {
    let world = World::new().await;
    let refused = control(&world, Method::PUT, "servicenow/settings", json!({"colse_codes": []})).await;
    assert_eq!(refused.status(), 400);
    assert!(body(refused).await["error"].as_str().unwrap().contains("colse_codes"));
    assert_eq!(control(&world, Method::GET, "nothing/calls", json!(null)).await.status(), 404);
    let seeds = json!([{"class": "incident"}]);
    assert_eq!(control(&world, Method::POST, "servicenow/cis", seeds).await.status(), 422);
}

#[tokio::test]
async fn a_stopped_simulator_frees_its_port() {
    let world = World::new().await;
    let url = world.url("/_control/summary");
    assert_eq!(world.client.get(&url).send().await.unwrap().status(), 200);
    world.simulator.stop().await;
    assert!(reqwest::get(&url).await.unwrap_err().is_connect());
}
