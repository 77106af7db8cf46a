//! Requests at a rate, whatever becomes of those before: each takes an idle connection, or a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::wire::{Afterwards, Wire};
use crate::gauges::spread::Spread;

/// How long Azure waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests are made due in bundles, since a timer is no finer.
const TICK: Duration = Duration::from_millis(2);

/// What to send, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Whole requests, which take turns. Their places are their numbers.
    pub(crate) requests: Arc<[Bytes]>,
    /// Connections at most.
    pub(crate) most_connections: usize,
}

/// What became of the requests of a flood.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests that were due.
    pub(crate) offered: u64,
    /// Requests for which there was no connection left: the generator's own limit.
    pub(crate) held_back: u64,
    /// Connections that were not made within Azure's patience, or at all.
    pub(crate) unconnected: u64,
    /// Connections that ended, or said nothing for all of Azure's patience, instead of an answer.
    pub(crate) unanswered: u64,
    pub(crate) by_status: BTreeMap<u16, u64>,
    /// From the first byte of the request to the last of the answer.
    pub(crate) took: Vec<Duration>,
    /// Numbers of the requests that were accepted at least once.
    pub(crate) accepted: BTreeSet<usize>,
    pub(crate) elapsed: Duration,
}

/// How one request ended.
enum Ending {
    Unconnected,
    Unanswered,
    Answered { status: u16, took: Duration },
}

type Idle = Arc<Mutex<Vec<Wire>>>;

impl Outcome {
    /// Answers with this status.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// Answers of any status.
    pub(crate) fn answered(&self) -> u64 {
        self.by_status.values().sum()
    }

    pub(crate) fn spread(&self) -> Spread {
        self.took.iter().copied().collect()
    }

    fn count(&mut self, number: usize, ending: &Ending) {
        match *ending {
            Ending::Unconnected => self.unconnected += 1,
            Ending::Unanswered => self.unanswered += 1,
            Ending::Answered { status, took } => {
                *self.by_status.entry(status).or_default() += 1;
                self.took.push(took);
                if status == 202 {
                    self.accepted.insert(number);
                }
            }
        }
    }
}

/// As many requests as `connections` can make one after the other: what the machine takes.
pub(crate) async fn closed_loop(target: &Target, connections: usize, length: Duration) -> Outcome {
    let begin = Instant::now();
    let mut asking = JoinSet::new();
    for first in 0..connections {
        let (target, idle) = (target.clone(), Idle::default());
        asking.spawn(async move {
            let mut outcome = Outcome::default();
            let turns = (0..target.requests.len()).cycle().skip(first * target.requests.len() / connections);
            for number in turns {
                if begin.elapsed() >= length {
                    break;
                }
                let Some(request) = target.requests.get(number) else { break };
                outcome.offered += 1;
                let ending = ask(target.address, &idle, request).await;
                outcome.count(number, &ending);
            }
            outcome
        });
    }
    let mut all = Outcome::default();
    for outcome in asking.join_all().await {
        all.offered += outcome.offered;
        all.unconnected += outcome.unconnected;
        all.unanswered += outcome.unanswered;
        for (status, count) in outcome.by_status {
            *all.by_status.entry(status).or_default() += count;
        }
        all.took.extend(outcome.took);
        all.accepted.extend(outcome.accepted);
    }
    all.elapsed = begin.elapsed();
    all
}

/// `rate` requests a second for so long, then waits for the last answer.
pub(crate) async fn open_loop(target: &Target, rate: f64, length: Duration) -> Outcome {
    let mut outcome = Outcome::default();
    let (idle, mut under_way) = (Idle::default(), JoinSet::new());
    let mut turns = (0..target.requests.len()).cycle();
    let begin = Instant::now();
    while begin.elapsed() < length {
        tokio::time::sleep(TICK).await;
        let due = (begin.elapsed().min(length).as_secs_f64() * rate) as u64;
        while outcome.offered < due {
            outcome.offered += 1;
            let Some(number) = turns.next() else { return outcome };
            if under_way.len() >= target.most_connections {
                outcome.held_back += 1;
                continue;
            }
            let Some(request) = target.requests.get(number).cloned() else { return outcome };
            let (address, idle) = (target.address, Arc::clone(&idle));
            under_way.spawn(async move { (number, ask(address, &idle, &request).await) });
        }
        while let Some(done) = under_way.try_join_next() {
            count_done(&mut outcome, done);
        }
    }
    while let Some(done) = under_way.join_next().await {
        count_done(&mut outcome, done);
    }
    outcome.elapsed = begin.elapsed();
    outcome
}

/// A task that panicked has answered nothing.
fn count_done(outcome: &mut Outcome, done: Result<(usize, Ending), tokio::task::JoinError>) {
    match done {
        Ok((number, ending)) => outcome.count(number, &ending),
        Err(_panicked) => outcome.unanswered += 1,
    }
}

async fn ask(address: SocketAddr, idle: &Idle, request: &[u8]) -> Ending {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(wire) = kept
        && let Some(ending) = ask_over(wire, idle, request).await
    {
        return ending;
    }
    // A connection that rested may have been closed meanwhile, so only a new one tells.
    match timeout(PATIENCE, Wire::connect(address)).await {
        Ok(Ok(wire)) => ask_over(wire, idle, request).await.unwrap_or(Ending::Unanswered),
        Ok(Err(_)) | Err(_) => Ending::Unconnected,
    }
}

/// None when the connection ends without an answer.
async fn ask_over(mut wire: Wire, idle: &Idle, request: &[u8]) -> Option<Ending> {
    let begin = Instant::now();
    let Ok(answered) = timeout(PATIENCE, wire.ask(request)).await else { return Some(Ending::Unanswered) };
    let took = begin.elapsed();
    let answer = answered.ok()?;
    match answer.afterwards {
        Afterwards::KeepAlive => idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire),
        Afterwards::Close => {}
    }
    Some(Ending::Answered { status: answer.status, took })
}
