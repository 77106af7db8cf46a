//! What must exist on the broker. Both services declare it, so either may start first.
//!
//! ```text
//! exchange alerts (topic) ── notification ──▶ alerts.inbound (quorum) ── rejected, over-delivered ──┐
//!        ▲                                                                                          │
//!        └── dead ──▶ alerts.dead (quorum)  ◀───────────────────────────────────────────────────────┘
//! ```

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ErrorKind, ExchangeKind};

use super::Broker;

/// The names on the broker, under the configured prefix.
#[derive(Debug, Clone)]
pub struct Names {
    pub exchange: ShortString,
    pub inbound: ShortString,
    pub dead: ShortString,
}

/// RabbitMQ 4 drops a message after 20 redeliveries where a queue says nothing; a dead letter must survive being
/// looked at.
const DEAD_DELIVERY_LIMIT: i32 = i32::MAX;

/// Routing key of a notification from `ingest`.
pub const KEY_NOTIFICATION: &str = "notification";
/// Routing key of a message that nothing can be done with.
pub const KEY_DEAD: &str = "dead";

/// Why the topology could not be declared.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Starting again does not help: an operator must act.
    #[error(
        "the broker has `{name}` with other arguments: {reason}; set the [amqp] key back, \
         or drain and delete it, then start again"
    )]
    Mismatch { name: String, reason: String },
    #[error("cannot declare `{name}` on the broker: {source}")]
    Broker {
        name: String,
        #[source]
        source: lapin::Error,
    },
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let name = |rest: &str| ShortString::from(format!("{prefix}{rest}"));
        Self { exchange: name("alerts"), inbound: name("alerts.inbound"), dead: name("alerts.dead") }
    }
}

/// Declares exchange, queues and bindings; changes nothing that is right already.
///
/// # Errors
/// [`TopologyError::Mismatch`] when something of that name exists with other arguments.
pub async fn declare(channel: &Channel, broker: &Broker) -> Result<(), TopologyError> {
    let Names { exchange, inbound, dead } = &broker.names;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(exchange.clone(), ExchangeKind::Topic, durable, FieldTable::default())
        .await
        .map_err(|error| failed(exchange, error))?;
    for (queue, key, arguments) in
        [(dead, KEY_DEAD, dead_arguments(broker)), (inbound, KEY_NOTIFICATION, inbound_arguments(broker))]
    {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel
            .queue_declare(queue.clone(), durable, arguments)
            .await
            .map_err(|error| failed(queue, error))?;
        channel
            .queue_bind(
                queue.clone(),
                exchange.clone(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| failed(queue, error))?;
    }
    Ok(())
}

fn inbound_arguments(broker: &Broker) -> FieldTable {
    let limit = i32::try_from(broker.delivery_limit).unwrap_or(i32::MAX);
    let mut arguments = bounded_arguments(broker, limit);
    let mut set = |name: &str, value| {
        arguments.insert(name.into(), value);
    };
    set("x-dead-letter-exchange", text(broker.names.exchange.as_str()));
    set("x-dead-letter-routing-key", text(KEY_DEAD));
    // The default, at-most-once, loses dead letters when their queue is unavailable.
    // https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
    set("x-dead-letter-strategy", text("at-least-once"));
    arguments
}

fn dead_arguments(broker: &Broker) -> FieldTable {
    bounded_arguments(broker, DEAD_DELIVERY_LIMIT)
}

fn bounded_arguments(broker: &Broker, delivery_limit: i32) -> FieldTable {
    let mut arguments = FieldTable::default();
    let bytes = i64::try_from(broker.max_queue_bytes).unwrap_or(i64::MAX);
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(delivery_limit));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(bytes));
    // A full queue must refuse the newest; the default drops the oldest without a word.
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn failed(name: &ShortString, source: lapin::Error) -> TopologyError {
    let name = name.to_string();
    if let ErrorKind::ProtocolError(error) = source.kind()
        && *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
    {
        return TopologyError::Mismatch { name, reason: error.get_message().to_string() };
    }
    TopologyError::Broker { name, source }
}
