//! `stack bench`: how fast the system is on this machine, everything on the same cores.
//!
//! Each run has a fresh stack. The figures are medians of the runs, printed as a table and written to
//! `target/bench.json`; docs/performance.md says what each means.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use azure_simulator::alerts::{AlertRule, Kind};
use azure_simulator::sender::{LoadPlan, Retries, load};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use stack::{Extent, Options, Stack};
use tokio::time::Instant;

use crate::demo::credentials;
use crate::desk::{Desk, heard};

mod raw;

/// Connections of the load, and publishes under way when the broker is measured alone.
pub(crate) const CONCURRENCY: usize = 64;
/// Alerts for which the calls of a whole life are counted.
const LIVES: u64 = 500;
/// The rules watch so many resources in turn, so that the CMDB is asked now and then.
pub(crate) const RESOURCES: NonZeroU64 = NonZeroU64::new(100).unwrap();
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Runs of which the medians are taken
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    runs: u8,
    /// Alerts in each run
    #[arg(long, default_value_t = 10_000)]
    alerts: u64,
}

type Figures = BTreeMap<&'static str, f64>;

/// Every figure with its unit's precision and what the project aims at.
const FIGURES: [(&str, usize, &str); 12] = [
    ("raw_publish_per_s", 0, ""),
    ("ingest_per_s", 0, ""),
    ("ingest_to_raw", 2, ">= 0.55"),
    ("ingest_p99_ms", 1, ""),
    ("ingest_rss_mib", 0, "< 64"),
    ("intake_per_s", 0, ""),
    ("intake_to_raw", 2, ">= 0.5"),
    ("sync_creates_per_s", 0, ">= 1000"),
    ("itsm_simulator_cpu_share", 2, ""),
    ("worker_rss_mib", 0, "< 128"),
    ("calls_per_alert_life", 2, "<= 3"),
    ("ci_look_ups_per_alert_life", 2, ""),
];

/// Measures, prints and writes the figures.
pub(crate) async fn run(arguments: &Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build, its figures mean nothing: use `make bench`");
    }
    let programs = std::env::current_exe()?.parent().context("this program has no folder")?.to_owned();
    let mut runs = Vec::new();
    for number in 1..=arguments.runs {
        eprintln!("bench: run {number} of {}", arguments.runs);
        let options = Options {
            folder: target.join("bench"),
            programs: programs.clone(),
            workers: 1,
            extent: Extent::Bare,
        };
        let mut stack = Stack::start(&options).await?;
        let figures = measure(&mut stack, arguments.alerts).await;
        stack.stop().await;
        runs.push(figures?);
    }
    let medians: BTreeMap<&str, f64> =
        FIGURES.iter().map(|(name, ..)| (*name, median(&runs, name))).collect();
    println!("{:<28} {:>10}  {:<9} runs", "figure", "median", "aim");
    for (name, digits, aim) in FIGURES {
        let all: Vec<String> =
            runs.iter().map(|run| format!("{:.digits$}", run.get(name).unwrap_or(&0.0))).collect();
        println!("{name:<28} {:>10.digits$}  {aim:<9} {}", medians.get(name).unwrap_or(&0.0), all.join(" "));
    }
    let path = target.join("bench.json");
    let mut report: serde_json::Map<_, _> =
        medians.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    report.insert("runs".to_owned(), json!(runs));
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    println!("written to {}", path.display());
    Ok(ExitCode::SUCCESS)
}

