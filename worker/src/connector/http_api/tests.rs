//! The connector against a server that answers as told.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{any, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const FILE: &str = r#"
    answers = { rejected = { "/code" = [12] }, gone = { "/code" = [7] }, unauthorized = { "/code" = [2] }, throttled = { "/code" = [15] }, words = "/message" }
    item = { id = "/id", key = "/key", state = "/state", resolved = ["Solved"], closed = ["Closed"] }
    create = { method = "POST", path = "tickets", json = { key = "{{ key }}" }, item = "", fields_at = "" }
    find = { method = "GET", path = "tickets", query = { key = "{{ key }}" }, item = "" }
    read = { method = "GET", path = "tickets/{{ id }}", item = "" }
    note = [{ method = "POST", path = "tickets/{{ id }}/notes", json = { text = "{{ note }}" } }]
    resolve = [
        { method = "PUT", path = "tickets/{{ id }}", json = { state = "Solved" }, fields_at = "" },
        { method = "POST", path = "tickets/{{ id }}/notes", json = { text = "{{ note }}" }, fields_at = "" },
    ]
    close_double = [{ method = "PUT", path = "tickets/{{ id }}", json = { state = "Closed" } }]
"#;

async fn product() -> (MockServer, HttpApi) {
    product_with("auth.basic = { username = \"u\", password = \"p\" }").await
}

async fn product_with(auth: &str) -> (MockServer, HttpApi) {
    // Another test of this process may have been first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let server = MockServer::start().await;
    let auth = auth.replace("SERVER", &server.uri());
    let text = format!("base_url = \"{}\"\n{auth}\n{FILE}", server.uri());
    let settings = shared::settings::load(&text, None).unwrap();
    let connector = HttpApi::new("t", settings, &CallSettings::within(Duration::from_secs(10))).unwrap();
    (server, connector)
}

async fn answering(server: &MockServer, verb: &str, at: &str, status: u16, body: Value) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

fn draft() -> Draft {
    Draft {
        correlation_id: "sx1-a".to_owned(),
        summary: "s".to_owned(),
        description: "d".to_owned(),
        note: "n".to_owned(),
        impact: 1,
        urgency: 1,
        ci: None,
        fields: BTreeMap::new(),
    }
}

fn change() -> Change {
    Change { note: "n".to_owned(), ..Change::default() }
}

#[tokio::test]
async fn whatever_fails_after_the_first_accepted_request_leaves_the_change_unknown() {
    for (status, body) in
        [(403, json!({})), (404, json!({})), (429, json!({})), (401, json!({})), (500, json!({}))]
    {
        let (server, connector) = product().await;
        answering(&server, "PUT", "/tickets/7", 200, json!({"id": 7})).await;
        answering(&server, "POST", "/tickets/7/notes", status, body).await;
        let error = connector.resolve("7", &change()).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Ambiguous(_)), "{status}: {error}");
    }
    let (server, connector) = product().await;
    answering(&server, "PUT", "/tickets/7", 403, json!({"message": "No"})).await;
    let error = connector.resolve("7", &change()).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(reason) if reason.contains("No")), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the rest is not tried");
}

