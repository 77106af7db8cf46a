//! Settings that keep many alerts, or one that comes and goes, from becoming many tickets and notes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::settings::SettingsError;

use crate::reconcile::rate::Limit;

/// Section `[route.storm]`, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StormSettings {
    /// New tickets in a target within `interval`; one ticket takes the alerts over it. 0: as many as there are.
    pub limit: u32,
    /// In which new tickets are counted for `limit`.
    #[serde(with = "shared::settings::duration")]
    pub interval: Duration,
    /// The least time between two notes on the ticket of a storm.
    #[serde(with = "shared::settings::duration")]
    pub note_every: Duration,
    /// Template of its summary.
    pub summary: String,
    /// Template of its description.
    pub description: String,
    /// Template of its notes while alerts come.
    pub note: String,
}

/// Section `[route.flapping]`, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlappingSettings {
    /// A ticket whose alerts fire again, after they were resolved, more often than this within `window` is held open
    /// until they have been quiet for as long. 0: none is.
    pub firings: u32,
    /// In which firings are counted for `firings`.
    #[serde(with = "shared::settings::duration")]
    pub window: Duration,
    /// The least time between two notes on such a ticket.
    #[serde(with = "shared::settings::duration")]
    pub note_every: Duration,
    /// Template of these notes.
    pub note: String,
}

impl StormSettings {
    /// The limit, if there is one.
    ///
    /// # Errors
    /// When the interval is empty.
    pub(super) fn limit(&self) -> Result<Option<Limit>, SettingsError> {
        limit(self.limit, self.interval, "route.storm.interval")
    }
}

impl FlappingSettings {
    /// The limit, if there is one.
    ///
    /// # Errors
    /// When the window is empty.
    pub(super) fn limit(&self) -> Result<Option<Limit>, SettingsError> {
        limit(self.firings, self.window, "route.flapping.window")
    }
}

fn limit(most: u32, window: Duration, key: &str) -> Result<Option<Limit>, SettingsError> {
    if most > 0 && window.is_zero() {
        return Err(SettingsError::Invalid(format!("{key} must be longer than 0s")));
    }
    Ok((most > 0).then_some(Limit { most, window }))
}
