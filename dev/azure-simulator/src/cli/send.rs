//! `azure-simulator send`.

use std::{
    io::{Write, stdout},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use azure_simulator::{
    alerts::Kind,
    sender::{LoadPlan, Retries, load},
};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::TokenArguments;

#[derive(Debug, Args)]
pub(super) struct Send {
    /// The webhook, like http://127.0.0.1:8080/v1/alerts.
    #[arg(long, env = "AZURE_SIMULATOR_URL")]
    url: String,
    #[command(flatten)]
    token: TokenArguments,
    /// Kinds of alerts, taken in turn.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "metric-static")]
    kinds: Vec<Kind>,
    /// Number of alerts that fire.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Alerts fired per second; as fast as possible without it.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests in flight at most.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Resolve each alert so long after it fired, like 5s; without it, none.
    #[arg(long, value_parser = duration)]
    resolve_after: Option<Duration>,
    /// Pauses before retries; nothing for a single attempt.
    #[arg(long, value_parser = duration, value_delimiter = ',', num_args = 0.., default_value = "5s,20s,5s,40s,5s")]
    retries: Vec<Duration>,
    /// Tells the alerts of this run from those of others; the time by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let report = load(LoadPlan {
            url: self.url,
            credentials: self.token.into(),
            kinds: self.kinds,
            count: self.count,
            seed: self.seed.unwrap_or_else(|| Timestamp::now().as_second().unsigned_abs()),
            resources: None,
            rate: self.rate,
            connections: self.connections,
            resolve_after: self.resolve_after,
            retries: Retries(self.retries),
        })
        .await?;
        if self.json {
            writeln!(stdout(), "{}", serde_json::to_string(&report)?)?;
        } else {
            write!(stdout(), "{report}")?;
        }
        Ok(if report.all_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration: SignedDuration = text.parse().context("write it like 5s or 1m")?;
    Duration::try_from(duration).context("it must not be negative")
}
