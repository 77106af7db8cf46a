//! A message on the queue, as anybody who may publish there could put it. Input: one line for each property
//! (`message-id: …`, or `NAME:TYPE: …` for a header), an empty line, the body.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use shared::message::{HEADER_REASON, Message, dead_letter};
use worker::intake::reading;

/// What AMQP gives a short string.
const MAX_SHORT_BYTES: usize = 255;

pub(crate) fn run(input: &[u8]) {
    let (head, body) = halves(input);
    let properties = properties(&String::from_utf8_lossy(head));
    let decoded = Message::decode(&properties, body.to_vec());
    let dead = dead_letter(&properties, "fuzzed", Timestamp::UNIX_EPOCH);
    let reason = dead.headers().as_ref().and_then(|headers| headers.inner().get(HEADER_REASON));
    assert_eq!(reason, Some(&AMQPValue::LongString("fuzzed".into())));
    assert_eq!((dead.expiration(), dead.user_id()), (&None, &None), "a dead letter could get lost");
    let replayed = Message::decode(&dead, body.to_vec());
    match decoded {
        Ok(message) => {
            assert_eq!(message.body, body);
            assert_eq!(Some(&message), replayed.as_ref().ok(), "a dead letter is not what it was");
            let copy = Message::decode(&message.properties(), body.to_vec());
            assert_eq!(Some(message), copy.ok(), "a message is not what was written");
        }
        Err(error) => {
            let dead = replayed.expect_err("no dead letter is better than the message");
            assert_eq!(dead.to_string(), error.to_string());
        }
    }
    if let Ok(reading) = reading::read(&properties, body) {
        let again = reading::read(&properties, body).expect("what was read once can be read again");
        assert_eq!(reading.heard.notification_id, again.heard.notification_id);
        assert!(reading.heard.traceparent.is_none_or(|text| !text.contains('\0')), "Postgres cannot hold it");
    }
}

fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = input.split_at(end.unwrap_or(input.len()));
    (head, body.get(2..).unwrap_or_default())
}

fn properties(head: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut properties = BasicProperties::default();
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.rsplit_once(':') {
            Some((name, kind)) => {
                headers.insert(short(name), header(kind, value));
            }
            None if name == "message-id" => properties = properties.with_message_id(short(value)),
            None if name == "expiration" => properties = properties.with_expiration(short(value)),
            None => {}
        }
    }
    properties.with_headers(headers)
}

fn header(kind: &str, value: &str) -> AMQPValue {
    match kind {
        "l" => AMQPValue::LongLongInt(value.parse().unwrap_or_default()),
        "i" => AMQPValue::LongInt(value.parse().unwrap_or_default()),
        "s" => AMQPValue::ShortString(short(value)),
        "b" => AMQPValue::Boolean(value == "true"),
        // In a header's text, unlike in a line of ours, anything may stand.
        "n" => AMQPValue::LongString(value.replace("\\0", "\0").replace("\\n", "\n").into()),
        "S" => AMQPValue::LongString(value.into()),
        _ => AMQPValue::Void,
    }
}

fn short(text: &str) -> ShortString {
    let mut end = text.len().min(MAX_SHORT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::from(text.get(..end).unwrap_or_default().to_owned())
}
