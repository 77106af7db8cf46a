//! `[targets.NAME.connector.request_tracker]`: what an operator writes, and what the connector makes of it.

use std::path::PathBuf;

use reqwest::header::AUTHORIZATION;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use shared::settings::{SettingsError, list};
use url::Url;

use super::super::http::{BasicSettings, Credentials, Fixed, Secret, base_url};
use super::query::{FieldName, quoted};
use super::record::Statuses;

/// One Request Tracker, version 5 or later.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestTrackerSettings {
    /// Where its web interface lives, such as `https://rt.example.com`; `/REST/2.0` is appended.
    pub base_url: String,
    /// How to log in: exactly one of `auth.token` and `auth.basic`.
    pub auth: AuthSettings,
    /// The queue in which tickets are made.
    pub queue: String,
    /// The custom field of that queue by which tickets are found again. Default `Azure Alert Id`.
    #[serde(default = "azure_alert_id")]
    pub key_field: String,
    /// What a ticket is set to when its alert is resolved. Default `resolved`.
    #[serde(default = "resolved")]
    pub resolved_status: String,
    /// What a ticket is set to that is worked on again. Default `open`.
    #[serde(default = "open")]
    pub open_status: String,
    /// What a ticket is set to that was made twice. Default `rejected`.
    #[serde(default = "rejected")]
    pub duplicate_status: String,
    /// Statuses in which a ticket is not written to any more. Default `rejected`, `deleted`.
    #[serde(default = "rejected_and_deleted", deserialize_with = "list")]
    pub closed_statuses: Vec<String>,
    /// The custom field of that queue in which people say how a ticket was resolved, for `route.people.wont_fix`. Default
    /// none.
    pub resolution_field: Option<String>,
    /// Sends the credentials over plain HTTP to a host that is not this machine. Default `false`.
    #[serde(default)]
    pub danger_allow_http: bool,
    /// How configuration items, which are assets, are found.
    #[serde(default)]
    pub ci: CiSettings,
}

/// The user of the integration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// An authentication token, made on the user's page of settings.
    pub token: Option<TokenSettings>,
    /// A user's name and password.
    pub basic: Option<BasicSettings>,
}

/// An authentication token.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// The token, or `value_file`.
    #[schemars(with = "Option<String>")]
    pub value: Option<SecretString>,
    /// A file that holds the token; it is read again when its content changes.
    pub value_file: Option<PathBuf>,
}

/// Where assets are found.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CiSettings {
    /// The catalog with the assets; empty binds none. Default empty.
    pub catalog: String,
    /// The custom field of that catalog with the Azure resource id. Default `ARM Resource Id`.
    pub arm_id_field: String,
}

impl Default for CiSettings {
    fn default() -> Self {
        Self { catalog: String::new(), arm_id_field: "ARM Resource Id".to_owned() }
    }
}

/// Checked settings: nothing in them needs a second look.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) base_url: Url,
    pub(super) queue: String,
    pub(super) key_field: FieldName,
    pub(super) statuses: Statuses,
    pub(super) resolution_field: Option<FieldName>,
    pub(super) assets: Assets,
}

#[derive(Debug)]
pub(super) struct Assets {
    pub(super) catalog: Option<String>,
    pub(super) arm_id_field: FieldName,
}

impl RequestTrackerSettings {
    /// The desk and who works there; `name` is the path of these settings, for messages.
    pub(super) fn check(self, name: &str) -> Result<(Desk, Credentials), SettingsError> {
        let base_url = base_url(&format!("{name}.base_url"), &self.base_url, self.danger_allow_http)?;
        let statuses = Statuses {
            resolved: self.resolved_status,
            open: self.open_status,
            duplicate: self.duplicate_status,
            closed: self.closed_statuses,
        };
        statuses.check(name)?;
        let resolution_field = self.resolution_field.as_deref();
        let desk = Desk {
            base_url,
            queue: text(&format!("{name}.queue"), self.queue)?,
            key_field: field(&format!("{name}.key_field"), &self.key_field)?,
            statuses,
            resolution_field: resolution_field
                .map(|given| field(&format!("{name}.resolution_field"), given))
                .transpose()?,
            assets: self.ci.check(&format!("{name}.ci"))?,
        };
        Ok((desk, self.auth.check(&format!("{name}.auth"))?))
    }
}

impl AuthSettings {
    fn check(self, name: &str) -> Result<Credentials, SettingsError> {
        match (self.token, self.basic) {
            (Some(token), None) => {
                let name = format!("{name}.token.value");
                let value = Secret::new(&name, token.value, token.value_file)?;
                Ok(Credentials::Fixed(Fixed::prefixed(AUTHORIZATION, "token ", value)?))
            }
            (None, Some(basic)) => basic.check(&format!("{name}.basic")),
            (None, None) | (Some(_), Some(_)) => {
                Err(SettingsError::Invalid(format!("{name}: give one of token and basic")))
            }
        }
    }
}

