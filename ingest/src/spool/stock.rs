//! What is in the spool, for its three parties: who writes, who drains, who reports.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::metrics::SpoolMetrics;

#[derive(Debug)]
pub(super) struct Stock {
    inner: Mutex<Inner>,
    metrics: SpoolMetrics,
    pub(super) max_bytes: u64,
    /// Something is there to be drained.
    pub(super) arrived: Notify,
    /// The fault came or went.
    pub(super) fault_changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Oldest first.
    sealed: VecDeque<Segment>,
    /// The one that is written to.
    active: Option<Segment>,
    records: u64,
    /// On disk, with what was kept aside.
    bytes: u64,
    fault: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// That were acknowledged or, in a segment of an earlier process, could be read at the start.
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) oldest: Option<Timestamp>,
}

/// A look at it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) records: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) fault: Option<String>,
}

impl Stock {
    pub(super) fn new(max_bytes: u64, metrics: SpoolMetrics, sealed: Vec<Segment>, aside_bytes: u64) -> Self {
        let inner = Inner {
            records: sealed.iter().map(|segment| segment.records).sum(),
            bytes: aside_bytes + sealed.iter().map(|segment| segment.bytes).sum::<u64>(),
            sealed: sealed.into(),
            ..Inner::default()
        };
        let stock = Self {
            inner: Mutex::default(),
            metrics,
            max_bytes,
            arrived: Notify::new(),
            fault_changed: Notify::new(),
        };
        *stock.lock() = inner;
        stock.show(&stock.lock());
        stock
    }

    pub(super) fn room(&self) -> u64 {
        self.max_bytes.saturating_sub(self.lock().bytes)
    }

    /// Records that are on disk in the segment that is written to.
    pub(super) fn written(&self, records: Segment) {
        let mut inner = self.lock();
        inner.records += records.records;
        inner.bytes += records.bytes;
        match &mut inner.active {
            Some(active) => {
                active.records += records.records;
                active.bytes += records.bytes;
            }
            None => inner.active = Some(records),
        }
        self.show(&inner);
        self.arrived.notify_one();
    }

    /// The segment that was written to is complete.
    pub(super) fn seal(&self) {
        let mut inner = self.lock();
        if let Some(active) = inner.active.take() {
            inner.sealed.push_back(active);
        }
        self.arrived.notify_one();
    }

    pub(super) fn oldest_sealed(&self) -> Option<Segment> {
        self.lock().sealed.front().copied()
    }

    pub(super) fn is_anything_unsealed(&self) -> bool {
        self.lock().active.is_some()
    }

    /// So many records of the oldest segment need not be kept any more; the next one arrived at `oldest`.
    pub(super) fn published(&self, records: u64, oldest: Option<Timestamp>) {
        let mut inner = self.lock();
        inner.records = inner.records.saturating_sub(records);
        if let Some(segment) = inner.sealed.front_mut() {
            segment.records = segment.records.saturating_sub(records);
            segment.oldest = oldest;
        }
        self.show(&inner);
    }

    /// The oldest segment has to wait until the others are done.
    pub(super) fn postpone(&self) {
        self.lock().sealed.rotate_left(1);
    }

    /// The oldest segment is done with; `kept_bytes` of it stay on disk.
    pub(super) fn finished(&self, kept_bytes: u64) {
        let mut inner = self.lock();
        if let Some(segment) = inner.sealed.pop_front() {
            inner.records = inner.records.saturating_sub(segment.records);
            inner.bytes = inner.bytes.saturating_sub(segment.bytes) + kept_bytes;
        }
        self.show(&inner);
    }

    /// Says why something could not be written, or that everything can.
    pub(super) fn fault(&self, fault: Option<String>) {
        let mut inner = self.lock();
        if inner.fault == fault {
            return;
        }
        match &fault {
            Some(fault) => {
                tracing::error!("the spool takes nothing, alerts get 503 without the broker: {fault}")
            }
            None => tracing::info!("the spool can be written again"),
        }
        inner.fault = fault;
        self.fault_changed.notify_one();
    }

    /// Says why something could not be written, unless another reason is known.
    pub(super) fn first_fault(&self, fault: &str) {
        if self.report().fault.is_none() {
            self.fault(Some(fault.to_owned()));
        }
    }

    pub(super) fn report(&self) -> Report {
        let inner = self.lock();
        let oldest = inner.sealed.iter().chain(&inner.active).find_map(|segment| segment.oldest);
        Report { records: inner.records, oldest, fault: inner.fault.clone() }
    }

    fn show(&self, inner: &Inner) {
        self.metrics.records.set(i64::try_from(inner.records).unwrap_or(i64::MAX));
        self.metrics.bytes.set(i64::try_from(inner.bytes).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
