//! Settings of the whole simulator.

use std::path::Path;

use config::{Config, ConfigError, Environment, File};
use serde::{Deserialize, Serialize};

use crate::{help_desk, request_tracker, servicenow};

/// What the simulator starts with. Every key can be given as `ITSM_SIMULATOR__SECTION__KEY`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Threads that serve HTTP.
    pub workers: usize,
    /// The same seed gives the same record ids and the same dice of faults.
    pub seed: u64,
    /// The simulated ServiceNow instance.
    pub servicenow: servicenow::Settings,
    /// The simulated Request Tracker.
    pub request_tracker: request_tracker::Settings,
    /// The simulated Zammad.
    pub zammad: help_desk::Settings,
    /// The simulated ManageEngine ServiceDesk Plus.
    pub servicedesk_plus: help_desk::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 2,
            seed: 1,
            servicenow: servicenow::Settings::default(),
            request_tracker: request_tracker::Settings::default(),
            zammad: help_desk::Settings::default(),
            servicedesk_plus: help_desk::Settings::default(),
        }
    }
}

/// The settings cannot be used; the cause names the key.
#[derive(Debug, thiserror::Error)]
#[error("the simulator's settings are not usable")]
pub struct SettingsError(#[from] ConfigError);

impl Settings {
    /// Defaults, then the file, then the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let mut sources = Config::builder();
        if let Some(file) = file {
            sources = sources.add_source(File::from(file));
        }
        let environment = Environment::with_prefix("ITSM_SIMULATOR").separator("__").prefix_separator("__");
        Ok(sources.add_source(environment.try_parsing(true)).build()?.try_deserialize()?)
    }
}
