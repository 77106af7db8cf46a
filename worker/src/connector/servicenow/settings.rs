//! `[targets.NAME.connector.servicenow]`: what an operator writes, and what the connector makes of it.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use shared::settings::{SettingsError, list};
use url::Url;

use super::super::http::{BasicSettings, ClientCredentials, Credentials, Secret, base_url};
use super::query::{Identifier, QueryValue};

/// One ServiceNow instance.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowSettings {
    /// Where the instance lives, such as `https://example.service-now.com`; `/api/now` is appended.
    pub base_url: String,
    /// How to log in: exactly one of `auth.oauth` and `auth.basic`.
    pub auth: AuthSettings,
    /// The table of the tickets: `incident` or a table that extends it. Default `incident`.
    #[serde(default = "incident")]
    pub table: String,
    /// The resolution code of resolved tickets, one of the instance's own list. Default `Solution provided`.
    #[serde(default = "solution_provided")]
    pub close_code: String,
    /// The resolution code of a ticket that was made twice, one of the instance's own list. Default `Duplicate`.
    #[serde(default = "duplicate")]
    pub duplicate_close_code: String,
    /// Shown in a ticket as the system that its correlation id belongs to. Default `secure-export`.
    #[serde(default = "secure_export")]
    pub correlation_display: String,
    /// Sends the credentials over plain HTTP to a host that is not this machine. Default `false`.
    #[serde(default)]
    pub danger_allow_http: bool,
    /// How configuration items are found.
    #[serde(default)]
    pub ci: CiSettings,
}

/// The user of the integration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// OAuth client credentials.
    pub oauth: Option<OAuthSettings>,
    /// A user's name and password.
    pub basic: Option<BasicSettings>,
}

/// A client of the application registry, with an OAuth application user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    /// The id that the product knows the client by.
    pub client_id: String,
    /// The secret, or `client_secret_file`.
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretString>,
    /// A file that holds the secret; it is read again when its content changes.
    pub client_secret_file: Option<PathBuf>,
    /// Where tokens are issued, below `base_url`. Default `/oauth_token.do`.
    #[serde(default = "oauth_token_do")]
    pub token_path: String,
}

/// Where configuration items are found.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CiSettings {
    /// Classes to search for an Azure resource id, one after the other until one has an item. Default `cmdb_ci_vm_object`, `cmdb_ci_cloud_database`, `cmdb_ci_storage_account`.
    #[serde(deserialize_with = "list")]
    pub arm_id_tables: Vec<String>,
    /// Columns of these classes, any of which may hold the id. Default `object_id`.
    #[serde(deserialize_with = "list")]
    pub arm_id_fields: Vec<String>,
    /// Classes to search for a name, likewise. Default `cmdb_ci_server`, `cmdb_ci`.
    #[serde(deserialize_with = "list")]
    pub name_tables: Vec<String>,
    /// Columns of these classes, any of which may hold the name. Default `name`, `fqdn`.
    #[serde(deserialize_with = "list")]
    pub name_fields: Vec<String>,
    /// Key of the rows of `cmdb_key_value` whose value is an Azure resource id. Default `azure_resource_id`.
    pub tag_key: String,
}

impl Default for CiSettings {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            // The column is missing on `cmdb_ci` itself, where a query for it would match every row.
            arm_id_tables: names(&["cmdb_ci_vm_object", "cmdb_ci_cloud_database", "cmdb_ci_storage_account"]),
            arm_id_fields: names(&["object_id"]),
            // Discovery makes a server and a virtual machine of the same name: the server comes first.
            name_tables: names(&["cmdb_ci_server", "cmdb_ci"]),
            name_fields: names(&["name", "fqdn"]),
            tag_key: "azure_resource_id".to_owned(),
        }
    }
}

/// Checked settings: nothing in them needs a second look.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) base_url: Url,
    pub(super) table: Identifier,
    pub(super) close_code: String,
    pub(super) duplicate_close_code: String,
    pub(super) correlation_display: String,
    pub(super) ci: CiRules,
}

#[derive(Debug)]
pub(super) struct CiRules {
    pub(super) arm_id: LookUp,
    pub(super) name: LookUp,
    pub(super) tag_key: QueryValue,
}

#[derive(Debug)]
pub(super) struct LookUp {
    pub(super) tables: Vec<Identifier>,
    pub(super) fields: Vec<Identifier>,
}

impl ServiceNowSettings {
    /// The instance and who calls it; `name` is the path of these settings, for messages.
    pub(super) fn check(self, name: &str) -> Result<(Instance, Credentials), SettingsError> {
        let base_url = base_url(&format!("{name}.base_url"), &self.base_url, self.danger_allow_http)?;
        let credentials = self.auth.check(&format!("{name}.auth"), &base_url)?;
        for (key, code) in
            [("close_code", &self.close_code), ("duplicate_close_code", &self.duplicate_close_code)]
        {
            if code.is_empty() {
                return Err(SettingsError::Invalid(format!("{name}.{key} is empty: name a resolution code")));
            }
        }
        let instance = Instance {
            base_url,
            table: identifier(&format!("{name}.table"), &self.table)?,
            close_code: self.close_code,
            duplicate_close_code: self.duplicate_close_code,
            correlation_display: self.correlation_display,
            ci: self.ci.check(&format!("{name}.ci"))?,
        };
        Ok((instance, credentials))
    }
}