impl Statuses {
    /// Each status means one thing: a ticket that is set to one must be read as what it was set to.
    fn check(&self, name: &str) -> Result<(), SettingsError> {
        let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let closed = |status: &str| self.closed.iter().any(|closed| is(closed, status));
        let wrong = match () {
            () if [&self.resolved, &self.open, &self.duplicate].iter().any(|status| status.is_empty()) => {
                "one of resolved_status, open_status and duplicate_status is empty: name a status of the life cycle"
            }
            () if is(&self.open, &self.resolved) || is(&self.open, &self.duplicate) => {
                "open_status is one of the others, too: a ticket that is worked on needs a status of its own"
            }
            () if closed(&self.open) || closed(&self.resolved) => {
                "closed_statuses has the open or the resolved one: such tickets could never be reopened"
            }
            () if !closed(&self.duplicate) && !is(&self.duplicate, &self.resolved) => {
                "duplicate_status is neither one of closed_statuses nor resolved_status: it would stay open"
            }
            () => return Ok(()),
        };
        Err(SettingsError::Invalid(format!("{name}: {wrong}")))
    }
}

impl CiSettings {
    fn check(self, name: &str) -> Result<Assets, SettingsError> {
        let catalog = Some(self.catalog).filter(|catalog| !catalog.is_empty());
        Ok(Assets {
            catalog: catalog.map(|catalog| text(&format!("{name}.catalog"), catalog)).transpose()?,
            arm_id_field: field(&format!("{name}.arm_id_field"), &self.arm_id_field)?,
        })
    }
}

fn text(key: &str, text: String) -> Result<String, SettingsError> {
    match quoted(&text) {
        Some(_) => Ok(text),
        None => Err(SettingsError::Invalid(format!(
            "{key} {text:?} cannot be a name: give it as Request Tracker shows it"
        ))),
    }
}

fn field(key: &str, name: &str) -> Result<FieldName, SettingsError> {
    FieldName::parse(name).ok_or_else(|| {
        SettingsError::Invalid(format!("{key}: {name:?} cannot be the name of a custom field in a search"))
    })
}

fn azure_alert_id() -> String {
    "Azure Alert Id".to_owned()
}

fn resolved() -> String {
    "resolved".to_owned()
}

fn open() -> String {
    "open".to_owned()
}

fn rejected() -> String {
    "rejected".to_owned()
}

fn rejected_and_deleted() -> Vec<String> {
    vec![rejected(), "deleted".to_owned()]
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in super::super) fn desk() -> Desk {
        read(json!({})).unwrap()
    }

    fn read(change: Value) -> Result<Desk, String> {
        let mut settings = json!({
            "base_url": "https://rt.example.com",
            "auth": {"token": {"value": "1-2-3"}},
            "queue": "Azure Alerts",
        });
        for (key, value) in change.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let settings: RequestTrackerSettings =
            serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.check("t.request_tracker").map(|(desk, _)| desk).map_err(|error| error.to_string())
    }

    fn refuse(change: Value, expected: &str) {
        let error = read(change).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_file_reads_as_documented() {
        let file = r#"
            base_url = "https://rt.example.com"
            queue = "Azure Alerts"
            closed_statuses = "rejected, deleted, closed"
            [auth.token]
            value = "1-2-3"
            [ci]
            catalog = "Azure CIs"
        "#;
        let settings: RequestTrackerSettings = shared::settings::load(file, None).unwrap();
        let (desk, _) = settings.check("t").unwrap();
        assert_eq!(desk.statuses.closed, ["rejected", "deleted", "closed"]);
        assert_eq!(desk.assets.catalog.as_deref(), Some("Azure CIs"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        refuse(
            json!({"base_url": "http://example.com"}),
            "t.request_tracker.base_url would send credentials",
        );
        refuse(json!({"queu": "x"}), "queu");
        refuse(json!({"queue": ""}), "t.request_tracker.queue");
        refuse(json!({"key_field": "a}b"}), "t.request_tracker.key_field");
        refuse(json!({"resolution_field": ""}), "t.request_tracker.resolution_field");
        refuse(json!({"auth": {}}), "t.request_tracker.auth: give one of token and basic");
        refuse(json!({"auth": {"token": {}}}), "t.request_tracker.auth.token.value");
        refuse(json!({"auth": {"basic": {"username": "u"}}}), "t.request_tracker.auth.basic.password");
        refuse(json!({"ci": {"arm_id_field": "'"}}), "t.request_tracker.ci.arm_id_field");
    }

    #[test]
    fn a_status_means_one_thing() {
        refuse(json!({"open_status": "Resolved"}), "open_status");
        refuse(json!({"open_status": ""}), "is empty");
        refuse(json!({"closed_statuses": ["resolved"]}), "closed_statuses");
        refuse(json!({"duplicate_status": "stalled"}), "duplicate_status");
        assert!(read(json!({"duplicate_status": "resolved"})).is_ok());
    }
}
