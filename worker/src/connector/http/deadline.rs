//! When a call must be over.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::BootInstant;

/// The end of a call, by two clocks: the timer's, which ends a wait, and the one that also counts suspension, which is
/// asked before anything is sent. A process that was stopped in the middle of a call must not go on with it: another
/// worker may have taken its ticket over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    timer: Instant,
    boot: BootInstant,
}

impl Deadline {
    pub(crate) fn after(wait: Duration) -> Self {
        Self { timer: Instant::now() + wait, boot: BootInstant::now().after(wait) }
    }

    pub(crate) fn timer(self) -> Instant {
        self.timer
    }

    pub(crate) fn is_over(self) -> bool {
        self.boot.is_over()
    }
}
