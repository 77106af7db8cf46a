//! The consumer: batches of deliveries, acknowledged after their transaction.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use shared::amqp::{Broker, Publisher};
use shared::ops::Dependency;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{BatchError, reconcile};
use super::reading::{Reading, read};
use crate::config::IntakeSettings;
use crate::failure_point::FailurePoint;
use crate::metrics::IntakeMetrics;
use crate::policy::Policies;
use crate::store::{self, Failure, Ledger};
use crate::subscription::{Consume, SessionError, Subscription, pause, spread};

/// A batch that got in another's way waits so long, or up to twice that.
const RACED_PAUSE: Duration = Duration::from_millis(10);
/// How long the broker may take to confirm a dead letter before it is sent again.
const DEAD_LETTER_DEADLINE: Duration = Duration::from_secs(10);
/// The longest wait before a message is tried again that the dead letters did not take.
const MAX_BURIAL_PAUSE: Duration = Duration::from_secs(30);
/// Characters of a reason that go into a header.
const MAX_REASON_CHARS: usize = 500;

/// Everything that intake works with.
pub struct Intake {
    pub broker: Broker,
    pub ledger: Ledger,
    pub publisher: Publisher,
    pub policies: Policies,
    pub settings: IntakeSettings,
    pub metrics: IntakeMetrics,
    pub amqp: Dependency,
    pub database: Dependency,
    pub shutdown: CancellationToken,
}

impl Intake {
    /// Consumes until shutdown, over as many connections as it takes.
    pub async fn run(self) {
        let subscription = Subscription {
            broker: self.broker.clone(),
            queue: self.broker.names.inbound.clone(),
            name: "intake",
            prefetch: self.settings.prefetch,
            health: self.amqp.clone(),
            shutdown: self.shutdown.clone(),
        };
        subscription.run(&self).await;
    }
}

impl Consume for Intake {
    async fn consume(&self, mut consumer: Consumer) -> Result<(), SessionError> {
        let mut kept = Kept::new(self.settings.retry_pause);
        loop {
            let first = tokio::select! {
                first = consumer.next() => first.ok_or(SessionError::Ended)??,
                () = tokio::time::sleep_until(kept.due), if !kept.deliveries.is_empty() => {
                    self.bury_kept(&mut kept).await?;
                    continue;
                }
                () = self.shutdown.cancelled() => return Ok(()),
            };
            let batch = tokio::select! {
                batch = self.collect(first, &mut consumer) => batch?,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            FailurePoint::Received.reach();
            let Some(mut poison) = self.settle(&batch).await else { return Ok(()) };
            FailurePoint::Committed.reach();
            if poison.is_empty() && kept.deliveries.is_empty() {
                if let Some(last) = batch.last() {
                    last.acker.ack(BasicAckOptions { multiple: true }).await?;
                    FailurePoint::Acknowledged.reach();
                }
                continue;
            }
            // While some are kept, an acknowledgement of several at once would cover them too.
            let mut poisoned = Vec::new();
            for delivery in batch {
                match poison.remove(&delivery.delivery_tag) {
                    Some(reason) => poisoned.push((delivery, reason)),
                    None => drop(delivery.acker.ack(BasicAckOptions::default()).await?),
                }
            }
            for (delivery, reason) in poisoned {
                // Each try may take its whole deadline: where one has failed, the others wait with it.
                if kept.deliveries.is_empty() && self.bury(&delivery, &reason).await {
                    delivery.acker.ack(BasicAckOptions::default()).await?;
                } else {
                    kept.add(delivery, reason);
                }
            }
        }
    }
}

impl Intake {
    /// Waits a little for more.
    async fn collect(&self, first: Delivery, consumer: &mut Consumer) -> Result<Vec<Delivery>, SessionError> {
        let mut batch = vec![first];
        let full = tokio::time::sleep(self.settings.linger);
        tokio::pin!(full);
        while batch.len() < self.settings.batch && bytes(&batch) < self.settings.batch_bytes {
            tokio::select! {
                biased;
                delivery = consumer.next() => batch.push(delivery.ok_or(SessionError::Ended)??),
                () = &mut full => break,
            }
        }
        Ok(batch)
    }

