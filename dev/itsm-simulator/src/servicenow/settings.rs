//! How the simulated instance is set up: who may call it, and which of its quirks are on.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The accounts and the switches that the instance starts with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// User of Basic authentication and of the password grant.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// OAuth client, which acts as the same user.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// The quirks.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            username: "secure-export".to_owned(),
            password: "secure-export".to_owned(),
            client_id: "secure-export".to_owned(),
            client_secret: "secure-export".to_owned(),
            switches: Switches::default(),
        }
    }
}

/// What differs between one customer's instance and another's. Each key left out has its default.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Choice list of `close_code`; a code that is not in it is refused. Empty: any code will do.
    pub close_codes: Vec<String>,
    /// Further fields that a resolve must fill, with the labels that the refusal names.
    pub mandatory_on_resolve: BTreeMap<String, String>,
    /// The customer's own columns of `incident`.
    pub extra_columns: Vec<String>,
    /// Seconds after which a resolved incident is closed.
    pub auto_close_after_s: Option<u64>,
    /// Life of an access token in seconds.
    pub token_life_s: u64,
    /// Calls of the Table API in one window; more get 429.
    pub rate_limit: Option<u64>,
    /// Seconds of that window. Real instances count by the hour.
    pub rate_limit_window_s: u32,
    /// Values that a business rule puts into every incident after it was written.
    pub after_write: BTreeMap<String, String>,
    /// The property `glide.invalid_query.returns_no_rows`: a bad field in a query finds nothing
    /// instead of everything.
    pub invalid_query_returns_no_rows: bool,
    /// Letter case counts in queries, as on some databases.
    pub case_sensitive: bool,
    /// `object_id` is a column of `cmdb_ci` itself and not only of the cloud classes.
    pub object_id_on_cmdb_ci: bool,
    /// The integration user may write to closed and canceled incidents.
    pub user_is_admin: bool,
    /// IANA time zone of display values; raw values are UTC.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub user_time_zone: TimeZone,
    /// Incidents before the simulator answers 507; each takes about 10 kB.
    pub max_tickets: usize,
    /// Journal entries before the simulator answers 507.
    pub max_journal_entries: usize,
    /// Configuration items that can be seeded.
    pub max_cis: usize,
}

impl Default for Switches {
    fn default() -> Self {
        // The current stock list, see https://github.com/ansible-collections/servicenow.itsm/pull/296
        let close_codes = [
            "Duplicate",
            "Known error",
            "No resolution provided",
            "Resolved by caller",
            "Resolved by change",
            "Resolved by problem",
            "Resolved by request",
            "Solution provided",
            "Workaround provided",
            "User error",
        ];
        Self {
            close_codes: close_codes.map(str::to_owned).to_vec(),
            mandatory_on_resolve: BTreeMap::new(),
            extra_columns: Vec::new(),
            auto_close_after_s: None,
            token_life_s: 1800,
            rate_limit: None,
            rate_limit_window_s: 3600,
            after_write: BTreeMap::new(),
            invalid_query_returns_no_rows: false,
            case_sensitive: false,
            object_id_on_cmdb_ci: false,
            user_is_admin: false,
            user_time_zone: TimeZone::UTC,
            max_tickets: 100_000,
            max_journal_entries: 300_000,
            max_cis: 200_000,
        }
    }
}
