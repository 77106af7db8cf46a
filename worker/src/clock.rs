//! The clock that leases and calls are held to.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// An instant of the clock that goes on while the machine is suspended (`CLOCK_BOOTTIME`, `clock_gettime(2)`). That of
/// `tokio` and `std` stands still then, and a lease would seem to last longer here than in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootInstant(Duration);

impl BootInstant {
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let (seconds, nanoseconds) =
            (now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0));
        Self(Duration::new(seconds, nanoseconds))
    }

    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    #[must_use]
    pub fn is_over(self) -> bool {
        Self::now() >= self
    }
}

/// A lease, as its holder counts it.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    until: BootInstant,
}

impl Lease {
    /// A lease counted from before the claim was committed, so that it is never thought to last longer than it does.
    #[must_use]
    pub fn since(claimed_at: BootInstant, length: Duration) -> Self {
        Self { until: claimed_at.after(length) }
    }

    /// Whether a call that begins now has ended before the lease has.
    #[must_use]
    pub fn covers(self, call: Duration, now: BootInstant) -> bool {
        now.after(call) < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_runs_and_no_later_than_the_one_that_stands_still_in_suspension() {
        let (boot, monotonic) = (BootInstant::now(), clock_gettime(ClockId::Monotonic));
        assert!(boot.0.as_secs() >= u64::try_from(monotonic.tv_sec).unwrap_or(u64::MAX));
        assert!(boot.is_over() && !boot.after(60 * SECOND).is_over());
    }

    #[test]
    fn a_call_is_covered_only_if_it_ends_within_the_lease() {
        let claimed_at = BootInstant::now();
        let lease = Lease::since(claimed_at, 10 * SECOND);
        assert!(lease.covers(2 * SECOND, claimed_at.after(7 * SECOND)));
        assert!(!lease.covers(2 * SECOND, claimed_at.after(8 * SECOND)));
        assert!(!lease.covers(Duration::ZERO, claimed_at.after(60 * SECOND)), "woken long after");
        assert!(!lease.covers(Duration::MAX, claimed_at));
    }
}
