//! `ingest serve`.

use std::process::ExitCode;

use shared::{shutdown, telemetry};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::server::Application;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(&config.log)?;
    for risk in config.trust.risks() {
        tracing::warn!("{risk}");
    }
    let signals = TaskTracker::new();
    let shutdown = shutdown::on_signal(&signals)?;
    Application::build(config).await?.run_until(shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
