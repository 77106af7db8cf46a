//! Which dead letters can be published again.

use std::time::Duration;

use jiff::Timestamp;
use shared::message::{Message, MessageError};

use crate::store::dead_letters::Content;

/// Whether letters are replayed that were received before the retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    Refuse,
    Replay,
}

/// Why a letter cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayable {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(
        "received at {0}, before sweep.retention: if its Resolved is forgotten, it opens a ticket that nobody resolves; \
         --old replays it all the same"
    )]
    Old(Timestamp),
}

/// Decides whether a letter can be replayed.
///
/// # Errors
/// Why it cannot.
pub fn check(content: &Content, old: Old, retention: Duration, now: Timestamp) -> Result<(), NotReplayable> {
    let message = Message::decode(&content.envelope.properties(), content.body.clone())?;
    let age = Duration::try_from(now.duration_since(message.received_at)).unwrap_or_default();
    match old {
        Old::Refuse if age > retention => Err(NotReplayable::Old(message.received_at)),
        Old::Refuse | Old::Replay => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared::message::{Envelope, Header};
    use uuid::Uuid;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn content(received_at: Timestamp) -> Content {
        let message = Message {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            received_at,
            traceparent: None,
            body: Bytes::new(),
        };
        Content { envelope: Envelope::of(&message.properties()), body: Vec::new() }
    }

    fn refusal(content: &Content, old: Old, now: Timestamp) -> Option<String> {
        check(content, old, DAY, now).err().map(|error| error.to_string())
    }

    #[test]
    fn what_may_have_outlived_its_resolution_is_replayed_only_on_demand() {
        let received_at = Timestamp::UNIX_EPOCH;
        let letter = content(received_at);
        assert_eq!(refusal(&letter, Old::Refuse, received_at + DAY), None);
        let late = received_at + 2 * DAY;
        assert!(refusal(&letter, Old::Refuse, late).unwrap().contains("--old"));
        assert_eq!(refusal(&letter, Old::Replay, late), None);
        assert_eq!(refusal(&content(late), Old::Refuse, received_at), None, "received in the future");
    }

    #[test]
    fn a_message_that_this_build_would_only_bury_again_is_not_replayed() {
        let mut letter = content(Timestamp::UNIX_EPOCH);
        letter.envelope.headers.insert("x-schema-version".to_owned(), Header::Integer(2));
        assert!(refusal(&letter, Old::Replay, Timestamp::UNIX_EPOCH).unwrap().contains("upgrade the worker"));
        letter.envelope.headers.clear();
        assert!(
            refusal(&letter, Old::Replay, Timestamp::UNIX_EPOCH).unwrap().contains("not published by ingest")
        );
    }
}
