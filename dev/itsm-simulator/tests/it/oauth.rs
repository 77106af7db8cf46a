use std::time::Duration;

use itsm_simulator::{Effect, Fault};
use reqwest::Response;
use serde_json::{Value, json};

use crate::world::{World, body, text};

const CLIENT: [(&str, &str); 3] = [
    ("grant_type", "client_credentials"),
    ("client_id", "secure-export"),
    ("client_secret", "secure-export"),
];

async fn token(world: &World, form: &[(&str, &str)]) -> Response {
    world.client.post(world.url("/servicenow/oauth_token.do")).form(form).send().await.unwrap()
}

async fn status_with(world: &World, token: &Value) -> u16 {
    let url = world.url("/servicenow/api/now/table/incident");
    let call = world.client.get(url).bearer_auth(text(token, "access_token"));
    call.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_token_asked_for_again_is_the_same_with_less_life_left() {
    let world = World::new().await;
    let first = body(token(&world, &CLIENT).await).await;
    world.simulator.clock().advance(Duration::from_secs(600));
    let second = body(token(&world, &CLIENT).await).await;
    assert_eq!(first["access_token"], second["access_token"]);
    assert!((1198..=1200).contains(&second["expires_in"].as_u64().unwrap()), "{second}");
    assert_eq!(status_with(&world, &second).await, 200);
}

#[tokio::test]
async fn a_token_ends_by_time_by_revocation_and_in_mid_flight() {
    let world = World::new().await;
    let expired = body(token(&world, &CLIENT).await).await;
    world.simulator.clock().advance(Duration::from_secs(1801));
    assert_eq!(status_with(&world, &expired).await, 401);
    let revoked = body(token(&world, &CLIENT).await).await;
    world.servicenow().revoke_tokens();
    assert_eq!(status_with(&world, &revoked).await, 401);
    let struck = body(token(&world, &CLIENT).await).await;
    world.servicenow().inject(Fault::new(Effect::TokenExpired).on("query_incident").times(1)).unwrap();
    assert_eq!(status_with(&world, &struck).await, 401);
    let fresh = body(token(&world, &CLIENT).await).await;
    assert_ne!(struck["access_token"], fresh["access_token"]);
    assert_eq!(status_with(&world, &fresh).await, 200);
}

#[tokio::test]
async fn the_password_grant_adds_a_refresh_token() {
    let world = World::new().await;
    let user = [("username", "secure-export"), ("password", "secure-export"), ("grant_type", "password")];
    let form: Vec<_> = user.into_iter().chain(CLIENT.into_iter().skip(1)).collect();
    assert!(body(token(&world, &form).await).await["refresh_token"].is_string());
}

#[tokio::test]
async fn a_wrong_secret_or_a_json_body_gets_no_token() {
    let world = World::new().await;
    let wrong = [CLIENT[0], CLIENT[1], ("client_secret", "guess")];
    let refused = token(&world, &wrong).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(body(refused).await["error"], "invalid_client");
    let url = world.url("/servicenow/oauth_token.do");
    let json = json!({"grant_type": "client_credentials"});
    assert_eq!(world.client.post(url).json(&json).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_call_without_proof_is_told_which_scheme_to_use() {
    let world = World::new().await;
    let url = world.url("/servicenow/api/now/table/incident");
    let refused = world.client.get(url).basic_auth("secure-export", Some("guess")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "BEARER realm=\"Service-now\"");
    assert_eq!(body(refused).await["error"]["message"], "User Not Authenticated");
}
