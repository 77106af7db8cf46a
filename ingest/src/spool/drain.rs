//! From disk to the broker, oldest first: a segment is removed when the broker has confirmed all of it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use shared::amqp::{PublishError, Publisher, RECONNECT_MAX, reconnect_waits};
use shared::message::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::folder::Folder;
use super::record::{self, Contents};
use super::stock::{Segment, Stock};
use super::writer::Command;
use crate::metrics::SpoolMetrics;

/// For the confirmation of one message. A broker that takes longer gets the message again.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(10);
/// Unconfirmed publishes of the drain at once; new alerts need the others of `amqp.max_in_flight`.
const WINDOW: usize = 512;

pub(super) struct Drain {
    pub(super) folder: Arc<Folder>,
    pub(super) stock: Arc<Stock>,
    pub(super) metrics: SpoolMetrics,
    pub(super) publisher: Publisher,
    pub(super) writer: mpsc::Sender<Command>,
}

enum Broker {
    Takes,
    Failed,
}

enum Attempt {
    Confirmed,
    Failed(Message, PublishError),
    NotBegun(Message),
}

impl Drain {
    /// Runs until it is dropped; what is unconfirmed then is published again at the next start.
    pub(super) async fn run(self) {
        let mut waits = reconnect_waits();
        loop {
            match self.stock.oldest_sealed() {
                Some(segment) => match self.with_folder(move |folder| folder.read(segment.number)).await {
                    Ok(file) => {
                        self.empty(segment, &file).await;
                        waits = reconnect_waits();
                    }
                    Err(error) => {
                        self.unreadable(&segment, &error).await;
                        tokio::time::sleep(waits.next().unwrap_or(RECONNECT_MAX)).await;
                    }
                },
                None => {
                    self.seal().await;
                    self.stock.arrived.notified().await;
                }
            }
        }
    }

    /// The disk may only be away for a while: what is on it was accepted, and is kept.
    async fn unreadable(&self, segment: &Segment, error: &io::Error) {
        let &Segment { number, records, .. } = segment;
        let lost = self.with_folder(move |folder| Ok(folder.has_lost(number))).await;
        if lost.unwrap_or(false) {
            tracing::error!(%error, "segment {number} of the spool was removed, {records} records are lost");
            self.metrics.damaged.inc_by(records);
            self.stock.finished(0);
        } else {
            tracing::error!(%error, "segment {number} of the spool cannot be read: {error}");
            self.stock.postpone();
            self.seal().await;
        }
    }

    /// Asks for what is being written to. Without a writer nothing is, and whoever ended it ends this, too.
    async fn seal(&self) {
        if self.stock.is_anything_unsealed() {
            self.writer.send(Command::Seal).await.ok();
        }
    }

    async fn empty(&self, segment: Segment, file: &Bytes) {
        let contents = record::scan(file);
        let lost = lost(&segment, &contents);
        self.publish(contents.messages).await;
        if lost == 0 {
            self.remove(segment).await;
        } else {
            self.metrics.damaged.inc_by(lost);
            self.keep_aside(segment, lost).await;
        }
    }

    /// Publishes all, in order, however long the broker takes.
    async fn publish(&self, mut left: Vec<Message>) {
        let mut waits = reconnect_waits();
        let mut broker = Broker::Takes;
        while !left.is_empty() {
            let rest = match broker {
                Broker::Takes => Vec::new(),
                // One message finds out whether the broker takes any.
                Broker::Failed => left.split_off(1),
            };
            let tried = left.len();
            let (mut again, failure) = self.try_each(left).await;
            let published = (tried - again.len()) as u64;
            again.extend(rest);
            left = again;
            self.stock.published(published, left.first().map(|message| message.received_at));
            match failure {
                None => {
                    waits = reconnect_waits();
                    broker = Broker::Takes;
                }
                Some(error) => {
                    tracing::debug!(%error, "the spool waits for the broker: {error}");
                    broker = Broker::Failed;
                    tokio::time::sleep(waits.next().unwrap_or(RECONNECT_MAX)).await;
                }
            }
        }
    }

