//! Delivers alerts as an action group's secure webhook does: with a token, over a few connections, with its retries.
//!
//! Source: <https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups>.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{task::JoinSet, time::Instant};

mod delivery;
mod report;
mod schedule;
mod tokens;

use self::report::Tally;
pub use self::{
    delivery::{Delivery, Outcome, Retries, Sender, SenderError},
    report::{Latency, LoadReport},
    schedule::Due,
    tokens::{Credentials, TokenError, TokenSource},
};
use crate::alerts::Kind;

/// Most alerts of one plan. All bodies are rendered beforehand, about 4 kB per alert that resolves.
pub const MOST_ALERTS: u64 = 200_000;

/// What to send, where to, and how fast.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The webhook's URL.
    pub url: String,
    pub credentials: Credentials,
    /// Alerts take these kinds in turn.
    pub kinds: Vec<Kind>,
    /// How many alerts fire; at most [`MOST_ALERTS`].
    pub count: u64,
    /// Tells the alerts of this run from those of others.
    pub seed: u64,
    /// The rules watch so many resources in turn; each its own when there is none.
    pub resources: Option<NonZeroU64>,
    /// Alerts fired per second; as fast as the connections allow when there is none.
    pub rate: Option<f64>,
    /// Requests in flight at most.
    pub connections: usize,
    /// Each alert is resolved so long after it fired; never when there is none.
    pub resolve_after: Option<Duration>,
    pub retries: Retries,
}

/// From when the latency of a notification counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencySince {
    /// From when it was due.
    Due,
    /// From when a connection was free for it.
    Sending,
}

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{problem}: correct the plan")]
    Plan { problem: &'static str },
    #[error(transparent)]
    Sender(#[from] SenderError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Carries out a plan: renders every body, fetches a token, then sends and measures.
///
/// At a rate, latency counts from the moment a notification was due, so that a receiver that stalls cannot hide it;
/// without one it counts from the moment a connection was free for it.
///
/// # Errors
/// When the plan makes no sense or there is no first token. What the receiver does is a result, not an error.
pub async fn load(plan: LoadPlan) -> Result<LoadReport, LoadError> {
    check(&plan)?;
    let tokens = TokenSource::new(plan.credentials.clone())?;
    tokens.bearer().await?;
    let sender = Sender::new(&plan.url, tokens, plan.retries.clone())?;
    let due = schedule::notifications(&plan, Timestamp::now());
    let since = if plan.rate.is_some() { LatencySince::Due } else { LatencySince::Sending };
    Ok(deliver_all(sender, due, plan.connections, since).await)
}

/// Delivers notifications in their order, each not before it is due, with so many under way at most.
pub async fn deliver_all(
    sender: Sender,
    due: Vec<Due>,
    connections: usize,
    since: LatencySince,
) -> LoadReport {
    let (sender, due): (_, Arc<[Due]>) = (Arc::new(sender), due.into());
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (sender, due, next) = (Arc::clone(&sender), Arc::clone(&due), Arc::clone(&next));
        tasks.spawn(async move {
            let mut tally = Tally::default();
            while let Some(notification) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
                let due_at = start + notification.after;
                tokio::time::sleep_until(due_at).await;
                let began = match since {
                    LatencySince::Due => due_at,
                    LatencySince::Sending => Instant::now(),
                };
                let delivery = sender.deliver(notification.body.clone()).await;
                tally.count(&delivery, began.elapsed());
            }
            tally
        });
    }
    let tally = tasks.join_all().await.into_iter().fold(Tally::default(), Tally::merge);
    tally.report(start.elapsed())
}

fn check(plan: &LoadPlan) -> Result<(), LoadError> {
    let problem = if plan.kinds.is_empty() {
        "there is no kind of alert to send"
    } else if plan.connections == 0 {
        "there is no connection to send over"
    } else if plan.count > MOST_ALERTS {
        "there are more than 200,000 alerts to send"
    } else if plan.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
        "the rate is not above zero"
    } else {
        return Ok(());
    };
    Err(LoadError::Plan { problem })
}