impl AuthSettings {
    fn check(self, name: &str, base_url: &Url) -> Result<Credentials, SettingsError> {
        match (self.oauth, self.basic) {
            (Some(oauth), None) => {
                let name = format!("{name}.oauth.client_secret");
                let client_secret = Secret::new(&name, oauth.client_secret, oauth.client_secret_file)?;
                let mut token_url = base_url.clone();
                let path = format!(
                    "{}/{}",
                    base_url.path().trim_end_matches('/'),
                    oauth.token_path.trim_start_matches('/')
                );
                token_url.set_path(&path);
                let client = ClientCredentials::new(token_url, oauth.client_id, client_secret, None);
                Ok(Credentials::ClientCredentials(client))
            }
            (None, Some(basic)) => basic.check(&format!("{name}.basic")),
            (None, None) | (Some(_), Some(_)) => {
                Err(SettingsError::Invalid(format!("{name}: give one of oauth and basic")))
            }
        }
    }
}

impl CiSettings {
    fn check(self, name: &str) -> Result<CiRules, SettingsError> {
        let tag_key = QueryValue::new(&self.tag_key).ok_or_else(|| {
            SettingsError::Invalid(format!("{name}.tag_key {:?} cannot stand in a query", self.tag_key))
        })?;
        Ok(CiRules {
            arm_id: look_up(&format!("{name}.arm_id"), &self.arm_id_tables, &self.arm_id_fields)?,
            name: look_up(&format!("{name}.name"), &self.name_tables, &self.name_fields)?,
            tag_key,
        })
    }
}

fn look_up(name: &str, tables: &[String], fields: &[String]) -> Result<LookUp, SettingsError> {
    for (key, names) in [("tables", tables), ("fields", fields)] {
        if names.is_empty() {
            return Err(SettingsError::Invalid(format!(
                "{name}_{key} is empty: a way that is not wanted is left out of the target's ci.strategies"
            )));
        }
    }
    let identifiers = |key: &str, names: &[String]| -> Result<Vec<Identifier>, SettingsError> {
        names.iter().map(|one| identifier(&format!("{name}_{key}"), one)).collect()
    };
    Ok(LookUp { tables: identifiers("tables", tables)?, fields: identifiers("fields", fields)? })
}

fn identifier(key: &str, name: &str) -> Result<Identifier, SettingsError> {
    Identifier::parse(name).ok_or_else(|| {
        SettingsError::Invalid(format!("{key}: {name:?} is no name of a table or column, such as cmdb_ci"))
    })
}

fn incident() -> String {
    "incident".to_owned()
}

fn duplicate() -> String {
    "Duplicate".to_owned()
}

fn solution_provided() -> String {
    "Solution provided".to_owned()
}

fn secure_export() -> String {
    "secure-export".to_owned()
}

fn oauth_token_do() -> String {
    "/oauth_token.do".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: Value) -> Result<Instance, String> {
        let mut settings = json!({
            "base_url": "https://example.service-now.com",
            "auth": {"basic": {"username": "u", "password": "p"}},
        });
        for (key, value) in change.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let settings: ServiceNowSettings =
            serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.check("t.servicenow").map(|(instance, _)| instance).map_err(|error| error.to_string())
    }

    fn refuse(change: Value, expected: &str) {
        let error = read(change).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_file_reads_as_documented() {
        let file = r#"
            base_url = "https://example.service-now.com"
            close_code = "Resolved by caller"
            [auth.oauth]
            client_id = "c"
            client_secret = "hush"
            [ci]
            name_tables = "cmdb_ci_server, cmdb_ci_appl, cmdb_ci"
            name_fields = ["name"]
        "#;
        let settings: ServiceNowSettings = shared::settings::load(file, None).unwrap();
        let (instance, _) = settings.check("t.servicenow").unwrap();
        assert_eq!(instance.close_code, "Resolved by caller");
        assert_eq!((instance.ci.name.tables.len(), instance.ci.name.fields.len()), (3, 1));
    }

    #[test]
    fn an_address_and_a_user_are_enough() {
        let instance = read(json!({})).unwrap();
        assert_eq!(instance.table.as_str(), "incident");
        assert_eq!(instance.close_code, "Solution provided");
    }

    #[test]
    fn what_is_wrong_is_named() {
        refuse(json!({"base_url": "http://example.com"}), "t.servicenow.base_url would send credentials");
        refuse(json!({"tabel": "incident"}), "tabel");
        refuse(json!({"table": "incident?x"}), "t.servicenow.table");
        refuse(json!({"auth": {"basic": {"username": "u"}}}), "t.servicenow.auth.basic.password");
        refuse(json!({"auth": {}}), "t.servicenow.auth: give one of oauth and basic");
        refuse(json!({"auth": {"oauth": {"client_id": "c"}}}), "t.servicenow.auth.oauth.client_secret");
        refuse(json!({"ci": {"tag_key": "a^b"}}), "t.servicenow.ci.tag_key");
        refuse(json!({"ci": {"name_fields": []}}), "t.servicenow.ci.name_fields");
        refuse(json!({"ci": {"arm_id_tables": []}}), "left out of the target's ci.strategies");
        refuse(json!({"ci": {"name_tables": ["a b"]}}), "t.servicenow.ci.name_tables");
    }

    #[test]
    fn secrets_do_not_show() {
        let settings = json!({"client_id": "c", "client_secret": "hush"});
        let settings: OAuthSettings = serde_json::from_value(settings).unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
