//! A queue that is consumed over as many connections as it takes.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use shared::amqp::topology::{self, TopologyError};
use shared::amqp::{self, Broker, RECONNECT_MAX, reconnect_waits};
use shared::ops::Dependency;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long declaring and subscribing may take.
const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(10);

/// What is consumed, and as whom.
pub struct Subscription {
    pub broker: Broker,
    pub queue: ShortString,
    /// Who consumes, in the log and in the broker's list of connections.
    pub name: &'static str,
    /// Deliveries that the broker may hand out before they are acknowledged.
    pub prefetch: u16,
    /// Up from the first delivery that could come.
    pub health: Dependency,
    pub shutdown: CancellationToken,
}

/// What is done with the deliveries of one connection.
pub trait Consume: Sync {
    /// Takes deliveries until the connection fails or shutdown.
    fn consume(&self, consumer: Consumer) -> impl Future<Output = Result<(), SessionError>> + Send;
}

/// Why a connection is not consumed from any more.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the broker failed: {0}")]
    Broker(#[from] lapin::Error),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("the broker does not answer")]
    Silent,
    #[error("the broker ended the subscription")]
    Ended,
}

impl Subscription {
    /// Hands `part` a consumer of each connection, until shutdown.
    pub async fn run(&self, part: &impl Consume) {
        let Self { name, .. } = self;
        let mut waits = reconnect_waits();
        while !self.shutdown.is_cancelled() {
            let started = Instant::now();
            if let Err(error) = self.session(part).await {
                self.health.down(&error.to_string());
                tracing::warn!(%error, "{name} lost the broker, reconnecting: {error}");
            }
            if started.elapsed() > RECONNECT_MAX {
                waits = reconnect_waits();
            }
            pause(&self.shutdown, waits.next().unwrap_or(RECONNECT_MAX)).await;
        }
    }

    /// One connection, until it fails or shutdown.
    async fn session(&self, part: &impl Consume) -> Result<(), SessionError> {
        let connection = self.broker.connect(&format!("secure-export worker {}", self.name)).await?;
        let outcome = match tokio::time::timeout(SUBSCRIBE_DEADLINE, self.subscribe(&connection)).await {
            Ok(Ok(consumer)) => {
                self.health.up();
                tracing::info!("{} consumes from the broker", self.name);
                part.consume(consumer).await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SessionError::Silent),
        };
        amqp::close(&connection).await;
        outcome
    }

    async fn subscribe(&self, connection: &Connection) -> Result<Consumer, SessionError> {
        let channel = connection.create_channel().await?;
        topology::declare(&channel, &self.broker).await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        Ok(channel.basic_consume(self.queue.clone(), "".into(), options, arguments).await?)
    }
}

/// Waits, or until shutdown.
pub async fn pause(shutdown: &CancellationToken, wait: Duration) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = shutdown.cancelled() => {}
    }
}

/// Between once and twice as long, so that workers do not try in step.
#[must_use]
pub fn spread(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + rand::random::<f64>())
}
