//! `torture overload`: four times what the machine takes, for a minute, and what is left of the promises then.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use azure_simulator::sender::TokenSource;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::gauges::apart;
use crate::gauges::load;
use crate::gauges::memory;
use crate::gauges::promises::Promises;
use crate::gauges::sightings::Sightings;
use crate::outage::{credentials, settled, until_none};
use crate::product::Product;
use crate::world::{Part, Plan, World};

mod flood;
mod wire;

use self::flood::{Outcome, Target, closed_loop, open_loop};

/// How many times as much as the machine takes is offered.
const FACTOR: f64 = 4.0;
/// Connections while it is found out what the machine takes.
const CLOSED_CONNECTIONS: usize = 64;
const CLOSED_SECONDS: u64 = 5;
/// Different alerts. They are sent again and again: the simulator holds no more than 100,000 incidents.
const ALERTS: u64 = 20_000;
const SEED: u64 = 1;
const TARGET: Product = Product::ServiceNow;

/// `http.request_deadline` of ingest, which counts from the first byte that it reads.
const REQUEST_DEADLINE_S: f64 = 5.0;
/// What an answer may take besides: on a machine without a free core, bytes wait on both sides to be looked at. Azure
/// waits ten seconds for an answer, so two are left for the way.
const MACHINE_S: f64 = 3.0;

/// A program at rest, with its buffers and caches; docs/performance.md aims at the half.
const INGEST_AT_REST_MIB: f64 = 64.0;
/// actix reads ahead up to 32 KiB of each connection, and a connection has about as much again.
const KIB_PER_CONNECTION: f64 = 64.0;
/// Publishes in flight (`amqp.max_in_flight`), each with its body and the copy that waits for its confirmation.
const IN_FLIGHT: f64 = 1024.0;
const KIB_PER_PUBLISH: f64 = 16.0;
/// What docs/performance.md aims at: the worker takes from the queue what it can hold, however long the queue.
const WORKER_MIB: f64 = 128.0;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// For how long the overload lasts
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections at most; ingest accepts 4,096 at once
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
}

/// What was seen in the end.
struct Finding {
    capacity: Outcome,
    flood: Outcome,
    owed: usize,
    lost: usize,
    doubled: usize,
    caught_up: Duration,
    peaks_mib: BTreeMap<&'static str, f64>,
}

/// Overloads the system and says what it did; success only if every promise was kept.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let world = World::start(&Plan::new("overload", 1, 1, &[TARGET])?).await?;
    let finding = play(&world, &arguments).await;
    world.stop().await;
    let finding = finding?;
    println!("{}", table(&finding));
    let promises = promises(&finding, &arguments);
    println!("{promises}");
    Ok(promises.exit_code())
}

async fn play(world: &World, arguments: &Arguments) -> anyhow::Result<Finding> {
    let desk = Sightings::start(world.desk(TARGET)?);
    let pids: Vec<(&str, i32)> = [("ingest", Part::Ingest(1)), ("worker", Part::Worker(1))]
        .into_iter()
        .filter_map(|(program, part)| Some((program, world.pid(part)?)))
        .collect();
    let target = target(world, arguments.connections.into()).await?;

    let (begin, length) = (Instant::now(), Duration::from_secs(CLOSED_SECONDS));
    let closed = target.clone();
    let capacity = apart::start(async move || closed_loop(&closed, CLOSED_CONNECTIONS, length).await).await?;
    let takes = capacity.answers(202) as f64 / capacity.elapsed.as_secs_f64();
    println!(
        "{:>5.0} s  the machine takes {takes:.0}/s over {CLOSED_CONNECTIONS} connections",
        begin.elapsed().as_secs_f64()
    );

    let (rate, length) = (takes * FACTOR, Duration::from_secs(arguments.seconds));
    println!("{:>5.0} s  {rate:.0}/s are offered for {} s", begin.elapsed().as_secs_f64(), length.as_secs());
    let flood = apart::start(async move || open_loop(&target, rate, length).await).await?;
    println!("{:>5.0} s  the load is over", begin.elapsed().as_secs_f64());

    let over = Instant::now();
    let owed: Vec<u64> = capacity.accepted.union(&flood.accepted).map(|place| *place as u64 + 1).collect();
    let missing = || owed.iter().filter(|number| desk.first(**number).is_none()).count();
    until_none("without a ticket", missing).await;
    settled(&world.description().database_url).await?;
    let caught_up = over.elapsed();
    println!("{:>5.0} s  settled\n", begin.elapsed().as_secs_f64());

    let peaks_mib = pids
        .into_iter()
        .map(|(program, pid)| Ok((program, memory::peak_mib(pid)?)))
        .collect::<anyhow::Result<_>>()?;
    let doubled = desk.doubled().len() + desk.tally().await?.doubled;
    Ok(Finding { owed: owed.len(), lost: missing(), doubled, caught_up, peaks_mib, capacity, flood })
}

