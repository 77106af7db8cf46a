//! Discovery documents and key sets as Entra publishes them. Pure.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>.

use serde_json::{Value, json};

use super::keys::SigningKey;
use crate::settings::TokenVersion;

/// The issuer of a tenant's tokens. For v1 it is another host than the authority, as in Azure.
pub(super) fn issuer(base_url: &str, tenant_id: &str, version: TokenVersion) -> String {
    match version {
        TokenVersion::V1 => format!("https://sts.windows.net/{tenant_id}/"),
        TokenVersion::V2 => format!("{base_url}/{tenant_id}/v2.0"),
    }
}

/// The OpenID Connect discovery document.
pub(super) fn discovery(base_url: &str, tenant_id: &str, version: TokenVersion) -> Value {
    let endpoints = match version {
        TokenVersion::V1 => "oauth2",
        TokenVersion::V2 => "oauth2/v2.0",
    };
    let keys = match version {
        TokenVersion::V1 => "discovery/keys",
        TokenVersion::V2 => "discovery/v2.0/keys",
    };
    json!({
        "token_endpoint": format!("{base_url}/{tenant_id}/{endpoints}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "jwks_uri": format!("{base_url}/{tenant_id}/{keys}"),
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer(base_url, tenant_id, version),
        "authorization_endpoint": format!("{base_url}/{tenant_id}/{endpoints}/authorize"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    })
}

/// The JSON Web Key Set. Entra's keys carry no `alg`: whoever checks a token must bring the algorithm.
pub(super) fn key_set<'a>(
    base_url: &str,
    tenant_id: &str,
    version: TokenVersion,
    keys: impl Iterator<Item = &'a SigningKey>,
) -> Value {
    let keys: Vec<_> = keys
        .map(|key| {
            json!({
                "kty": "RSA",
                "use": "sig",
                "kid": key.key_id,
                "x5t": key.key_id,
                "n": key.modulus(),
                "e": key.exponent(),
                "issuer": issuer(base_url, tenant_id, version),
            })
        })
        .collect();
    json!({ "keys": keys })
}
