use itsm_simulator::servicenow::{CiSeed, PersonalChange, Switches};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, result, text};

fn resolution() -> serde_json::Value {
    json!({"state": "6", "close_code": "Resolved by caller", "close_notes": "over"})
}

#[tokio::test]
async fn a_new_incident_has_the_stock_defaults_as_strings_and_says_where_it_is() {
    let world = World::new().await;
    let call = world.call(Method::POST, "incident").json(&json!({"short_description": "disk", "u_none": 1}));
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let record = result(answer).await;
    assert_eq!(text(&record, "number"), "INC0010001");
    assert_eq!(text(&record, "sys_id").len(), 32);
    assert!(location.ends_with(&format!("/servicenow/api/now/table/incident/{}", text(&record, "sys_id"))));
    let defaults =
        ["state", "impact", "urgency", "severity", "priority", "category", "active", "reopen_count"];
    let actual = defaults.map(|field| text(&record, field));
    assert_eq!(actual, ["1", "3", "3", "3", "5", "inquiry", "true", "0"]);
    assert!(record.get("u_none").is_none());
}

#[tokio::test]
async fn two_creates_with_one_correlation_id_make_two_incidents() {
    let world = World::new().await;
    world.create(json!({"correlation_id": "key"})).await;
    world.create(json!({"correlation_id": "key"})).await;
    assert_eq!(world.count("incident", "correlation_id=key").await, 2);
    assert_eq!(world.servicenow().summary().open_duplicates["key"], ["INC0010001", "INC0010002"]);
}

#[tokio::test]
async fn the_priority_is_computed_and_a_sent_one_is_ignored() {
    let world = World::new().await;
    let record = world.create(json!({"impact": "1", "urgency": 2, "priority": "5"})).await;
    assert_eq!(text(&record, "priority"), "2");
}

#[tokio::test]
async fn an_empty_reference_is_a_string_and_a_set_one_an_object_unless_links_are_excluded() {
    let world = World::new().await;
    let ci = world.servicenow().seed_ci(CiSeed { name: "web-07".into(), ..CiSeed::default() }).unwrap();
    let record = world.create(json!({"cmdb_ci": ci})).await;
    assert_eq!(record["caller_id"], "");
    assert_eq!(record["cmdb_ci"]["value"], ci.as_str());
    assert!(text(&record["cmdb_ci"], "link").ends_with(&format!("/api/now/table/cmdb_ci/{ci}")));
    let path = format!(
        "incident/{}?sysparm_exclude_reference_link=true&sysparm_fields=cmdb_ci,cmdb_ci.name,gone",
        text(&record, "sys_id")
    );
    assert_eq!(world.get(&path).await, json!({"cmdb_ci": ci, "cmdb_ci.name": "web-07"}));
}

#[tokio::test]
async fn notes_are_empty_on_the_record_and_readable_in_the_journal() {
    let world = World::new().await;
    let record = world.create(json!({"work_notes": "first"})).await;
    assert_eq!(text(&record, "work_notes"), "");
    world.update(&record, json!({"work_notes": "second"})).await;
    let query = format!("element_id={}^element=work_notes", text(&record, "sys_id"));
    let notes = world.get(&format!("sys_journal_field?sysparm_query={query}&sysparm_fields=value")).await;
    assert_eq!(notes, json!([{"value": "first"}, {"value": "second"}]));
}

#[tokio::test]
async fn long_texts_are_cut_without_a_word() {
    let world = World::new().await;
    let sent = json!({"correlation_id": "k".repeat(130), "short_description": "ü".repeat(200)});
    let record = world.create(sent).await;
    assert_eq!(text(&record, "correlation_id").len(), 100);
    assert_eq!(text(&record, "short_description").chars().count(), 160);
    assert_eq!(world.count("incident", &format!("correlation_id={}", "k".repeat(130))).await, 0);
}

#[tokio::test]
async fn an_empty_value_clears_a_field() {
    let world = World::new().await;
    let record = world.create(json!({"description": "text"})).await;
    let changed = result(world.update(&record, json!({"description": ""})).await).await;
    assert_eq!(text(&changed, "description"), "");
}

