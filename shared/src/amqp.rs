//! The broker: how to reach it, what must exist on it, and publishing that knows what became of a message.

use std::path::PathBuf;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::ops::Dependency;
use crate::settings::{self, SettingsError};

pub mod publisher;
pub mod topology;

pub use publisher::{PublishError, Publisher};
pub use topology::{Names, TopologyError};

/// A connection attempt that takes longer is given up.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Seconds; a silent connection is taken for dead after two of them.
const HEARTBEAT_SECONDS: u16 = 10;
/// AMQP names are short strings of at most 255 bytes; the prefix leaves room for what follows it.
const MAX_PREFIX_BYTES: usize = 100;
/// More do not make a broker faster, and each is a message in memory.
const MOST_IN_FLIGHT: usize = 65_536;

/// Section `[amqp]` of both services, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmqpSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS; or `url_file`.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretString>,
    /// A file that holds the address.
    pub url_file: Option<PathBuf>,
    /// Goes before the name of the exchange and of every queue.
    pub prefix: String,
    /// Redeliveries after which the broker moves a message to the dead letters.
    pub delivery_limit: u32,
    /// Bytes that each queue may hold; beyond it the broker refuses and `ingest` answers 503.
    pub max_queue_bytes: u64,
    /// Channels over which publishes are spread.
    pub channels: u16,
    /// Publishes that may wait for the broker's confirmation at once.
    pub max_in_flight: usize,
}

/// A broker that can be connected to: [`AmqpSettings`], checked.
#[derive(Debug, Clone)]
pub struct Broker {
    url: SecretString,
    pub names: Names,
    pub delivery_limit: u32,
    pub max_queue_bytes: u64,
    pub channels: u16,
    pub max_in_flight: usize,
}

impl TryFrom<AmqpSettings> for Broker {
    type Error = SettingsError;

    fn try_from(raw: AmqpSettings) -> Result<Self, SettingsError> {
        let url = settings::secret("amqp.url", raw.url, raw.url_file)?;
        let invalid = |text: String| Err(SettingsError::Invalid(text));
        if let Err(reason) = url.expose_secret().parse::<AMQPUri>() {
            return invalid(format!("amqp.url is not amqp(s)://user:password@host:port/vhost: {reason}"));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if raw.prefix.len() > MAX_PREFIX_BYTES || !raw.prefix.chars().all(known) {
            return invalid(format!(
                "amqp.prefix: at most {MAX_PREFIX_BYTES} letters, digits, dots, dashes and underscores"
            ));
        }
        if raw.channels == 0 || raw.max_in_flight == 0 || raw.delivery_limit == 0 || raw.max_queue_bytes == 0
        {
            return invalid(
                "amqp.channels, max_in_flight, delivery_limit and max_queue_bytes must be above 0".to_owned(),
            );
        }
        if raw.max_in_flight > MOST_IN_FLIGHT {
            return invalid(format!("amqp.max_in_flight is above {MOST_IN_FLIGHT}"));
        }
        Ok(Self {
            url,
            names: Names::new(&raw.prefix),
            delivery_limit: raw.delivery_limit,
            max_queue_bytes: raw.max_queue_bytes,
            channels: raw.channels,
            max_in_flight: raw.max_in_flight,
        })
    }
}

impl Broker {
    /// Opens a connection that shows up in the broker's list under `name`.
    ///
    /// lapin's own recovery stays off: whoever holds the connection replaces it, and so knows which
    /// deliveries and confirmations died with the old one.
    ///
    /// # Errors
    /// When the broker does not answer within 10 seconds or refuses.
    pub async fn connect(&self, name: &str) -> Result<Connection, lapin::Error> {
        let mut uri: AMQPUri =
            self.url.expose_secret().parse().map_err(|reason: String| std::io::Error::other(reason))?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        match tokio::time::timeout(CONNECT_DEADLINE, Connection::connect_uri(uri, properties)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

/// The longest wait before another attempt to connect.
pub const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// The waits between attempts to connect: longer and longer up to [`RECONNECT_MAX`], spread, without end.
#[must_use]
pub fn reconnect_waits() -> ExponentialBackoff {
    const RECONNECT_MIN: Duration = Duration::from_millis(200);
    ExponentialBuilder::new()
        .with_min_delay(RECONNECT_MIN)
        .with_max_delay(RECONNECT_MAX)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Says goodbye for at most a second: the other side may be gone.
pub async fn close(connection: &Connection) {
    const GOODBYE: Duration = Duration::from_secs(1);
    if let Ok(Err(error)) = tokio::time::timeout(GOODBYE, connection.close(200, "done".into())).await {
        tracing::debug!(%error, "the connection was closed already");
    }
}

/// Waits until a connection is no longer usable; meanwhile `health` says whether the broker takes messages.
async fn lost(connection: &Connection, health: &Dependency) {
    use futures_util::StreamExt;

    let mut events = std::pin::pin!(connection.events_listener());
    while connection.status().connected() {
        match events.next().await {
            Some(Event::Error(_)) | None => return,
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::error!(reason, "the broker takes no messages: {reason}");
                health.down(&format!("the broker takes no messages: {reason}"));
            }
            Some(Event::ConnectionUnblocked) => health.up(),
            Some(_) => {}
        }
    }
}
