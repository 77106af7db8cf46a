//! Logs on standard error, as JSON for machines or as text for people.

use serde::Deserialize;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::SettingsError;

/// Lines that may wait for whoever reads them; more are dropped.
const LINES_WAITING: usize = 8_192;

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

/// Sends the events of this process to standard error from now on, by a thread of their own: a disk that is full or a
/// reader that stalls costs lines of the log, and no request. What waits is written when the guard is dropped.
///
/// # Errors
/// When the filter cannot be read, or when logging was set up before.
pub fn init(settings: &LogSettings) -> Result<WorkerGuard, TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::builder().parse(&settings.filter)?;
    let lines = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING);
    let (writer, guard) = lines.finish(std::io::stderr());
    // Its own errors it would print on standard error, and panic where that is what has failed.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init(),
        LogFormat::Text => builder.with_ansi(false).finish().try_init(),
    }
    .map_err(TelemetryError::AlreadySet)?;
    Ok(guard)
}
