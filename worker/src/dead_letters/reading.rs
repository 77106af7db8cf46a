//! A dead message, read: why and where it died, and what can be said of it.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use sha2::{Digest, Sha256};
use shared::alert::Notification;
use shared::message::{self, Envelope, HEADER_DIED_AT, HEADER_REASON};

use crate::store::dead_letters::Letter;

/// The broker's account of why it moved a message, the newest first.
/// <https://www.rabbitmq.com/docs/dlx#effects>
const HEADER_X_DEATH: &str = "x-death";
/// Characters of an alert's id that are kept.
const MAX_ALERT_ID_CHARS: usize = 1_000;

/// Why, where and when a message died.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Death {
    reason: String,
    queue: Option<String>,
    at: Option<Timestamp>,
}

/// Reads a dead message; there is none that this cannot do. `inbound` is the queue that workers move messages away from.
#[must_use]
pub fn read(properties: &BasicProperties, body: &[u8], inbound: &str, now: Timestamp) -> Letter {
    let envelope = Envelope::of(properties);
    let nothing = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&nothing);
    let death = by_broker(headers).or_else(|| by_worker(headers, inbound)).unwrap_or_else(|| Death {
        reason: "none is given: published to the dead letters by somebody else".to_owned(),
        queue: None,
        at: None,
    });
    let alert_id = Notification::parse(body)
        .ok()
        .map(|notification| notification.essentials.alert_id.chars().take(MAX_ALERT_ID_CHARS).collect());
    Letter {
        digest: digest(&envelope, body),
        died_at: death.at.filter(is_plausible).unwrap_or(now),
        reason: death.reason,
        origin_queue: death.queue,
        tenant_id: envelope.tenant().and_then(|tenant| tenant.parse().ok()),
        received_at: envelope.received_at().and_then(|at| at.parse().ok()).filter(is_plausible),
        alert_id,
        envelope,
        body: body.to_vec(),
    }
}

/// Postgres knows no time before 4713 BC, and nothing of ours is older than the epoch.
fn is_plausible(at: &Timestamp) -> bool {
    *at >= Timestamp::UNIX_EPOCH
}

/// What makes two messages the same: all but when they were received, since Azure repeats itself.
fn digest(envelope: &Envelope, body: &[u8]) -> [u8; 32] {
    let version = envelope.schema_version().map(|version| version.to_string());
    let mut sha256 = Sha256::new();
    for part in [version.as_deref(), envelope.tenant(), envelope.message_id.as_deref()] {
        let part = part.unwrap_or_default();
        sha256.update(part.len().to_be_bytes());
        sha256.update(part);
    }
    sha256.update(body);
    sha256.finalize().into()
}

fn by_worker(headers: &FieldTable, inbound: &str) -> Option<Death> {
    let reason = message::header(headers, HEADER_REASON)?;
    let at = message::header(headers, HEADER_DIED_AT).and_then(|at| at.parse().ok());
    Some(Death { reason, queue: Some(inbound.to_owned()), at })
}

fn by_broker(headers: &FieldTable) -> Option<Death> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get(HEADER_X_DEATH)? else { return None };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    let code = message::header(last, "reason")?;
    let reason = match code.as_str() {
        "delivery_limit" => "delivered and not settled more often than amqp.delivery_limit allows".to_owned(),
        "rejected" => "rejected by a consumer that is not this worker".to_owned(),
        _ => "see the broker's documentation of dead lettering".to_owned(),
    };
    let seconds = match last.inner().get("time") {
        Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds).ok(),
        Some(_) | None => None,
    };
    Some(Death {
        reason: format!("{code}: {reason}"),
        queue: message::header(last, "queue"),
        at: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()),
    })
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn with(headers: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    fn read_one(properties: &BasicProperties, body: &[u8]) -> Letter {
        read(properties, body, "inbound", NOW)
    }

    #[test]
    fn the_brokers_account_of_a_death_is_kept() {
        let mut death = FieldTable::default();
        death.insert("reason".into(), text("delivery_limit"));
        death.insert("queue".into(), text("here"));
        death.insert("time".into(), AMQPValue::Timestamp(86_400));
        let mut deaths = FieldArray::default();
        deaths.push(AMQPValue::FieldTable(death));
        let letter = read_one(&with(&[(HEADER_X_DEATH, AMQPValue::FieldArray(deaths))]), b"");
        assert!(letter.reason.starts_with("delivery_limit: "), "{}", letter.reason);
        assert_eq!(letter.origin_queue.as_deref(), Some("here"));
        assert_eq!(letter.died_at.as_second(), 86_400);
    }

    #[test]
    fn the_workers_account_of_a_death_is_kept() {
        let properties = message::dead_letter(&BasicProperties::default(), "no alert", Timestamp::MAX);
        let letter = read_one(&properties, b"");
        assert_eq!(
            (letter.reason.as_str(), letter.origin_queue.as_deref(), letter.died_at),
            ("no alert", Some("inbound"), Timestamp::MAX)
        );
    }

    #[test]
    fn nonsense_in_the_headers_is_no_obstacle() {
        for value in [text("x"), AMQPValue::FieldArray(FieldArray::default()), AMQPValue::Void] {
            let letter = read_one(&with(&[(HEADER_X_DEATH, value.clone()), (HEADER_REASON, value)]), b"\xff");
            assert!(!letter.reason.is_empty());
        }
        assert_eq!(read_one(&BasicProperties::default(), b"").died_at, NOW);
    }

    #[test]
    fn a_time_that_no_ledger_can_hold_is_left_out() {
        let properties = with(&[
            ("x-received-at", text("-009999-01-03T00:00:00Z")),
            (HEADER_REASON, text("r")),
            (HEADER_DIED_AT, text("-009999-01-03T00:00:00Z")),
        ]);
        let letter = read_one(&properties, b"");
        assert_eq!((letter.received_at, letter.died_at), (None, NOW));
    }

    #[test]
    fn a_message_that_dies_again_of_something_else_is_the_same() {
        let of = |reason, at| message::dead_letter(&BasicProperties::default(), reason, at);
        let (once, again) = (read_one(&of("a", NOW), b"x"), read_one(&of("b", Timestamp::MAX), b"x"));
        assert_eq!(once.digest, again.digest);
        assert_ne!(once.digest, read_one(&of("a", NOW), b"y").digest);
        assert_ne!(once.digest, read_one(&of("a", NOW).with_message_id("x".into()), b"").digest);
    }
}
