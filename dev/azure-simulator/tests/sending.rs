//! The sender against a receiver that records what it gets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its own functions too"
)]

use std::{net::Ipv4Addr, time::Duration};

use azure_simulator::{
    alerts::{AlertRule, Kind},
    identity::{IdentityProvider, Running},
    sender::{Credentials, LoadError, LoadPlan, Outcome, Retries, Sender, TokenError, TokenSource, load},
    settings::Settings,
};
use jiff::Timestamp;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, header_regex, method, path},
};

async fn start() -> (Running, Credentials) {
    let settings = Settings::default();
    let tenant = settings.tenants[0].clone();
    let provider = IdentityProvider::start(settings, (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let credentials = Credentials {
        token_url: provider.token_url(&tenant.tenant_id),
        client_id: tenant.clients[0].client_id.clone(),
        client_secret: tenant.clients[0].client_secret.clone(),
        audience: tenant.resources[0].app_id_uri.clone(),
    };
    (provider, credentials)
}

/// Three attempts, without a pause.
fn three() -> Retries {
    Retries(vec![Duration::ZERO; 2])
}

async fn receiver(statuses: &[(u16, u64)]) -> MockServer {
    let server = MockServer::start().await;
    for &(status, times) in statuses {
        Mock::given(method("POST"))
            .and(path("/v1/alerts"))
            .and(header("user-agent", "IcMBroadcaster/1.0"))
            .and(header("content-type", "application/json; charset=utf-8"))
            .and(header_regex("authorization", "^Bearer ey"))
            .respond_with(ResponseTemplate::new(status).set_body_string(format!("answer {status}")))
            .up_to_n_times(times)
            .expect(times)
            .mount(&server)
            .await;
    }
    server
}

async fn deliver(statuses: &[(u16, u64)]) -> (Outcome, u32, String) {
    let (_provider, credentials) = start().await;
    let server = receiver(statuses).await;
    let url = format!("{}/v1/alerts", server.uri());
    let sender = Sender::new(&url, TokenSource::new(credentials).unwrap(), three()).unwrap();
    let body = AlertRule::new(Kind::MetricStatic, 1, 1).fire(Timestamp::now()).fired();
    let delivery = sender.deliver(body).await;
    (delivery.outcome, delivery.attempts, String::from_utf8(delivery.answer.into()).unwrap())
}

#[actix_web::test]
async fn a_delivery_is_retried_until_it_is_accepted() {
    assert_eq!(deliver(&[(503, 1), (202, 1)]).await, (Outcome::Accepted(202), 2, "answer 202".to_owned()));
}

#[actix_web::test]
async fn a_delivery_is_given_up_after_its_last_retry() {
    assert_eq!(deliver(&[(429, 3)]).await, (Outcome::Refused(429), 3, "answer 429".to_owned()));
}

#[actix_web::test]
async fn a_refusal_that_azure_does_not_retry_is_final() {
    assert_eq!(deliver(&[(500, 1)]).await, (Outcome::Refused(500), 1, "answer 500".to_owned()));
}

fn plan(url: String, credentials: Credentials) -> LoadPlan {
    LoadPlan {
        url,
        credentials,
        kinds: vec![Kind::LogV2, Kind::ServiceHealth],
        count: 10,
        seed: 1,
        resources: None,
        rate: None,
        connections: 3,
        resolve_after: Some(Duration::ZERO),
        retries: Retries::none(),
    }
}

#[actix_web::test]
async fn a_load_sends_what_was_planned_with_one_token_and_adds_up() {
    let (provider, credentials) = start().await;
    let server = receiver(&[(202, 12), (400, 3)]).await;
    let report = load(plan(format!("{}/v1/alerts", server.uri()), credentials)).await.unwrap();
    assert_eq!((report.sent, report.accepted, report.attempts), (15, 12, 15));
    assert_eq!(report.refused.into_iter().collect::<Vec<_>>(), [(400, 3)]);
    assert_eq!(provider.directory().requests().token, 1);
    provider.stop().await;
}

#[actix_web::test]
async fn a_receiver_that_is_not_there_is_a_result_and_not_an_error() {
    let (provider, credentials) = start().await;
    // Nothing listens on port 1.
    let report = load(plan("http://127.0.0.1:1/v1/alerts".to_owned(), credentials)).await.unwrap();
    assert_eq!((report.unreachable, report.accepted), (15, 0));
    provider.stop().await;
}

#[actix_web::test]
async fn a_load_without_a_token_fails_at_once() {
    let (provider, credentials) = start().await;
    let credentials = Credentials { client_secret: "guess".to_owned(), ..credentials };
    let error = load(plan("http://127.0.0.1:1/".to_owned(), credentials)).await.unwrap_err();
    assert!(matches!(&error, LoadError::Token(TokenError::Refused { status: 401, .. })), "{error}");
    provider.stop().await;
}
