//! Logs on standard error, as JSON for machines or as text for people.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use serde::Deserialize;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::SettingsError;

/// Lines that may wait for whoever reads them; more are dropped.
const LINES_WAITING: usize = 8_192;
/// Those that were dropped. A process has one log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Section `[log]` of both services.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// For machines or for people; on standard error.
    #[serde(deserialize_with = "crate::settings::choice")]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
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
    let dropped = writer.error_counter();
    // Its own errors it would print on standard error, and panic where that is what has failed.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init(),
        LogFormat::Text => builder.with_ansi(false).finish().try_init(),
    }
    .map_err(TelemetryError::AlreadySet)?;
    DROPPED.get_or_init(|| dropped);
    Ok(guard)
}

/// Has the lines counted that the log of this process has lost.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(LogMetrics));
}

#[derive(Debug)]
struct LogMetrics;

impl Collector for LogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let dropped = ConstCounter::new(DROPPED.get().map_or(0, ErrorCounter::dropped_lines) as u64);
        let help = "Lines of the log that nobody took in time";
        let metric = encoder.encode_descriptor(
            "secure_export_log_lines_dropped",
            help,
            None,
            dropped.metric_type(),
        )?;
        dropped.encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use super::*;

    /// A reader that takes nothing for as long as its other end is there.
    struct Stalled(mpsc::Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let (hold, stalled) = mpsc::channel();
        let lines = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(1);
        let (mut writer, _guard) = lines.finish(Stalled(stalled));
        DROPPED.get_or_init(|| writer.error_counter());
        let mut registry = Registry::default();
        register(&mut registry);
        for _ in 0..10 {
            writer.write_all(b"line").unwrap();
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("secure_export_log_lines_dropped_total "));
        // One is with the reader, perhaps, and one waits.
        assert!(count.unwrap().parse::<u64>().unwrap() >= 8, "{text}");
        drop(hold);
    }
}
