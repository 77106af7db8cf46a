use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::app::{Options, TestApp, alert, identity_provider, ingest, settings_file, until};

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
        "secure_export_log_lines_dropped_total 0",
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

#[tokio::test]
async fn a_start_that_waits_for_a_silent_broker_ends_in_order_on_every_signal_that_ends_programs() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://guest:guest@{}/%2f", broker.local_addr().unwrap());
    let settings = settings_file(&identity_provider().await, &url, &Options::default());
    for signal in [Signal::TERM, Signal::HUP] {
        let mut process = ingest(settings.path()).arg("serve").spawn().unwrap();
        let _waiting = broker.accept().await.unwrap();
        let id = Pid::from_raw(process.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        let status = timeout(Duration::from_secs(5), process.wait()).await.expect("it should end").unwrap();
        assert!(status.success(), "{signal:?}: {status}");
    }
}
