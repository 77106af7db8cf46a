//! The one thread that writes: whatever waits goes to disk together and shares one fsync.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::SpoolError;
use super::folder::Folder;
use super::stock::{Segment, Stock};
use crate::metrics::SpoolMetrics;

/// A segment that has grown so far is followed by another. The drain reads one at a time into memory.
const SEGMENT_BYTES: u64 = 4 << 20;
/// What one fsync may cover.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) enum Command {
    Write(Entry),
    /// Close the segment that is written to, so that it can be drained.
    Seal,
    /// Find out whether a fault is over.
    Probe,
    End,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Vec<u8>,
    pub(super) received_at: Timestamp,
    pub(super) reply: oneshot::Sender<Result<(), SpoolError>>,
    /// In memory, until the record is on disk.
    pub(super) _space: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    folder: Arc<Folder>,
    stock: Arc<Stock>,
    metrics: SpoolMetrics,
    next_number: u64,
    active: Option<Active>,
    /// Of the largest record that there was no room for. The spool counts as full until there is, even if
    /// smaller ones fit meanwhile: readiness must not come and go with each request.
    missing_bytes: u64,
    /// What could not be written last: there may be room for less.
    unwritten_bytes: usize,
}

struct Active {
    file: File,
    number: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(
        folder: Arc<Folder>,
        stock: Arc<Stock>,
        metrics: SpoolMetrics,
        next_number: u64,
    ) -> Self {
        Self { folder, stock, metrics, next_number, active: None, missing_bytes: 0, unwritten_bytes: 1 }
    }

    /// Blocks until it is told to end, or nobody is left who could tell.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut command = Some(first);
            let mut last = None;
            while let Some(next) = command.take() {
                match next {
                    Command::Write(entry) => {
                        bytes += entry.record.len();
                        batch.push(entry);
                        if batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
                            command = commands.try_recv().ok();
                        }
                    }
                    other @ (Command::Seal | Command::Probe | Command::End) => last = Some(other),
                }
            }
            self.keep(batch);
            match last {
                Some(Command::Seal) => self.seal(),
                Some(Command::Probe) => self.probe(),
                Some(Command::End) => return,
                Some(Command::Write(_)) | None => {}
            }
        }
    }

    fn keep(&mut self, mut batch: Vec<Entry>) {
        // Whoever has waited too long was told that nothing is kept, and comes again.
        batch.retain(|entry| !entry.reply.is_closed());
        let mut room = self.stock.room();
        let (mut taken, mut records) = (Vec::new(), Vec::new());
        for entry in batch {
            let bytes = entry.record.len() as u64;
            if bytes > room {
                self.missing_bytes = self.missing_bytes.max(bytes);
                let full = self.full();
                self.stock.fault(full);
                answer(entry.reply, Err(SpoolError::Full));
                continue;
            }
            room -= bytes;
            records.extend_from_slice(&entry.record);
            taken.push(entry);
        }
        let Some(oldest) = taken.first().map(|entry| entry.received_at) else { return };
        match self.write(&records) {
            Ok(number) => {
                self.metrics.commits.inc();
                self.metrics.spooled.inc_by(taken.len() as u64);
                self.stock.written(Segment {
                    number,
                    records: taken.len() as u64,
                    bytes: records.len() as u64,
                    oldest: Some(oldest),
                });
                let full = self.full();
                self.stock.fault(full);
                taken.into_iter().for_each(|entry| answer(entry.reply, Ok(())));
            }
            Err(error) => {
                self.stock.fault(Some(format!("it cannot be written: {error}")));
                taken.into_iter().for_each(|entry| answer(entry.reply, Err(SpoolError::Unwritable)));
            }
        }
        if self.active.as_ref().is_some_and(|active| active.bytes >= SEGMENT_BYTES) {
            self.seal();
        }
    }

    /// Returns the number of the segment that has the records for good.
    fn write(&mut self, records: &[u8]) -> io::Result<u64> {
        let written = self.append(records);
        self.unwritten_bytes = if written.is_ok() { 1 } else { records.len() };
        written
    }

    fn append(&mut self, records: &[u8]) -> io::Result<u64> {
        self.folder.hold()?;
        self.leave_nameless();
        let number = self.append_once(records)?;
        // Removed while it was written to: once more, and this time into a file that can be found again.
        if !self.leave_nameless() {
            return Ok(number);
        }
        let number = self.append_once(records)?;
        if self.leave_nameless() {
            return Err(io::Error::other("somebody removes its files"));
        }
        Ok(number)
    }

    fn append_once(&mut self, records: &[u8]) -> io::Result<u64> {
        let active = match &mut self.active {
            Some(active) => active,
            None => {
                let number = self.next_number;
                // A number that failed is not tried again: its file may exist.
                self.next_number += 1;
                let file = self.folder.create(number)?;
                self.active.insert(Active { file, number, bytes: 0 })
            }
        };
        match active.file.write_all(records).and_then(|()| active.file.sync_data()) {
            Ok(()) => {
                active.bytes += records.len() as u64;
                Ok(active.number)
            }
            Err(error) => {
                // After a failed fsync nobody knows what the file has, so nothing more is added to it.
                if active.file.set_len(active.bytes).is_err() {
                    tracing::debug!("the cut-off write stays at the end of its segment");
                }
                let nothing_in_it = (active.bytes == 0).then_some(active.number);
                self.seal();
                if let Some(number) = nothing_in_it {
                    self.folder.remove(number).ok();
                }
                Err(error)
            }
        }
    }

    /// Gives up a segment whose file has no name any more: what is written to it, nobody ever sees. Says whether it had
    /// to. What it had is missed, and counted, when it is drained.
    fn leave_nameless(&mut self) -> bool {
        let nameless = |active: &Active| active.file.metadata().map_or(true, |file| file.nlink() == 0);
        let left = self.active.as_ref().is_some_and(nameless);
        if left {
            tracing::error!(
                "the segment of the spool that is written to was removed, another takes its place"
            );
            self.seal();
        }
        left
    }

    fn seal(&mut self) {
        self.active = None;
        self.stock.seal();
    }

    fn probe(&mut self) {
        let number = self.next_number;
        self.next_number += 1;
        let outcome = self.folder.create(number).and_then(|mut file| {
            file.write_all(&vec![0; self.unwritten_bytes])?;
            file.sync_data()
        });
        let outcome = self.folder.hold().and(outcome);
        self.folder.remove(number).ok();
        let fault = match outcome {
            Ok(()) => self.full(),
            Err(error) => Some(format!("it cannot be written: {error}")),
        };
        self.stock.fault(fault);
    }

    /// Says that there was no room and still is none.
    fn full(&mut self) -> Option<String> {
        if self.stock.room() >= self.missing_bytes {
            self.missing_bytes = 0;
            return None;
        }
        Some(format!("it is full, see spool.max_bytes ({})", self.stock.max_bytes))
    }
}