#[tokio::test]
async fn a_change_that_cannot_be_read_back_is_unknown_too() {
    let (server, connector) = product().await;
    answering(&server, "PUT", "/tickets/7", 200, json!({})).await;
    answering(&server, "POST", "/tickets/7/notes", 200, json!({})).await;
    answering(&server, "GET", "/tickets/7", 429, json!({})).await;
    let error = connector.resolve("7", &change()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
}

#[tokio::test]
async fn a_field_that_clashes_with_a_later_request_leaves_nothing_half_done() {
    let (server, connector) = product().await;
    let change = Change { fields: BTreeMap::from([("text".to_owned(), "x".to_owned())]), ..change() };
    let error = connector.resolve("7", &change).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_body_tells_counts_whatever_the_status() {
    for status in [200, 400, 500] {
        for (code, class) in [(12, "rejected"), (7, "gone"), (2, "unauthorized"), (15, "throttled")] {
            let (server, connector) = product().await;
            let answer = ResponseTemplate::new(status)
                .set_body_json(json!({"code": code, "message": "No"}))
                .insert_header("retry-after", "9");
            Mock::given(any()).respond_with(answer).mount(&server).await;
            let error = connector.note("7", &change()).await.unwrap_err();
            assert_eq!(error.name(), class, "{status} {code}: {error}");
            if let ConnectorError::Throttled { retry_after, .. } = error {
                assert_eq!(retry_after, Some(Duration::from_secs(9)));
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_refuses_the_login_has_the_token_renewed() {
    let auth = r#"auth.oauth = { token_url = "SERVER/token", client_id = "c", client_secret = "s" }"#;
    let (server, connector) = product_with(auth).await;
    for token in ["old", "new"] {
        let grant = json!({"access_token": token, "expires_in": 1799});
        Mock::given(path("/token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(grant))
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    for (token, code) in [("Bearer old", 2), ("Bearer new", 0)] {
        Mock::given(header("authorization", token))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"code": code})))
            .expect(1)
            .mount(&server)
            .await;
    }
    connector.note("7", &change()).await.unwrap();
}

#[tokio::test]
async fn the_first_work_item_is_read_back_where_the_answer_does_not_show_its_key() {
    let (server, connector) = product().await;
    answering(&server, "POST", "/tickets", 201, json!({"id": 7, "state": "New"})).await;
    answering(&server, "GET", "/tickets/7", 200, json!({"id": 7, "state": "New", "key": "sx1-a"})).await;
    for _ in 0..3 {
        connector.create(&draft()).await.unwrap();
    }
    let calls = server.received_requests().await.unwrap();
    assert_eq!(calls.iter().filter(|call| call.url.path() == "/tickets/7").count(), 1);
    assert!(connector.keeps_the_key.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_product_that_drops_the_key_or_cannot_be_asked_makes_the_work_item_all_the_same() {
    for status in [200, 500] {
        let (server, connector) = product().await;
        answering(&server, "POST", "/tickets", 201, json!({"id": 7, "state": "New", "key": null})).await;
        answering(&server, "GET", "/tickets/7", status, json!({"id": 7, "state": "New"})).await;
        assert_eq!(connector.create(&draft()).await.unwrap().id, "7");
        assert!(!connector.keeps_the_key.load(Ordering::Relaxed), "the next one is looked at again");
    }
}

#[tokio::test]
async fn a_value_that_would_lead_elsewhere_is_not_asked_for() {
    let (server, mut connector) = product().await;
    let request = r#"
        request = { method = "GET", path = "cis/{{ value }}", item = "" }
        id = "/id"
        name = "/name"
        value = "/name"
    "#;
    let text =
        format!("base_url = \"{}\"\nauth.bearer.value = \"x\"\n{FILE}\n[ci.name]{request}", server.uri());
    let settings: HttpApiSettings = shared::settings::load(&text, None).unwrap();
    connector.interface = settings.check("t").unwrap().0;
    for name in [".\t.", "\t.\t", ".\n./x", "..", "."] {
        let found = connector.find_cis(CiWay::Name, &CiCandidate::Name(name.to_owned())).await;
        assert_eq!(found, Ok(CiHits::new()), "{name:?}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn fields_without_a_place_and_ways_without_a_description_are_found_before_the_first_ticket() {
    let (server, connector) = product().await;
    let refused = |occasion| connector.refuses(occasion, "team").unwrap_or_default();
    assert!(refused(Occasion::Note).contains("no request has a place"), "{}", refused(Occasion::Note));
    assert_eq!(refused(Occasion::Create), "");
    let twice = connector.refuses(Occasion::Create, "key").unwrap();
    assert!(twice.contains("`key`, which the connector sets itself"), "{twice}");
    assert!(connector.refuses(Occasion::Create, " ").unwrap().contains("without a name"));
    let ways = Presets { ways: vec![CiWay::Tag], ..Presets::default() };
    let findings = connector.check_presets(&ways).await.unwrap();
    assert!(
        matches!(&findings[0].verdict, Verdict::Limited(what) if what.contains("http_api.ci.tag")),
        "{findings:?}"
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_route_may_not_set_is_not_sent_either() {
    let (server, connector) = product().await;
    for field in ["key", "Key", "STATE", "id", ""] {
        let fields = BTreeMap::from([(field.to_owned(), "x".to_owned())]);
        let made = connector.create(&Draft { fields: fields.clone(), ..draft() }).await.map(drop);
        let resolved = connector.resolve("7", &Change { fields, ..Change::default() }).await;
        for outcome in [made, resolved] {
            assert!(matches!(outcome, Err(ConnectorError::Rejected(_))), "{field:?}: {outcome:?}");
        }
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}
