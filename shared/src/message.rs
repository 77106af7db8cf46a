//! What travels on the queue: the body exactly as received, and what `ingest` knows about it as headers.

use bytes::Bytes;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use uuid::Uuid;

mod envelope;

pub use envelope::{Envelope, Header};

/// The version of the headers that this build writes. A newer one is not guessed at.
const SCHEMA_VERSION: i64 = 1;
const PERSISTENT: u8 = 2;

const HEADER_VERSION: &str = "x-schema-version";
const HEADER_TENANT: &str = "x-tenant-id";
const HEADER_RECEIVED_AT: &str = "x-received-at";
const HEADER_TRACEPARENT: &str = "traceparent";
/// Why a message went to the dead letters.
pub const HEADER_REASON: &str = "x-reason";
/// When it went there.
pub const HEADER_DIED_AT: &str = "x-died-at";

/// One notification on its way from `ingest` to `worker`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The notification's id: the same for a repeated delivery.
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// To the microsecond.
    pub received_at: Timestamp,
    /// W3C trace context of the request, if it had one.
    pub traceparent: Option<String>,
    pub body: Bytes,
}

/// Why a message on the queue is not ours.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    #[error("header {0} is missing or has the wrong type: not published by ingest")]
    Header(&'static str),
    #[error("schema version {0} is newer than {SCHEMA_VERSION}: upgrade the worker, then replay")]
    NewerVersion(i64),
}

impl Message {
    /// The AMQP properties that carry all but the body. Persistent.
    #[must_use]
    pub fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_VERSION.into(), AMQPValue::LongLongInt(SCHEMA_VERSION));
        headers.insert(HEADER_TENANT.into(), long(self.tenant_id.to_string()));
        headers.insert(HEADER_RECEIVED_AT.into(), long(self.received_at.to_string()));
        if let Some(traceparent) = &self.traceparent {
            headers.insert(HEADER_TRACEPARENT.into(), long(traceparent.clone()));
        }
        BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type(ShortString::from("application/json"))
            .with_message_id(ShortString::from(self.id.to_string()))
            .with_headers(headers)
    }

    /// Reads a message as delivered.
    ///
    /// # Errors
    /// When it was not published by `ingest`, or by a newer one than this build understands.
    pub fn decode(properties: &BasicProperties, body: impl Into<Bytes>) -> Result<Self, MessageError> {
        let headers = properties.headers().as_ref().ok_or(MessageError::Header(HEADER_VERSION))?;
        let version = headers
            .inner()
            .get(HEADER_VERSION)
            .and_then(integer)
            .ok_or(MessageError::Header(HEADER_VERSION))?;
        if version > SCHEMA_VERSION {
            return Err(MessageError::NewerVersion(version));
        }
        let id = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
        Ok(Self {
            id: id.ok_or(MessageError::Header("message-id"))?,
            tenant_id: parsed(headers, HEADER_TENANT)?,
            received_at: parsed(headers, HEADER_RECEIVED_AT)
                .ok()
                .filter(|at| *at >= Timestamp::UNIX_EPOCH)
                .ok_or(MessageError::Header(HEADER_RECEIVED_AT))?,
            // The ledger cannot hold just any text, and an alert is worth more than its trace.
            traceparent: header(headers, HEADER_TRACEPARENT)
                .filter(|text| text.chars().all(|c| c.is_ascii_graphic())),
            body: body.into(),
        })
    }
}

/// The properties of a message on its way to the dead letters: what is ours of the old ones, the reason and the time.
#[must_use]
pub fn dead_letter(properties: &BasicProperties, reason: &str, died_at: Timestamp) -> BasicProperties {
    let mut envelope = Envelope::of(properties);
    envelope.headers.insert(HEADER_REASON.to_owned(), Header::Text(reason.to_owned()));
    envelope.headers.insert(HEADER_DIED_AT.to_owned(), Header::Text(died_at.to_string()));
    envelope.properties()
}

/// A text header; none if it is missing, or no text.
#[must_use]
pub fn header(headers: &FieldTable, name: &str) -> Option<String> {
    let AMQPValue::LongString(text) = headers.inner().get(name)? else { return None };
    std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned)
}

fn long(text: String) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn integer(value: &AMQPValue) -> Option<i64> {
    if let AMQPValue::LongLongInt(number) = value { Some(*number) } else { None }
}

fn parsed<T: std::str::FromStr>(headers: &FieldTable, name: &'static str) -> Result<T, MessageError> {
    header(headers, name).and_then(|text| text.parse().ok()).ok_or(MessageError::Header(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Message {
        Message {
            id: Uuid::from_u128(7),
            tenant_id: Uuid::from_u128(9),
            received_at: Timestamp::from_microsecond(1_774_000_000_123_456).unwrap(),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn what_ingest_writes_the_worker_reads() {
        let message = sample();
        assert_eq!(Message::decode(&message.properties(), message.body.clone()).unwrap(), message);
    }

    #[test]
    fn a_message_is_persistent() {
        assert_eq!(*sample().properties().delivery_mode(), Some(PERSISTENT));
    }

    #[test]
    fn a_dead_letter_keeps_what_is_ours_and_nothing_that_could_lose_it() {
        let theirs = sample().properties().with_expiration("1".into()).with_user_id("guest".into());
        let dead = dead_letter(&theirs, "no alert", Timestamp::UNIX_EPOCH);
        assert_eq!(Message::decode(&dead, Bytes::from_static(b"{}")).unwrap(), sample());
        assert_eq!((dead.expiration(), dead.user_id()), (&None, &None));
    }

    #[test]
    fn a_stranger_on_the_queue_is_recognised() {
        let error = Message::decode(&BasicProperties::default(), Bytes::new()).unwrap_err();
        assert!(error.to_string().contains("not published by ingest"), "{error}");
    }

    #[test]
    fn what_the_ledger_cannot_hold_does_not_reach_it() {
        let hostile = Message { traceparent: Some("00-\0".to_owned()), ..sample() };
        let read = Message::decode(&hostile.properties(), hostile.body.clone()).unwrap();
        assert_eq!(read, Message { traceparent: None, ..sample() });
        let ancient = Message { received_at: Timestamp::MIN, ..sample() };
        assert!(Message::decode(&ancient.properties(), ancient.body.clone()).is_err());
    }

    #[test]
    fn a_newer_version_is_not_guessed_at() {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_VERSION.into(), AMQPValue::LongLongInt(SCHEMA_VERSION + 1));
        let error = Message::decode(&BasicProperties::default().with_headers(headers), Bytes::new());
        assert!(error.unwrap_err().to_string().contains("upgrade the worker"));
    }
}
