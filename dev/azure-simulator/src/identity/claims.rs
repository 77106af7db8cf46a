//! What an app-only access token says. Pure.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>.

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::settings::{Client, TokenVersion};

/// For whom, to whom and when a token is issued.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) tenant_id: &'a str,
    pub(super) issuer: String,
    pub(super) version: TokenVersion,
    /// The identifier by which a v1 token names its API, the client id by which a v2 token does.
    pub(super) audience: &'a str,
    pub(super) client: &'a Client,
}

/// The claims of a token that is valid from `now` for `lifetime_seconds`; `unique` becomes its `uti`.
pub(super) fn app_only(
    subject: &Subject<'_>,
    now: Timestamp,
    lifetime_seconds: u32,
    unique: &str,
) -> Map<String, Value> {
    // For an app-only token the subject is the caller's service principal.
    let principal = object_id(subject.tenant_id, &subject.client.client_id);
    let (version, caller, method) = match subject.version {
        TokenVersion::V1 => ("1.0", "appid", "appidacr"),
        TokenVersion::V2 => ("2.0", "azp", "azpacr"),
    };
    let now = now.as_second();
    let mut claims = Map::from_iter([
        ("aud".to_owned(), json!(subject.audience)),
        ("iss".to_owned(), json!(subject.issuer)),
        ("iat".to_owned(), json!(now)),
        ("nbf".to_owned(), json!(now)),
        ("exp".to_owned(), json!(now.saturating_add(i64::from(lifetime_seconds)))),
        (caller.to_owned(), json!(subject.client.client_id)),
        // Azure Monitor proves itself by a certificate, "2"; our secret only stands in for it.
        (method.to_owned(), json!("2")),
        ("oid".to_owned(), json!(principal)),
        ("sub".to_owned(), json!(principal)),
        ("tid".to_owned(), json!(subject.tenant_id)),
        ("uti".to_owned(), json!(unique)),
        ("ver".to_owned(), json!(version)),
    ]);
    if !subject.client.roles.is_empty() {
        claims.insert("roles".to_owned(), json!(subject.client.roles));
    }
    claims
}

/// The object id of the client's service principal: another one in every tenant, always the same in one.
fn object_id(tenant_id: &str, client_id: &str) -> Uuid {
    let hash = digest::digest(&digest::SHA256, format!("{tenant_id}/{client_id}").as_bytes());
    Uuid::new_v8(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(version: TokenVersion, roles: &[&str]) -> Map<String, Value> {
        let client = Client {
            client_id: "caller".to_owned(),
            client_secret: "secret".to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
        };
        let issuer = "https://issuer.example/".to_owned();
        let subject = Subject { tenant_id: "tenant", issuer, version, audience: "api://x", client: &client };
        app_only(&subject, Timestamp::from_second(1_000).unwrap(), 4_000, "unique")
    }

    fn names(claims: &Map<String, Value>) -> Vec<&str> {
        let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_v1_token_names_its_caller_in_appid() {
        let claims = claims(TokenVersion::V1, &["Role"]);
        assert_eq!(
            names(&claims),
            [
                "appid", "appidacr", "aud", "exp", "iat", "iss", "nbf", "oid", "roles", "sub", "tid", "uti",
                "ver"
            ]
        );
        assert_eq!((&claims["ver"], &claims["appid"]), (&json!("1.0"), &json!("caller")));
    }

    #[test]
    fn a_v2_token_names_its_caller_in_azp() {
        let claims = claims(TokenVersion::V2, &["Role"]);
        assert_eq!(
            names(&claims),
            ["aud", "azp", "azpacr", "exp", "iat", "iss", "nbf", "oid", "roles", "sub", "tid", "uti", "ver"]
        );
        assert_eq!((&claims["ver"], &claims["azp"]), (&json!("2.0"), &json!("caller")));
        assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(1_000), &json!(5_000)));
    }

    #[test]
    fn a_caller_without_a_role_gets_no_roles_claim() {
        assert!(!claims(TokenVersion::V2, &[]).contains_key("roles"));
    }

    #[test]
    fn a_caller_is_another_principal_in_every_tenant() {
        assert_eq!(object_id("a", "caller"), object_id("a", "caller"));
        assert_ne!(object_id("a", "caller"), object_id("b", "caller"));
    }
}
