//! `torture outage`: one part is away for minutes under a steady load, and nobody is to notice but the clock.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use azure_simulator::sender::Credentials;
use clap::ValueEnum;
use sqlx::{Connection, PgConnection};
use stack::Description;
use tokio::time::Instant;

use crate::gauges::load::{Load, LoadPlan, Sent};
use crate::gauges::memory::{self, Memory};
use crate::gauges::sightings::Sightings;
use crate::gauges::tap::Tap;
use crate::product::Product;
use crate::world::{Link, Part, Plan, World};

mod verdict;

use self::verdict::{Phases, Story};

/// The load before the outage, to compare with.
const BEFORE: Duration = Duration::from_secs(20);
/// The load after the outage: new alerts flow while the old ones catch up.
const AFTER: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// To count what is missing takes time that those who catch up could use.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// A wait without any progress for so long is at its end.
const STANDSTILL: Duration = Duration::from_secs(90);

/// What is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    Broker,
    Database,
    /// One of two targets, of another product than the other, which is not to suffer.
    Itsm,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// What is away
    subject: Subject,
    /// For how many seconds [default: broker 180, database 120, itsm 300]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Alerts a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
}

/// Plays the outage and says how it went; success only if every promise was kept.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { subject, seconds, rate } = arguments;
    let length = Duration::from_secs(seconds.unwrap_or(subject.default_seconds()));
    let name = subject.name();
    println!("{name} away for {} s under {rate} alerts/s", length.as_secs());
    let world = World::start(&Plan::new(&format!("outage-{name}"), 1, 1, subject.targets())?).await?;
    let story = play(&world, subject, length, rate).await;
    world.stop().await;
    let story = story?;
    println!("{story}");
    let promises = story.promises(length);
    println!("{promises}");
    Ok(promises.exit_code())
}

async fn play(world: &World, subject: Subject, length: Duration, rate: f64) -> anyhow::Result<Story> {
    let description = world.description();
    let mut desks = Vec::new();
    for target in subject.targets() {
        desks.push((*target, Sightings::start(world.desk(*target)?)));
    }
    let tap = Tap::start(&description.amqp_url).await?;
    let programs = [("ingest", Part::Ingest(1)), ("worker", Part::Worker(1))];
    let mut memories = BTreeMap::new();
    for (program, part) in programs {
        let pid = world.pid(part).with_context(|| format!("{program} does not run"))?;
        memories.insert(program, (Memory::watch(pid), pid));
    }

    let urls = world.ingest_urls();
    let load = Load::start(LoadPlan { urls, credentials: credentials(description), rate, seed: 1 }).await?;
    let begin = Instant::now();
    tokio::time::sleep(BEFORE).await;
    println!(
        "{:>5.0} s  {} goes away, {} alerts sent",
        begin.elapsed().as_secs_f64(),
        subject.name(),
        load.sent()
    );
    let down = Instant::now();
    subject.stay_away(world, length).await?;
    let back = Instant::now();
    println!(
        "{:>5.0} s  {} is back, {} alerts sent",
        begin.elapsed().as_secs_f64(),
        subject.name(),
        load.sent()
    );
    tokio::time::sleep(AFTER).await;
    println!("{:>5.0} s  the load ends", begin.elapsed().as_secs_f64());
    let sent = load.finish().await?;
    let end = Instant::now();

    let owed: Vec<&Sent> = sent.iter().filter(|sent| sent.is_acknowledged()).collect();
    println!("{:>5.0} s  {} alerts are owed", begin.elapsed().as_secs_f64(), owed.len());
    for (target, desk) in &desks {
        let missing = || owed.iter().filter(|sent| desk.first(sent.number).is_none()).count();
        until_none(&format!("without a ticket in {target}"), missing).await;
    }
    settled(&description.database_url).await?;
    println!("{:>5.0} s  settled\n", begin.elapsed().as_secs_f64());

    let mut story = Story::new(subject, Phases { begin, down, back, end }, sent);
    story.published(|id| tap.first(id));
    for (target, desk) in &desks {
        story.seen_at(*target, desk, desk.tally().await?);
    }
    for (program, (memory, pid)) in &memories {
        story.remembered(program, memory, memory::peak_mib(*pid)?);
    }
    Ok(story)
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Database => "database",
            Self::Itsm => "itsm",
        }
    }

    fn default_seconds(self) -> u64 {
        match self {
            Self::Broker => 180,
            Self::Database => 120,
            Self::Itsm => 300,
        }
    }

    /// The last one is the one that goes away.
    pub(crate) fn targets(self) -> &'static [Product] {
        match self {
            Self::Broker | Self::Database => &[Product::ServiceNow],
            Self::Itsm => &[Product::ServiceNow, Product::RequestTracker],
        }
    }

    /// Takes the part away and, after so long, brings it back.
    async fn stay_away(self, world: &World, length: Duration) -> anyhow::Result<()> {
        match self {
            Self::Broker => killed(world, Part::RabbitMq, length).await,
            Self::Database => killed(world, Part::Postgres, length).await,
            Self::Itsm => {
                let Some(target) = self.targets().last() else { bail!("there is no target") };
                let proxy = world.proxy(&Link::WorkerToItsm(1, *target))?;
                // An instance that is down refuses; one behind a broken network hangs, which is worse.
                proxy.refuse();
                tokio::time::sleep(length / 2).await;
                proxy.hold();
                tokio::time::sleep(length / 2).await;
                proxy.resume();
                Ok(())
            }
        }
    }
}

async fn killed(world: &World, part: Part, length: Duration) -> anyhow::Result<()> {
    world.kill(part).await?;
    tokio::time::sleep(length).await;
    world.start_again(part).await
}

/// Who sends: Azure Monitor's own application.
pub(crate) fn credentials(description: &Description) -> Credentials {
    Credentials {
        token_url: description.token_url.clone(),
        client_id: description.clients.azns.client_id.clone(),
        client_secret: description.clients.azns.client_secret.clone(),
        audience: description.audience.clone(),
    }
}

/// Waits until nothing is missing any more, or nothing changes for too long: the verdict says what is left.
pub(crate) async fn until_none(what: &str, missing: impl Fn() -> usize) {
    let (mut least, mut since) = (usize::MAX, Instant::now());
    loop {
        let left = missing();
        if left == 0 {
            return;
        }
        if left < least {
            (least, since) = (left, Instant::now());
        }
        if since.elapsed() > STANDSTILL {
            println!("        {left} are still {what} after {} s without progress", STANDSTILL.as_secs());
            return;
        }
        tokio::time::sleep(COUNT_EVERY).await;
    }
}

/// Waits until the ledger has nothing left to do, so that a late second ticket is not missed.
pub(crate) async fn settled(database_url: &str) -> anyhow::Result<()> {
    let mut database = PgConnection::connect(database_url).await?;
    let begin = Instant::now();
    loop {
        let busy: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM tickets WHERE due_at IS NOT NULL OR lease_until IS NOT NULL",
        )
        .fetch_one(&mut database)
        .await?;
        if busy == 0 {
            return Ok(());
        }
        if begin.elapsed() > STANDSTILL {
            println!("        {busy} tickets are still to be synced after {} s", STANDSTILL.as_secs());
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
