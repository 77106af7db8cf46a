//! `worker run` and `worker migrate`.

use std::process::ExitCode;

use anyhow::Context;
use shared::{shutdown, telemetry};
use tokio_util::task::TaskTracker;

use crate::app::Application;
use crate::config::Config;
use crate::store;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(&config.log)?;
    let signals = TaskTracker::new();
    let shutdown = shutdown::on_signal(&signals).context("cannot listen for signals")?;
    Application::build(config, shutdown).await?.run().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn migrate(config: Config) -> anyhow::Result<ExitCode> {
    let pool = store::pool(&config.database).context("database.url cannot be read")?;
    store::MIGRATIONS.run(&pool).await.context("the database cannot be migrated")?;
    super::answer("the database has the schema of this version")?;
    Ok(ExitCode::SUCCESS)
}
