//! How often each kind of document was fetched, so that tests can prove a fetch storm absent.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Fetches since the start or the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    pub discovery: u64,
    pub keys: u64,
    pub token: u64,
}

/// The running counts.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) discovery: AtomicU64,
    pub(super) keys: AtomicU64,
    pub(super) token: AtomicU64,
}

impl Traffic {
    pub(super) fn requests(&self) -> Requests {
        Requests {
            discovery: self.discovery.load(Ordering::Relaxed),
            keys: self.keys.load(Ordering::Relaxed),
            token: self.token.load(Ordering::Relaxed),
        }
    }

    pub(super) fn reset(&self) {
        for count in [&self.discovery, &self.keys, &self.token] {
            count.store(0, Ordering::Relaxed);
        }
    }
}
