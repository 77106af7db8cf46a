use std::time::Duration;

use itsm_simulator::help_desk::{CiSeed, HelpDesk, PersonalChange, Switches};
use itsm_simulator::{Effect, Fault};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::world::{World, body};

fn desk(world: &World) -> &HelpDesk {
    world.simulator.zammad()
}

fn anonymous(world: &World, method: Method, path: &str) -> RequestBuilder {
    world.client.request(method, world.url(&format!("/zammad/api/v1/{path}")))
}

async fn send(world: &World, method: Method, path: &str, sent: Value) -> (u16, Value) {
    let call = anonymous(world, method, path).header("Authorization", "Token token=secure-export");
    let answer = call.json(&sent).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn read(world: &World, path: &str) -> (u16, Value) {
    send(world, Method::GET, path, json!({})).await
}

fn ticket() -> Value {
    json!({"title": "CPU", "group": "Cloud", "customer": "azure@example.com", "azure_alert_id": "key",
        "nope": "x", "article": {"body": "Above 90 %", "internal": true}})
}

async fn create(world: &World) -> Value {
    let (status, created) = send(world, Method::POST, "tickets", ticket()).await;
    assert_eq!(status, 201);
    created
}

async fn find(world: &World, condition: Value) -> (u16, Value) {
    let asked = json!({"condition": condition, "sort_by": "created_at", "order_by": "asc", "limit": 2,
        "expand": true});
    send(world, Method::POST, "tickets/search", asked).await
}

fn by_key(key: &str) -> Value {
    json!({"ticket.azure_alert_id": {"operator": "is", "value": key}})
}

#[tokio::test]
async fn names_appear_only_in_an_expanded_ticket_and_unknown_attributes_in_none() {
    let world = World::new().await;
    let created = create(&world).await;
    assert_eq!((&created["id"], &created["number"]), (&json!(1), &json!("81001")));
    assert_eq!((created.get("state"), &created["state_id"]), (None, &json!(1)));
    let (_, expanded) = read(&world, "tickets/1?expand=true").await;
    assert_eq!((&expanded["state"], &expanded["group"]), (&json!("new"), &json!("Cloud")));
    assert_eq!((&expanded["azure_alert_id"], expanded.get("nope")), (&json!("key"), None));
    assert_eq!(desk(&world).tickets()[0].texts, ["Above 90 %"]);
}

#[tokio::test]
async fn what_it_does_not_accept_is_refused_and_changes_nothing() {
    let world = World::new().await;
    create(&world).await;
    for (change, words) in [
        (json!({"state": "resolved"}), "No lookup value found for 'state': \"resolved\""),
        (json!({"title": "x".repeat(251), "state": "open"}), "Title is too long (maximum is 250 characters)"),
        (json!({"state": "open", "article": {"body": ""}}), "Need at least an 'article body' field."),
    ] {
        let refused = send(&world, Method::PUT, "tickets/1", change).await;
        assert_eq!(refused, (422, json!({"error": words})));
    }
    assert_eq!(desk(&world).ticket(1).unwrap().status, "new");
    let homeless = json!({"title": "CPU", "group": "Nope", "customer": "azure@example.com"});
    assert_eq!(send(&world, Method::POST, "tickets", homeless).await.0, 422);
    assert_eq!(desk(&world).tickets().len(), 1);
    let missing = read(&world, "tickets/7").await;
    assert_eq!(missing, (404, json!({"error": "Couldn't find Ticket with 'id'=7"})));
    let stranger = anonymous(&world, Method::GET, "tickets/1").bearer_auth("secure-export").send();
    assert_eq!(stranger.await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_article_is_written_alone_or_with_a_change_of_state() {
    let world = World::new().await;
    create(&world).await;
    let (status, _) =
        send(&world, Method::POST, "ticket_articles", json!({"ticket_id": 1, "body": "Fired again"})).await;
    assert_eq!(status, 201);
    let resolve = json!({"state": "closed", "article": {"body": "All is well"}});
    let (status, closed) = send(&world, Method::PUT, "tickets/1?expand=true", resolve.clone()).await;
    assert_eq!((status, &closed["state"]), (200, &json!("closed")));
    assert_eq!(desk(&world).tickets()[0].texts, ["Above 90 %", "Fired again", "All is well"]);
    desk(&world).configure(Switches { may_not_write_notes: true, ..Switches::default() });
    for (method, path, sent) in [
        (Method::PUT, "tickets/1", resolve),
        (Method::POST, "ticket_articles", json!({"ticket_id": 1, "body": "x"})),
    ] {
        assert_eq!(send(&world, method, path, sent).await, (403, json!({"error": "Not authorized"})));
    }
}

#[tokio::test]
async fn rules_ask_for_a_field_and_take_a_close_back() {
    let world = World::new().await;
    create(&world).await;
    let rules = || Switches { mandatory_on_resolve: vec!["root_cause".to_owned()], ..Switches::default() };
    desk(&world).configure(rules());
    let (status, refused) = send(&world, Method::PUT, "tickets/1", json!({"state": "closed"})).await;
    assert_eq!((status, &refused["error"]), (422, &json!("Missing required value for field 'root_cause'!")));
    desk(&world).configure(Switches { resolved_becomes: Some("open".to_owned()), ..rules() });
    let complete = json!({"state": "closed", "root_cause": "load"});
    let (status, taken_back) = send(&world, Method::PUT, "tickets/1?expand=true", complete).await;
    assert_eq!((status, &taken_back["state"]), (200, &json!("open")));
}

#[tokio::test]
async fn a_search_by_condition_counts_letter_case_and_gives_the_latest_first_unless_told() {
    let world = World::new().await;
    create(&world).await;
    create(&world).await;
    let ids = |found: &Value| found.as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&find(&world, by_key("key")).await.1), [1, 2]);
    assert_eq!(find(&world, by_key("KEY")).await.1, json!([]));
    let unknown = json!({"ticket.nope": {"operator": "is", "value": "key"}});
    assert_eq!(find(&world, unknown).await.0, 422);
    let (_, found) = read(&world, "tickets/search?query=azure_alert_id:key&expand=true").await;
    assert_eq!(ids(&found), [2, 1]);
    let (_, found) = read(&world, "tickets/search?query=cp&per_page=1").await;
    assert_eq!(found["tickets"], json!([]), "words of the title count letter case here");
    let (_, found) = read(&world, "tickets/search?query=CPU&per_page=1").await;
    assert_eq!(
        (&found["tickets"], &found["assets"]["Ticket"]["2"]["number"]),
        (&json!([2]), &json!("81002"))
    );
    desk(&world).configure(Switches { search_ignores_condition: true, ..Switches::default() });
    assert_eq!(ids(&find(&world, by_key("other")).await.1), [1, 2]);
}

#[tokio::test]
async fn tickets_are_linked_and_merged_by_an_id_and_a_number() {
    let world = World::new().await;
    create(&world).await;
    create(&world).await;
    let link = json!({"link_type": "normal", "link_object_target": "Ticket", "link_object_target_value": 1,
        "link_object_source": "Ticket", "link_object_source_number": "81002"});
    for _ in 0..2 {
        assert_eq!(send(&world, Method::POST, "links/add", link.clone()).await.0, 201);
    }
    assert!(desk(&world).ticket(2).unwrap().links.contains(&1));
    assert_eq!(desk(&world).summary().open_duplicates["key"], [1, 2]);
    let (status, failed) = send(&world, Method::PUT, "ticket_merge/1/2", json!({})).await;
    assert_eq!((status, &failed["result"]), (200, &json!("failed")), "2 is an id and no number");
    send(&world, Method::PUT, "ticket_merge/1/81002", json!({})).await;
    assert_eq!(read(&world, "tickets/1?expand=true").await.1["state"], "merged");
    let summary = desk(&world).summary();
    assert_eq!((summary.total, summary.merged, summary.duplicates.len()), (2, 1, 0));
    desk(&world).change_as_person(2, PersonalChange::Delete).unwrap();
    assert_eq!(read(&world, "tickets/2").await.0, 404);
    assert_eq!(find(&world, by_key("key")).await.1[0]["state"], "merged");
}

#[tokio::test]
async fn faults_hit_it_as_they_hit_the_others() {
    let world = World::new().await;
    let inject = |fault| desk(&world).inject(fault).unwrap();
    inject(Fault::new(Effect::Reset).on("create").after_write().times(1));
    let call =
        anonymous(&world, Method::POST, "tickets").header("Authorization", "Token token=secure-export");
    assert!(call.json(&ticket()).send().await.is_err());
    assert_eq!(desk(&world).tickets_of("key").len(), 1);
    inject(Fault::new(Effect::ErrorInSuccess { message: "lost".to_owned() }).on("article").times(1));
    let lost = send(&world, Method::POST, "ticket_articles", json!({})).await;
    assert_eq!(lost, (200, json!({"error": "lost"})));
    inject(Fault::new(Effect::TokenExpired).on("read").times(1));
    assert_eq!((read(&world, "tickets/1").await.0, read(&world, "tickets/1").await.0), (401, 200));
    inject(Fault::new(Effect::SearchLag { ms: 60_000 }));
    assert_eq!(find(&world, by_key("key")).await.1, json!([]));
    world.simulator.clock().advance(Duration::from_secs(61));
    assert_eq!(find(&world, by_key("key")).await.1[0]["id"], 1);
    let calls = desk(&world).calls();
    assert_eq!(["create", "article", "read", "search"].map(|name| calls.of(name)), [1, 1, 2, 2]);
    inject(Fault::new(Effect::Hidden));
    assert_eq!(read(&world, "tickets/1").await.0, 404);
}

#[tokio::test]
async fn it_is_controlled_over_http_and_has_no_configuration_items() {
    let world = World::new().await;
    create(&world).await;
    let control = |method, path: &str, sent: Value| {
        world.client.request(method, world.url(&format!("/_control/zammad/{path}"))).json(&sent).send()
    };
    let moved =
        control(Method::POST, "tickets/1", json!({"action": "move", "group": "Users"})).await.unwrap();
    assert_eq!(body(moved).await["group"], "Users");
    let listed = control(Method::GET, "tickets?correlation_id=key", json!(null)).await.unwrap();
    assert_eq!(body(listed).await["tickets"][0]["fields"], json!({"azure_alert_id": "key"}));
    let seeded = control(Method::POST, "cis", json!([{"name": "web-07"}])).await.unwrap();
    assert_eq!(seeded.status(), 422);
    assert!(desk(&world).seed_ci(CiSeed::default()).is_err());
    desk(&world).revoke_tokens();
    assert_eq!(read(&world, "tickets/1").await.0, 401);
    desk(&world).reset();
    assert_eq!((desk(&world).tickets().len(), read(&world, "tickets/1").await.0), (0, 404));
}
