//! `torture run`: alerts fire, are resolved and fire anew while faults of every kind overlap; then everything that was
//! acknowledged must be right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::desk::Desk;
use crate::evidence::{self, Backlog};
use crate::faults::{self, Applied, Victims};
use crate::judge::{Finding, Held, Ledger, Said, by_subject, gone, judge, touched};
use crate::product::Product;
use crate::record::{Entry, Record, counts, said};
use crate::report::{AtTarget, Report, Tried};
use crate::schedule::{Kind, Planned, Schedule};
use crate::traffic::{Story, Traffic};
use crate::ways::{self, Way};
use crate::world::{Plan, World};

/// Everything must be settled this long after the last word: the longest Retry-After, lease, rest and look-up of the
/// run come one after the other, and some tickets need several of them.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);

/// What is settled must stay so for this long, since what is under way between two steps is in no count.
const STAYS_SETTLED: Duration = Duration::from_secs(12);

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A look at the backlog may meet a server that has just come back.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Settings of the workers for a run: short, so that leases end and tickets are taken over while it lasts.
const WORKER_SETTINGS: &str = r#"
[sync]
lease = "13s"

[sync.retry]
min = "100ms"
max = "3s"
look_up_after = "4s"
unauthorized_pause = "2s"

[sync.look_again]
every = "3s"
per_minute = 600

[sync.double_check]
after = "5s"
until = "20s"

[sweep]
interval = "5s"

[targets.servicenow]
request_deadline = "1500ms"

[targets.request-tracker]
request_deadline = "1500ms"
"#;

/// Room for the data and for the log of changes between two checkpoints of a long run.
const DATABASE_DISK_BYTES: u64 = 1 << 30;

/// Subjects of which everything is told when something is wrong with them.
const MOST_ACCOUNTS: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long faults and alerts come, in minutes
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// The same seed plans the same faults and alerts; one is drawn and printed when there is none
    #[arg(long)]
    seed: Option<u64>,
    /// Deliveries a second
    #[arg(long, default_value_t = 15.0)]
    rate: f64,
    #[arg(long, default_value_t = 2)]
    ingests: usize,
    #[arg(long, default_value_t = 3)]
    workers: usize,
}

/// Attacks, waits until everything settles, judges.
///
/// # Errors
/// When the world does not come up or cannot be looked at. What the system does is a result, not an error.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let length = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes is no length")?;
    let schedule = Schedule::new(seed, length);
    let story = Story::new(seed, length, arguments.rate);
    println!("torture: seed {seed}, {length:?}, {} deliveries\n{schedule}", story.deliveries.len());

    let plan = Plan {
        worker_settings: format!("{WORKER_SETTINGS}{}", ways::settings()),
        database_disk_bytes: Some(DATABASE_DISK_BYTES),
        ..Plan::new(&format!("run-{seed}"), arguments.ingests, arguments.workers, &Product::ALL)?
    };
    let world = World::start(&plan).await?;
    let end = CancellationToken::new();
    let attack = Attack { seed, arguments, schedule, story, world: &world, folder: plan.folder.clone() };
    let report = tokio::select! {
        report = attack.carry_out(&end) => report,
        () = world.supervise() => Err(anyhow::anyhow!("nobody watches over the programs")),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    world.stop().await;
    let report = report?;
    println!("\n{report}");
    let path = plan.folder.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    println!("written to {}; replay with --seed {seed}", path.display());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Attack<'a> {
    seed: u64,
    arguments: &'a Arguments,
    schedule: Schedule,
    story: Story,
    world: &'a World,
    folder: PathBuf,
}