async fn measure(stack: &mut Stack, alerts: u64) -> anyhow::Result<Figures> {
    let mut figures = Figures::new();
    let description = stack.description().clone();
    let desk = Desk::new(&description)?;
    let mut database = PgConnection::connect(&description.database_url).await?;
    stack.migrate().await?;
    stack.start_ingest().await?;

    eprintln!("bench:   raw: {alerts} confirmed publishes");
    let body = AlertRule::new(Kind::MetricStatic, 1, 1).fire(Timestamp::now()).fired();
    let raw = raw::publishes_per_second(&description.amqp_url, &body, alerts, CONCURRENCY).await?;
    figures.insert("raw_publish_per_s", raw);

    eprintln!("bench:   ingest: {alerts} requests over {CONCURRENCY} connections");
    let plan = LoadPlan {
        url: format!("{}/v1/alerts", description.ingest_url),
        credentials: credentials(&description, &description.clients.azns),
        kinds: vec![Kind::MetricStatic],
        count: alerts,
        seed: 1,
        resources: Some(RESOURCES),
        rate: None,
        connections: CONCURRENCY,
        resolve_after: None,
        retries: Retries::none(),
    };
    let report = load(plan.clone()).await?;
    ensure!(report.all_accepted(), "ingest refused some: {report}");
    figures.insert("ingest_per_s", report.accepted_per_second);
    figures.insert("ingest_to_raw", report.accepted_per_second / raw);
    figures.insert("ingest_p99_ms", report.latency.p99_ms);
    figures.insert("ingest_rss_mib", peak_memory_mib(stack, "ingest")?);

    eprintln!("bench:   intake: {alerts} notifications into the ledger");
    hold(&mut database).await?;
    stack.start_worker(1).await?;
    let intake = rate(alerts as f64, async || heard(&description).await).await?;
    figures.insert("intake_per_s", intake);
    figures.insert("intake_to_raw", intake / raw);

    eprintln!("bench:   sync: {alerts} incidents");
    let (cpu, begin) = (desk.calls().await?.cpu_ms, Instant::now());
    release(&mut database).await?;
    figures.insert("sync_creates_per_s", rate(alerts as f64, async || calls(&desk, "create").await).await?);
    let cpu = (desk.calls().await?.cpu_ms - cpu) as f64 / 1000.0;
    figures.insert("itsm_simulator_cpu_share", cpu / begin.elapsed().as_secs_f64());
    figures.insert("worker_rss_mib", peak_memory_mib(stack, "worker-1")?);

    eprintln!("bench:   {LIVES} alerts fire and resolve");
    let before = desk.calls().await?.operations;
    let resolve_after = Some(Duration::from_secs(3));
    // Rules of another kind, since those of this one have fired already.
    let kinds = vec![Kind::MetricDynamic];
    let report = load(LoadPlan { kinds, count: LIVES, resolve_after, ..plan }).await?;
    ensure!(report.all_accepted(), "ingest refused some: {report}");
    rate(LIVES as f64, async || calls(&desk, "update").await).await?;
    let after = desk.calls().await?.operations;
    let per_life = |operations: &[&str]| -> f64 {
        let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
        operations.iter().map(|name| (of(&after, name) - of(&before, name)) as f64).sum::<f64>()
            / LIVES as f64
    };
    figures.insert("calls_per_alert_life", per_life(&["create", "read", "update", "query_incident"]));
    figures.insert("ci_look_ups_per_alert_life", per_life(&["query_ci", "query_key_value"]));
    Ok(figures)
}

/// How often the simulated instance was called for one operation.
async fn calls(desk: &Desk, operation: &str) -> anyhow::Result<f64> {
    Ok(desk.calls().await?.operations.get(operation).copied().unwrap_or(0) as f64)
}

/// Keeps the workers from calling the ITSM while something else is measured.
pub(crate) async fn hold(database: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO targets (target, paused_until) VALUES ('servicenow', now() + interval '1 day')")
        .execute(database)
        .await?;
    Ok(())
}

async fn release(database: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM targets").execute(database).await?;
    Ok(())
}

/// How fast a count rises to `end`, from when it is first seen to rise.
async fn rate(end: f64, mut count: impl AsyncFnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut first: Option<(f64, Instant)> = None;
    loop {
        let (now, at) = (count().await?, Instant::now());
        if now > 0.0 {
            let (start, since) = *first.get_or_insert((now, at));
            if now >= end {
                return Ok((now - start) / at.duration_since(since).as_secs_f64().max(f64::EPSILON));
            }
        }
        ensure!(begin.elapsed() < PATIENCE, "stopped at {now} of {end}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The most memory that a program of the stack ever had (`VmHWM`, proc_pid_status(5)), in MiB.
fn peak_memory_mib(stack: &Stack, program: &str) -> anyhow::Result<f64> {
    let pid = stack.pid(program).with_context(|| format!("{program} does not run"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let kib: f64 = peak.context("no VmHWM in /proc")?;
    Ok(kib / 1024.0)
}

fn median(runs: &[Figures], name: &str) -> f64 {
    let mut all: Vec<f64> = runs.iter().filter_map(|run| run.get(name)).copied().collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
