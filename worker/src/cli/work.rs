//! `worker run` and `worker migrate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use shared::causes::told;
use shared::shutdown::Hangup;
use shared::{shutdown, telemetry};
use tokio_util::task::TaskTracker;

use crate::app::Application;
use crate::config::Config;
use crate::store;

pub(super) async fn run(config: Config, file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let _log = telemetry::init(&config.log)?;
    let signals = TaskTracker::new();
    let shutdown = shutdown::on_signal(&signals, Hangup::IsTaken).context("cannot listen for signals")?;
    match Application::build(config, file, shutdown.clone()).await {
        Ok(application) => application.run().await?,
        Err(error) if shutdown.is_cancelled() => {
            tracing::info!("stopped before it was ready: {}", told(error.as_ref()));
        }
        Err(error) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn migrate(config: Config) -> anyhow::Result<ExitCode> {
    store::migrate(&config.database).await.context("the database cannot be migrated")?;
    super::output::answer("the database has the schema of this version")?;
    Ok(ExitCode::SUCCESS)
}
