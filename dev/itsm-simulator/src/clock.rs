//! The simulator's clock, which tests move forward instead of sleeping.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Real time plus what was skipped by [`Clock::advance`].
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// The simulated present.
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        let real = Timestamp::now();
        real.checked_add(ahead).unwrap_or(real)
    }

    /// Lets time pass at once: tokens expire, rate windows end, resolved tickets are closed.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let ahead = self.ahead_ms.load(Ordering::Relaxed).saturating_add(by);
        self.ahead_ms.store(ahead, Ordering::Relaxed);
    }

    /// Returns to real time.
    pub fn reset(&self) {
        self.ahead_ms.store(0, Ordering::Relaxed);
    }
}
