//! What a message carries beside its body, kept so that it can be published again.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::{Deserialize, Serialize};

use super::{
    HEADER_DIED_AT, HEADER_REASON, HEADER_RECEIVED_AT, HEADER_TENANT, HEADER_TRACEPARENT, HEADER_VERSION,
    PERSISTENT, SCHEMA_VERSION, integer, long,
};

/// Headers that every version has.
const OURS: [&str; 4] = [HEADER_VERSION, HEADER_TENANT, HEADER_RECEIVED_AT, HEADER_TRACEPARENT];
/// Further headers that a message of a newer `ingest` may have, and the bytes of each.
const MAX_FURTHER_HEADERS: usize = 32;
const MAX_FURTHER_BYTES: usize = 1_024;
/// Headers with a meaning to the broker, by which a message could go astray or be refused.
/// <https://www.rabbitmq.com/docs/sender-selected>
const TO_THE_BROKER: [&str; 2] = ["CC", "BCC"];

/// The properties of a message that are worth keeping: those of `ingest`. A stranger's could expire the message,
/// send it elsewhere too, or make the broker refuse it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub message_id: Option<String>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub headers: BTreeMap<String, Header>,
}

/// A header of one of the types that `ingest` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    Text(String),
    Integer(i64),
}

impl Envelope {
    /// Keeps what is ours of these properties, and of a newer version, whose headers this build does not know, all
    /// that it can.
    #[must_use]
    pub fn of(properties: &BasicProperties) -> Self {
        let mut headers: BTreeMap<String, Header> = BTreeMap::new();
        let all = || {
            let table = properties.headers().iter().flat_map(FieldTable::inner);
            table.filter_map(|(name, value)| Some((name.as_str(), Header::of(value)?)))
        };
        headers.extend(
            all().filter(|(name, _)| OURS.contains(name)).map(|(name, value)| (name.to_owned(), value)),
        );
        let newer = headers.get(HEADER_VERSION).and_then(Header::integer).is_some_and(|v| v > SCHEMA_VERSION);
        if newer {
            let further = all().filter(|(name, value)| is_further(name, value)).take(MAX_FURTHER_HEADERS);
            headers.extend(further.map(|(name, value)| (name.to_owned(), value)));
        }
        let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
        Self {
            message_id: text(properties.message_id()),
            content_type: text(properties.content_type()),
            content_encoding: text(properties.content_encoding()),
            headers,
        }
    }

    /// The properties to publish with. Persistent.
    #[must_use]
    pub fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            if let Some(name) = short(name) {
                headers.insert(name, value.amqp());
            }
        }
        let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
        if let Some(id) = self.message_id.as_deref().and_then(short) {
            properties = properties.with_message_id(id);
        }
        if let Some(content_type) = self.content_type.as_deref().and_then(short) {
            properties = properties.with_content_type(content_type);
        }
        if let Some(encoding) = self.content_encoding.as_deref().and_then(short) {
            properties = properties.with_content_encoding(encoding);
        }
        properties
    }

    /// The version of the headers, if it is a message of `ingest`.
    #[must_use]
    pub fn schema_version(&self) -> Option<i64> {
        self.headers.get(HEADER_VERSION).and_then(Header::integer)
    }

    /// The tenant as written.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.text(HEADER_TENANT)
    }

    /// When `ingest` received it, as written.
    #[must_use]
    pub fn received_at(&self) -> Option<&str> {
        self.text(HEADER_RECEIVED_AT)
    }

    /// W3C trace context of the request.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.text(HEADER_TRACEPARENT)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.headers.get(name)? {
            Header::Text(text) => Some(text),
            Header::Integer(_) => None,
        }
    }
}

impl Header {
    fn of(value: &AMQPValue) -> Option<Self> {
        if let AMQPValue::LongString(text) = value {
            return std::str::from_utf8(text.as_bytes()).ok().map(|text| Self::Text(text.to_owned()));
        }
        integer(value).map(Self::Integer)
    }

    fn amqp(&self) -> AMQPValue {
        match self {
            Self::Text(text) => long(text.clone()),
            Self::Integer(number) => AMQPValue::LongLongInt(*number),
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

fn is_further(name: &str, value: &Header) -> bool {
    let of_a_death = [HEADER_REASON, HEADER_DIED_AT].contains(&name) || name.contains("-death");
    let fits = match value {
        Header::Text(text) => text.len() <= MAX_FURTHER_BYTES,
        Header::Integer(_) => true,
    };
    fits && !of_a_death
        && name != "x-delivery-count"
        && !TO_THE_BROKER.contains(&name)
        && !OURS.contains(&name)
}

/// AMQP's short strings have 255 bytes at most.
fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(version: i64) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_VERSION.into(), AMQPValue::LongLongInt(version));
        headers.insert(HEADER_TENANT.into(), long("tenant".to_owned()));
        headers.insert("x-brand-new".into(), long("\0 and more".to_owned()));
        headers.insert("CC".into(), long("elsewhere".to_owned()));
        headers.insert("x-first-death-reason".into(), long("rejected".to_owned()));
        headers.insert("x-huge".into(), long("x".repeat(MAX_FURTHER_BYTES + 1)));
        BasicProperties::default()
            .with_headers(headers)
            .with_message_id("7".into())
            .with_content_type("application/json".into())
            .with_content_encoding("br".into())
            .with_expiration("1".into())
    }

    #[test]
    fn what_is_kept_is_published_again_as_it_was() {
        let kept = Envelope::of(&properties(1));
        assert_eq!(Envelope::of(&kept.properties()), kept);
        let written = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Envelope>(&written).unwrap(), kept);
    }

    #[test]
    fn headers_that_only_a_newer_version_knows_are_kept_with_it() {
        let newer = Envelope::of(&properties(SCHEMA_VERSION + 1));
        assert_eq!(newer.headers.get("x-brand-new"), Some(&Header::Text("\0 and more".to_owned())));
        assert_eq!(newer.headers.len(), 3, "none that could lead it astray: {:?}", newer.headers);
        assert_eq!(Envelope::of(&properties(SCHEMA_VERSION)).headers.len(), 2, "nothing else is ours");
    }

    #[test]
    fn names_too_long_for_the_protocol_are_left_out_rather_than_sent() {
        let long = Envelope { message_id: Some("x".repeat(256)), ..Envelope::default() };
        assert_eq!(long.properties().message_id(), &None);
    }
}
