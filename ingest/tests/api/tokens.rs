use azure_simulator::identity::{MintKey, Recipe};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::app::{Options, SUBSCRIPTION, TestApp, alert, code};

const STRANGER: &str = "5ec0de00-0000-4000-8000-0000000000ff";
const V1_API: &str = "api://secure-export-v1";

#[tokio::test]
async fn azure_monitor_is_let_in_with_either_token_version() {
    let app = TestApp::start().await;
    for recipe in [Recipe::default(), Recipe::default().for_audience(V1_API)] {
        let answer = app.post(&app.mint(recipe), alert(1)).await;
        assert_eq!(answer.status(), 202);
    }
}

#[tokio::test]
async fn a_token_that_is_not_authentic_is_answered_with_401_and_nothing_more() {
    let app = TestApp::start().await;
    let new = Recipe::default;
    let ago = |minutes| Timestamp::now() - SignedDuration::from_mins(minutes);
    let foreign_tenant = "00000000-0000-0000-0000-0000000000bb";
    let cases = [
        ("expired", new().issued_at(ago(180))),
        ("from the future", new().issued_at(ago(-180))),
        ("foreign tenant", new().claim("tid", foreign_tenant)),
        ("wrong audience", new().claim("aud", "api://another")),
        ("audience as a list", new().claim("aud", json!(["api://secure-export"]))),
        ("wrong issuer", new().claim("iss", "https://sts.windows.net/elsewhere/")),
        ("no audience", new().claim("aud", Value::Null)),
        ("no issuer", new().claim("iss", Value::Null)),
        ("no expiry", new().claim("exp", Value::Null)),
        ("no beginning", new().claim("nbf", Value::Null)),
        ("no tenant", new().claim("tid", Value::Null)),
        ("no version", new().claim("ver", Value::Null)),
        ("endless", new().claim("exp", i64::MAX)),
        ("v1 against v2 metadata", new().for_audience(V1_API).claim("ver", "2.0")),
        ("v2 against v1 metadata", new().claim("ver", "1.0")),
        ("alg none", new().signed_with(MintKey::None)),
        ("HS256 with the public key", new().signed_with(MintKey::Hs256PublicKey)),
        ("HS256 called RS256", new().signed_with(MintKey::Hs256PublicKey).header("alg", "RS256")),
        ("another's signature", new().signed_with(MintKey::Foreign)),
        ("unknown key", new().header("kid", "unknown")),
        ("no key", new().header("kid", Value::Null)),
    ];
    for (name, recipe) in cases {
        let answer = app.post(&app.mint(recipe), alert(1)).await;
        assert_eq!(answer.status(), 401, "{name}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer", "{name}");
        assert_eq!(code(answer).await, "unauthenticated", "{name}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_answered_with_401() {
    let app = TestApp::start().await;
    let good = app.token();
    let huge = format!("{good}{}", "A".repeat(64 * 1024));
    let cut = good.rsplit_once('.').unwrap().0.to_owned();
    let doubled = format!("{good}.{good}");
    for authorization in [
        String::new(),
        "Bearer".to_owned(),
        "Basic dXNlcjpwYXNzd29yZA==".to_owned(),
        "Bearer garbage".to_owned(),
        "Bearer a.b.c".to_owned(),
        format!("Bearer {cut}"),
        format!("Bearer {cut}."),
        format!("Bearer {doubled}"),
        format!("Bearer {huge}"),
    ] {
        let answer = app.request("", alert(1)).header("authorization", &authorization);
        let mut request = answer.build().unwrap();
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        let answer = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(answer.status(), 401, "{}", authorization.len());
    }
    let without = reqwest::Client::new().post(app.url("/v1/alerts")).body(alert(1)).send().await.unwrap();
    assert_eq!(without.status(), 401);
}

#[tokio::test]
async fn an_authentic_token_of_somebody_else_is_answered_with_403() {
    let app = TestApp::start().await;
    let new = Recipe::default;
    let cases = [
        ("another application", new().claim("azp", STRANGER)),
        ("another application, v1", new().for_audience(V1_API).claim("appid", STRANGER)),
        ("no application", new().claim("azp", Value::Null)),
        (
            "the other version's claim",
            new().claim("appid", "461e8683-5575-4561-ac7f-899cc907d62a").claim("azp", STRANGER),
        ),
        ("a user's token", new().claim("scp", "user_impersonation")),
        ("a user by type", new().claim("idtyp", "user")),
        ("no role", new().claim("roles", Value::Null)),
        ("another role", new().claim("roles", json!(["Reader"]))),
        ("a stranger", new().by_client(STRANGER)),
    ];
    for (name, recipe) in cases {
        let answer = app.post(&app.mint(recipe), alert(1)).await;
        assert_eq!(answer.status(), 403, "{name}");
        assert_eq!(code(answer).await, "forbidden", "{name}");
    }
}

#[tokio::test]
async fn keys_that_the_token_brings_along_are_ignored() {
    let app = TestApp::start().await;
    let own_key = |key| {
        Recipe::default()
            .header("jku", "http://127.0.0.1:1/keys")
            .header("x5u", "http://127.0.0.1:1/certificate")
            .header("jwk", json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }))
            .signed_with(key)
    };
    assert_eq!(app.post(&app.mint(own_key(MintKey::Current)), alert(1)).await.status(), 202);
    assert_eq!(app.post(&app.mint(own_key(MintKey::Foreign)), alert(1)).await.status(), 401);
}

