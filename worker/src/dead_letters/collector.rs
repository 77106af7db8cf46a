//! Takes dead letters off their queue into the ledger, each acknowledged after its commit.

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use shared::amqp::Broker;
use shared::ops::Dependency;
use tokio_util::sync::CancellationToken;

use super::reading::read;
use crate::config::DeadLetterSettings;
use crate::failure_point::FailurePoint;
use crate::metrics::DeadLetterMetrics;
use crate::store::Ledger;
use crate::store::dead_letters::{self, Delivered, Letter, Stored};
use crate::subscription::{Consume, SessionError, Subscription, pause, spread};

/// They are rare, and a stranger's may be large: few are held in memory at once.
const PREFETCH: u16 = 8;

/// Everything that collecting dead letters takes.
pub struct Collector {
    pub broker: Broker,
    pub ledger: Ledger,
    pub settings: DeadLetterSettings,
    pub metrics: DeadLetterMetrics,
    pub health: Dependency,
    pub shutdown: CancellationToken,
}

/// Why a letter is not in the ledger yet.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("the ledger failed: {0}")]
    Ledger(#[from] sqlx::Error),
    #[error(
        "{letters} dead letters ({bytes} bytes) wait already: replay or discard some, or raise \
         dead_letters.max_waiting or max_waiting_bytes"
    )]
    Full { letters: i64, bytes: i64 },
}

impl Collector {
    /// Collects until shutdown, over as many connections as it takes.
    pub async fn run(self) {
        let subscription = Subscription {
            broker: self.broker.clone(),
            queue: self.broker.names.dead.clone(),
            name: "dead letters",
            prefetch: PREFETCH,
            health: self.health.clone(),
            shutdown: self.shutdown.clone(),
        };
        subscription.run(&self).await;
    }
}

impl Consume for Collector {
    async fn consume(&self, mut consumer: Consumer) -> Result<(), SessionError> {
        loop {
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery.ok_or(SessionError::Ended)??,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            if !self.keep(&delivery).await {
                return Ok(());
            }
            FailurePoint::LetterStored.reach();
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
    }
}

impl Collector {
    /// Tries until the letter is in the ledger; `false` at shutdown.
    async fn keep(&self, delivery: &Delivery) -> bool {
        let inbound = self.broker.names.inbound.as_str();
        let letter = read(&delivery.properties, &delivery.data, inbound, Timestamp::now());
        let delivered = if delivery.redelivered { Delivered::Again } else { Delivered::First };
        let mut failed = false;
        while !self.shutdown.is_cancelled() {
            match self.store(&letter, delivered).await {
                Ok(stored) => {
                    if failed {
                        self.health.up();
                    }
                    self.metrics.stored(stored);
                    let reason = letter.reason.as_str();
                    tracing::warn!(reason, ?stored, "a dead letter is in the ledger: {reason}");
                    return true;
                }
                Err(error) => {
                    failed = true;
                    self.health.down(&error.to_string());
                    tracing::error!(%error, "a dead letter stays on its queue for now: {error}");
                }
            }
            pause(&self.shutdown, spread(self.settings.retry_pause)).await;
        }
        false
    }

    /// Several workers may each store one more than the limit.
    async fn store(&self, letter: &Letter, delivered: Delivered) -> Result<Stored, StoreError> {
        let max_bytes = i64::try_from(self.settings.max_waiting_bytes).unwrap_or(i64::MAX);
        self.ledger
            .with(async |connection| {
                let waiting = dead_letters::waiting(&mut *connection).await?;
                if waiting.letters >= self.settings.max_waiting.into() || waiting.bytes >= max_bytes {
                    return Err(StoreError::Full { letters: waiting.letters, bytes: waiting.bytes });
                }
                Ok(dead_letters::store(connection, letter, delivered).await?)
            })
            .await
    }
}
