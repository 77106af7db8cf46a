//! Who is who in the local stack, and the files that tell each program.
//!
//! The secrets here guard simulators on this machine and nothing else.

use std::collections::BTreeMap;

use serde::Serialize;

/// The simulated Entra tenant.
const TENANT_ID: &str = "5ec0de00-0000-4000-8000-00000000000a";

/// The App ID URI of secure-export's app registration, and the client id that its v2 tokens name as audience.
const AUDIENCE: &str = "api://secure-export";
const AUDIENCE_CLIENT_ID: &str = "5ec0de00-0000-4000-8000-0000000000c2";

/// A second registration, whose tokens are of version 1 and name the App ID URI.
const V1_AUDIENCE: &str = "api://secure-export-v1";
const V1_AUDIENCE_CLIENT_ID: &str = "5ec0de00-0000-4000-8000-0000000000c1";

/// Azure Monitor's own application in the public cloud and the role that action groups get, see
/// <https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups>.
const AZNS_CLIENT_ID: &str = "461e8683-5575-4561-ac7f-899cc907d62a";
const AZNS_ROLE: &str = "ActionGroupsSecureWebhook";

const STRANGER_CLIENT_ID: &str = "5ec0de00-0000-4000-8000-0000000000ff";

/// The user and the OAuth client of the simulated ITSM products, and both their secrets.
const ITSM_ACCOUNT: &str = "secure-export";

/// Where everything in a running stack is, and with which credentials: the content of `stack.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    pub ingest_url: String,
    pub ingest_admin_url: String,
    pub worker_admin_urls: Vec<String>,
    pub amqp_url: String,
    pub database_url: String,
    pub tenant_id: String,
    /// The App ID URI for which tokens are asked.
    pub audience: String,
    /// Takes an `OAuth2` client-credentials form post, like Entra's.
    pub token_url: String,
    pub clients: Clients,
    pub itsm: Itsm,
    /// Process ids by name.
    pub pids: BTreeMap<String, i32>,
}

/// The applications that the identity provider knows.
#[derive(Clone, Debug, Serialize)]
pub struct Clients {
    /// Azure Monitor, whose tokens ingest accepts.
    pub azns: Client,
    /// Another application of the tenant, whose tokens are genuine and still not good enough.
    pub stranger: Client,
}

/// One application of the tenant.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    pub client_id: String,
    pub client_secret: String,
}

/// The simulated ITSM products.
#[derive(Clone, Debug, Serialize)]
pub struct Itsm {
    pub servicenow: ServiceNow,
}

/// The simulated ServiceNow instance.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceNow {
    pub base_url: String,
    pub username: String,
    pub password: String,
    pub client_id: String,
    pub client_secret: String,
}

/// The addresses (`host:port`) that were found for the programs.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub identity: String,
    pub itsm: String,
    pub ingest: String,
    pub ingest_admin: String,
    pub worker_admins: Vec<String>,
}

impl Description {
    /// What is where, given the addresses that were found.
    #[must_use]
    pub fn new(addresses: &Addresses, amqp_url: String, database_url: String) -> Self {
        let client = |client_id: &str, client_secret: &str| Client {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
        };
        Self {
            ingest_url: format!("http://{}", addresses.ingest),
            ingest_admin_url: format!("http://{}", addresses.ingest_admin),
            worker_admin_urls: addresses
                .worker_admins
                .iter()
                .map(|admin| format!("http://{admin}"))
                .collect(),
            amqp_url,
            database_url,
            tenant_id: TENANT_ID.to_owned(),
            audience: AUDIENCE.to_owned(),
            token_url: format!("http://{}/{TENANT_ID}/oauth2/v2.0/token", addresses.identity),
            clients: Clients {
                azns: client(AZNS_CLIENT_ID, "azns-development-secret"),
                stranger: client(STRANGER_CLIENT_ID, "stranger-development-secret"),
            },
            itsm: Itsm {
                servicenow: ServiceNow {
                    base_url: format!("http://{}/servicenow", addresses.itsm),
                    username: ITSM_ACCOUNT.to_owned(),
                    password: ITSM_ACCOUNT.to_owned(),
                    client_id: ITSM_ACCOUNT.to_owned(),
                    client_secret: ITSM_ACCOUNT.to_owned(),
                },
            },
            pids: BTreeMap::new(),
        }
    }
}

/// The settings of the identity provider.
#[must_use]
pub fn identity(description: &Description) -> String {
    let Clients { azns, stranger } = &description.clients;
    format!(
        r#"[[tenants]]
tenant_id = "{TENANT_ID}"
resources = [
    {{ app_id_uri = "{AUDIENCE}", client_id = "{AUDIENCE_CLIENT_ID}", token_version = "v2" }},
    {{ app_id_uri = "{V1_AUDIENCE}", client_id = "{V1_AUDIENCE_CLIENT_ID}", token_version = "v1" }},
]
clients = [
    {{ client_id = "{}", client_secret = "{}", roles = ["{AZNS_ROLE}"] }},
    {{ client_id = "{}", client_secret = "{}", roles = [] }},
]
"#,
        azns.client_id, azns.client_secret, stranger.client_id, stranger.client_secret,
    )
}

/// The settings of the ITSM simulator.
#[must_use]
pub fn itsm(description: &Description) -> String {
    let ServiceNow { username, password, client_id, client_secret, .. } = &description.itsm.servicenow;
    format!(
        r#"[servicenow]
username = "{username}"
password = "{password}"
client_id = "{client_id}"
client_secret = "{client_secret}"
"#
    )
}

/// The settings of ingest.
#[must_use]
pub fn ingest(addresses: &Addresses, description: &Description) -> String {
    let Addresses { identity, ingest, ingest_admin, .. } = addresses;
    let amqp_url = &description.amqp_url;
    format!(
        r#"[log]
format = "text"

[http]
listen = "{ingest}"

[admin]
listen = "{ingest_admin}"

[amqp]
url = "{amqp_url}"

[trust.local]
tenant_id = "{TENANT_ID}"
audiences = ["{AUDIENCE_CLIENT_ID}", "{V1_AUDIENCE}"]
authority = "http://{identity}"
"#
    )
}

/// The settings of the worker whose admin listener is at `admin`.
#[must_use]
pub fn worker(admin: &str, description: &Description) -> String {
    let Description { amqp_url, database_url, .. } = description;
    let ServiceNow { base_url, client_id, client_secret, .. } = &description.itsm.servicenow;
    format!(
        r#"[log]
format = "text"

[admin]
listen = "{admin}"

[amqp]
url = "{amqp_url}"

[database]
url = "{database_url}"

[route]
target = "servicenow"

[targets.servicenow.connector.servicenow]
base_url = "{base_url}"

[targets.servicenow.connector.servicenow.auth.oauth]
client_id = "{client_id}"
client_secret = "{client_secret}"
"#
    )
}
