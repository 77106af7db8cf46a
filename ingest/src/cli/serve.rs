//! `ingest serve`.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::shutdown::Hangup;
use shared::{shutdown, telemetry};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::server::Application;

/// Open files besides the connections: listeners, broker, keys, log.
const OTHER_FILES: u64 = 64;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let _log = telemetry::init(&config.log)?;
    for risk in config.trust.risks() {
        tracing::warn!("{risk}");
    }
    allow_open_files(config.http.max_connections.get());
    let signals = TaskTracker::new();
    let shutdown = shutdown::on_signal(&signals, Hangup::ShutsDown)?;
    // A start can take its time, where a disk or the broker does.
    let Some(application) = shutdown.run_until_cancelled(Application::build(config)).await else {
        tracing::info!("stopped before it was ready");
        return Ok(ExitCode::SUCCESS);
    };
    application?.run_until(shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// Takes as many open files as the system grants: the usual limit of 1,024 is less than the connections that the
/// settings allow, and a process without a free one accepts nobody.
fn allow_open_files(max_connections: usize) {
    let granted = getrlimit(Resource::Nofile).maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current: granted, maximum: granted });
    let limit = getrlimit(Resource::Nofile).current;
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    if raised.is_err() || limit.is_some_and(|limit| limit < needed) {
        tracing::warn!(
            ?limit,
            needed,
            "http.max_connections needs {needed} open files: raise the limit (LimitNOFILE=, ulimits, ulimit -Hn)"
        );
    }
}
