//! Where a notification waits on disk while the broker does not confirm: Azure gets its 202 all the same, for an
//! fsync has happened, and the broker gets the message later, oldest first.
//!
//! Nothing here is lost by a crash; a message may be published twice (its confirmation was lost, or its segment was
//! not removed yet). The worker recognises repeats by the notification's id, and it minds no order, so new alerts go
//! straight to the broker while older ones still wait.

mod drain;
mod folder;
mod record;
mod stock;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shared::amqp::Publisher;
use shared::message::Message;
use shared::ops::Dependency;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::drain::Drain;
use self::folder::Folder;
use self::stock::{Segment, Stock};
use self::writer::{Command, Entry, Writer};
use crate::metrics::SpoolMetrics;

pub use self::folder::FolderError;

/// Requests that may wait for the writer, and the bytes of their bodies, which wait as copies.
const QUEUE: usize = 4096;
const QUEUE_BYTES: usize = 64 << 20;
/// What a disk must have had before it is said to be slow. A request that has waited for the broker leaves less.
const DISK_PATIENCE: Duration = Duration::from_millis(500);
/// How often the state is reported, and a fault looked at again.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Section `[spool]` with a folder.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    pub folder: PathBuf,
    pub max_bytes: u64,
    /// How long a request waits for the broker before its notification goes to disk.
    pub patience: Duration,
}

/// Keeps notifications on disk. Clones share one folder.
#[derive(Debug, Clone)]
pub struct Spool {
    writer: mpsc::Sender<Command>,
    copies: Arc<Semaphore>,
    stock: Arc<Stock>,
    metrics: SpoolMetrics,
    patience: Duration,
}

/// Why a notification is not known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool is full")]
    Full,
    #[error("the spool cannot be written")]
    Unwritable,
    #[error("the disk of the spool did not answer in time")]
    Slow,
    #[error("no time was left for the disk of the spool")]
    NoTime,
    #[error("the spool has ended")]
    Ended,
    #[error("the message is too large for the spool")]
    TooLarge,
}

impl Spool {
    /// Takes the folder and begins to publish what an earlier process left in it.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub async fn start(
        settings: SpoolSettings,
        publisher: Publisher,
        metrics: SpoolMetrics,
        health: Dependency,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Self, FolderError> {
        let path = settings.folder.clone();
        let unusable = |source| FolderError::Unusable { path: settings.folder.clone(), source };
        // Reads every segment once, one at a time.
        let opened = tokio::task::spawn_blocking(move || {
            let folder = Folder::open(&path)?;
            let left = left_behind(&folder).map_err(|source| FolderError::Unusable { path, source })?;
            Ok((folder, left))
        });
        let (folder, left) = opened.await.map_err(|error| unusable(io::Error::other(error)))??;
        let folder = Arc::new(folder);
        let stock = Stock::new(settings.max_bytes, metrics.clone(), left.segments, left.aside_bytes);
        let stock = Arc::new(stock);

        let (sender, commands) = mpsc::channel(QUEUE);
        let writer =
            Writer::new(Arc::clone(&folder), Arc::clone(&stock), metrics.clone(), left.last_number + 1);
        tasks.spawn_blocking(move || writer.run(commands));
        let drain = Drain {
            folder,
            stock: Arc::clone(&stock),
            metrics: metrics.clone(),
            publisher,
            writer: sender.clone(),
        };
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(drain.run()));
        tasks.spawn(report(Arc::clone(&stock), metrics.clone(), health, sender.clone(), shutdown));
        let copies = Arc::new(Semaphore::new(QUEUE_BYTES));
        Ok(Self { writer: sender, copies, stock, metrics, patience: settings.patience })
    }

    /// How long a request waits for the broker first. None while the spool takes nothing: the broker is all there is.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.stock.report().fault.is_none().then_some(self.patience)
    }

    /// Waits until the message is on disk.
    ///
    /// # Errors
    /// A [`SpoolError`] when that is not known by `deadline`.
    pub async fn keep(&self, message: &Message, deadline: Instant) -> Result<(), SpoolError> {
        let outcome = self.try_keep(message, deadline).await;
        if outcome.is_err() {
            self.metrics.refused.inc();
        }
        outcome
    }

    async fn try_keep(&self, message: &Message, deadline: Instant) -> Result<(), SpoolError> {
        let kept = async {
            let bytes =
                u32::try_from(message.body.len().min(QUEUE_BYTES)).map_err(|_| SpoolError::TooLarge)?;
            let copies = Arc::clone(&self.copies);
            let space = copies.acquire_many_owned(bytes).await.map_err(|_| SpoolError::Ended)?;
            let record = record::encode(message).map_err(|_| SpoolError::TooLarge)?;
            let (reply, outcome) = oneshot::channel();
            let entry = Entry { record, received_at: message.received_at, reply, _space: space };
            self.writer.send(Command::Write(entry)).await.map_err(|_| SpoolError::Ended)?;
            outcome.await.map_err(|_| SpoolError::Ended)?
        };
        let started = Instant::now();
        timeout_at(deadline, kept).await.unwrap_or_else(|_elapsed| {
            if started.elapsed() < DISK_PATIENCE {
                return Err(SpoolError::NoTime);
            }
            // The writer says when it is over.
            self.stock.first_fault("its disk does not answer in time");
            Err(SpoolError::Slow)
        })
    }
}

