use itsm_simulator::servicenow::{PersonalChange, Switches};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, body, text};

#[tokio::test]
async fn a_resolve_without_its_fields_breaks_the_data_policy_and_names_them() {
    let mandatory = [("u_root_cause".to_owned(), "Root cause".to_owned())].into();
    let world = World::with(Switches { mandatory_on_resolve: mandatory, ..Switches::default() }).await;
    let record = world.create(json!({})).await;
    let answer = world.update(&record, json!({"state": "6", "close_notes": "over"})).await;
    assert_eq!(answer.status(), 403);
    let expected = json!({
        "error": {
            "message": "Operation Failed",
            "detail": "Data Policy Exception: The following fields are mandatory: Resolution code, Root cause",
        },
        "status": "failure",
    });
    assert_eq!(body(answer).await, expected);
    let full =
        json!({"state": "6", "close_code": "Duplicate", "close_notes": "over", "u_root_cause": "disk"});
    assert_eq!(world.update(&record, full).await.status(), 200);
}

#[tokio::test]
async fn a_close_code_outside_of_the_choice_list_is_refused_and_the_list_can_be_read() {
    let world = World::with(Switches { close_codes: vec!["Fixed".into()], ..Switches::default() }).await;
    let record = world.create(json!({})).await;
    let resolve = |code: &str| json!({"state": "6", "close_code": code, "close_notes": "over"});
    assert_eq!(world.update(&record, resolve("Duplicate")).await.status(), 403);
    let query = "name=incident^element=close_code^inactive=false";
    let choices = world.get(&format!("sys_choice?sysparm_query={query}&sysparm_fields=label,value")).await;
    assert_eq!(choices, json!([{"label": "Fixed", "value": "Fixed"}]));
    assert_eq!(world.update(&record, resolve("Fixed")).await.status(), 200);
}

#[tokio::test]
async fn closed_and_canceled_incidents_refuse_the_integration_user() {
    let world = World::new().await;
    for change in [PersonalChange::Close, PersonalChange::Cancel] {
        let record = world.create(json!({})).await;
        world.servicenow().change_as_person(text(&record, "number"), change).unwrap();
        assert_eq!(world.update(&record, json!({"work_notes": "late"})).await.status(), 403);
        assert_eq!(world.update(&record, json!({"state": "2"})).await.status(), 403);
    }
}

#[tokio::test]
async fn unknown_tables_paths_and_records_have_their_own_answers() {
    let world = World::new().await;
    let invalid = world.call(Method::GET, "incidentx").send().await.unwrap();
    assert_eq!(invalid.status(), 400);
    assert_eq!(body(invalid).await["error"]["message"], "Invalid table incidentx");
    let lost = world.call(Method::GET, "../stats/incident").send().await.unwrap();
    assert_eq!(lost.status(), 400);
    assert_eq!(body(lost).await["error"]["message"], "Requested URI does not represent any resource");
    let missing = world.call(Method::GET, "incident/00").send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(body(missing).await["error"]["message"], "No Record found");
}

#[tokio::test]
async fn a_write_needs_json_and_both_headers() {
    let world = World::new().await;
    let send = |content_type: &'static str, sent: &'static str| {
        let call = world.call(Method::POST, "incident").header("Content-Type", content_type).body(sent);
        async { call.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send("application/json", "{").await, 400);
    assert_eq!(send("text/plain", "{}").await, 415);
    let untyped = world.call(Method::POST, "incident").body("{}").send().await.unwrap();
    assert_eq!(untyped.status(), 400);
    assert_eq!(world.servicenow().tickets().len(), 0);
}

#[tokio::test]
async fn the_rate_rule_refuses_with_a_wait_until_the_hour_is_over() {
    let world = World::with(Switches { rate_limit: Some(1), ..Switches::default() }).await;
    world.create(json!({})).await;
    let refused = world.call(Method::POST, "incident").json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-ratelimit-limit"], "1");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
    let detail = body(refused).await["error"]["detail"].clone();
    assert_eq!(detail, "Rate limit of 1 requests per hour for Table API exceeded");
    world.simulator.clock().advance(std::time::Duration::from_secs(wait));
    world.create(json!({})).await;
}

#[tokio::test]
async fn a_full_simulator_says_which_setting_to_raise() {
    let world = World::with(Switches { max_tickets: 1, ..Switches::default() }).await;
    world.create(json!({})).await;
    let full = world.call(Method::POST, "incident").json(&json!({})).send().await.unwrap();
    assert_eq!(full.status(), 507);
    assert!(body(full).await["error"]["detail"].as_str().unwrap().contains("max_tickets"));
}