impl Attack<'_> {
    async fn carry_out(&self, end: &CancellationToken) -> anyhow::Result<Report> {
        let description = self.world.description();
        let desks = Product::ALL.map(|product| self.world.desk(product)).into_iter();
        let desks: Vec<Desk> = desks.collect::<anyhow::Result<_>>()?;
        let record = Record::create(&self.folder.join("record.jsonl"))?;
        let traffic = Arc::new(Traffic::new(&self.world.ingest_urls(), description, record)?);

        let start = (Instant::now(), Timestamp::now());
        let victims = Victims { world: self.world, desks: &desks, end };
        let (played, applied) = tokio::join!(
            traffic.play(&self.story, start, end),
            faults::play(victims, &self.schedule, self.seed, start.0),
        );
        played?;
        for desk in &desks {
            desk.clear_faults().await?;
        }
        println!("{} the faults are over and every delivery has ended", clock(start.0));

        let entries = traffic.record().entries();
        let (settled_after, backlog) = self.settle(&entries).await?;
        println!("{} settled: {}", clock(start.0), settled_after.is_some());

        // Judged before the last words, which could heal what the faults have broken.
        let said_before = said(&entries);
        let (mut findings, held, ledger) = self.judge(&said_before, &desks).await?;
        let touched = touched(&said_before, &held, &ledger);
        findings.retain(|finding| !finding.is_explained_by(&touched));
        let last_words =
            traffic.last_words(&touched.into_iter().map(|(_, subject)| subject).collect()).await?;
        println!("{} last words about {last_words} alerts", clock(start.0));

        let entries = traffic.record().entries();
        let (settled_again_after, backlog_again) = self.settle(&entries).await?;
        println!("{} settled again: {}", clock(start.0), settled_again_after.is_some());

        let said = said(&entries);
        let (in_the_end, held, ledger) = self.judge(&said, &desks).await?;
        findings.extend(in_the_end);
        findings.sort();
        findings.dedup();
        let (poisoned, others) = self.dead_letters(applied.get(&Kind::Poison).copied().unwrap_or(0)).await?;
        let report = Report {
            seed: self.seed,
            minutes: self.arguments.minutes,
            ingests: self.arguments.ingests,
            workers: self.arguments.workers,
            counts: counts(&entries),
            subjects: by_subject(&said).len(),
            targets: held
                .iter()
                .map(|(product, items)| (*product, AtTarget::of(items.values().flatten())))
                .collect(),
            ways: Way::ALL.into_iter().map(|way| (way, gone(way, ledger.tickets.values()))).collect(),
            last_words,
            findings,
            dead_letters: others,
            poisoned,
            restarts: self.world.restarts(),
            faults: self.tried(&applied),
            settled_after_s: settled_after.map(|after| after.as_secs_f64()),
            settled_again_after_s: settled_again_after.map(|after| after.as_secs_f64()),
            settle_limit_s: SETTLE_LIMIT.as_secs(),
            backlog: if backlog.is_empty() { backlog_again } else { backlog },
        };
        self.account(&report, &entries, &desks).await?;
        Ok(report)
    }

    /// What is wrong now, and what was looked at.
    async fn judge(&self, said: &[Said], desks: &[Desk]) -> anyhow::Result<(Vec<Finding>, Held, Ledger)> {
        let held = evidence::held(desks).await?;
        let ledger = evidence::ledger(&self.world.description().database_url).await?;
        Ok((judge(said, &held, &ledger), held, ledger))
    }

    /// Waits until nothing is left to do and stays so; answers after how long, and what is left.
    async fn settle(&self, entries: &[Entry]) -> anyhow::Result<(Option<Duration>, Backlog)> {
        let description = self.world.description();
        let owed: Vec<Uuid> = said(entries).into_iter().flat_map(|said| said.ids).collect();
        let (begin, mut settled) = (Instant::now(), None);
        let mut left = Backlog::default();
        while begin.elapsed() < SETTLE_LIMIT + STAYS_SETTLED {
            let look = evidence::backlog(&description.database_url, &description.amqp_url, &owed);
            match tokio::time::timeout(LOOK_LIMIT, look).await {
                Ok(Ok(backlog)) if backlog.is_empty() => {
                    let since = *settled.get_or_insert_with(|| begin.elapsed());
                    if since > SETTLE_LIMIT {
                        return Ok((None, backlog));
                    }
                    if begin.elapsed() - since >= STAYS_SETTLED {
                        return Ok((Some(since), backlog));
                    }
                }
                Ok(Ok(backlog)) => (settled, left) = (None, backlog),
                Ok(Err(error)) => {
                    settled = None;
                    println!("{} cannot look at the backlog: {error:#}", clock(begin));
                }
                Err(_elapsed) => settled = None,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok((None, left))
    }

    /// How many messages of ours that are no alerts are dead letters, and how many others. A worker may keep one of ours
    /// for a while, until the broker takes it.
    async fn dead_letters(&self, poison: usize) -> anyhow::Result<(usize, usize)> {
        let (description, begin) = (self.world.description(), Instant::now());
        loop {
            let dead = evidence::dead_letters(&description.amqp_url, &description.database_url).await?;
            let (ours, others): (Vec<_>, Vec<_>) = dead.into_iter().partition(|body| faults::is_poison(body));
            let ours = ours.into_iter().collect::<BTreeSet<_>>().len();
            if ours >= poison || begin.elapsed() > SETTLE_LIMIT {
                return Ok((ours, others.len()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn tried(&self, applied: &Applied) -> BTreeMap<String, Tried> {
        let mut tried: BTreeMap<String, Tried> = BTreeMap::new();
        let possible =
            |planned: &&Planned| planned.kind != Kind::DatabaseFull || self.world.has_database_disk();
        for planned in self.schedule.planned.iter().filter(possible) {
            tried.entry(planned.kind.to_string()).or_default().planned += 1;
        }
        for (kind, applied) in applied {
            tried.entry(kind.to_string()).or_default().applied = *applied;
        }
        tried
    }

    /// Tells everything about what is wrong, enough to find out why.
    async fn account(&self, report: &Report, entries: &[Entry], desks: &[Desk]) -> anyhow::Result<()> {
        let wrong: BTreeSet<u64> = report.findings.iter().map(|finding| finding.subject).collect();
        for subject in wrong.into_iter().take(MOST_ACCOUNTS) {
            println!("\n== {subject}");
            for finding in report.findings.iter().filter(|finding| finding.subject == subject) {
                println!("{finding}");
            }
            for entry in entries.iter().filter(|entry| entry.notice.subject == subject) {
                let Entry { notice, sent_at, ended } = entry;
                let (condition, at, id) = (notice.condition_name(), notice.at, notice.alert_id());
                println!("said {condition} at {at} of {id}, sent {sent_at}, {ended:?}");
            }
            for desk in desks {
                evidence::desk_account(desk, subject).await?.iter().for_each(|line| println!("{line}"));
            }
            let database_url = &self.world.description().database_url;
            evidence::ledger_account(database_url, subject).await?.iter().for_each(|line| println!("{line}"));
        }
        Ok(())
    }
}

fn clock(since: Instant) -> String {
    format!("{:>7.1}s", since.elapsed().as_secs_f64())
}