#[tokio::test]
async fn only_the_listed_subscriptions_may_be_reported_on() {
    let listing = |id: &str| Options { trust: format!("subscriptions = [\"{id}\"]"), ..Options::default() };
    let listed = TestApp::with(listing(SUBSCRIPTION)).await;
    assert_eq!(listed.post(&listed.token(), alert(1)).await.status(), 202);
    let mixed = json!({ "data": { "essentials": {
        "alertId": format!("/subscriptions/{SUBSCRIPTION}/providers/x/alerts/1"), "monitorCondition": "Fired",
        "alertTargetIDs": ["/subscriptions/00000000-0000-0000-0000-0000000000ee/x"],
    } } });
    let answer = listed.post(&listed.token(), mixed.to_string()).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(code(answer).await, "subscription_not_allowed");
    let nameless = json!({ "data": { "essentials": { "alertId": "1", "monitorCondition": "Fired" } } });
    assert_eq!(listed.post(&listed.token(), nameless.to_string()).await.status(), 403);

    let other = TestApp::with(listing("00000000-0000-0000-0000-0000000000ee")).await;
    assert_eq!(other.post(&other.token(), alert(1)).await.status(), 403);
}

#[tokio::test]
async fn a_role_is_not_asked_for_where_the_check_is_disabled() {
    let options = Options { trust: "role_check = \"disabled\"".to_owned(), ..Options::default() };
    let app = TestApp::with(options).await;
    assert_eq!(
        app.post(&app.mint(Recipe::default().claim("roles", Value::Null)), alert(1)).await.status(),
        202
    );
    let stranger = app.mint(Recipe::default().by_client(STRANGER));
    assert_eq!(app.post(&stranger, alert(1)).await.status(), 403);
}

#[tokio::test]
async fn a_token_is_remembered_and_a_changed_one_is_not_taken_for_it() {
    let app = TestApp::start().await;
    let token = app.token();
    for number in 0..3 {
        assert_eq!(app.post(&token, alert(number)).await.status(), 202);
    }
    assert_eq!(app.post(&format!("{token}A"), alert(1)).await.status(), 401);
    let (_, metrics) = app.admin("/metrics").await;
    assert!(
        metrics.contains(r#"secure_export_ingest_token_checks_total{outcome="verified",reason=""} 1"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"secure_export_ingest_token_checks_total{outcome="remembered",reason=""} 2"#),
        "{metrics}"
    );
    assert!(
        metrics
            .contains(r#"secure_export_ingest_token_checks_total{outcome="refused",reason="signature"} 1"#),
        "{metrics}"
    );
}
