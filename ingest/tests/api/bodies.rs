use std::path::Path;

use azure_simulator::alerts::{AlertRule, Kind};
use jiff::Timestamp;

use crate::app::{Options, QUEUE, TestApp, alert, code};

#[tokio::test]
async fn every_kind_of_alert_is_accepted_fired_and_resolved() {
    let app = TestApp::start().await;
    let token = app.token();
    let now = Timestamp::now();
    let mut sent = 0;
    for kind in Kind::all() {
        let alert = AlertRule::new(*kind, 1, 1).fire(now);
        for body in [Some(alert.fired()), alert.resolved(now)].into_iter().flatten() {
            assert_eq!(app.post(&token, body).await.status(), 202, "{kind:?}");
            sent += 1;
        }
    }
    assert_eq!(app.vhost.take(QUEUE, 1000).await.unwrap().len(), sent);
}

/// Real payloads, where the runner has a folder of them.
#[tokio::test]
async fn every_payload_of_the_corpus_is_accepted() {
    let Ok(corpus) = std::env::var("SECURE_EXPORT_CORPUS") else { return };
    let app = TestApp::start().await;
    let token = app.token();
    let mut accepted = 0;
    for folder in ["", "composed", "test-action", "legacy"] {
        for entry in std::fs::read_dir(Path::new(&corpus).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let answer = app.post(&token, std::fs::read(&path).unwrap()).await;
            assert_eq!(answer.status(), 202, "{}", path.display());
            accepted += 1;
        }
    }
    assert!(accepted > 0, "no payloads in {corpus}");
}

#[tokio::test]
async fn a_body_that_is_no_alert_is_answered_with_400_and_says_why() {
    let app = TestApp::start().await;
    let token = app.token();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"data":"#.repeat(10_000), "}".repeat(10_000));
    let twice = r#"{"data":{"essentials":{"alertId":"/a","alertId":"/b","monitorCondition":"Fired"}}}"#;
    let cases: [(&[u8], &str); 13] = [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\0", "not_json"),
        (b"{\"data\":\0}", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"schemaId=azureMonitorCommonAlertSchema", "not_json"),
        (twice.as_bytes(), "not_json"),
        (b"[]", "not_an_alert"),
        (b"[{\"data\":{}}]", "not_an_alert"),
        (b"\"alert\"", "not_an_alert"),
        (b"{}", "not_an_alert"),
        (b"{\"data\":{\"essentials\":{\"alertId\":\"/a\"}}}", "not_an_alert"),
        (b"{\"data\":{\"essentials\":{\"alertId\":\"/a\",\"monitorCondition\":\"Maybe\"}}}", "not_an_alert"),
    ];
    for (body, expected) in cases {
        let answer = app.post(&token, body.to_vec()).await;
        assert_eq!(answer.status(), 400, "{}", String::from_utf8_lossy(body));
        assert_eq!(code(answer).await, expected, "{}", String::from_utf8_lossy(body));
    }
    for body in [deep, deep_object] {
        assert_eq!(app.post(&token, body).await.status(), 400);
    }
    assert_eq!(app.vhost.depth(QUEUE).await.unwrap(), 0);
}

#[tokio::test]
async fn any_content_type_is_accepted() {
    let app = TestApp::start().await;
    let token = app.token();
    for content_type in ["text/plain", "application/xml", "multipart/form-data", "???"] {
        let request = app.request(&token, alert(1)).header("content-type", content_type);
        assert_eq!(request.send().await.unwrap().status(), 202, "{content_type}");
    }
    let without = reqwest::Client::new().post(app.url("/v1/alerts")).bearer_auth(&token).body(alert(1));
    assert_eq!(without.send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_with_413() {
    let app = TestApp::start().await;
    let token = app.token();
    let padded = |bytes: usize| {
        let mut body = alert(1).to_vec();
        body.resize(bytes, b' ');
        body
    };
    assert_eq!(app.post(&token, padded(1 << 20)).await.status(), 202);
    assert_eq!(app.post(&token, padded((1 << 20) + 1)).await.status(), 413);
    let answer = app.post(&token, padded(2 << 20)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(code(answer).await, "body_too_large");
}

#[tokio::test]
async fn a_body_over_the_limit_is_noticed_without_its_length() {
    let app = TestApp::start().await;
    let mut raw = app.connect().await;
    raw.send(&head(&app, "Transfer-Encoding: chunked")).await;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
    for _ in 0..17 {
        raw.send(&chunk).await;
    }
    let answer = raw.receive_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_sender_that_waits_for_100_continue_gets_it() {
    let app = TestApp::start().await;
    let body = alert(1);
    let mut raw = app.connect().await;
    raw.send(&head(&app, &format!("Content-Length: {}\r\nExpect: 100-continue", body.len()))).await;
    let interim = raw.receive_until("\r\n\r\n").await;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
    raw.send(std::str::from_utf8(&body).unwrap()).await;
    let answer = raw.receive_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[tokio::test]
async fn a_slow_body_is_answered_with_408() {
    let app = TestApp::with(Options { request_deadline: "500ms", ..Options::default() }).await;
    let mut raw = app.connect().await;
    raw.send(&head(&app, "Content-Length: 1000")).await;
    raw.send("{\"data\":").await;
    let answer = raw.receive_until("body_too_slow").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_slow_head_is_answered_with_408() {
    let app = TestApp::with(Options { request_deadline: "500ms", ..Options::default() }).await;
    let mut raw = app.connect().await;
    raw.send("POST /v1/alerts HTTP/1.1\r\nHost: x\r\n").await;
    let answer = raw.receive_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn another_path_or_method_is_answered_with_404_or_405() {
    let app = TestApp::start().await;
    let client = reqwest::Client::new();
    for path in ["/", "/v1/alerts/", "/v1", "/livez", "/readyz", "/metrics"] {
        let answer = client.get(app.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(code(answer).await, "not_found", "{path}");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        let request = client.request(method.parse().unwrap(), app.url("/v1/alerts")).bearer_auth(app.token());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "POST", "{method}");
        assert_eq!(code(answer).await, "method_not_allowed", "{method}");
    }
}

fn head(app: &TestApp, more: &str) -> String {
    format!(
        "POST /v1/alerts HTTP/1.1\r\nHost: ingest\r\nAuthorization: Bearer {}\r\n{more}\r\n\r\n",
        app.token()
    )
}
