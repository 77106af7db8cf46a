//! The signing keys of one tenant for one token version: held in memory, refreshed in the background.
//!
//! One task per ring fetches, so there is never more than one fetch at a time. It runs hourly, soon again after a
//! failure, and when a token names a key that nobody knows: at most once per interval, so that a flood of forged
//! tokens does not become a flood of fetches. What was fetched last stays until a fetch succeeds.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metadata::{KeySet, MetadataError};

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The keys as known now, and the way to newer ones.
#[derive(Debug)]
pub struct KeyRing {
    current: ArcSwapOption<KeySet>,
    fetching: watch::Sender<Fetching>,
    wanted: Notify,
    schedule: Schedule,
}

/// When keys are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The usual pause between fetches; each is shortened by up to a tenth, so that replicas spread.
    pub refresh: Duration,
    /// The shortest time between two fetches for the sake of an unknown key.
    pub unknown_kid_interval: Duration,
}

/// Why there is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The tenant was asked, and does not publish it.
    #[error("the tenant publishes no such key")]
    Unknown,
    /// The tenant cannot be asked now: the token may be good.
    #[error("the tenant's keys cannot be fetched now")]
    Unavailable,
}

#[derive(Debug, Clone, Copy)]
struct Fetching {
    running: bool,
    failed: bool,
    /// When a token with an unknown key last made us fetch.
    asked_at: Option<Instant>,
}

impl KeyRing {
    /// Starts to fetch and returns at once; `report` hears of every outcome.
    pub fn start<F, T>(
        schedule: Schedule,
        fetch: F,
        report: impl Fn(Result<(), &MetadataError>) + Send + 'static,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<Self>
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = Result<KeySet, MetadataError>> + Send,
    {
        let first = Fetching { running: true, failed: false, asked_at: None };
        let ring = Arc::new(Self {
            current: ArcSwapOption::empty(),
            fetching: watch::Sender::new(first),
            wanted: Notify::new(),
            schedule,
        });
        let fetcher = Arc::clone(&ring);
        tasks.spawn(async move { shutdown.run_until_cancelled(fetcher.keep_fetching(fetch, report)).await });
        ring
    }

    /// The keys as fetched last.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// The key set that has the key; waits for a fetch when it must. The caller sets the deadline.
    ///
    /// # Errors
    /// When the key is not known, or cannot be looked for.
    pub async fn holding(&self, key_id: &str) -> Result<Arc<KeySet>, KeyError> {
        let held = || self.current().filter(|set| set.keys.contains_key(key_id));
        if let Some(set) = held() {
            return Ok(set);
        }
        let failed = self.fetched().await;
        match held() {
            Some(set) => Ok(set),
            None if failed => Err(KeyError::Unavailable),
            None => Err(KeyError::Unknown),
        }
    }

    /// Waits until no fetch is under way, after asking for one if it is time. Says whether the last one failed.
    async fn fetched(&self) -> bool {
        let mut outcome = self.fetching.subscribe();
        let asked = self.fetching.send_if_modified(|fetching| {
            let interval = self.schedule.unknown_kid_interval;
            let due = fetching.asked_at.is_none_or(|at| at.elapsed() >= interval) && !fetching.running;
            if due {
                fetching.running = true;
                fetching.asked_at = Some(Instant::now());
            }
            due
        });
        if asked {
            self.wanted.notify_one();
        }
        // The sender is ours, so the wait ends only with a fetch.
        outcome.wait_for(|fetching| !fetching.running).await.map_or(true, |fetching| fetching.failed)
    }

    async fn keep_fetching<F, T>(
        self: Arc<Self>,
        fetch: F,
        report: impl Fn(Result<(), &MetadataError>) + Send + 'static,
    ) where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = Result<KeySet, MetadataError>> + Send,
    {
        let backoff =
            ExponentialBuilder::new().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX).without_max_times();
        let mut delays = backoff.with_jitter().build();
        loop {
            self.fetching.send_modify(|fetching| fetching.running = true);
            let outcome = fetch().await;
            report(outcome.as_ref().map(|_| ()));
            let failed = outcome.is_err();
            let pause = match outcome {
                Ok(set) => {
                    self.current.store(Some(Arc::new(set)));
                    delays = backoff.with_jitter().build();
                    self.schedule.refresh.mul_f64(rand::random_range(0.9..=1.0))
                }
                Err(_) => delays.next().unwrap_or(RETRY_MAX),
            };
            self.fetching.send_modify(|fetching| {
                fetching.running = false;
                fetching.failed = failed;
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
