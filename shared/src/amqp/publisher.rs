//! Publishing with confirmation: `Ok` means that the broker has the message on disk.
//!
//! Confirmations are awaited side by side over a few channels. A keeper task replaces the connection
//! when it is lost; until then publishes fail at once, and the caller decides what to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::topology::{self, KEY_DEAD, KEY_NOTIFICATION, TopologyError};
use super::{Broker, RECONNECT_MAX, close, lost, reconnect_waits};
use crate::message::{self, Envelope, Message};
use crate::ops::Dependency;

/// How long connecting, declaring and opening the channels may take together.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// The channel of the publishes that keep their order.
const ORDERED_LANE: usize = 0;

/// Publishes to the broker's exchange. Clones share one connection.
#[derive(Clone)]
pub struct Publisher {
    state: Arc<State>,
}

/// Why a message is not known to be durable. All are worth a repeat; only [`TimedOut`](Self::TimedOut) and
/// [`Lost`](Self::Lost) may have been stored all the same.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("not connected to the broker")]
    NotConnected,
    #[error("the broker has blocked publishers: it is short of memory or disk")]
    Blocked,
    #[error("too many publishes wait for the broker's confirmation")]
    Busy,
    #[error("the broker refused the message: the queue is full or has no leader")]
    Refused,
    #[error("the broker knows no queue for the message")]
    Unroutable,
    #[error("the broker did not confirm in time")]
    TimedOut,
    #[error("the connection was lost before the confirmation: {0}")]
    Lost(#[source] lapin::Error),
}

struct State {
    broker: Broker,
    session: ArcSwapOption<Session>,
    permits: Semaphore,
    turn: AtomicUsize,
}

struct Session {
    connection: Connection,
    channels: Vec<Channel>,
    unconfirmed: AtomicUsize,
    broken: Notify,
}

impl Publisher {
    /// Connects, declares the topology and keeps a connection until `shutdown`. A broker that is down is no
    /// error: `health` says so until it is back.
    ///
    /// # Errors
    /// When the broker has the exchange or a queue with other arguments.
    pub async fn start(
        broker: Broker,
        name: &str,
        health: Dependency,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Self, TopologyError> {
        let state = Arc::new(State {
            permits: Semaphore::new(broker.max_in_flight),
            broker,
            session: ArcSwapOption::empty(),
            turn: AtomicUsize::new(0),
        });
        let first = match Session::open(&state.broker, name).await {
            Err(OpenError::Topology(mismatch @ TopologyError::Mismatch { .. })) => return Err(mismatch),
            outcome => outcome.map(Arc::new),
        };
        // A caller who publishes at once must not come before the keeper.
        if let Ok(session) = &first {
            state.session.store(Some(Arc::clone(session)));
        }
        tasks.spawn(keep(Arc::clone(&state), name.to_owned(), first, health, shutdown));
        Ok(Self { state })
    }

    /// Publishes a notification and waits for the broker's confirmation until `deadline`.
    ///
    /// # Errors
    /// A [`PublishError`] when the message is not known to be durable.
    pub async fn publish(&self, message: &Message, deadline: Instant) -> Result<(), PublishError> {
        self.send(KEY_NOTIFICATION, message.properties(), &message.body, self.next_lane(), deadline).await
    }

    /// As [`publish`](Self::publish), all over one channel: the broker stores these messages in the order in which
    /// the calls were first polled.
    ///
    /// # Errors
    /// A [`PublishError`] when the message is not known to be durable.
    pub async fn publish_in_order(&self, message: &Message, deadline: Instant) -> Result<(), PublishError> {
        self.send(KEY_NOTIFICATION, message.properties(), &message.body, ORDERED_LANE, deadline).await
    }

    /// Publishes a message to the dead letters with the reason in its headers. Of its properties only those of
    /// ours are kept: a stranger's could expire it, send it elsewhere too, or make the broker refuse it.
    ///
    /// # Errors
    /// A [`PublishError`] when the message is not known to be durable.
    pub async fn dead_letter(
        &self,
        properties: &BasicProperties,
        body: &[u8],
        reason: &str,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let properties = message::dead_letter(properties, reason, Timestamp::now());
        self.send(KEY_DEAD, properties, body, self.next_lane(), deadline).await
    }

    /// Publishes a notification that was published before, as it was.
    ///
    /// # Errors
    /// A [`PublishError`] when the message is not known to be durable.
    pub async fn replay(
        &self,
        envelope: &Envelope,
        body: &[u8],
        deadline: Instant,
    ) -> Result<(), PublishError> {
        self.send(KEY_NOTIFICATION, envelope.properties(), body, self.next_lane(), deadline).await
    }

    /// Publishes that may wait for a confirmation at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.state.broker.max_in_flight
    }

