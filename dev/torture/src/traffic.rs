//! Azure's part: alerts fire, are resolved and fire anew, over all ingests, with repeated and late deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use azure_simulator::sender::{Credentials, Outcome, Retries, Sender, TokenSource};
use jiff::Timestamp;
use stack::Description;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::judge::{Condition, Expected, Said, by_subject, end_of_alert};
use crate::notice::Notice;
use crate::record::{Record, said};
use crate::ways::Way;

mod story;

pub(crate) use self::story::{FIRST_SUBJECT, Story};

/// A last word is delivered again and again for so long: until then the faults of the run are over.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(120);

/// Last words under way at once: Azure sends from many machines, an ingest is one.
const LAST_WORDS_AT_ONCE: usize = 32;

/// Sends and notes what becomes of it.
#[derive(Debug)]
pub(crate) struct Traffic {
    senders: Vec<Sender>,
    record: Record,
}

impl Traffic {
    /// A sender for each ingest, all with Azure's own token.
    ///
    /// # Errors
    /// When a URL is none or there is no HTTP client.
    pub(crate) fn new(urls: &[String], description: &Description, record: Record) -> anyhow::Result<Self> {
        let client = &description.clients.azns;
        let credentials = Credentials {
            token_url: description.token_url.clone(),
            client_id: client.client_id.clone(),
            client_secret: client.client_secret.clone(),
            audience: description.audience.clone(),
        };
        let sender = |url: &String| -> anyhow::Result<Sender> {
            let tokens = TokenSource::new(credentials.clone())?;
            Ok(Sender::new(&format!("{url}/v1/alerts"), tokens, Retries::azure())?)
        };
        let senders = urls.iter().map(sender).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(!senders.is_empty(), "there is no ingest to send to");
        Ok(Self { senders, record })
    }

    /// The record.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Plays a story from `start`, and waits until every delivery has ended. Nothing is begun after `end`.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(crate) async fn play(
        self: &Arc<Self>,
        story: &Story,
        start: (Instant, Timestamp),
        end: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        for due in &story.deliveries {
            let due_at = start.0 + due.after;
            if end.run_until_cancelled(tokio::time::sleep_until(due_at)).await.is_none() {
                break;
            }
            let Some(notice) = story.notice(due.notice, start.1) else { continue };
            let traffic = Arc::clone(self);
            let via = due.via;
            under_way.spawn(async move { traffic.deliver(&notice, via).await });
            while let Some(ended) = under_way.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Says the last word about every alert whose end is not certain, or whose ticket a person has taken into
    /// their own hands, until it is acknowledged. Nothing is said about the others: a word too many could heal what
    /// was lost. Answers how many.
    ///
    /// # Errors
    /// When one is not acknowledged in time.
    pub(crate) async fn last_words(self: &Arc<Self>, touched: &BTreeSet<u64>) -> anyhow::Result<usize> {
        let words = last_words(&self.record, touched);
        let count = words.len();
        let mut words = words.into_iter().zip(0..);
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < LAST_WORDS_AT_ONCE
                && let Some((notice, via)) = words.next()
            {
                let traffic = Arc::clone(self);
                under_way.spawn(async move { traffic.insist(&notice, via).await });
            }
            let Some(ended) = under_way.join_next().await else { return Ok(count) };
            ended??;
        }
    }

    async fn insist(&self, notice: &Notice, via: usize) -> anyhow::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < LAST_WORD_LIMIT {
            match self.deliver(notice, via).await? {
                Outcome::Accepted(_) => return Ok(()),
                Outcome::Refused(_) | Outcome::Unreachable | Outcome::NoToken => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        anyhow::bail!(
            "the last word about {} was not acknowledged within {LAST_WORD_LIMIT:?}",
            notice.subject
        )
    }

    async fn deliver(&self, notice: &Notice, via: usize) -> anyhow::Result<Outcome> {
        let sender = self.senders.get(via % self.senders.len().max(1)).context("there is no sender")?;
        let delivery = self.record.sent(notice)?;
        let ended = sender.deliver(notice.body()).await;
        self.record.ended(delivery, &ended)?;
        Ok(ended.outcome)
    }
}

fn last_words(record: &Record, touched: &BTreeSet<u64>) -> Vec<Notice> {
    let entries = record.entries();
    let said = said(&entries);
    let mut words = Vec::new();
    for (subject, said) in by_subject(&said) {
        for alert_id in needing_a_word(&said, touched.contains(&subject)) {
            let of_alert = entries.iter().map(|entry| &entry.notice).filter(|one| one.alert_id() == alert_id);
            let Some(newest) = of_alert.max_by_key(|notice| notice.at) else { continue };
            let at = Timestamp::now();
            let resolves = end_of_alert(&of(&said, alert_id)) == Expected::Either
                && newest.alert.rule().kind().resolves();
            let word = if resolves {
                Notice { condition: Condition::Resolved, at, ..newest.clone() }
            } else {
                Notice { condition: Condition::Fired, at, alert: newest.alert.again(at), subject }
            };
            words.push(word);
        }
    }
    words
}

/// The alerts of a subject whose end is not certain, and of one that a person touched also one that fires. In a storm, each
/// may have a ticket of its own.
fn needing_a_word<'a>(said: &[&'a Said], touched: bool) -> Vec<&'a str> {
    let mut ids: Vec<&str> = said.iter().map(|one| one.alert_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let ends = |id: &&str, end| end_of_alert(&of(said, id)) == end;
    let mut needing: Vec<&str> = ids.iter().copied().filter(|id| ends(id, Expected::Either)).collect();
    if touched {
        let in_storm = said.iter().any(|one| Way::of(one.subject) == Way::Storm);
        let firing = ids.iter().copied().filter(|id| ends(id, Expected::Open));
        needing.extend(firing.take(if in_storm { ids.len() } else { 1 }));
    }
    needing
}

fn of<'a>(said: &[&'a Said], alert_id: &str) -> Vec<&'a Said> {
    said.iter().copied().filter(|one| one.alert_id == alert_id).collect()
}