/// Every request with its head, made beforehand: the generator must not need the cores that it measures.
async fn target(world: &World, most_connections: usize) -> anyhow::Result<Target> {
    let urls = world.ingest_urls();
    let url = Url::parse(urls.first().context("there is no ingest")?)?;
    let address = *url.socket_addrs(|| None)?.first().context("ingest has no address")?;
    let bearer = TokenSource::new(credentials(world.description()))?.bearer().await?;
    let bearer = bearer.to_str().context("the token is no text")?;
    let now = Timestamp::now();
    let requests: Arc<[Bytes]> = (1..=ALERTS)
        .map(|number| {
            let body = load::rule(SEED, number).fire(now).fired();
            let head = format!(
                "POST /v1/alerts HTTP/1.1\r\nHost: {address}\r\nAuthorization: {bearer}\r\n\
                 Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), &body].concat().into()
        })
        .collect();
    Ok(Target { address, requests, most_connections })
}

fn promises(finding: &Finding, arguments: &Arguments) -> Promises {
    let Finding { flood, lost, doubled, caught_up, peaks_mib, .. } = finding;
    let mut promises = Promises::default();
    promises.never("loads of which nothing was accepted", usize::from(flood.answers(202) == 0));
    let others = flood.answered() - flood.answers(202) - flood.answers(503);
    promises.at_most("answers that are neither 202 nor 503", others as f64, 0.0);
    let slowest = flood.spread().max.as_secs_f64();
    promises.at_most("seconds of the slowest answer", slowest, REQUEST_DEADLINE_S + MACHINE_S);
    let connections = f64::from(arguments.connections);
    let ingest_mib =
        INGEST_AT_REST_MIB + (connections * KIB_PER_CONNECTION + IN_FLIGHT * KIB_PER_PUBLISH) / 1024.0;
    for (program, bound) in [("ingest", ingest_mib.ceil()), ("worker", WORKER_MIB)] {
        let peak = peaks_mib.get(program).copied().unwrap_or(f64::NAN);
        promises.at_most(format!("MiB that {program} ever had"), peak, bound);
    }
    promises.never("alerts accepted and without a ticket", *lost);
    promises.never("alerts with several tickets", *doubled);
    let bound = (arguments.seconds + CLOSED_SECONDS) as f64 * FACTOR;
    promises.at_most("seconds until all was settled afterwards", caught_up.as_secs_f64(), bound);
    promises
}

fn table(finding: &Finding) -> String {
    let Finding { capacity, flood, owed, .. } = finding;
    let mut text = format!("{:<44}{:>12}{:>12}\n", "", "closed loop", "open loop");
    let mut line = |what: &str, closed: u64, open: u64| {
        // Writing to a text cannot fail.
        writeln!(text, "{what:<44}{closed:>12}{open:>12}").unwrap_or_default();
    };
    line("requests due", capacity.offered, flood.offered);
    line("held back: no connection left to send over", capacity.held_back, flood.held_back);
    line("no connection", capacity.unconnected, flood.unconnected);
    line("no answer within 10 s, or cut off", capacity.unanswered, flood.unanswered);
    for status in
        capacity.by_status.keys().chain(flood.by_status.keys()).collect::<std::collections::BTreeSet<_>>()
    {
        line(&format!("answered {status}"), capacity.answers(*status), flood.answers(*status));
    }
    let per_second = |outcome: &Outcome| (outcome.answered() as f64 / outcome.elapsed.as_secs_f64()) as u64;
    line("answers a second", per_second(capacity), per_second(flood));
    let seconds = |outcome: &Outcome| outcome.spread().to_string();
    writeln!(text, "answer, s: p50 p99 max{:>34}\n{:>68}", seconds(capacity), seconds(flood))
        .unwrap_or_default();
    writeln!(text, "different alerts accepted{owed:>43}").unwrap_or_default();
    text
}
