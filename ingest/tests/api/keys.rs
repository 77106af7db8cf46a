use std::time::Duration;

use azure_simulator::identity::{Fault, Faults, OldKeys, Recipe};
use futures_util::future::join_all;
use stack::testing::TestVhost;

use crate::app::{Options, TestApp, alert, code, identity_provider, until};

#[tokio::test]
async fn a_new_signing_key_is_fetched_when_the_first_token_names_it() {
    let app = TestApp::start().await;
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
    app.identity.directory().rotate(OldKeys::StayPublished).unwrap();
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_no_flood_of_fetches() {
    let app = TestApp::start().await;
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
    app.identity.directory().forget_requests();
    for number in 0..50 {
        let forged = app.mint(Recipe::default().header("kid", format!("forged-{number}")));
        assert_eq!(app.post(&forged, alert(1)).await.status(), 401);
    }
    let fetched = app.identity.directory().requests();
    assert!(fetched.discovery <= 1 && fetched.keys <= 1, "{fetched:?}");
}

#[tokio::test]
async fn without_discovery_the_answer_is_503_until_it_works() {
    let wrong_issuer = [Fault::WrongIssuer];
    each_is_survived(
        faults().into_iter().chain(wrong_issuer).map(|discovery| Faults { discovery, ..Faults::default() }),
    )
    .await;
}

#[tokio::test]
async fn without_keys_the_answer_is_503_until_they_can_be_fetched() {
    each_is_survived(faults().into_iter().map(|keys| Faults { keys, ..Faults::default() })).await;
}

#[tokio::test]
async fn keys_once_fetched_outlive_an_outage_of_the_identity_provider() {
    let options = Options { refresh: Duration::from_millis(100), ..Options::default() };
    let app = TestApp::with(options).await;
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
    app.identity.directory().misbehave(Faults { discovery: Fault::Down, keys: Fault::Down });
    app.identity.directory().forget_requests();
    until(async || app.identity.directory().requests().discovery >= 3).await;
    assert_eq!(app.post(&app.token(), alert(1)).await.status(), 202);
    let unknown = app.mint(Recipe::default().header("kid", "perhaps-new"));
    assert_eq!(app.post(&unknown, alert(1)).await.status(), 503);
}

#[tokio::test]
async fn a_remembered_token_is_forgotten_when_its_key_is_withdrawn() {
    let options = Options { refresh: Duration::from_millis(100), ..Options::default() };
    let app = TestApp::with(options).await;
    let token = app.token();
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    app.identity.directory().rotate(OldKeys::Withdrawn).unwrap();
    until(async || app.post(&token, alert(1)).await.status() == 401).await;
}

fn faults() -> [Fault; 5] {
    [
        Fault::Down,
        Fault::Html,
        Fault::Huge { bytes: 2 << 20 },
        Fault::Redirect { url: "http://127.0.0.1:1/elsewhere".to_owned() },
        Fault::Slow { milliseconds: 10_000 },
    ]
}

/// Side by side, because each takes the seconds until the next attempt.
async fn each_is_survived(faults: impl Iterator<Item = Faults>) {
    join_all(faults.map(is_survived)).await;
}

async fn is_survived(fault: Faults) {
    let identity = identity_provider().await;
    identity.directory().misbehave(fault.clone());
    let app = TestApp::among(identity, TestVhost::create().await.unwrap(), Options::default()).await;
    let answer = app.post(&app.token(), alert(1)).await;
    assert_eq!(answer.status(), 503, "{fault:?}");
    assert!(answer.headers().contains_key("retry-after"), "{fault:?}");
    assert_eq!(code(answer).await, "keys_unavailable", "{fault:?}");
    let (status, readiness) = app.admin("/readyz").await;
    assert_eq!(status, 503, "{fault:?}");
    assert!(!readiness.contains("not reached yet"), "{readiness}");

    app.identity.directory().misbehave(Faults::default());
    until(async || app.post(&app.token(), alert(1)).await.status() == 202).await;
    assert_eq!(app.admin("/readyz").await.0, 200);
}
