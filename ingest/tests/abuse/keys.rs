//! Keys that come and go, and floods of tokens that name keys nobody has.

use std::time::Duration;

use azure_simulator::identity::{Fault, Faults, OldKeys, Recipe};
use futures_util::future::join_all;

use crate::app::{Options, QUEUE, TestApp, alert, until};
use crate::claims::V1_API;
use crate::siege::{Attempt, DEADLINE, DEADLINE_SETTING, Expected, app, is_unharmed, lay, watch_for_panics};

/// A token, of either version, that names a key nobody publishes.
fn with_unknown_key(app: &TestApp, number: usize) -> Attempt {
    let recipe = Recipe::default().header("kid", format!("unknown-{number}"));
    let recipe = if number.is_multiple_of(2) { recipe } else { recipe.for_audience(V1_API) };
    Attempt::bearer(format!("unknown key {number}"), &app.mint(recipe))
}

async fn with_short_refresh() -> TestApp {
    watch_for_panics();
    let options = Options {
        request_deadline: DEADLINE_SETTING,
        refresh: Duration::from_millis(300),
        ..Options::default()
    };
    TestApp::with(options).await
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_per_token_version_and_locks_nobody_out() {
    let app = app().await;
    until(async || app.admin("/readyz").await.0 == 200).await;
    is_unharmed(&app).await;
    app.identity.directory().forget_requests();
    lay(&app, "keys: unknown", (0..1_000).map(|number| with_unknown_key(&app, number)).collect()).await;
    let fetched = app.identity.directory().requests();
    assert!(fetched.discovery <= 2 && fetched.keys <= 2, "{fetched:?}");
}

#[tokio::test]
async fn a_flood_while_the_keys_are_slow_to_come_holds_up_nobody_with_a_known_key() {
    let app = app().await;
    is_unharmed(&app).await;
    app.identity.directory().forget_requests();
    let slow = Fault::Slow { milliseconds: 60_000 };
    app.identity.directory().misbehave(Faults { discovery: slow.clone(), keys: slow });
    let flood = (0..300).map(|number| {
        let attempt = with_unknown_key(&app, number);
        attempt.expecting(Expected::Status(&[401, 503]))
    });
    lay(&app, "keys: unknown, none to be had", flood.collect()).await;
    let fetched = app.identity.directory().requests();
    // One for the flood, and the attempts after a failure, which are no more for it.
    assert!(fetched.discovery <= 6, "{fetched:?}");
}

#[tokio::test]
async fn a_new_key_comes_with_the_next_refresh_even_after_a_flood() {
    let app = with_short_refresh().await;
    is_unharmed(&app).await;
    let flood = join_all((0..100).map(async |number| {
        let token = app.mint(Recipe::default().header("kid", format!("unknown-{number}")));
        app.post(&token, alert(1)).await.status()
    }));
    assert!(flood.await.iter().all(|status| *status == 401));
    app.identity.directory().rotate(OldKeys::StayPublished).unwrap();
    until(async || app.post(&app.token(), alert(1)).await.status() == 202).await;
    app.vhost.purge(QUEUE).await.unwrap();
    is_unharmed(&app).await;
}

#[tokio::test]
async fn a_withdrawn_key_lets_nobody_in_after_the_next_refresh() {
    let app = with_short_refresh().await;
    let tokens: Vec<String> = (0..100).map(|_| app.token()).collect();
    // Half of them are remembered as good.
    for token in &tokens[..50] {
        assert_eq!(app.post(token, alert(1)).await.status(), 202);
    }
    app.identity.directory().rotate(OldKeys::Withdrawn).unwrap();
    app.identity.directory().forget_requests();
    // The second fetch after it began when the first was over.
    until(async || app.identity.directory().requests().keys >= 4).await;
    until(async || app.post(&tokens[0], alert(1)).await.status() == 401).await;
    app.vhost.purge(QUEUE).await.unwrap();
    let attempts = tokens.iter().map(|token| Attempt::bearer("signed with a withdrawn key", token));
    lay(&app, "keys: withdrawn", attempts.collect()).await;
}

/// The bound of a fetch is shorter than that of a request, so that there is time for an answer.
#[tokio::test]
async fn waiting_for_keys_ends_with_the_request() {
    assert!(DEADLINE > Duration::from_secs(1));
    let identity = crate::app::identity_provider().await;
    let slow = Fault::Slow { milliseconds: 60_000 };
    identity.directory().misbehave(Faults { discovery: slow.clone(), keys: slow });
    let vhost = stack::testing::TestVhost::create().await.unwrap();
    let options = Options { request_deadline: DEADLINE_SETTING, ..Options::default() };
    let app = TestApp::among(identity, vhost, options).await;
    let attempts =
        (0..200).map(|_| Attempt::bearer("good", &app.token()).expecting(Expected::Status(&[503])));
    let attempts: Vec<_> = attempts.collect();
    app.identity
        .directory()
        .misbehave(Faults { discovery: Fault::Slow { milliseconds: 60_000 }, keys: Fault::None });
    let outcomes =
        join_all(attempts.iter().map(|attempt| crate::siege::exchange(app.port, &attempt.bytes))).await;
    let mut tally = crate::siege::Tally::new("keys: good tokens, no keys yet");
    for (attempt, outcome) in attempts.iter().zip(&outcomes) {
        tally.count(attempt, outcome);
    }
    tally.report();
    app.identity.directory().misbehave(Faults::default());
    until(async || app.post(&app.token(), alert(1)).await.status() == 202).await;
    app.vhost.purge(QUEUE).await.unwrap();
    is_unharmed(&app).await;
}
