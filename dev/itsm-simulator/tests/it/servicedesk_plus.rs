use itsm_simulator::help_desk::{CiSeed, HelpDesk, PersonalChange, Switches};
use itsm_simulator::{Effect, Fault};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::world::{World, body};

const ACCEPTED: &str = "application/vnd.manageengine.sdp.v3+json";

fn desk(world: &World) -> &HelpDesk {
    world.simulator.servicedesk_plus()
}

fn call(world: &World, method: Method, path: &str) -> RequestBuilder {
    let url = world.url(&format!("/servicedesk_plus/api/v3/{path}"));
    world.client.request(method, url).header("authtoken", "secure-export").header("Accept", ACCEPTED)
}

async fn send(world: &World, method: Method, path: &str, input: Value) -> (u16, Value) {
    let answer = call(world, method, path).form(&[("input_data", input.to_string())]).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn read(world: &World, path: &str) -> (u16, Value) {
    let answer = call(world, Method::GET, path).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn list(world: &World, what: &str, field: &str, value: &str) -> Value {
    let criteria = json!([{"field": field, "condition": "is", "value": value}]);
    let info = json!({"list_info": {"row_count": 5, "sort_field": "created_time", "sort_order": "asc",
        "search_criteria": criteria, "fields_required": ["status", "name"]}});
    let asked = call(world, Method::GET, what).query(&[("input_data", info.to_string())]);
    body(asked.send().await.unwrap()).await
}

fn ids(listed: &Value, what: &str) -> Vec<Value> {
    listed[what].as_array().unwrap().iter().map(|record| record["id"].clone()).collect()
}

async fn create(world: &World) -> Value {
    let request = json!({"request": {"subject": "CPU", "description": "Above &lt;90&gt; %",
        "status": {"name": "Open"}, "udf_fields": {"udf_sline_301": "key"}}});
    let (status, created) = send(world, Method::POST, "requests", request).await;
    assert_eq!((status, &created["response_status"]["status_code"]), (200, &json!(2000)));
    created["request"].clone()
}

#[tokio::test]
async fn ids_are_texts_and_html_stays_as_it_came() {
    let world = World::new().await;
    assert_eq!(create(&world).await["id"], "1");
    let note = json!({"note": {"description": "a<br>b", "show_to_requester": false}});
    assert_eq!(send(&world, Method::POST, "requests/1/notes", note).await.0, 200);
    assert_eq!(desk(&world).tickets()[0].texts, ["Above &lt;90&gt; %", "a<br>b"]);
    let (_, shown) = read(&world, "requests/1").await;
    assert_eq!(shown["request"]["status"]["name"], "Open");
    assert_eq!(shown["request"]["udf_fields"], json!({"udf_sline_301": "key", "udf_sline_302": null}));
}

#[tokio::test]
async fn without_its_media_type_it_answers_with_a_page_and_without_the_key_not_at_all() {
    let world = World::new().await;
    let url = world.url("/servicedesk_plus/api/v3/requests/1");
    let page = world.client.get(&url).header("authtoken", "secure-export").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    let stranger = world.client.get(&url).header("Accept", ACCEPTED).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

#[tokio::test]
async fn a_refusal_may_be_a_200_of_which_only_the_body_tells() {
    let world = World::new().await;
    create(&world).await;
    let rules = || Switches { mandatory_on_resolve: vec!["Root cause".to_owned()], ..Switches::default() };
    desk(&world).configure(rules());
    let resolve = json!({"request": {"status": {"name": "Resolved"}}});
    let (status, refused) = send(&world, Method::PUT, "requests/1", resolve.clone()).await;
    let expected = json!({"status_code": 4000, "status": "failed", "messages": [{"status_code": 4012,
        "type": "failed", "fields": ["Root cause"], "message": "Value for mandatory-field is not provided"}]});
    assert_eq!((status, &refused["response_status"]), (200, &expected));
    assert_eq!(desk(&world).tickets()[0].status, "Open");
    desk(&world).configure(Switches { refuses_with_200: false, ..rules() });
    assert_eq!(send(&world, Method::PUT, "requests/1", resolve).await.0, 400);
    for (refused, field) in [
        (json!({"nope": "x"}), "nope"),
        (json!({"udf_fields": {"udf_sline_9": "x"}}), "udf_sline_9"),
        (json!({"status": {"name": "Done"}}), "status"),
        (json!({"status": {"id": "2"}}), "status"),
        (json!({"assets": [{"id": "9"}]}), "assets"),
        (json!({"subject": "x".repeat(251)}), "subject"),
    ] {
        let (_, answer) = send(&world, Method::PUT, "requests/1", json!({"request": refused})).await;
        assert_eq!(answer["response_status"]["messages"][0]["fields"], json!([field]));
    }
}

#[tokio::test]
async fn a_rule_takes_a_resolve_back_and_a_closure_comment_stays() {
    let world = World::new().await;
    create(&world).await;
    desk(&world).configure(Switches { resolved_becomes: Some("On Hold".to_owned()), ..Switches::default() });
    let resolve =
        json!({"request": {"status": {"name": "Resolved"}, "closure_info": {"closure_comments": "well"}}});
    let (_, answer) = send(&world, Method::PUT, "requests/1", resolve).await;
    assert_eq!(answer["request"]["status"]["name"], "On Hold");
    assert_eq!(desk(&world).tickets()[0].texts[1], "well");
    desk(&world).configure(Switches { may_not_write_notes: true, ..Switches::default() });
    let note = json!({"note": {"description": "x"}});
    assert_eq!(send(&world, Method::POST, "requests/1/notes", note).await.0, 403);
}

#[tokio::test]
async fn a_search_ignores_a_field_that_does_not_exist() {
    let world = World::new().await;
    create(&world).await;
    create(&world).await;
    let found = list(&world, "requests", "udf_fields.udf_sline_301", "key").await;
    assert_eq!(found["response_status"], json!([{"status_code": 2000, "status": "success"}]));
    assert_eq!(found["requests"][0], json!({"id": "1", "status": {"name": "Open"}}));
    assert_eq!(ids(&found, "requests"), ["1", "2"]);
    let other = list(&world, "requests", "udf_fields.udf_sline_301", "other").await;
    assert_eq!((ids(&other, "requests").len(), &other["list_info"]["has_more_rows"]), (0, &json!(false)));
    let unset = list(&world, "requests", "udf_fields.udf_sline_302", "key").await;
    assert_eq!(ids(&unset, "requests").len(), 0);
    assert_eq!(ids(&list(&world, "requests", "udf_fields.nope", "x").await, "requests").len(), 2);
    desk(&world).configure(Switches { search_ignores_condition: true, ..Switches::default() });
    let found = list(&world, "requests", "udf_fields.udf_sline_301", "other").await;
    assert_eq!(ids(&found, "requests").len(), 2);
}

#[tokio::test]
async fn assets_are_found_by_name_or_by_resource_and_put_on_a_request() {
    let world = World::new().await;
    let seed = CiSeed { name: "web-07".to_owned(), arm_id: "/S/Web".to_owned() };
    assert_eq!(desk(&world).seed_ci(seed).unwrap(), 1);
    desk(&world).seed_ci(CiSeed { name: "other".to_owned(), ..CiSeed::default() }).unwrap();
    for (field, value) in [("name", "WEB-07"), ("udf_fields.udf_sline_401", "/s/web")] {
        assert_eq!(
            list(&world, "assets", field, value).await["assets"],
            json!([{"id": "1", "name": "web-07"}])
        );
    }
    create(&world).await;
    send(&world, Method::PUT, "requests/1", json!({"request": {"assets": [{"id": "1"}]}})).await;
    assert_eq!(read(&world, "requests/1").await.1["request"]["assets"], json!([{"id": "1"}]));
}

#[tokio::test]
async fn requests_are_linked_and_a_merged_or_deleted_one_is_gone() {
    let world = World::new().await;
    for _ in 0..3 {
        create(&world).await;
    }
    let link = json!({"link_requests": [{"linked_request": {"id": "2"}}]});
    assert_eq!(send(&world, Method::POST, "requests/1/link_requests", link).await.0, 200);
    assert!(desk(&world).tickets()[0].links.contains(&2));
    let broken = json!({"link_requests": [{"linked_request": {"id": "9"}}]});
    let (_, refused) = send(&world, Method::POST, "requests/1/link_requests", broken).await;
    assert_eq!(refused["response_status"]["status"], "failed");
    desk(&world).change_as_person(1, PersonalChange::Merge { into: 2 }).unwrap();
    desk(&world).change_as_person(2, PersonalChange::Delete).unwrap();
    for id in [1, 2] {
        let (status, gone) = read(&world, &format!("requests/{id}")).await;
        assert_eq!((status, &gone["response_status"]["messages"][0]["status_code"]), (404, &json!(4007)));
    }
    let found = list(&world, "requests", "udf_fields.udf_sline_301", "key").await;
    assert_eq!(ids(&found, "requests"), ["3"]);
    assert!(desk(&world).change_as_person(3, PersonalChange::Merge { into: 3 }).is_err());
}

#[tokio::test]
async fn faults_choose_its_operations_by_name() {
    let world = World::new().await;
    create(&world).await;
    desk(&world).seed_ci(CiSeed::default()).unwrap();
    let calls = [
        (Method::POST, "requests", "create"),
        (Method::GET, "requests", "search"),
        (Method::GET, "requests/1", "read"),
        (Method::PUT, "requests/1", "update"),
        (Method::POST, "requests/1/notes", "note"),
        (Method::POST, "requests/1/link_requests", "link"),
        (Method::GET, "assets", "list_assets"),
    ];
    for (method, path, operation) in calls {
        let throttled = Effect::Answer { status: 429, body: None, retry_after_s: Some(7) };
        desk(&world).inject(Fault::new(throttled).on(operation).times(1)).unwrap();
        let answer = call(&world, method, path).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{operation}");
        assert_eq!(answer.headers()["Retry-After"], "7");
        assert_eq!(body(answer).await["response_status"]["status"], "failed");
    }
}