struct LeftBehind {
    segments: Vec<Segment>,
    aside_bytes: u64,
    last_number: u64,
}

/// What an earlier process left in the folder. A write that a crash cut off is only worth a line:
/// nobody was told that it is kept.
fn left_behind(folder: &Folder) -> io::Result<LeftBehind> {
    let listing = folder.list()?;
    let mut segments = Vec::with_capacity(listing.segments.len());
    for number in listing.segments {
        let file = match folder.read(number) {
            Ok(file) => file,
            Err(error) => {
                // The drain tries again. How many records it has is not known, but it has some.
                tracing::error!(%error, "segment {number} of the spool cannot be read: {error}");
                let bytes = folder.bytes(number).unwrap_or_default();
                segments.push(Segment { number, records: 1, bytes, oldest: None });
                continue;
            }
        };
        let contents = record::scan(&file);
        if contents.torn_bytes > 0 {
            let (path, bytes) = (folder.segment(number), contents.torn_bytes);
            tracing::warn!(
                "{bytes} bytes of an unfinished write at the end of {} are left out",
                path.display()
            );
        }
        segments.push(Segment {
            number,
            records: contents.messages.len() as u64,
            bytes: file.len() as u64,
            oldest: contents.messages.first().map(|message| message.received_at),
        });
    }
    if let (Some(first), Some(last)) = (segments.first(), segments.last()) {
        tracing::info!("the spool has segments {} to {} of an earlier process", first.number, last.number);
    }
    Ok(LeftBehind { segments, aside_bytes: listing.aside_bytes, last_number: listing.last_number })
}

/// Tells the operator about the spool until `shutdown`, and then the writer to end.
async fn report(
    stock: Arc<Stock>,
    metrics: SpoolMetrics,
    health: Dependency,
    writer: mpsc::Sender<Command>,
    shutdown: CancellationToken,
) {
    let mut tick = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if stock.report().fault.is_some() {
                    // A writer that is busy finds out by itself.
                    writer.try_send(Command::Probe).ok();
                }
            }
            () = stock.fault_changed.notified() => {}
            () = shutdown.cancelled() => break,
        }
        let report = stock.report();
        let age = report
            .oldest
            .map_or(0.0, |oldest| (Timestamp::now() - oldest).total(jiff::Unit::Second).unwrap_or(0.0));
        metrics.oldest_seconds.set(age);
        match (report.fault, report.records) {
            (Some(fault), _) => health.down(&fault),
            (None, 0) => health.up(),
            (None, records) => {
                health.up_with(&format!("{records} notifications wait for the broker, oldest {age:.0} s"));
            }
        }
    }
    drop(writer.send(Command::End).await);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prometheus_client::registry::Registry;
    use uuid::Uuid;

    use super::*;
    use crate::metrics::Metrics;

    /// A spool whose disk never answers, and what holds it open.
    fn hanging() -> (Spool, mpsc::Receiver<Command>) {
        let metrics = Metrics::register(&mut Registry::default()).spool;
        let (writer, commands) = mpsc::channel(QUEUE);
        let spool = Spool {
            writer,
            copies: Arc::new(Semaphore::new(QUEUE_BYTES)),
            stock: Arc::new(Stock::new(1 << 20, metrics.clone(), Vec::new(), 0)),
            metrics,
            patience: Duration::from_secs(1),
        };
        (spool, commands)
    }

    /// What becomes of a message that the disk has so long for, and the fault that the spool has then.
    async fn keep_for(spool: &Spool, time: Duration) -> (Result<(), SpoolError>, Option<String>) {
        let message = Message {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            received_at: Timestamp::UNIX_EPOCH,
            traceparent: None,
            body: Bytes::new(),
        };
        let outcome = spool.keep(&message, Instant::now() + time).await;
        (outcome, spool.stock.report().fault)
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_is_only_called_slow_when_it_had_time() {
        let (spool, _commands) = hanging();
        let (outcome, fault) = keep_for(&spool, Duration::ZERO).await;
        assert!(matches!(outcome, Err(SpoolError::NoTime)) && fault.is_none(), "{outcome:?} {fault:?}");
        let (outcome, fault) = keep_for(&spool, DISK_PATIENCE).await;
        assert!(matches!(outcome, Err(SpoolError::Slow)), "{outcome:?}");
        assert_eq!(fault.unwrap(), "its disk does not answer in time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_does_not_hide_what_is_wrong_with_it() {
        let (spool, _commands) = hanging();
        spool.stock.fault(Some("it is full".to_owned()));
        let (_, fault) = keep_for(&spool, DISK_PATIENCE).await;
        assert_eq!(fault.unwrap(), "it is full");
    }
}
