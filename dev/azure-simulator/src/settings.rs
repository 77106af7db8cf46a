//! Whom the simulated Entra ID knows: tenants, the APIs registered in them, the applications that ask for tokens.

use serde::{Deserialize, Serialize};

/// The application id of "AzNS AAD Webhook", as which Azure Monitor calls secure webhooks in the public cloud.
/// Source: <https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups>.
pub const AZNS_APP_ID: &str = "461e8683-5575-4561-ac7f-899cc907d62a";

/// The role that Azure's set-up script gives to that application.
pub const AZNS_ROLE: &str = "ActionGroupsSecureWebhook";

/// Everything the identity provider is told at start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The URL under which others reach the provider; it ends up in issuers and in links.
    /// Default: `http://` and the address it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    pub tenants: Vec<Tenant>,
}

/// One Entra ID tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub tenant_id: String,
    pub resources: Vec<Resource>,
    pub clients: Vec<Client>,
}

/// An API for which tokens are issued: the app registration behind a secure webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The Application ID URI, for example `api://secure-export`.
    pub app_id_uri: String,
    /// The Application (client) ID, a GUID.
    pub client_id: String,
    /// Which kind of token this API accepts; the endpoint that a client calls has no say in it.
    pub token_version: TokenVersion,
}

/// An application that asks for tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    pub client_id: String,
    pub client_secret: String,
    /// Application roles granted to it; a token names them, and has no `roles` claim when there are none.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// `requestedAccessTokenVersion` of an app registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenVersion {
    V1,
    V2,
}

impl Default for Settings {
    /// One tenant with a v2 and a v1 API, the caller that Azure Monitor is (`azns`) and one that it is not (`stranger`).
    fn default() -> Self {
        let resource = |app_id_uri: &str, client_id: &str, token_version| Resource {
            app_id_uri: app_id_uri.to_owned(),
            client_id: client_id.to_owned(),
            token_version,
        };
        let client = |client_id: &str, client_secret: &str, roles: &[&str]| Client {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
        };
        Self {
            public_url: None,
            tenants: vec![Tenant {
                tenant_id: "5ec0de00-0000-4000-8000-00000000000a".to_owned(),
                resources: vec![
                    resource("api://secure-export", "5ec0de00-0000-4000-8000-0000000000c2", TokenVersion::V2),
                    resource(
                        "api://secure-export-v1",
                        "5ec0de00-0000-4000-8000-0000000000c1",
                        TokenVersion::V1,
                    ),
                ],
                clients: vec![
                    client(AZNS_APP_ID, "azns-development-secret", &[AZNS_ROLE]),
                    client("5ec0de00-0000-4000-8000-0000000000ff", "stranger-development-secret", &[]),
                ],
            }],
        }
    }
}

impl Settings {
    /// The tenant with this id, compared as Entra compares: without regard to case.
    pub fn tenant(&self, tenant_id: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.tenant_id.eq_ignore_ascii_case(tenant_id))
    }
}

impl Tenant {
    /// The client with this application id.
    pub fn client(&self, client_id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The API that answers to this identifier: its Application ID URI or its client id.
    pub fn resource(&self, identifier: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| {
            resource.app_id_uri == identifier || resource.client_id.eq_ignore_ascii_case(identifier)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip_through_toml() {
        let written = toml::to_string(&Settings::default()).unwrap();
        let read: Settings = toml::from_str(&written).unwrap();
        assert_eq!(written, toml::to_string(&read).unwrap());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Settings>("tenants = []\ntennant = 1").unwrap_err();
        assert!(error.to_string().contains("tennant"), "{error}");
    }
}
