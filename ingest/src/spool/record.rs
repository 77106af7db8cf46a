//! One message as bytes, and a segment file read back: what is whole, what is damaged, what was never finished.

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes};
use crc::{CRC_32_ISCSI, Crc, Table};
use jiff::Timestamp;
use shared::message::Message;
use uuid::Uuid;

/// The version of the payload that this build writes. A newer one is kept aside, not guessed at.
const VERSION: u8 = 1;
/// Begins every record, so that reading can go on behind a damaged one.
const MAGIC: &[u8; 4] = b"\xf5SXR";
/// Magic, length and checksum of the payload, checksum of these three.
const HEADER_BYTES: usize = 16;
const CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What a segment file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// In order of arrival.
    pub(super) messages: Vec<Message>,
    /// Where records are that cannot be read.
    pub(super) damaged: Vec<Range<usize>>,
    /// Bytes at the end that look like a write that was cut off. Whoever knows what was acknowledged must compare.
    pub(super) torn_bytes: usize,
}

/// A record that does not fit its own format.
#[derive(Debug, thiserror::Error)]
#[error("a message that is larger than 4 GiB cannot be spooled")]
pub(super) struct TooLarge;

pub(super) fn encode(message: &Message) -> Result<Vec<u8>, TooLarge> {
    let traceparent = message.traceparent.as_deref().unwrap_or_default().as_bytes();
    let mut payload = Vec::with_capacity(64 + traceparent.len() + message.body.len());
    payload.put_u8(VERSION);
    payload.put_slice(message.id.as_bytes());
    payload.put_slice(message.tenant_id.as_bytes());
    payload.put_i64(message.received_at.as_microsecond());
    payload.put_u8(u8::from(message.traceparent.is_some()));
    payload.put_u32(u32::try_from(traceparent.len()).map_err(|_| TooLarge)?);
    payload.put_slice(traceparent);
    payload.put_slice(&message.body);

    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    record.put_slice(MAGIC);
    record.put_u32(u32::try_from(payload.len()).map_err(|_| TooLarge)?);
    record.put_u32(CHECKSUM.checksum(&payload));
    record.put_u32(CHECKSUM.checksum(&record));
    record.put_slice(&payload);
    Ok(record)
}

/// Reads a whole segment. What lies between two records is damage; what is cut off at the end is torn.
pub(super) fn scan(file: &Bytes) -> Contents {
    let mut contents = Contents::default();
    let mut at = 0;
    while at < file.len() {
        let rest = file.slice(at..);
        match next(&rest) {
            Next::Whole { message, bytes } => {
                contents.messages.push(message);
                at += bytes;
            }
            Next::Torn => {
                contents.torn_bytes = rest.len();
                return contents;
            }
            Next::Damaged { bytes } => {
                contents.damaged.push(at..at + bytes);
                at += bytes;
            }
        }
    }
    contents
}

enum Next {
    Whole { message: Message, bytes: usize },
    Damaged { bytes: usize },
    Torn,
}

fn next(rest: &Bytes) -> Next {
    match header(rest) {
        Some((payload_bytes, checksum)) => {
            let bytes = HEADER_BYTES.saturating_add(payload_bytes);
            if bytes > rest.len() {
                return Next::Torn;
            }
            let payload = rest.slice(HEADER_BYTES..bytes);
            let whole = CHECKSUM.checksum(&payload) == checksum;
            match decode(payload).filter(|_| whole) {
                Some(message) => Next::Whole { message, bytes },
                None => Next::Damaged { bytes },
            }
        }
        // A crash can leave zeros where the file was grown, but its data not written.
        None if rest.len() < HEADER_BYTES || rest.iter().all(|byte| *byte == 0) => Next::Torn,
        None => Next::Damaged { bytes: distance_to_next(rest) },
    }
}

/// Length and checksum of the payload, when a sound header stands here.
fn header(rest: &Bytes) -> Option<(usize, u32)> {
    let bytes = rest.get(..HEADER_BYTES)?;
    let (mut told, mut sum) = bytes.split_at_checked(HEADER_BYTES - 4)?;
    if !told.starts_with(MAGIC) || CHECKSUM.checksum(told) != sum.get_u32() {
        return None;
    }
    told.advance(MAGIC.len());
    Some((usize::try_from(told.get_u32()).ok()?, told.get_u32()))
}

fn distance_to_next(rest: &Bytes) -> usize {
    let found = rest
        .windows(MAGIC.len())
        .enumerate()
        .skip(1)
        .find(|(at, bytes)| bytes == MAGIC && header(&rest.slice(*at..)).is_some());
    found.map_or(rest.len(), |(at, _)| at)
}

fn decode(mut payload: Bytes) -> Option<Message> {
    if payload.try_get_u8().ok()? != VERSION {
        return None;
    }
    let id = Uuid::from_u128(payload.try_get_u128().ok()?);
    let tenant_id = Uuid::from_u128(payload.try_get_u128().ok()?);
    let received_at = Timestamp::from_microsecond(payload.try_get_i64().ok()?).ok()?;
    let traced = payload.try_get_u8().ok()? == 1;
    let length = usize::try_from(payload.try_get_u32().ok()?).ok()?;
    if length > payload.len() {
        return None;
    }
    let traceparent = String::from_utf8(payload.split_to(length).to_vec()).ok()?;
    Some(Message { id, tenant_id, received_at, traceparent: traced.then_some(traceparent), body: payload })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> impl Strategy<Value = Message> {
        let body = prop::collection::vec(any::<u8>(), 0..300);
        (any::<u128>(), any::<u128>(), 0..4_000_000_000_000_000_i64, prop::option::of("[ -~]{0,60}"), body)
            .prop_map(|(id, tenant_id, received_at, traceparent, body)| Message {
                id: Uuid::from_u128(id),
                tenant_id: Uuid::from_u128(tenant_id),
                received_at: Timestamp::from_microsecond(received_at).unwrap(),
                traceparent,
                body: body.into(),
            })
    }

    fn file(messages: &[Message]) -> Vec<u8> {
        messages.iter().flat_map(|message| encode(message).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_order(messages in prop::collection::vec(messages(), 0..8)) {
            let contents = scan(&file(&messages).into());
            prop_assert_eq!(contents, Contents { messages, ..Contents::default() });
        }

        #[test]
        fn a_cut_costs_only_the_record_that_it_hits(
            messages in prop::collection::vec(messages(), 1..6), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = file(&messages);
            bytes.truncate(cut.index(bytes.len()));
            let contents = scan(&bytes.into());
            prop_assert!(contents.damaged.is_empty());
            prop_assert!(messages.starts_with(&contents.messages));
        }

        #[test]
        fn a_flipped_bit_costs_at_most_one_record_and_is_always_noticed(
            messages in prop::collection::vec(messages(), 1..6),
            place in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let mut bytes = file(&messages);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let contents = scan(&bytes.into());
            prop_assert_eq!((contents.damaged.len(), contents.torn_bytes), (1, 0));
            prop_assert_eq!(contents.messages.len(), messages.len() - 1);
            prop_assert!(contents.messages.iter().all(|message| messages.contains(message)));
        }

        #[test]
        fn no_garbage_is_taken_for_a_message(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(scan(&bytes.into()).messages.is_empty());
        }
    }
}