    /// Publishes that wait for a confirmation right now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.broker.max_in_flight.saturating_sub(self.state.permits.available_permits())
    }

    async fn send(
        &self,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
        lane: usize,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        // A broker that is known to take nothing is not worth a wait for the turn.
        self.session()?;
        let permit = timeout_at(deadline, self.state.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(PublishError::Busy) };
        let session = self.session()?;
        let outcome = timeout_at(deadline, self.confirmed(&session, key, properties, body, lane)).await;
        match outcome {
            Ok(Ok(Confirmation::Ack(None))) => {
                session.unconfirmed.store(0, Ordering::Relaxed);
                Ok(())
            }
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(PublishError::Unroutable),
            Ok(Ok(Confirmation::Nack(_))) => Err(PublishError::Refused),
            Ok(Ok(Confirmation::NotRequested)) => {
                session.broken.notify_one();
                Err(PublishError::Refused)
            }
            Ok(Err(error)) => {
                session.broken.notify_one();
                Err(PublishError::Lost(error))
            }
            Err(_) => {
                // lapin keeps what it never heard about, so a session that stays silent is replaced.
                let unconfirmed = session.unconfirmed.fetch_add(1, Ordering::Relaxed);
                if unconfirmed >= self.state.broker.max_in_flight {
                    session.broken.notify_one();
                }
                Err(PublishError::TimedOut)
            }
        }
    }

    /// The connection, when the broker takes messages over it.
    fn session(&self) -> Result<Arc<Session>, PublishError> {
        let session = self.state.session.load_full().ok_or(PublishError::NotConnected)?;
        if session.connection.status().blocked() { Err(PublishError::Blocked) } else { Ok(session) }
    }

    fn next_lane(&self) -> usize {
        self.state.turn.fetch_add(1, Ordering::Relaxed)
    }

    async fn confirmed(
        &self,
        session: &Session,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
        lane: usize,
    ) -> lapin::Result<Confirmation> {
        let channel = session
            .channels
            .get(lane % session.channels.len().max(1))
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected))?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.state.broker.names.exchange.clone();
        channel.basic_publish(exchange, key.into(), options, body, properties).await?.await
    }
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("cannot connect to the broker: {0}")]
    Connection(#[from] lapin::Error),
    #[error("the broker does not answer")]
    Silent,
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

impl Session {
    async fn open(broker: &Broker, name: &str) -> Result<Self, OpenError> {
        match tokio::time::timeout(OPEN_DEADLINE, Self::try_open(broker, name)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(OpenError::Silent),
        }
    }

    async fn try_open(broker: &Broker, name: &str) -> Result<Self, OpenError> {
        let connection = broker.connect(name).await?;
        topology::declare(&connection.create_channel().await?, broker).await?;
        let mut channels = Vec::with_capacity(broker.channels.into());
        for _ in 0..broker.channels {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            channels.push(channel);
        }
        Ok(Self { connection, channels, unconfirmed: AtomicUsize::new(0), broken: Notify::new() })
    }
}

async fn keep(
    state: Arc<State>,
    name: String,
    first: Result<Arc<Session>, OpenError>,
    health: Dependency,
    shutdown: CancellationToken,
) {
    let mut attempt = first;
    let mut waits = reconnect_waits();
    loop {
        match attempt {
            Ok(session) => {
                waits = reconnect_waits();
                state.session.store(Some(Arc::clone(&session)));
                health.up();
                tracing::info!("publisher connected to the broker");
                let ended = tokio::select! {
                    () = lost(&session.connection, &health) => false,
                    () = session.broken.notified() => false,
                    () = shutdown.cancelled() => true,
                };
                state.session.store(None);
                if ended {
                    close(&session.connection).await;
                    return;
                }
                health.down("connection lost");
                tracing::warn!("publisher lost the broker, reconnecting");
                close(&session.connection).await;
            }
            Err(error) => {
                health.down(&error.to_string());
                tracing::warn!(%error, "publisher cannot use the broker, trying again: {error}");
            }
        }
        let delay = waits.next().unwrap_or(RECONNECT_MAX);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shutdown.cancelled() => return,
        }
        attempt = tokio::select! {
            attempt = Session::open(&state.broker, &name) => attempt.map(Arc::new),
            () = shutdown.cancelled() => return,
        };
    }
}
