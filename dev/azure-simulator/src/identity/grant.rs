//! The client credentials grant: a request, checked in Entra's order. Pure.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use serde::{Deserialize, Serialize};

use super::{KeyError, Refusal};
use crate::settings::{Client, Resource, Settings, Tenant};

/// The form that a client posts to a token endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Taken for `client_credentials` when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// The API's identifier and `/.default`: how the v2 endpoint is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The API's identifier: how the v1 endpoint is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// A token, and for how long it is valid.
#[derive(Debug, Clone)]
pub struct Grant {
    pub access_token: String,
    /// Seconds.
    pub expires_in: u32,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Whom a token is for, and which API.
#[derive(Debug)]
pub(super) struct Parties<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) client: &'a Client,
    pub(super) resource: &'a Resource,
    /// The identifier by which the client asked for the API.
    pub(super) identifier: &'a str,
}

/// Finds who asks for what, or why there is no token.
pub(super) fn approve<'a>(
    settings: &'a Settings,
    tenant_id: &str,
    request: &'a TokenRequest,
) -> Result<Parties<'a>, Refusal> {
    let tenant = settings
        .tenant(tenant_id)
        .ok_or_else(|| Refusal::UnknownTenant { tenant_id: tenant_id.to_owned() })?;
    if let Some(grant_type) =
        request.grant_type.as_deref().filter(|&grant_type| grant_type != "client_credentials")
    {
        return Err(Refusal::UnsupportedGrant { grant_type: grant_type.to_owned() });
    }
    let client_id = required(request.client_id.as_deref(), "client_id")?;
    let client_secret = required(request.client_secret.as_deref(), "client_secret")?;
    let identifier = match (&request.scope, &request.resource) {
        (Some(scope), _) => {
            scope.strip_suffix("/.default").ok_or_else(|| Refusal::InvalidScope { scope: scope.clone() })?
        }
        (None, Some(resource)) => resource,
        (None, None) => return Err(Refusal::MissingParameter { parameter: "scope" }),
    };
    let client =
        tenant.client(client_id).ok_or_else(|| Refusal::UnknownClient { client_id: client_id.to_owned() })?;
    if client.client_secret != client_secret {
        return Err(Refusal::WrongSecret { client_id: client_id.to_owned() });
    }
    let resource = tenant.resource(identifier).ok_or_else(|| Refusal::UnknownResource {
        resource: identifier.to_owned(),
        tenant_id: tenant_id.to_owned(),
    })?;
    Ok(Parties { tenant, client, resource, identifier })
}

fn required<'a>(value: Option<&'a str>, parameter: &'static str) -> Result<&'a str, Refusal> {
    value.filter(|value| !value.is_empty()).ok_or(Refusal::MissingParameter { parameter })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> TokenRequest {
        let settings = Settings::default();
        let client = &settings.tenants[0].clients[0];
        TokenRequest {
            grant_type: Some("client_credentials".to_owned()),
            client_id: Some(client.client_id.clone()),
            client_secret: Some(client.client_secret.clone()),
            scope: Some("api://secure-export/.default".to_owned()),
            resource: None,
        }
    }

    fn check(change: impl FnOnce(&mut TokenRequest), expected: (&str, u32)) {
        let settings = Settings::default();
        let mut request = good();
        change(&mut request);
        let refusal = approve(&settings, &settings.tenants[0].tenant_id, &request).unwrap_err();
        assert_eq!(refusal.code(), expected);
    }

    #[test]
    fn every_flaw_of_a_request_has_its_own_number() {
        check(|request| request.grant_type = Some("password".to_owned()), ("unsupported_grant_type", 70_003));
        check(|request| request.client_id = None, ("invalid_request", 900_144));
        check(|request| request.scope = None, ("invalid_request", 900_144));
        check(|request| request.scope = Some("api://secure-export".to_owned()), ("invalid_scope", 1_002_012));
        check(
            |request| request.scope = Some("api://other/.default".to_owned()),
            ("invalid_resource", 500_011),
        );
        check(|request| request.client_id = Some("nobody".to_owned()), ("invalid_client", 700_016));
        check(|request| request.client_secret = Some("guess".to_owned()), ("invalid_client", 7_000_215));
    }

    #[test]
    fn an_unknown_tenant_is_refused_before_anything_else() {
        let refusal = approve(&Settings::default(), "elsewhere", &TokenRequest::default()).unwrap_err();
        assert_eq!(refusal.code(), ("invalid_tenant", 90_002));
    }

    #[test]
    fn an_api_may_be_named_by_its_client_id() {
        let settings = Settings::default();
        let resource = &settings.tenants[0].resources[1];
        let request = TokenRequest { scope: None, resource: Some(resource.client_id.clone()), ..good() };
        let approved = approve(&settings, &settings.tenants[0].tenant_id, &request).unwrap();
        assert_eq!(approved.resource.app_id_uri, resource.app_id_uri);
    }
}
