//! A steady load of new alerts, each sent when it is due whatever became of the others, with Azure's retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use azure_simulator::alerts::{AlertRule, Kind};
use azure_simulator::sender::{Credentials, Outcome, Retries, Sender, TokenSource};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::apart;

const KIND: Kind = Kind::MetricStatic;
/// The rules watch so many resources in turn, so that the CMDB is asked now and then.
const RESOURCES: u64 = 100;
/// Alerts that may wait for an answer or a retry at once: what 200/s pile up over all of Azure's patience, twice.
const MOST_UNDER_WAY: usize = 40_000;

/// What to send, where to, and how fast.
#[derive(Clone, Debug)]
pub(crate) struct LoadPlan {
    /// Base URLs of the ingests, which take turns.
    pub(crate) urls: Vec<String>,
    pub(crate) credentials: Credentials,
    /// Alerts a second.
    pub(crate) rate: f64,
    pub(crate) seed: u64,
}

/// An alert that was sent, and what became of its delivery.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    pub(crate) due: Instant,
    /// When the last answer came, or the last wait for one ended.
    pub(crate) answered: Instant,
    /// Requests, the last one included.
    pub(crate) attempts: u32,
    pub(crate) outcome: Outcome,
    /// The notification's id, which the 202 carries.
    pub(crate) id: Option<Uuid>,
}

/// A load under way.
#[derive(Debug)]
pub(crate) struct Load {
    end: CancellationToken,
    sent: Arc<AtomicU64>,
    sending: oneshot::Receiver<anyhow::Result<Vec<Sent>>>,
}

/// The rule of the alert with this number.
pub(crate) fn rule(seed: u64, number: u64) -> AlertRule {
    let watched = AlertRule::new(KIND, seed, number % RESOURCES + 1).target().clone();
    AlertRule::new(KIND, seed, number).on(watched)
}

/// The number of the alert that a text written from it is about; none when it is about none of [`rule`]'s.
pub(crate) fn number(text: &str) -> Option<u64> {
    let name = AlertRule::new(KIND, 0, 0).name();
    let stem = name.trim_end_matches('0');
    text.split_whitespace().find_map(|word| word.strip_prefix(stem)?.parse().ok())
}

impl Sent {
    /// Ingest has said that the alert is durable.
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_))
    }

    /// Requests that were answered with something else than 202, or not at all.
    pub(crate) fn refusals(&self) -> u32 {
        self.attempts.saturating_sub(u32::from(self.is_acknowledged()))
    }
}

impl Load {
    /// Fetches a token and starts to send.
    ///
    /// # Errors
    /// When there is no token, or an URL is none.
    pub(crate) async fn start(plan: LoadPlan) -> anyhow::Result<Self> {
        ensure!(plan.rate.is_finite() && plan.rate > 0.0, "the rate is not above zero");
        let mut senders = Vec::new();
        for url in &plan.urls {
            let tokens = TokenSource::new(plan.credentials.clone())?;
            tokens.bearer().await?;
            senders.push(Arc::new(Sender::new(&format!("{url}/v1/alerts"), tokens, Retries::azure())?));
        }
        let (end, sent) = (CancellationToken::new(), Arc::default());
        let (ends, counted) = (end.clone(), Arc::clone(&sent));
        let sending = apart::start(async move || send(plan, senders, ends, counted).await);
        Ok(Self { end, sent, sending })
    }

    /// Alerts sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends nothing new and waits until the last delivery is accepted or given up.
    ///
    /// # Errors
    /// When the load could not be carried on.
    pub(crate) async fn finish(self) -> anyhow::Result<Vec<Sent>> {
        self.end.cancel();
        self.sending.await.context("the load has failed")?
    }
}

async fn send(
    plan: LoadPlan,
    senders: Vec<Arc<Sender>>,
    end: CancellationToken,
    sent: Arc<AtomicU64>,
) -> anyhow::Result<Vec<Sent>> {
    let (mut under_way, mut all) = (JoinSet::new(), Vec::new());
    let start = Instant::now();
    // Counted from 1, as rules are.
    for (number, sender) in (1_u64..).zip(senders.iter().cycle()) {
        let due = start + Duration::from_secs_f64(number as f64 / plan.rate);
        if end.run_until_cancelled(tokio::time::sleep_until(due)).await.is_none() {
            break;
        }
        let body = rule(plan.seed, number).fire(Timestamp::now()).fired();
        let sender = Arc::clone(sender);
        under_way.spawn(async move {
            let delivery = sender.deliver(body).await;
            let id = serde_json::from_slice(&delivery.answer).ok().map(|Receipt { id }| id);
            let (attempts, outcome) = (delivery.attempts, delivery.outcome);
            Sent { number, due, answered: Instant::now(), attempts, outcome, id }
        });
        sent.store(number, Ordering::Relaxed);
        while let Some(done) = under_way.try_join_next() {
            all.push(done?);
        }
        ensure!(
            under_way.len() < MOST_UNDER_WAY,
            "{MOST_UNDER_WAY} alerts wait for an answer: lower the rate"
        );
    }
    while let Some(done) = under_way.join_next().await {
        all.push(done?);
    }
    Ok(all)
}

#[derive(Deserialize)]
struct Receipt {
    id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_the_alert_it_was_written_from() {
        for alert in [1, 10, 20_000] {
            let rule = rule(7, alert);
            assert_eq!(number(&format!("[Sev1] {} on {}", rule.name(), rule.target().name)), Some(alert));
        }
        assert_eq!(number("[Sev1] something else on web-01"), None);
    }

    #[test]
    fn a_delivery_that_was_accepted_at_once_was_never_refused() {
        let now = Instant::now();
        let sent =
            |attempts, outcome| Sent { number: 1, due: now, answered: now, attempts, outcome, id: None };
        assert_eq!(sent(1, Outcome::Accepted(202)).refusals(), 0);
        assert_eq!(sent(3, Outcome::Accepted(202)).refusals(), 2);
        assert_eq!(sent(6, Outcome::Refused(503)).refusals(), 6);
    }
}
