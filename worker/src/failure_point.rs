//! Named points at which a test makes the worker crash as `kill -9` would.
//!
//! Compiled only with the feature `failure-points`, which the tests of this crate turn on and no build does.

/// A point between two steps that must not depend on each other's being both done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePoint {
    /// Intake has deliveries that are in no ledger yet.
    Received,
    /// They are in the ledger and not acknowledged.
    Committed,
    /// They are acknowledged, and no worker has been woken by this one.
    Acknowledged,
    /// Tickets are claimed ("create attempted" is committed), and nothing was sent.
    Claimed,
    /// A call is about to be sent.
    BeforeCall,
    /// The ITSM has answered, and only this process knows.
    AfterCall,
    /// The outcome is written and not committed.
    BeforeRecord,
    /// The outcome is committed.
    Recorded,
    /// A dead letter is in the ledger and not acknowledged.
    LetterStored,
    /// A dead letter is published again, and nobody has noted it.
    LetterReplayed,
}

impl FailurePoint {
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::Committed,
        Self::Acknowledged,
        Self::Claimed,
        Self::BeforeCall,
        Self::AfterCall,
        Self::BeforeRecord,
        Self::Recorded,
        Self::LetterStored,
        Self::LetterReplayed,
    ];

    /// Its name in the variable `SECURE_EXPORT_CRASH_AT`: `NAME`, or `NAME:2` for the second time that it is reached.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Committed => "committed",
            Self::Acknowledged => "acknowledged",
            Self::Claimed => "claimed",
            Self::BeforeCall => "before_call",
            Self::AfterCall => "after_call",
            Self::BeforeRecord => "before_record",
            Self::Recorded => "recorded",
            Self::LetterStored => "letter_stored",
            Self::LetterReplayed => "letter_replayed",
        }
    }

    /// Ends the process if `SECURE_EXPORT_CRASH_AT` names this point and time, and stops it (`SIGSTOP`) if
    /// `SECURE_EXPORT_STOP_AT` does.
    #[cfg(feature = "failure-points")]
    pub(crate) fn reach(self) {
        use std::sync::atomic::{AtomicU32, Ordering};

        use rustix::process::{Signal, getpid, kill_process};

        static REACHED: AtomicU32 = AtomicU32::new(0);
        for variable in ["SECURE_EXPORT_CRASH_AT", "SECURE_EXPORT_STOP_AT"] {
            let point = std::env::var(variable).unwrap_or_default();
            let (name, time) = point.split_once(':').unwrap_or((&point, "1"));
            if name != self.name() || time.parse() != Ok(REACHED.fetch_add(1, Ordering::Relaxed) + 1) {
                continue;
            }
            if variable == "SECURE_EXPORT_CRASH_AT" {
                std::process::abort();
            }
            if let Err(error) = kill_process(getpid(), Signal::STOP) {
                tracing::error!(%error, "cannot stop at {}: {error}", self.name());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the signal may reach another thread first, and this one must not go on meanwhile"
            )]
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    #[cfg(not(feature = "failure-points"))]
    #[inline(always)]
    pub(crate) fn reach(self) {}
}
