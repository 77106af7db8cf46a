//! `stack storm`: one outage, and what it costs the ITSM with and without the limit of new tickets.
//!
//! The alerts take the whole way: signed tokens, HTTP, broker, ledger, simulated ServiceNow. Each fires once; when every
//! one is on a work item, all are resolved. What must not happen to any alert is checked in both runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use azure_simulator::sender::{LatencySince, Retries, Sender, TokenSource, deliver_all};
use jiff::Timestamp;
use stack::{Description, Extent, Options, Stack};
use tokio::time::Instant;

use crate::demo::credentials;
use crate::desk::Desk;

mod account;
mod ledger;
mod outage;

use account::Account;
use ledger::Ledger;
use outage::Outage;

/// Requests that the action groups have under way.
const CONNECTIONS: usize = 32;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long nothing may change before the run is a failure. A rate limit holds everything up for a minute.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Alerts of the outage
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    alerts: u32,
    /// Seconds within which they all fire, and within which they are all resolved
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// route.storm.limit of the second run; the first has none
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How long the simulated ServiceNow takes for each call
    #[arg(long, default_value_t = 100)]
    latency_ms: u64,
    /// Its rate limit; none when it is not given
    #[arg(long)]
    calls_per_minute: Option<u64>,
}

/// Runs the outage twice, prints both accounts, and succeeds only if nothing was lost, doubled or left open.
pub(crate) async fn run(arguments: &Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    let programs = std::env::current_exe()?.parent().context("this program has no folder")?.to_owned();
    let Arguments { alerts, seconds, limit, latency_ms, calls_per_minute } = arguments;
    let rate = calls_per_minute.map_or(String::new(), |calls| format!(", at most {calls} a minute"));
    println!("{alerts} alerts in {seconds} s; each call of the ITSM takes {latency_ms} ms{rate}");
    let mut accounts = Vec::new();
    for limit in [0, *limit] {
        eprintln!("storm: route.storm.limit = {limit}");
        accounts.push(account(arguments, limit, target, &programs).await?);
    }
    account::print(&accounts);
    let faults: Vec<String> = accounts.iter().flat_map(Account::faults).collect();
    if faults.is_empty() {
        println!("in both runs every alert is on one ticket, none is doubled, and none is open at the end");
        return Ok(ExitCode::SUCCESS);
    }
    for fault in faults {
        println!("FAULT: {fault}");
    }
    Ok(ExitCode::FAILURE)
}

async fn account(
    arguments: &Arguments,
    limit: u32,
    target: &Path,
    programs: &Path,
) -> anyhow::Result<Account> {
    let options = Options {
        folder: target.join("storm"),
        programs: PathBuf::from(programs),
        workers: 1,
        extent: Extent::Bare,
    };
    let mut stack = Stack::start(&options).await?;
    let account = measure(&mut stack, arguments, limit).await;
    stack.stop().await;
    account
}

async fn measure(stack: &mut Stack, arguments: &Arguments, limit: u32) -> anyhow::Result<Account> {
    let description = stack.description().clone();
    let desk = Desk::new(&description)?;
    let outage = Outage::new(arguments.alerts, Duration::from_secs(arguments.seconds.into()));
    desk.seed(&outage.configuration_items()?).await?;
    desk.delay(Duration::from_millis(arguments.latency_ms)).await?;
    if let Some(calls) = arguments.calls_per_minute {
        desk.allow_per_minute(calls).await?;
    }
    stack.add_worker_settings(1, &format!("[route.storm]\nlimit = {limit}\ninterval = \"1m\"\n"))?;
    stack.migrate().await?;
    let mut ledger = Ledger::open(&description, arguments.alerts).await?;
    stack.start_ingest().await?;
    stack.start_worker(1).await?;

    eprintln!("storm:   all fire");
    let begin = Instant::now();
    let (sent, first_ticket) = tokio::join!(send(&description, outage.firing()), first_ticket(&desk, begin));
    let refused_firing = sent?;
    let last_fired = Instant::now();
    settled(async || ledger.not_yet_open().await).await?;
    let open_after = last_fired.elapsed();

    eprintln!("storm:   all are resolved");
    let refused_resolved = send(&description, outage.resolving(Timestamp::now())).await?;
    let last_resolved = Instant::now();
    settled(async || ledger.not_yet_resolved().await).await?;
    Ok(Account {
        limit,
        alerts: arguments.alerts,
        refused: refused_firing + refused_resolved,
        first_ticket: first_ticket?,
        open_after,
        resolved_after: last_resolved.elapsed(),
        calls: desk.calls().await?.operations,
        actions: ledger.actions().await?,
        busiest_minute: ledger.busiest_minute().await?,
        found: ledger.findings().await?,
        incidents: desk.every_incident().await?,
    })
}

/// Sends as Azure does, retries included, and answers how many notifications were given up.
async fn send(description: &Description, due: Vec<azure_simulator::sender::Due>) -> anyhow::Result<u64> {
    let tokens = TokenSource::new(credentials(description, &description.clients.azns))?;
    let sender = Sender::new(&format!("{}/v1/alerts", description.ingest_url), tokens, Retries::azure())?;
    let report = deliver_all(sender, due, CONNECTIONS, LatencySince::Due).await;
    Ok(report.sent.saturating_sub(report.accepted))
}

async fn first_ticket(desk: &Desk, begin: Instant) -> anyhow::Result<Duration> {
    while desk.incident_count().await? == 0 {
        ensure!(begin.elapsed() < PATIENCE, "there is no ticket after {} s", PATIENCE.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begin.elapsed())
}

/// Waits until nothing is left to do.
async fn settled(mut left: impl AsyncFnMut() -> anyhow::Result<i64>) -> anyhow::Result<()> {
    let mut progress = (i64::MAX, Instant::now());
    loop {
        let now = left().await?;
        if now == 0 {
            return Ok(());
        }
        if now != progress.0 {
            progress = (now, Instant::now());
        }
        let stuck = progress.1.elapsed();
        ensure!(
            stuck < PATIENCE,
            "{now} are still to be done, and nothing changes for {} s",
            stuck.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
