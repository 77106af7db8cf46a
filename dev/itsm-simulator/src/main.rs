//! Serves the simulated ITSM products until SIGTERM or Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use itsm_simulator::{ItsmSimulator, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Simulated ITSM products with faults on request: ServiceNow, Request Tracker, Zammad and ServiceDesk Plus.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "ITSM_SIMULATOR_LISTEN", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// TOML file with settings; ITSM_SIMULATOR__SECTION__KEY in the environment wins over it.
    #[arg(long, env = "ITSM_SIMULATOR_SETTINGS")]
    settings: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let settings = Settings::load(arguments.settings.as_deref())?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let simulator = ItsmSimulator::start(settings, arguments.listen).await?;
    tracing::info!(base_url = simulator.base_url(), "the simulator is ready at {}", simulator.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C")?,
        () = simulator.ended() => anyhow::bail!("the server ended by itself, see the log"),
    }
    simulator.stop().await;
    Ok(())
}
