//! Carries out a schedule: every fault is applied and undone again, also when the run is interrupted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::product::Product;
use crate::schedule::{Kind, Lane, Planned, Schedule};
use crate::world::World;

mod broker;
mod database;
mod itsm;
mod network;
mod people;
mod processes;

pub(crate) use self::broker::is_poison;

/// A fault that cannot be applied for so long is given up: it may need a server that another lane has stopped.
const APPLY_LIMIT: Duration = Duration::from_secs(90);

/// The server that a fault needs may be stopped just now.
const TRIES: usize = 3;
const PAUSE_BEFORE_NEXT_TRY: Duration = Duration::from_secs(3);

/// How often each kind came about.
pub(crate) type Applied = BTreeMap<Kind, usize>;

/// What faults strike.
#[derive(Clone, Copy)]
pub(crate) struct Victims<'a> {
    pub(crate) world: &'a World,
    /// Of every target.
    pub(crate) desks: &'a [Desk],
    /// Ends the run before its time.
    pub(crate) end: &'a CancellationToken,
}

/// Plays a schedule that began at `start`: each lane by itself, all side by side.
pub(crate) async fn play(victims: Victims<'_>, schedule: &Schedule, seed: u64, start: Instant) -> Applied {
    let applied = Mutex::new(Applied::new());
    let lanes =
        Lane::ALL.map(|lane| play_lane(victims, schedule.lane(lane).collect(), seed, start, &applied));
    futures_util::future::join_all(lanes).await;
    applied.into_inner().unwrap_or_default()
}

async fn play_lane(
    victims: Victims<'_>,
    lane: Vec<&Planned>,
    seed: u64,
    start: Instant,
    applied: &Mutex<Applied>,
) {
    let mut dice = StdRng::seed_from_u64(seed);
    for planned in lane {
        if victims.end.run_until_cancelled(tokio::time::sleep_until(start + planned.at)).await.is_none() {
            return;
        }
        let kind = planned.kind;
        for _ in 0..TRIES {
            let outcome =
                tokio::time::timeout(planned.length + APPLY_LIMIT, strike(victims, planned, &mut dice)).await;
            let clock = start.elapsed().as_secs_f64();
            match outcome {
                Ok(Ok(())) => {
                    println!("{clock:>7.1}s {kind} is over");
                    if let Ok(mut applied) = applied.lock() {
                        *applied.entry(kind).or_default() += 1;
                    }
                    break;
                }
                Ok(Err(error)) => println!("{clock:>7.1}s {kind} was not possible: {error:#}"),
                Err(_elapsed) => println!("{clock:>7.1}s {kind} did not come about within {APPLY_LIMIT:?}"),
            }
            tokio::time::sleep(PAUSE_BEFORE_NEXT_TRY).await;
        }
    }
}

async fn strike(victims: Victims<'_>, planned: &Planned, dice: &mut StdRng) -> anyhow::Result<()> {
    let world = victims.world;
    let Planned { kind, subject, length, .. } = *planned;
    match kind {
        Kind::KillIngest
        | Kind::KillWorker
        | Kind::StopWorker
        | Kind::KillBroker
        | Kind::StopBroker
        | Kind::KillDatabase
        | Kind::StopDatabase => processes::strike(victims, kind, subject, length).await,
        Kind::BrokerAlarm => broker::alarm(victims, length).await,
        Kind::QueueFull => broker::full(victims, length).await,
        Kind::Poison => broker::poison(world).await,
        Kind::DatabaseConnections => database::no_connections(victims, length).await,
        Kind::DatabaseDeadlock => database::deadlocks(victims, length, dice).await,
        Kind::DatabaseFull => database::full(victims, length).await,
        Kind::NetworkCut
        | Kind::NetworkRefuse
        | Kind::NetworkHold
        | Kind::NetworkHoldAnswers
        | Kind::NetworkDelay => network::strike(victims, kind, subject, length).await,
        Kind::Itsm(product, failing) => itsm::strike(victims, victims.desk(product)?, failing, length).await,
        Kind::Person(product, deed) => people::act(victims.desk(product)?, deed, dice).await,
    }
}

impl Victims<'_> {
    fn desk(&self, product: Product) -> anyhow::Result<&Desk> {
        let mut desks = self.desks.iter();
        desks.find(|desk| desk.product() == product).with_context(|| format!("there is no {product}"))
    }

    /// Waits as long as a fault lasts, or until the run ends.
    async fn last(&self, length: Duration) {
        self.end.run_until_cancelled(tokio::time::sleep(length)).await;
    }
}
