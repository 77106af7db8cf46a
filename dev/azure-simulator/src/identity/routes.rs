//! What Entra serves: discovery, keys and tokens, per tenant.

use std::sync::atomic::Ordering;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Form, FormConfig, Path, ServiceConfig, get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Directory, Fault, Grant, GrantError, Refusal, TokenRequest, faults};
use crate::settings::TokenVersion;

/// Largest token request, in bytes.
const LARGEST_FORM: usize = 16 * 1024;

pub(super) fn mount(routes: &mut ServiceConfig) {
    routes
        .app_data(FormConfig::default().limit(LARGEST_FORM))
        .route("/{tenant}/.well-known/openid-configuration", get().to(discovery_v1))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get().to(discovery_v2))
        .route("/{tenant}/discovery/keys", get().to(keys_v1))
        .route("/{tenant}/discovery/v2.0/keys", get().to(keys_v2))
        .route("/{tenant}/oauth2/token", post().to(token_v1))
        .route("/{tenant}/oauth2/v2.0/token", post().to(token_v2));
}

async fn discovery_v1(directory: Data<Directory>, tenant: Path<String>) -> HttpResponse {
    discovery(&directory, &tenant, TokenVersion::V1).await
}

async fn discovery_v2(directory: Data<Directory>, tenant: Path<String>) -> HttpResponse {
    discovery(&directory, &tenant, TokenVersion::V2).await
}

async fn keys_v1(directory: Data<Directory>, tenant: Path<String>) -> HttpResponse {
    keys(&directory, &tenant, TokenVersion::V1).await
}

async fn keys_v2(directory: Data<Directory>, tenant: Path<String>) -> HttpResponse {
    keys(&directory, &tenant, TokenVersion::V2).await
}

async fn token_v1(
    directory: Data<Directory>,
    tenant: Path<String>,
    request: Form<TokenRequest>,
) -> HttpResponse {
    let audience = request.resource.clone();
    token(&directory, &tenant, &request, |grant, now| v1_answer(grant, audience, now))
}

async fn token_v2(
    directory: Data<Directory>,
    tenant: Path<String>,
    request: Form<TokenRequest>,
) -> HttpResponse {
    token(&directory, &tenant, &request, |grant, _now| v2_answer(grant))
}

async fn discovery(directory: &Directory, tenant: &str, version: TokenVersion) -> HttpResponse {
    directory.traffic.discovery.fetch_add(1, Ordering::Relaxed);
    document(directory.faults().discovery, directory.discovery(tenant, version)).await
}

async fn keys(directory: &Directory, tenant: &str, version: TokenVersion) -> HttpResponse {
    directory.traffic.keys.fetch_add(1, Ordering::Relaxed);
    document(directory.faults().keys, directory.key_set(tenant, version)).await
}

async fn document(fault: Fault, document: Result<Value, Refusal>) -> HttpResponse {
    match document {
        Ok(document) => faults::answer(fault, document).await,
        Err(refusal) => refused(&refusal, Timestamp::now()),
    }
}

fn token(
    directory: &Directory,
    tenant: &str,
    request: &TokenRequest,
    answer: impl FnOnce(Grant, Timestamp) -> Value,
) -> HttpResponse {
    directory.traffic.token.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now();
    match directory.grant(tenant, request, now) {
        Ok(grant) => HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(answer(grant, now)),
        Err(GrantError::Refused(refusal)) => refused(&refusal, now),
        Err(GrantError::Key(error)) => {
            tracing::error!(%error, "cannot sign a token");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// The v2 endpoint answers with numbers.
fn v2_answer(grant: Grant) -> Value {
    json!({
        "token_type": "Bearer",
        "expires_in": grant.expires_in,
        "ext_expires_in": grant.expires_in,
        "access_token": grant.access_token,
    })
}

/// The v1 endpoint answers with texts, even where they are numbers.
fn v1_answer(grant: Grant, resource: Option<String>, now: Timestamp) -> Value {
    let now = now.as_second();
    json!({
        "token_type": "Bearer",
        "expires_in": grant.expires_in.to_string(),
        "ext_expires_in": grant.expires_in.to_string(),
        "expires_on": now.saturating_add(i64::from(grant.expires_in)).to_string(),
        "not_before": now.to_string(),
        "resource": resource,
        "access_token": grant.access_token,
    })
}

fn refused(refusal: &Refusal, now: Timestamp) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(refusal.body(now))
}
