//! The consumer: batches of deliveries, acknowledged after their transaction.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, Consumer};
use shared::amqp::topology::{self, TopologyError};
use shared::amqp::{Broker, Publisher};
use shared::ops::Dependency;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{BatchError, reconcile};
use super::reading::{Reading, read};
use crate::config::IntakeSettings;
use crate::metrics::IntakeMetrics;
use crate::policy::Route;
use crate::store;

const RECONNECT_MIN: Duration = Duration::from_millis(200);
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// How long the broker may take to confirm a dead letter before it is sent again.
const DEAD_LETTER_DEADLINE: Duration = Duration::from_secs(10);
/// Characters of a reason that go into a header.
const MAX_REASON_CHARS: usize = 500;

/// Everything that intake works with.
pub struct Intake {
    pub broker: Broker,
    pub pool: PgPool,
    pub publisher: Publisher,
    pub route: Arc<Route>,
    pub settings: IntakeSettings,
    pub metrics: IntakeMetrics,
    pub amqp: Dependency,
    pub database: Dependency,
    pub shutdown: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("the broker failed: {0}")]
    Broker(#[from] lapin::Error),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("the broker ended the subscription")]
    Ended,
}

impl Intake {
    /// Consumes until shutdown, over as many connections as it takes.
    pub async fn run(self) {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(RECONNECT_MIN)
            .with_max_delay(RECONNECT_MAX)
            .without_max_times()
            .with_jitter();
        let mut delays = backoff.build();
        while !self.shutdown.is_cancelled() {
            let started = Instant::now();
            if let Err(error) = self.session().await {
                self.amqp.down(&error.to_string());
                tracing::warn!(%error, "intake lost the broker, reconnecting: {error}");
            }
            if started.elapsed() > RECONNECT_MAX {
                delays = backoff.build();
            }
            self.pause(delays.next().unwrap_or(RECONNECT_MAX)).await;
        }
    }

    /// One connection, until it fails or shutdown.
    async fn session(&self) -> Result<(), SessionError> {
        let connection = self.broker.connect("secure-export worker intake").await?;
        let outcome = self.consume(&connection).await;
        if let Err(error) = connection.close(200, "done".into()).await {
            tracing::debug!(%error, "the connection was closed already");
        }
        outcome
    }

    async fn consume(&self, connection: &Connection) -> Result<(), SessionError> {
        let channel = connection.create_channel().await?;
        topology::declare(&channel, &self.broker).await?;
        channel.basic_qos(self.settings.prefetch, BasicQosOptions::default()).await?;
        let queue = self.broker.names.inbound.clone();
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = channel.basic_consume(queue, "".into(), options, arguments).await?;
        self.amqp.up();
        tracing::info!("intake consumes from the broker");
        loop {
            let batch = tokio::select! {
                batch = self.collect(&mut consumer) => batch?,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            if !self.settle(&batch).await {
                return Ok(());
            }
            if let Some(last) = batch.last() {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
    }

    /// Waits for a delivery, and a little longer for more.
    async fn collect(&self, consumer: &mut Consumer) -> Result<Vec<Delivery>, SessionError> {
        let first = consumer.next().await.ok_or(SessionError::Ended)??;
        let mut batch = Vec::with_capacity(self.settings.batch);
        batch.push(first);
        let full = tokio::time::sleep(self.settings.linger);
        tokio::pin!(full);
        while batch.len() < self.settings.batch {
            tokio::select! {
                biased;
                delivery = consumer.next() => batch.push(delivery.ok_or(SessionError::Ended)??),
                () = &mut full => break,
            }
        }
        Ok(batch)
    }

    /// Brings every delivery of the batch to its end; `false` when shutdown came first.
    async fn settle(&self, batch: &[Delivery]) -> bool {
        let mut readings = Vec::with_capacity(batch.len());
        let mut deliveries = Vec::with_capacity(batch.len());
        for delivery in batch {
            match read(&delivery.properties, &delivery.data) {
                Ok(reading) => {
                    readings.push(reading);
                    deliveries.push(delivery);
                }
                Err(poison) => {
                    if !self.bury(delivery, &poison.to_string()).await {
                        return false;
                    }
                }
            }
        }
        match self.commit(&readings).await {
            Committed::Yes => true,
            Committed::ShutDown => false,
            Committed::Never(_) if readings.len() > 1 => self.settle_one_by_one(&readings, &deliveries).await,
            Committed::Never(error) => match deliveries.first() {
                Some(delivery) => self.bury(delivery, &error.to_string()).await,
                None => true,
            },
        }
    }

    /// Finds the delivery that no transaction takes, so that only that one is buried.
    async fn settle_one_by_one(&self, readings: &[Reading], deliveries: &[&Delivery]) -> bool {
        for (reading, delivery) in readings.iter().zip(deliveries) {
            let settled = match self.commit(std::slice::from_ref(reading)).await {
                Committed::Yes => true,
                Committed::ShutDown => false,
                Committed::Never(error) => self.bury(delivery, &error.to_string()).await,
            };
            if !settled {
                return false;
            }
        }
        true
    }

    /// Tries until the batch is in the ledger, it turns out that it never will be, or shutdown.
    async fn commit(&self, readings: &[Reading]) -> Committed {
        if readings.is_empty() {
            return Committed::Yes;
        }
        loop {
            let started = Instant::now();
            match reconcile(&self.pool, &self.route, readings, &self.metrics).await {
                Ok(()) => {
                    self.database.up();
                    self.metrics.committed(readings, started.elapsed());
                    return Committed::Yes;
                }
                Err(BatchError::Raced) => {}
                Err(BatchError::Ledger(error)) if store::is_passing(&error) => {
                    self.database.down(&error.to_string());
                    tracing::warn!(%error, "the ledger cannot take a batch, trying again: {error}");
                    self.pause(self.settings.retry_pause.mul_f64(1.0 + rand::random::<f64>())).await;
                }
                Err(error @ (BatchError::Ledger(_) | BatchError::Shape(_))) => {
                    return Committed::Never(error);
                }
            }
            if self.shutdown.is_cancelled() {
                return Committed::ShutDown;
            }
        }
    }

    /// Moves a delivery to the dead letters with the reason; `false` when shutdown came first.
    async fn bury(&self, delivery: &Delivery, reason: &str) -> bool {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect();
        loop {
            let deadline = Instant::now() + DEAD_LETTER_DEADLINE;
            let properties = delivery.properties.clone();
            match self.publisher.dead_letter(properties, &delivery.data, &reason, deadline).await {
                Ok(()) => {
                    self.metrics.buried();
                    tracing::error!(reason, "a message went to the dead letters: {reason}");
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot publish a dead letter, trying again: {error}");
                    self.pause(self.settings.retry_pause).await;
                }
            }
            if self.shutdown.is_cancelled() {
                return false;
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

enum Committed {
    Yes,
    /// No transaction will ever take it.
    Never(BatchError),
    ShutDown,
}
