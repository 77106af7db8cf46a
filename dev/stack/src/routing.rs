//! `stack routing`: what many routes cost, as how fast a worker brings notifications into the ledger.
//!
//! Two workers take turns on the same stack, one with a single route and one with many of which only the last is for the
//! alerts. The machine's noise hits both sides of a pair, so their ratio says more than either.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use azure_simulator::alerts::Kind;
use azure_simulator::sender::{LoadPlan, Retries, load};
use sqlx::{Connection, PgConnection};
use stack::{Extent, Options, Stack};
use tokio::time::Instant;

use crate::bench::{CONCURRENCY, LOOK_EVERY, PATIENCE, RESOURCES, hold};
use crate::demo::credentials;
use crate::desk::heard_by;

mod settings;

/// A clock tick of `/proc`: `USER_HZ` is 100 on every Linux architecture we run on, see proc_pid_stat(5).
const TICK: Duration = Duration::from_millis(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Routes of the worker that has many
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..=5000))]
    routes: u32,
    /// Measurements of each worker, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: u32,
    /// Alerts of each measurement
    #[arg(long, default_value_t = 10_000)]
    alerts: u64,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Pace {
    per_second: f64,
    /// Processor time of the worker alone.
    cpu_us: f64,
}

/// Measures in turns and prints each pair and the medians.
pub(crate) async fn run(arguments: &Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("routing: this is a debug build, its figures mean nothing: use `make routing`");
    }
    let programs = std::env::current_exe()?.parent().context("this program has no folder")?.to_owned();
    let options = Options { folder: target.join("routing"), programs, workers: 2, extent: Extent::Bare };
    let mut stack = Stack::start(&options).await?;
    let pairs = measure(&mut stack, arguments).await;
    stack.stop().await;
    print(&pairs?, arguments.routes);
    Ok(ExitCode::SUCCESS)
}

async fn measure(stack: &mut Stack, arguments: &Arguments) -> anyhow::Result<Vec<[Pace; 2]>> {
    let description = stack.description().clone();
    stack.add_worker_settings(1, &settings::routes(1))?;
    stack.add_worker_settings(2, &settings::routes(arguments.routes))?;
    stack.migrate().await?;
    stack.start_ingest().await?;
    let mut database = PgConnection::connect(&description.database_url).await?;
    hold(&mut database).await?;
    let mut pairs = Vec::new();
    for number in 1..=arguments.pairs {
        eprintln!("routing: pair {number} of {}", arguments.pairs);
        // Who goes first changes, so that nothing that grows favours one side.
        let order = if number % 2 == 0 { [2, 1] } else { [1, 2] };
        let mut pair = Vec::new();
        for worker in order {
            let plan = LoadPlan {
                url: format!("{}/v1/alerts", description.ingest_url),
                credentials: credentials(&description, &description.clients.azns),
                kinds: vec![Kind::MetricStatic],
                count: arguments.alerts,
                seed: u64::from(number) * 2 + worker as u64,
                resources: Some(RESOURCES),
                rate: None,
                connections: CONCURRENCY,
                resolve_after: None,
                retries: Retries::none(),
            };
            let report = load(plan).await?;
            ensure!(report.all_accepted(), "ingest refused some: {report}");
            pair.push((worker, pace(stack, worker, arguments.alerts as f64).await?));
            forget(&mut database).await?;
        }
        pair.sort_by_key(|(worker, _)| *worker);
        if let [(_, one), (_, many)] = pair.as_slice() {
            pairs.push([*one, *many]);
        }
    }
    Ok(pairs)
}

/// Lets a worker empty the queue, and says how fast it was from the first count that is seen above zero to the last.
async fn pace(stack: &mut Stack, worker: usize, alerts: f64) -> anyhow::Result<Pace> {
    stack.start_worker(worker).await?;
    let admin = stack.description().worker_admin_urls.get(worker - 1).cloned().unwrap_or_default();
    let pid = stack.pid(&format!("worker-{worker}")).context("the worker does not run")?;
    let begin = Instant::now();
    let mut first: Option<(f64, Instant, Duration)> = None;
    loop {
        let (now, at, cpu) = (heard_by(&admin).await?, Instant::now(), cpu_time(pid)?);
        if now > 0.0 {
            let (start, since, cpu_before) = *first.get_or_insert((now, at, cpu));
            if now >= alerts {
                stack.stop_worker(worker).await;
                let heard = (now - start).max(1.0);
                let seconds = at.duration_since(since).as_secs_f64().max(f64::EPSILON);
                let cpu = cpu.saturating_sub(cpu_before).as_secs_f64();
                return Ok(Pace { per_second: heard / seconds, cpu_us: cpu * 1e6 / heard });
            }
        }
        ensure!(begin.elapsed() < PATIENCE, "stopped at {now} of {alerts}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Empties the ledger, so that every measurement finds the same.
async fn forget(database: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("TRUNCATE alerts, notifications, tickets, ticket_alerts, attempts, storms CASCADE")
        .execute(database)
        .await?;
    Ok(())
}

/// User and system time of a process (proc_pid_stat(5)).
fn cpu_time(pid: i32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may contain blanks; 14 and 15 are the times.
    let (_, after_name) = stat.rsplit_once(')').context("no name in /proc")?;
    let times: Vec<u32> =
        after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(TICK.saturating_mul(times.into_iter().fold(0, u32::saturating_add)))
}

fn print(pairs: &[[Pace; 2]], routes: u32) {
    let [one, many] = ["1 route".to_owned(), format!("{routes} routes")];
    println!("{:<10}{:>22}{:>22}{:>8}{:>8}", "", one, many, "speed", "CPU");
    for (number, [one, many]) in pairs.iter().enumerate() {
        let shown = |pace: &Pace| format!("{:.0}/s, {:.0} µs", pace.per_second, pace.cpu_us);
        let [speed, cpu] = ratios(&[*one, *many]);
        println!("{:<10}{:>22}{:>22}{speed:>8.2}{cpu:>8.2}", number + 1, shown(one), shown(many));
    }
    let [speed, cpu]: [Vec<f64>; 2] =
        [0, 1].map(|which| pairs.iter().filter_map(|pair| ratios(pair).get(which).copied()).collect());
    println!("{:<54}{:>8.2}{:>8.2}", "median ratio of many to one", median(speed), median(cpu));
}

/// Of many routes to one: notifications a second, and the worker's processor time for each.
fn ratios([one, many]: &[Pace; 2]) -> [f64; 2] {
    [many.per_second / one.per_second, many.cpu_us / one.cpu_us]
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
