//! The identity provider over HTTP, as a verifier and a client see it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

use std::net::{Ipv4Addr, SocketAddr};

use azure_simulator::{
    identity::{
        Directory, Fault, Faults, IdentityProvider, MintKey, OldKeys, Recipe, Requests, Running, TokenRequest,
    },
    settings::{AZNS_APP_ID, AZNS_ROLE, Settings, Tenant, TokenVersion},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn start() -> (Running, Tenant) {
    let settings = Settings::default();
    let tenant = settings.tenants[0].clone();
    (IdentityProvider::start(settings, ANY_PORT).await.unwrap(), tenant)
}

async fn get(url: &str) -> Value {
    reqwest::get(url).await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

fn request(tenant: &Tenant, client: usize, audience: &str) -> TokenRequest {
    TokenRequest {
        grant_type: Some("client_credentials".to_owned()),
        client_id: Some(tenant.clients[client].client_id.clone()),
        client_secret: Some(tenant.clients[client].client_secret.clone()),
        scope: Some(format!("{audience}/.default")),
        resource: None,
    }
}

async fn ask(url: &str, request: &TokenRequest) -> (u16, Value) {
    let answer = reqwest::Client::new().post(url).form(request).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Checks a token as the documentation of Entra tells an API to: its kid in the key set, issuer, audience, time.
fn verify(token: &str, keys: &Value, issuer: &str, audience: &str) -> Result<Value, String> {
    let key_id = decode_header(token).map_err(|error| error.to_string())?.kid;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"].as_str() == key_id.as_deref());
    let key = key.ok_or("unknown kid")?;
    let key =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    decode::<Value>(token, &key, &validation).map(|token| token.claims).map_err(|error| error.to_string())
}

#[actix_web::test]
async fn a_token_passes_the_checks_of_its_own_metadata() {
    let (provider, tenant) = start().await;
    let (base, tenant_id) = (provider.base_url(), &tenant.tenant_id);
    let [v2, v1] = &tenant.resources[..] else { panic!("the default settings have two APIs") };
    let cases = [
        (v1, "", format!("https://sts.windows.net/{tenant_id}/"), v1.app_id_uri.as_str(), "appid"),
        (v2, "/v2.0", format!("{base}/{tenant_id}/v2.0"), v2.client_id.as_str(), "azp"),
    ];
    for (resource, path, issuer, audience, caller) in cases {
        let discovery = get(&format!("{base}/{tenant_id}{path}/.well-known/openid-configuration")).await;
        assert_eq!(discovery["issuer"], json!(issuer));
        let keys = get(discovery["jwks_uri"].as_str().unwrap()).await;
        assert_eq!(keys["keys"][0]["alg"], Value::Null);
        // Whichever endpoint is asked, the API decides the version of its tokens.
        for endpoint in ["oauth2/token", "oauth2/v2.0/token"] {
            let url = format!("{base}/{tenant_id}/{endpoint}");
            let (status, answer) = ask(&url, &request(&tenant, 0, &resource.app_id_uri)).await;
            assert_eq!(status, 200, "{answer}");
            let claims = verify(answer["access_token"].as_str().unwrap(), &keys, &issuer, audience).unwrap();
            assert_eq!((&claims[caller], &claims["roles"]), (&json!(AZNS_APP_ID), &json!([AZNS_ROLE])));
            let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            assert!((3_600..=5_400).contains(&lifetime), "{lifetime}");
        }
    }
    provider.stop().await;
}

#[actix_web::test]
async fn refusals_are_worded_like_entra() {
    let (provider, tenant) = start().await;
    let url = provider.token_url(&tenant.tenant_id);
    let wrong = TokenRequest {
        client_secret: Some("guess".to_owned()),
        ..request(&tenant, 0, &tenant.resources[0].app_id_uri)
    };
    let (status, answer) = ask(&url, &wrong).await;
    assert_eq!(
        (status, &answer["error"], &answer["error_codes"]),
        (401, &json!("invalid_client"), &json!([7_000_215]))
    );
    assert!(
        answer["error_description"].as_str().unwrap().starts_with("AADSTS7000215: Invalid client secret")
    );

    let discovery = format!("{}/elsewhere/v2.0/.well-known/openid-configuration", provider.base_url());
    let answer = reqwest::get(discovery).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], json!("invalid_tenant"));
    provider.stop().await;
}

#[actix_web::test]
async fn the_control_interface_rotates_mints_counts_and_breaks() {
    let (provider, tenant) = start().await;
    let base = provider.base_url().to_owned();
    let keys_url = format!("{base}/{}/discovery/v2.0/keys", tenant.tenant_id);
    let http = reqwest::Client::new();
    let control = |path: &str| format!("{base}/_control/{path}");

    let first = get(&keys_url).await["keys"][0]["kid"].clone();
    let rotated: Value = http.post(control("rotate")).send().await.unwrap().json().await.unwrap();
    let published = get(&keys_url).await;
    assert_eq!([&published["keys"][0]["kid"], &published["keys"][1]["kid"]], [&rotated["kid"], &first]);
    http.post(control("rotate?drop_old=true")).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(get(&keys_url).await["keys"].as_array().unwrap().len(), 1);

    let recipe =
        json!({ "claims": { "scp": "user", "aud": null }, "key": "foreign", "header": { "kid": "other" } });
    let minted: Value = http.post(control("mint")).json(&recipe).send().await.unwrap().json().await.unwrap();
    let header = decode_header(minted["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(header.kid.as_deref(), Some("other"));

    let counted: Requests = http.get(control("requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!(counted, Requests { discovery: 0, keys: 3, token: 0 });
    http.delete(control("requests")).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(provider.directory().requests(), Requests { discovery: 0, keys: 0, token: 0 });

    let faults = json!({ "keys": { "mode": "down" } });
    http.put(control("faults")).json(&faults).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(provider.directory().faults(), Faults { keys: Fault::Down, ..Faults::default() });
    assert_eq!(http.get(&keys_url).send().await.unwrap().status(), 503);
    provider.stop().await;
}

#[actix_web::test]
async fn every_fault_spoils_the_document_in_its_own_way() {
    let (provider, tenant) = start().await;
    let url = format!("{}/{}/v2.0/.well-known/openid-configuration", provider.base_url(), tenant.tenant_id);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let check = async |fault: Fault, status: u16, has: &str| {
        provider.directory().misbehave(Faults { discovery: fault, ..Faults::default() });
        let answer = http.get(&url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body = answer.text().await.unwrap();
        assert!(body.contains(has), "{has} is not in {body}");
        body.len()
    };
    check(Fault::None, 200, "/v2.0\"").await;
    check(Fault::Slow { milliseconds: 1 }, 200, "/v2.0\"").await;
    check(Fault::Html, 200, "<html>").await;
    check(Fault::WrongIssuer, 200, "00000000dead").await;
    assert!(check(Fault::Huge { bytes: 100_000 }, 200, "issuer").await > 100_000);
    check(Fault::Redirect { url: "http://127.0.0.1:1/".to_owned() }, 302, "").await;
    provider.stop().await;
}

#[test]
fn a_minted_token_fails_exactly_where_it_was_spoilt() {
    let settings = Settings::default();
    let tenant = settings.tenants[0].clone();
    let directory = Directory::new(settings, "http://entra.example").unwrap();
    let issuer = format!("http://entra.example/{}/v2.0", tenant.tenant_id);
    let check = |recipe: Recipe, expected: Result<(), &str>| {
        let token = directory.mint(&recipe).unwrap();
        let keys = directory.key_set(&tenant.tenant_id, TokenVersion::V2).unwrap();
        let verified = verify(&token, &keys, &issuer, &tenant.resources[0].client_id);
        assert_eq!(verified.map(|_claims| ()), expected.map_err(str::to_owned), "{recipe:?}");
    };
    let good = Recipe::default;
    check(good(), Ok(()));
    check(good().by_client(&tenant.clients[1].client_id), Ok(()));
    check(good().claim("aud", Value::Null), Err("Missing required claim: aud"));
    check(good().claim("iss", "https://elsewhere.example/"), Err("InvalidIssuer"));
    check(good().claim("exp", 1), Err("ExpiredSignature"));
    check(good().issued_at("2000-01-01T00:00:00Z".parse().unwrap()), Err("ExpiredSignature"));
    check(good().for_audience(&tenant.resources[1].app_id_uri), Err("InvalidIssuer"));
    check(good().header("kid", Value::Null), Err("unknown kid"));
    check(good().signed_with(MintKey::Foreign), Err("InvalidSignature"));
    check(good().signed_with(MintKey::Hs256PublicKey), Err("InvalidAlgorithm"));
    let token = directory.mint(&good().signed_with(MintKey::None)).unwrap();
    assert!(token.ends_with('.') && decode_header(&token).is_err());

    let before = directory.mint(&good()).unwrap();
    directory.rotate(OldKeys::Withdrawn).unwrap();
    let keys = directory.key_set(&tenant.tenant_id, TokenVersion::V2).unwrap();
    assert_eq!(verify(&before, &keys, &issuer, "any"), Err("unknown kid".to_owned()));
}
