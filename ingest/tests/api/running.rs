use tokio::net::TcpStream;

use crate::app::{TestApp, alert, until};

#[tokio::test]
async fn shutdown_finishes_the_request_at_hand_and_accepts_no_other() {
    let app = TestApp::start().await;
    let body = alert(1);
    let (first, rest) = std::str::from_utf8(&body).unwrap().split_at(100);
    let mut raw = app.connect().await;
    let (token, length) = (app.token(), body.len());
    raw.send(&format!(
        "POST /v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{first}"
    ))
    .await;
    until(async || app.admin("/metrics").await.1.contains("secure_export_ingest_requests_in_flight 1")).await;
    app.shutdown.cancel();
    until(async || TcpStream::connect(("127.0.0.1", app.port)).await.is_err()).await;
    raw.send(rest).await;
    let answer = raw.receive_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    app.tasks.wait().await;
}

#[tokio::test]
async fn every_metric_is_there_before_the_first_request() {
    let app = TestApp::start().await;
    let (status, metrics) = app.admin("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"secure_export_ingest_requests_total{status="202",code="accepted"} 0"#,
        r#"secure_export_ingest_requests_total{status="503",code="not_durable"} 0"#,
        r#"secure_export_ingest_token_checks_total{outcome="verified",reason=""} 0"#,
        r#"secure_export_ingest_key_fetches_total{outcome="failed"} 0"#,
        "secure_export_ingest_requests_in_flight 0",
        "secure_export_ingest_publish_seconds_count 0",
        "secure_export_ingest_remembered_tokens 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing from\n{metrics}");
    }
}

#[tokio::test]
async fn it_is_ready_once_it_has_broker_and_keys() {
    let app = TestApp::start().await;
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
    let (status, readiness) = app.admin("/readyz").await;
    assert_eq!(status, 200, "{readiness}");
    assert!(readiness.contains("amqp") && readiness.contains("signing_keys"), "{readiness}");
    assert_eq!(app.admin("/livez").await.0, 200);
}