#[tokio::test]
async fn reopening_clears_the_resolution_and_is_counted() {
    let world = World::new().await;
    let record = world.create(json!({})).await;
    let resolved = result(world.update(&record, resolution()).await).await;
    assert_eq!(text(&resolved, "incident_state"), "6");
    assert_ne!(text(&resolved, "resolved_at"), "");
    let reopened = result(world.update(&record, json!({"state": "2"})).await).await;
    let cleared = ["close_code", "close_notes", "resolved_at"].map(|field| text(&reopened, field).to_owned());
    assert_eq!(cleared, ["", "", ""]);
    assert_eq!((text(&reopened, "reopen_count"), text(&reopened, "active")), ("1", "true"));
}

#[tokio::test]
async fn a_resolved_incident_is_closed_when_its_time_is_over() {
    let world = World::with(Switches { auto_close_after_s: Some(3600), ..Switches::default() }).await;
    let record = world.create(json!({})).await;
    world.update(&record, resolution()).await;
    let path = format!("incident/{}", text(&record, "sys_id"));
    assert_eq!(text(&world.get(&path).await, "state"), "6");
    world.simulator.clock().advance(std::time::Duration::from_secs(3601));
    let closed = world.get(&path).await;
    assert_eq!((text(&closed, "state"), text(&closed, "active")), ("7", "false"));
}

#[tokio::test]
async fn a_business_rule_overwrites_what_was_sent() {
    let rule = [("impact".to_owned(), "1".to_owned())].into();
    let world = World::with(Switches { after_write: rule, ..Switches::default() }).await;
    let record = world.create(json!({"impact": "3", "urgency": "1"})).await;
    assert_eq!((text(&record, "impact"), text(&record, "priority")), ("1", "1"));
}

#[tokio::test]
async fn raw_times_are_utc_and_displayed_ones_in_the_zone_of_the_user() {
    let switches =
        Switches { user_time_zone: jiff::tz::TimeZone::get("Asia/Kolkata").unwrap(), ..Switches::default() };
    let world = World::with(switches).await;
    let record = world.create(json!({})).await;
    let path = format!("incident/{}?sysparm_display_value=all", text(&record, "sys_id"));
    let shown = world.get(&path).await;
    assert_eq!(shown["state"], json!({"display_value": "New", "value": "1"}));
    let zoned = |text: &str| text.replace(' ', "T").parse::<jiff::civil::DateTime>().unwrap();
    let opened = &shown["opened_at"];
    let offset = zoned(text(opened, "display_value")) - zoned(text(opened, "value"));
    assert_eq!(offset.fieldwise(), jiff::Span::new().hours(5).minutes(30).fieldwise());
}

#[tokio::test]
async fn a_deleted_incident_is_gone_for_the_api_and_kept_for_control() {
    let world = World::new().await;
    let record = world.create(json!({"correlation_id": "key"})).await;
    world.servicenow().change_as_person("INC0010001", PersonalChange::Delete).unwrap();
    let answer = world.update(&record, json!({"work_notes": "late"})).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(world.count("incident", "correlation_id=key").await, 0);
    assert!(world.servicenow().ticket("INC0010001").unwrap().deleted);
}

#[tokio::test]
async fn an_incident_resolved_anew_is_closed_by_its_last_resolution() {
    let world = World::with(Switches { auto_close_after_s: Some(3600), ..Switches::default() }).await;
    let record = world.create(json!({})).await;
    world.update(&record, resolution()).await;
    world.simulator.clock().advance(std::time::Duration::from_secs(3000));
    world.update(&record, json!({"state": "2"})).await;
    world.update(&record, resolution()).await;
    world.simulator.clock().advance(std::time::Duration::from_secs(3000));
    let path = format!("incident/{}", text(&record, "sys_id"));
    assert_eq!(text(&world.get(&path).await, "state"), "6");
    world.simulator.clock().advance(std::time::Duration::from_secs(600));
    assert_eq!(text(&world.get(&path).await, "state"), "7");
}
