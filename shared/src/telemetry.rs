//! Logs on standard error, as JSON for machines or as text for people.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::SettingsError;

/// Section `[log]` of both services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
    /// Which events are written, in the syntax of tracing's `EnvFilter`: `info,lapin=warn`.
    pub filter: String,
}

impl LogSettings {
    /// Whether logging can be set up like this.
    ///
    /// # Errors
    /// When the filter cannot be read.
    pub fn check(&self) -> Result<(), SettingsError> {
        match EnvFilter::builder().parse(&self.filter) {
            Ok(_) => Ok(()),
            Err(error) => Err(SettingsError::Invalid(TelemetryError::Filter(error).to_string())),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log.filter is not a filter such as `info,lapin=warn`: {0}")]
    Filter(#[from] ParseError),
    #[error("logging is set up already: {0}")]
    AlreadySet(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends the events of this process to standard error from now on.
///
/// # Errors
/// When the filter cannot be read, or when logging was set up before.
pub fn init(settings: &LogSettings) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::builder().parse(&settings.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init(),
        LogFormat::Text => builder.with_ansi(false).finish().try_init(),
    }
    .map_err(TelemetryError::AlreadySet)
}