    /// Returns the messages that are not confirmed, in order, with the first reason. After it no other is begun.
    async fn try_each(&self, messages: Vec<Message>) -> (Vec<Message>, Option<PublishError>) {
        let failed = AtomicBool::new(false);
        let attempt = async |message: Message| {
            if failed.load(Ordering::Relaxed) {
                return Attempt::NotBegun(message);
            }
            let deadline = Instant::now() + CONFIRM_DEADLINE;
            match self.publisher.publish_in_order(&message, deadline).await {
                Ok(()) => Attempt::Confirmed,
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    Attempt::Failed(message, error)
                }
            }
        };
        let window = WINDOW.min(self.publisher.max_in_flight() / 2).max(1);
        let mut attempts = pin!(stream::iter(messages).map(attempt).buffered(window));
        let (mut again, mut failure) = (Vec::new(), None);
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Attempt::Confirmed => drop(self.metrics.published.inc()),
                Attempt::NotBegun(message) => again.push(message),
                Attempt::Failed(message, error) => {
                    again.push(message);
                    failure.get_or_insert(error);
                }
            }
        }
        (again, failure)
    }

    async fn remove(&self, segment: Segment) {
        let removed = self.with_folder(move |folder| folder.remove(segment.number)).await;
        let Err(error) = removed else { return self.stock.finished(0) };
        let number = segment.number;
        tracing::error!(
            %error,
            "segment {number} of the spool cannot be removed and is published again after a restart: {error}"
        );
        self.stock.finished(segment.bytes);
    }

    async fn keep_aside(&self, segment: Segment, lost: u64) {
        match self.with_folder(move |folder| folder.keep_aside(segment.number)).await {
            Ok(path) => {
                let path = path.display();
                tracing::error!(
                    lost,
                    "{lost} records of the spool cannot be read, what is left is in {path}"
                );
            }
            Err(error) => {
                tracing::error!(
                    %error, lost,
                    "{lost} records of the spool cannot be read, and their segment cannot be kept aside: {error}"
                );
            }
        }
        self.stock.finished(segment.bytes);
    }

    /// A disk may take its time, which must not be that of the requests.
    async fn with_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(io::Error::other)?
    }
}

/// How many records a person must look for. What the scan takes for a write that was cut off is one only where nobody
/// was told otherwise: a file that was cut or zeroed later has fewer records than were acknowledged, or read at the
/// start.
fn lost(segment: &Segment, contents: &Contents) -> u64 {
    let missing = segment.records.saturating_sub(contents.messages.len() as u64);
    missing.max(contents.damaged.len() as u64)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    /// A segment of three records that were acknowledged, and its file.
    fn three() -> (Segment, Vec<u8>) {
        let message = Message {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            received_at: Timestamp::UNIX_EPOCH,
            traceparent: None,
            body: Bytes::from_static(b"{}"),
        };
        let file = record::encode(&message).unwrap().repeat(3);
        (Segment { number: 1, records: 3, bytes: file.len() as u64, oldest: None }, file)
    }

    fn lost_of(segment: &Segment, file: Vec<u8>) -> u64 {
        lost(segment, &record::scan(&file.into()))
    }

    #[test]
    fn what_was_acknowledged_and_is_cut_off_or_zeroed_later_is_lost_not_unfinished() {
        let (segment, file) = three();
        let bytes = file.len();
        assert_eq!(lost_of(&segment, file.clone()), 0);
        assert_eq!(lost_of(&segment, file[..bytes - 1].to_vec()), 1);
        assert_eq!(lost_of(&segment, Vec::new()), 3);
        let mut zeroed = file;
        zeroed[bytes / 3..].fill(0);
        assert_eq!(lost_of(&segment, zeroed), 2);
    }

    #[test]
    fn what_was_never_acknowledged_is_no_loss() {
        let (segment, file) = three();
        let begun = file[..20].to_vec();
        assert_eq!(lost_of(&segment, [file, begun].concat()), 0);
    }
}
