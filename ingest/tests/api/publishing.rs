use serde_json::Value;
use shared::message::Message;
use stack::Proxy;
use stack::testing::TestVhost;
use tokio::time::Instant;

use crate::app::{Options, QUEUE, TestApp, alert, broker_address, code, identity_provider, until};

pub(crate) async fn id(answer: reqwest::Response) -> String {
    assert_eq!(answer.status(), 202);
    let receipt: Value = answer.json().await.unwrap();
    receipt["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_accepted_alert_is_on_the_queue_as_it_was_received() {
    let app = TestApp::start().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = app.request(&app.token(), alert(7)).header("traceparent", traceparent);
    let id = id(request.send().await.unwrap()).await;

    let mut taken = app.vhost.take(QUEUE, 10).await.unwrap();
    assert_eq!(taken.len(), 1);
    let delivery = taken.remove(0);
    let message = Message::decode(&delivery.properties, delivery.data).unwrap();
    assert_eq!(message.id.to_string(), id);
    assert_eq!(message.tenant_id.to_string(), "5ec0de00-0000-4000-8000-00000000000a");
    assert_eq!(message.traceparent.as_deref(), Some(traceparent));
    assert_eq!(message.body, alert(7));
    assert_eq!(*delivery.properties.delivery_mode(), Some(2));
}

#[tokio::test]
async fn a_repeated_delivery_gets_the_same_id_and_another_alert_another() {
    let app = TestApp::start().await;
    let token = app.token();
    let first = id(app.post(&token, alert(1)).await).await;
    assert_eq!(id(app.post(&token, alert(1)).await).await, first);
    assert_ne!(id(app.post(&token, alert(2)).await).await, first);
}

#[tokio::test]
async fn a_broker_that_is_gone_means_503_until_it_is_back() {
    let (app, proxy) = behind_a_proxy("5s").await;
    let token = app.token();
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    proxy.refuse();
    until(async || app.admin("/readyz").await.0 != 200).await;
    let answer = app.post(&token, alert(2)).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(code(answer).await, "not_durable");

    proxy.resume();
    until(async || app.post(&token, alert(3)).await.status() == 202).await;
}

#[tokio::test]
async fn a_broker_that_stays_silent_means_503_within_the_deadline() {
    let (app, proxy) = behind_a_proxy("1s").await;
    let token = app.token();
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    proxy.hold_answers();
    let started = Instant::now();
    assert_eq!(app.post(&token, alert(2)).await.status(), 503);
    assert!(started.elapsed().as_secs() < 3);
    proxy.resume();
    assert_eq!(app.post(&token, alert(3)).await.status(), 202);
}

#[tokio::test]
async fn a_full_queue_means_503_and_loses_nothing_that_was_accepted() {
    let app = TestApp::with(Options { amqp: "max_queue_bytes = 10000", ..Options::default() }).await;
    let token = app.token();
    let mut accepted = 0;
    until(async || {
        let status = app.post(&token, alert(accepted)).await.status();
        accepted += u64::from(status == 202);
        status == 503
    })
    .await;
    assert!(accepted > 1, "the queue should take some");
    assert_eq!(app.vhost.take(QUEUE, 100).await.unwrap().len() as u64, accepted);
}

#[tokio::test]
async fn an_alert_that_no_queue_takes_is_not_called_accepted() {
    let app = TestApp::start().await;
    let token = app.token();
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    app.vhost.delete_queue(QUEUE).await.unwrap();
    assert_eq!(app.post(&token, alert(2)).await.status(), 503);
}

#[tokio::test]
async fn the_program_starts_while_the_broker_is_gone() {
    let vhost = TestVhost::create().await.unwrap();
    let proxy = Proxy::start(broker_address(&vhost)).await.unwrap();
    proxy.refuse();
    let options = Options { broker: Some(proxy.address()), ..Options::default() };
    let app = TestApp::among(identity_provider().await, vhost, options).await;
    let token = app.token();
    assert_eq!(app.post(&token, alert(1)).await.status(), 503);
    proxy.resume();
    until(async || app.post(&token, alert(1)).await.status() == 202).await;
}

pub(crate) async fn behind_a_proxy(request_deadline: &'static str) -> (TestApp, Proxy) {
    let vhost = TestVhost::create().await.unwrap();
    let proxy = Proxy::start(broker_address(&vhost)).await.unwrap();
    let options = Options { request_deadline, broker: Some(proxy.address()), ..Options::default() };
    (TestApp::among(identity_provider().await, vhost, options).await, proxy)
}