    /// Brings every good delivery of the batch into the ledger, and answers which are none, by their tags, and why;
    /// nothing at shutdown.
    async fn settle(&self, batch: &[Delivery]) -> Option<BTreeMap<u64, String>> {
        let mut readings = Vec::with_capacity(batch.len());
        let mut deliveries = Vec::with_capacity(batch.len());
        let mut poison = BTreeMap::new();
        for delivery in batch {
            match read(&delivery.properties, &delivery.data) {
                Ok(reading) => {
                    readings.push(reading);
                    deliveries.push(delivery);
                }
                Err(reason) => drop(poison.insert(delivery.delivery_tag, reason.to_string())),
            }
        }
        match self.commit(&readings).await {
            Committed::Yes => {}
            Committed::ShutDown => return None,
            // One of them is taken by no transaction; only that one is set aside.
            Committed::Never(_) => {
                for (reading, delivery) in readings.iter().zip(deliveries) {
                    match self.commit(std::slice::from_ref(reading)).await {
                        Committed::Yes => {}
                        Committed::ShutDown => return None,
                        Committed::Never(error) => {
                            poison.insert(delivery.delivery_tag, error.to_string());
                        }
                    }
                }
            }
        }
        Some(poison)
    }

    /// Tries until the batch is in the ledger, it turns out that it never will be, or shutdown.
    async fn commit(&self, readings: &[Reading]) -> Committed {
        if readings.is_empty() {
            return Committed::Yes;
        }
        loop {
            let started = Instant::now();
            let policy = Arc::clone(&self.policies.borrow());
            let committed = self
                .ledger
                .with(async |connection| reconcile(connection, &policy, readings, &self.metrics).await);
            match committed.await {
                Ok(dropped) => {
                    self.database.up();
                    self.metrics.dropped(&dropped);
                    self.metrics.committed(readings, started.elapsed());
                    return Committed::Yes;
                }
                Err(BatchError::Raced) => pause(&self.shutdown, spread(RACED_PAUSE)).await,
                Err(error @ BatchError::Shape(_)) => return Committed::Never(error),
                Err(BatchError::Ledger(error)) => match store::failure(&error) {
                    Failure::Data => return Committed::Never(BatchError::Ledger(error)),
                    Failure::Conflict => pause(&self.shutdown, spread(RACED_PAUSE)).await,
                    Failure::Database => {
                        self.database.down(&error.to_string());
                        tracing::error!(%error, "the ledger cannot take a batch, trying again: {error}");
                        pause(&self.shutdown, spread(self.settings.retry_pause)).await;
                    }
                },
            }
            if self.shutdown.is_cancelled() {
                return Committed::ShutDown;
            }
        }
    }

    /// Tries those again that the dead letters did not take, until one is not taken once more.
    async fn bury_kept(&self, kept: &mut Kept) -> Result<(), SessionError> {
        while let Some((delivery, reason)) = kept.deliveries.front() {
            if self.shutdown.is_cancelled() || !self.bury(delivery, reason).await {
                kept.postpone();
                return Ok(());
            }
            delivery.acker.ack(BasicAckOptions::default()).await?;
            kept.deliveries.pop_front();
        }
        kept.pause = self.settings.retry_pause;
        Ok(())
    }

    /// Moves a delivery to the dead letters with the reason; `false` when they do not take it now. It stays
    /// unacknowledged then, and is tried again.
    async fn bury(&self, delivery: &Delivery, reason: &str) -> bool {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect();
        let deadline = Instant::now() + DEAD_LETTER_DEADLINE;
        match self.publisher.dead_letter(&delivery.properties, &delivery.data, &reason, deadline).await {
            Ok(()) => {
                self.metrics.buried();
                tracing::error!(reason, "a message went to the dead letters: {reason}");
                true
            }
            Err(error) => {
                tracing::error!(%error, reason, "the dead letters do not take a message ({error}): {reason}");
                false
            }
        }
    }
}

fn bytes(batch: &[Delivery]) -> usize {
    batch.iter().map(|delivery| delivery.data.len()).sum()
}

/// What the dead letters did not take, unacknowledged; there is never more of it than the broker hands out at once.
struct Kept {
    deliveries: VecDeque<(Delivery, String)>,
    due: Instant,
    pause: Duration,
}

impl Kept {
    fn new(pause: Duration) -> Self {
        Self { deliveries: VecDeque::new(), due: Instant::now(), pause }
    }

    fn add(&mut self, delivery: Delivery, reason: String) {
        if self.deliveries.is_empty() {
            self.due = Instant::now() + spread(self.pause);
        }
        self.deliveries.push_back((delivery, reason));
    }

    fn postpone(&mut self) {
        self.pause = self.pause.saturating_mul(2).min(MAX_BURIAL_PAUSE);
        self.due = Instant::now() + spread(self.pause);
    }
}

enum Committed {
    Yes,
    /// No transaction will ever take it.
    Never(BatchError),
    ShutDown,
}
