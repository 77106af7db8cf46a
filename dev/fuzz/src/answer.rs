//! An answer of the product, or of whatever stands between. Input: the bytes of an HTTP response.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use worker::connector::{Change, Connector, ConnectorError, Draft, WorkItem};

use crate::product::exchange;

/// Nobody is left alone for longer at a word of theirs.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// An operator reads it in a list.
const MAX_REASON_CHARS: usize = 1_000;
const CORRELATION_ID: &str = "sx1:fuzz";
const TICKET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn run(answer: &[u8]) {
    let (found, _) = exchange(answer, async |product: &dyn Connector| product.find(CORRELATION_ID).await);
    if holds_our_ticket(answer) {
        assert_ne!(found, Ok(Vec::new()), "a ticket that is there counts as missing and is made again");
    }
    checked(found.map(|item| item.iter().for_each(assert_storable)));
    let (read, _) = exchange(answer, async |product: &dyn Connector| product.read(TICKET).await);
    checked(read.map(|item| {
        assert_eq!(item.id, TICKET, "another ticket than was asked for");
        assert_storable(&item);
    }));
    let (made, _) = exchange(answer, async |product: &dyn Connector| product.create(&draft()).await);
    if let Err(ConnectorError::Unavailable(reason)) = &made {
        assert!(reason.starts_with("425"), "a create that may have been done counts as undone: {reason}");
    }
    checked(made.map(|item| assert_storable(&item)));
    let change = Change { note: "n".to_owned(), ..Change::default() };
    let (resolved, _) =
        exchange(answer, async |product: &dyn Connector| product.resolve(TICKET, &change).await);
    checked(resolved);
}

fn draft() -> Draft {
    Draft {
        correlation_id: CORRELATION_ID.to_owned(),
        summary: "s".to_owned(),
        description: "d".to_owned(),
        note: "n".to_owned(),
        impact: 1,
        urgency: 1,
        ci: None,
        fields: BTreeMap::new(),
    }
}

/// Whether a plain answer of success holds a row with our correlation id; other encodings are not looked into.
fn holds_our_ticket(answer: &[u8]) -> bool {
    let Some(body) = answer.strip_prefix(b"HTTP/1.1 200 OK\r\n\r\n") else { return false };
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let rows = value.get("result").and_then(Value::as_array);
    rows.into_iter()
        .flatten()
        .any(|row| row.get("correlation_id").and_then(Value::as_str) == Some(CORRELATION_ID))
}

/// Postgres must be able to hold it, and a line of a list to show it.
fn assert_storable(item: &WorkItem) {
    assert!(!item.id.is_empty());
    crate::assert_one_line(&item.id);
    crate::assert_one_line(&item.number);
}

fn checked(outcome: Result<(), ConnectorError>) {
    let Err(error) = outcome else { return };
    if let ConnectorError::Throttled { retry_after: Some(pause), .. } = &error {
        assert!(*pause <= MAX_PAUSE, "{pause:?}");
    }
    let text = error.to_string();
    crate::assert_one_line(&text);
    assert!(text.chars().count() <= MAX_REASON_CHARS, "{text}");
}