/// The request may have ended meanwhile; then Azure repeats, and the worker recognises the repeat.
fn answer(reply: oneshot::Sender<Result<(), SpoolError>>, outcome: Result<(), SpoolError>) {
    drop(reply.send(outcome));
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::metrics::Metrics;

    struct Bench {
        folder: tempfile::TempDir,
        metrics: SpoolMetrics,
        stock: Arc<Stock>,
    }

    impl Bench {
        fn new(max_bytes: u64) -> Self {
            let metrics = Metrics::register(&mut Registry::default()).spool;
            let stock = Arc::new(Stock::new(max_bytes, metrics.clone(), Vec::new(), 0));
            Self { folder: tempfile::tempdir().unwrap(), metrics, stock }
        }

        fn writer(&self) -> Writer {
            let folder = Arc::new(Folder::open(self.folder.path()).unwrap());
            Writer::new(folder, Arc::clone(&self.stock), self.metrics.clone(), 1)
        }
    }

    fn entry(bytes: usize) -> (Entry, oneshot::Receiver<Result<(), SpoolError>>) {
        let (reply, outcome) = oneshot::channel();
        let space = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let record = vec![1; bytes];
        (Entry { record, received_at: Timestamp::UNIX_EPOCH, reply, _space: space }, outcome)
    }

    #[test]
    fn requests_that_wait_together_share_an_fsync() {
        let bench = Bench::new(1 << 20);
        let (sender, receiver) = mpsc::channel(1000);
        let outcomes: Vec<_> = (0..500)
            .map(|_| {
                let (entry, outcome) = entry(10);
                sender.try_send(Command::Write(entry)).unwrap();
                outcome
            })
            .collect();
        drop(sender);
        bench.writer().run(receiver);
        for outcome in outcomes {
            outcome.blocking_recv().unwrap().unwrap();
        }
        assert_eq!((bench.metrics.commits.get(), bench.metrics.spooled.get()), (1, 500));
        assert_eq!(bench.stock.report().records, 500);
    }

    #[test]
    fn a_spool_without_room_for_a_large_record_stays_full_until_there_is_though_small_ones_fit() {
        let bench = Bench::new(100);
        let mut writer = bench.writer();
        let mut keep = |bytes| {
            let (entry, outcome) = entry(bytes);
            writer.keep(vec![entry]);
            (outcome.blocking_recv().unwrap().is_ok(), bench.stock.report().fault.is_some())
        };
        assert_eq!(keep(60), (true, false));
        assert_eq!(keep(50), (false, true));
        assert_eq!(keep(10), (true, true));
        writer.seal();
        bench.stock.finished(0);
        writer.probe();
        assert!(bench.stock.report().fault.is_none());
    }

    #[test]
    fn nothing_is_written_for_a_request_that_has_given_up() {
        let bench = Bench::new(100);
        let (entry, outcome) = entry(10);
        drop(outcome);
        bench.writer().keep(vec![entry]);
        assert_eq!((bench.metrics.commits.get(), bench.stock.report().records), (0, 0));
    }

    #[test]
    fn nothing_is_accepted_into_a_segment_whose_file_was_removed() {
        let bench = Bench::new(1 << 20);
        let mut writer = bench.writer();
        let (before, _outcome) = entry(10);
        writer.keep(vec![before]);
        let first = writer.folder.segment(1);
        std::fs::remove_file(&first).unwrap();
        let (entry, outcome) = entry(20);
        writer.keep(vec![entry]);
        outcome.blocking_recv().unwrap().unwrap();
        assert_eq!(std::fs::read(writer.folder.segment(2)).unwrap(), [1; 20]);
        assert!(!first.exists());
        assert_eq!(bench.stock.oldest_sealed().unwrap().number, 1, "the drain counts what it had");
    }
}
