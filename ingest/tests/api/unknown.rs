//! JSON of an authorised caller that is no alert: it is kept for the operator.

use serde_json::Value;
use shared::message::{HEADER_REASON, Message, header};
use stack::Proxy;
use stack::testing::TestVhost;

use crate::app::{
    DEAD_QUEUE, Options, QUEUE, TestApp, alert, broker_address, code, identity_provider, until,
};
use crate::publishing::behind_a_proxy;

const UNKNOWN: &str = r#"{"alertname": "a custom payload of a log alert rule", "rows": [1, 2]}"#;

#[tokio::test]
async fn json_that_is_no_alert_is_answered_with_400_and_kept_among_the_dead_letters() {
    let app = TestApp::start().await;
    let answer = app.post(&app.token(), UNKNOWN).await;
    assert_eq!(answer.status(), 400);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "not_an_alert");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("\"Enable the common alert schema\""), "{detail}");
    assert!(detail.contains("kept among the dead letters"), "{detail}");

    let letter = app.vhost.take(DEAD_QUEUE, 10).await.unwrap().remove(0);
    let reason = header(letter.properties.headers().as_ref().unwrap(), HEADER_REASON).unwrap();
    assert!(reason.starts_with("not taken by ingest: neither the common alert schema"), "{reason}");
    let message = Message::decode(&letter.properties, letter.data).unwrap();
    assert_eq!(message.body, UNKNOWN);
    assert_eq!(message.tenant_id.to_string(), "5ec0de00-0000-4000-8000-00000000000a");
    assert_eq!(app.vhost.depth(QUEUE).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_letter_and_what_is_no_json_is_none() {
    let app = TestApp::start().await;
    let token = app.token();
    for body in [UNKNOWN, UNKNOWN, "{}", "no json"] {
        assert_eq!(app.post(&token, body).await.status(), 400);
    }
    let letters = app.vhost.take(DEAD_QUEUE, 10).await.unwrap();
    let ids: Vec<_> = letters.iter().map(|letter| letter.properties.message_id().clone().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn where_subscriptions_are_listed_json_that_names_none_is_refused_and_not_kept() {
    let trust = "subscriptions = [\"00000000-0000-0000-0000-000000000001\"]".to_owned();
    let app = TestApp::with(Options { trust, ..Options::default() }).await;
    let answer = app.post(&app.token(), UNKNOWN).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(code(answer).await, "subscription_not_allowed");
    assert_eq!(app.vhost.depth(DEAD_QUEUE).await.unwrap(), 0);
}

#[tokio::test]
async fn what_cannot_be_kept_is_answered_with_503_so_that_azure_tries_again() {
    let (app, proxy) = behind_a_proxy("5s").await;
    proxy.refuse();
    until(async || app.admin("/readyz").await.0 != 200).await;
    let answer = app.post(&app.token(), UNKNOWN).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(code(answer).await, "not_durable");
    proxy.resume();
    until(async || app.post(&app.token(), UNKNOWN).await.status() == 400).await;
    assert_eq!(app.vhost.take(DEAD_QUEUE, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn while_the_broker_is_gone_the_spool_keeps_it_until_it_is_full() {
    let vhost = TestVhost::create().await.unwrap();
    let proxy = Proxy::start(broker_address(&vhost)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("folder = {:?}\nmax_bytes = 10000", folder.path());
    let options = Options { broker: Some(proxy.address()), spool, ..Options::default() };
    let app = TestApp::among(identity_provider().await, vhost, options).await;
    let token = app.token();
    proxy.refuse();
    until(async || {
        let readiness: Value = serde_json::from_str(&app.admin("/readyz").await.1).unwrap();
        readiness["dependencies"]["amqp"]["ready"] == false
    })
    .await;

    let mut kept = 0;
    let mut last = 400;
    while last == 400 {
        let body = format!("{{\"number\": {kept}, \"padding\": \"{}\"}}", "x".repeat(1_000));
        last = app.post(&token, body).await.status().as_u16();
        kept += usize::from(last == 400);
    }
    assert_eq!(last, 503);
    assert!(kept > 1, "the spool should take some");

    // A worker moves them from here to the dead letters.
    proxy.resume();
    let mut taken = Vec::new();
    until(async || {
        taken.extend(app.vhost.take(QUEUE, 100).await.unwrap());
        taken.len() == kept
    })
    .await;
    assert!(taken.into_iter().all(|delivery| Message::decode(&delivery.properties, delivery.data).is_ok()));
}

#[tokio::test]
async fn a_flood_ends_at_the_limit_of_the_dead_letters_and_holds_no_alert_up() {
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("folder = {:?}", folder.path());
    let options = Options { amqp: "max_queue_bytes = 10000", spool, ..Options::default() };
    let app = TestApp::with(options).await;
    let token = app.token();
    let mut kept = 0;
    until(async || {
        let body = format!("{{\"number\": {kept}, \"padding\": \"{}\"}}", "x".repeat(1_000));
        let status = app.post(&token, body).await.status();
        kept += usize::from(status == 400);
        status == 503
    })
    .await;
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    assert_eq!(app.vhost.take(QUEUE, 100).await.unwrap().len(), 1, "none came by the spool");
    assert_eq!(app.vhost.take(DEAD_QUEUE, 100).await.unwrap().len(), kept);
}
