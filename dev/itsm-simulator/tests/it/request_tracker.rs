use std::time::Duration;

use itsm_simulator::request_tracker::{CiSeed, PersonalChange, RequestTracker, Right, Switches};
use itsm_simulator::{Effect, Fault};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::world::{World, body};

const BY_KEY: &str = "Queue = 'Azure Alerts' AND 'CF.{Azure Alert Id}' = 'key'";

fn tracker(world: &World) -> &RequestTracker {
    world.simulator.request_tracker()
}

fn anonymous(world: &World, method: Method, path: &str) -> RequestBuilder {
    world.client.request(method, world.url(&format!("/request-tracker/REST/2.0/{path}")))
}

fn call(world: &World, method: Method, path: &str) -> RequestBuilder {
    anonymous(world, method, path).header("Authorization", "token 1-14-secure-export")
}

async fn send(world: &World, method: Method, path: &str, sent: Value) -> (u16, Value) {
    let answer = call(world, method, path).json(&sent).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn get(world: &World, path: &str) -> (u16, Value) {
    let answer = call(world, Method::GET, path).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn search(world: &World, what: &str, query: &str) -> (u16, Value) {
    let parameters = [("query", query), ("fields", "Status,Name"), ("per_page", "2")];
    let answer = call(world, Method::GET, what).query(&parameters).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

async fn create(world: &World) -> Value {
    let ticket = json!({"Queue": "Azure Alerts", "Subject": "CPU\nhigh", "Nope": "x",
        "CustomFields": {"Azure Alert Id": "key", "Nope": "x"}});
    let (status, created) = send(world, Method::POST, "ticket", ticket).await;
    assert_eq!(status, 201);
    created
}

#[tokio::test]
async fn a_created_ticket_has_a_text_as_id_and_drops_what_it_does_not_know() {
    let world = World::new().await;
    assert_eq!(create(&world).await["id"], "1");
    let (_, ticket) = get(&world, "ticket/1").await;
    assert_eq!((&ticket["id"], &ticket["Subject"]), (&json!(1), &json!("CPUhigh")));
    assert_eq!(ticket["CustomFields"][0]["values"], json!(["key"]));
    assert_eq!(ticket["CustomFields"].as_array().unwrap().len(), 2);
    let refused = send(&world, Method::POST, "ticket", json!({"Queue": "Nope"})).await;
    assert_eq!(refused.0, 403);
}

#[tokio::test]
async fn a_bearer_is_not_a_token() {
    let world = World::new().await;
    let bearer = anonymous(&world, Method::GET, "rt").bearer_auth("1-14-secure-export").send().await.unwrap();
    assert_eq!(bearer.status(), 401);
    assert_eq!(body(bearer).await, json!({"message": "Unauthorized"}));
    let basic = anonymous(&world, Method::GET, "rt").basic_auth("secure-export", Some("secure-export"));
    assert_eq!(basic.send().await.unwrap().status(), 200);
    tracker(&world).revoke_tokens();
    assert_eq!(get(&world, "rt").await.0, 401);
}

#[tokio::test]
async fn an_update_is_a_200_even_when_a_part_of_it_was_refused() {
    let world = World::new().await;
    create(&world).await;
    let change = json!({"Status": "bogus", "AddRefersTo": "asset:9", "Subject": "new"});
    let (status, sentences) = send(&world, Method::PUT, "ticket/1", change).await;
    let expected = json!([
        "Ticket 1: Status 'bogus' isn't a valid status for this ticket.",
        "Ticket 1: Subject changed from 'CPUhigh' to 'new'",
        "Couldn't resolve 'asset:9' into a link.",
    ]);
    assert_eq!((status, sentences), (200, expected));
    assert_eq!(send(&world, Method::PUT, "ticket/1", json!({"Status": "new"})).await, (200, json!([])));
    assert_eq!(send(&world, Method::PUT, "ticket/9", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_link_to_an_asset_shows_among_the_hyperlinks() {
    let world = World::new().await;
    let seed = CiSeed { name: "web-07".to_owned(), arm_id: "/S/Web".to_owned(), ..CiSeed::default() };
    tracker(&world).seed_ci(seed).unwrap();
    create(&world).await;
    send(&world, Method::PUT, "ticket/1", json!({"AddRefersTo": "asset:1"})).await;
    let again = send(&world, Method::PUT, "ticket/1", json!({"AddRefersTo": "asset:1"})).await;
    assert_eq!(again, (200, json!(["Link already exists"])));
    let (_, ticket) = get(&world, "ticket/1").await;
    let link = &ticket["_hyperlinks"][1];
    assert_eq!(
        (&link["ref"], &link["type"], &link["id"]),
        (&json!("refers-to"), &json!("asset"), &json!("1"))
    );
}

#[tokio::test]
async fn a_comment_can_resolve_and_a_scrip_can_take_that_back() {
    let world = World::new().await;
    create(&world).await;
    let resolve = json!({"Content": "done", "ContentType": "text/plain", "Status": "resolved"});
    let (status, sentences) = send(&world, Method::POST, "ticket/1/comment", resolve.clone()).await;
    assert_eq!(
        (status, sentences),
        (201, json!(["Comments added", "Status changed from 'new' to 'resolved'"]))
    );
    assert_eq!(tracker(&world).ticket(1).unwrap().comments(), ["done"]);
    tracker(&world).change_as_person(1, PersonalChange::Reopen).unwrap();
    tracker(&world)
        .configure(Switches { resolved_becomes: Some("stalled".to_owned()), ..Switches::default() });
    send(&world, Method::POST, "ticket/1/comment", resolve.clone()).await;
    assert_eq!(tracker(&world).ticket(1).unwrap().status, "stalled");
    let unknown = send(&world, Method::POST, "ticket/9/comment", resolve).await;
    assert_eq!(unknown, (400, json!({"message": "Permission Denied"})));
    assert_eq!(send(&world, Method::POST, "ticket/1/comment", json!({"Content": "x"})).await.0, 400);
}

#[tokio::test]
async fn merged_and_deleted_tickets_are_read_but_not_found() {
    let world = World::new().await;
    create(&world).await;
    create(&world).await;
    assert_eq!(search(&world, "tickets", BY_KEY).await.1["total"], 2);
    tracker(&world).change_as_person(1, PersonalChange::Merge { into: 2 }).unwrap();
    assert_eq!(get(&world, "ticket/1").await.1["id"], 2);
    assert_eq!(search(&world, "tickets", "id = 1").await.1["total"], 0);
    assert!(tracker(&world).change_as_person(2, PersonalChange::Merge { into: 1 }).is_err());
    tracker(&world).change_as_person(2, PersonalChange::Delete).unwrap();
    assert_eq!(get(&world, "ticket/2").await.1["Status"], "deleted");
    assert_eq!(search(&world, "tickets", BY_KEY).await.1["items"], json!([]));
}

#[tokio::test]
async fn an_unknown_custom_field_finds_nothing_and_a_broken_query_is_refused() {
    let world = World::new().await;
    create(&world).await;
    assert_eq!(search(&world, "tickets", "'CF.{Nope}' = 'key'").await.1["total"], 0);
    assert_eq!(search(&world, "tickets", "Queue = 'Azure").await.0, 400);
    let active = format!("{BY_KEY} AND Status = '__Active__'");
    assert_eq!(search(&world, "tickets", &active).await.1["items"][0]["Status"], "new");
    let lies = Switches { search_ignores_custom_fields: true, ..Switches::default() };
    tracker(&world).configure(lies);
    assert_eq!(search(&world, "tickets", "'CF.{Azure Alert Id}' = 'other'").await.1["total"], 1);
}

#[tokio::test]
async fn an_assets_name_is_exact_and_its_arm_id_ignores_case() {
    let world = World::new().await;
    for status in ["new", "deleted"] {
        let (name, arm_id) = ("web-07".to_owned(), "/S/Web".to_owned());
        let seed = CiSeed { name, arm_id, status: status.to_owned(), ..CiSeed::default() };
        tracker(&world).seed_ci(seed).unwrap();
    }
    for (query, count) in [
        ("Catalog = 'Azure CIs' AND 'CF.{ARM Resource Id}' = '/s/web'", 2),
        ("'CF.{ARM Resource Id}' = '/s/web' AND Status != 'deleted'", 1),
        ("Name = 'WEB-07'", 0),
        ("Name LIKE 'EB-0'", 2),
    ] {
        let (_, found) = search(&world, "assets", query).await;
        assert_eq!((&found["count"], &found["total"]), (&json!(count), &Value::Null), "{query}");
    }
}

#[tokio::test]
async fn a_user_without_rights_creates_tickets_without_their_key() {
    let world = World::new().await;
    let rights = [Right::SeeCustomField, Right::ModifyCustomField, Right::CommentOnTicket];
    tracker(&world).configure(Switches { missing_rights: rights.into(), ..Switches::default() });
    create(&world).await;
    assert_eq!(tracker(&world).tickets_of("key").len(), 0);
    assert_eq!(get(&world, "queue/Azure%20Alerts").await.1["TicketCustomFields"], json!([]));
    let comment = json!({"Content": "x", "ContentType": "text/plain"});
    assert_eq!(send(&world, Method::POST, "ticket/1/comment", comment).await.0, 400);
    tracker(&world).configure(Switches { missing_rights: [Right::ShowTicket].into(), ..Switches::default() });
    assert_eq!(get(&world, "ticket/1").await, (403, json!({"message": "Forbidden"})));
    assert_eq!(get(&world, "queue/3").await.1["TicketCustomFields"][0]["name"], "Azure Alert Id");
}

#[tokio::test]
async fn faults_hit_it_as_they_hit_the_others() {
    let world = World::new().await;
    let inject = |fault| tracker(&world).inject(fault).unwrap();
    inject(Fault::new(Effect::Reset).on("create").after_write().times(1));
    let failed = call(&world, Method::POST, "ticket").json(&json!({"Queue": "Azure Alerts"})).send().await;
    assert!(failed.is_err());
    assert_eq!(tracker(&world).tickets().len(), 1);
    inject(Fault::new(Effect::ErrorInSuccess { message: "lost".to_owned() }).times(1));
    assert_eq!(get(&world, "rt").await, (200, json!({"message": "lost"})));
    inject(Fault::new(Effect::TokenExpired).times(1));
    assert_eq!((get(&world, "rt").await.0, get(&world, "rt").await.0), (401, 200));
    inject(Fault::new(Effect::SearchLag { ms: 60_000 }));
    assert_eq!(search(&world, "tickets", "id = 1").await.1["total"], 0);
    world.simulator.clock().advance(Duration::from_secs(61));
    assert_eq!(search(&world, "tickets", "id = 1").await.1["total"], 1);
    inject(Fault::new(Effect::Hidden));
    assert_eq!(get(&world, "ticket/1").await.0, 404);
}

#[tokio::test]
async fn it_is_controlled_over_http() {
    let world = World::new().await;
    let control = |method, path: &str, sent: Value| {
        let url = world.url(&format!("/_control/request-tracker/{path}"));
        world.client.request(method, url).json(&sent).send()
    };
    let seeds = json!([{"name": "web-07", "arm_id": "/S/Web", "catalog": "Azure CIs"}]);
    let seeded = control(Method::POST, "cis", seeds).await.unwrap();
    assert_eq!(body(seeded).await, json!({"ids": [1]}));
    create(&world).await;
    let moved =
        control(Method::POST, "tickets/1", json!({"action": "move", "queue": "General"})).await.unwrap();
    assert_eq!(body(moved).await["queue"], "General");
    let listed = control(Method::GET, "tickets?correlation_id=key", json!(null)).await.unwrap();
    assert_eq!(body(listed).await["tickets"][0]["history"][2]["event"], "moved");
    let calls = control(Method::GET, "calls", json!(null)).await.unwrap();
    assert_eq!(body(calls).await["operations"], json!({"create": 1}));
    let mistaken = control(Method::PUT, "settings", json!({"missing_right": []})).await.unwrap();
    assert_eq!(mistaken.status(), 400);
}
