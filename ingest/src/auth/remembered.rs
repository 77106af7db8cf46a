//! Tokens that were found good: Azure presents one token for over an hour, so its signature is paid for once.

use std::sync::Arc;

use jiff::Timestamp;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::keys::KeyRing;
use super::metadata::KeySet;
use super::trust::Trust;

/// What a good token grants, and how long that may be believed.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) trust: Arc<Trust>,
    pub(super) expires_at: Timestamp,
    pub(super) ring: Arc<KeyRing>,
    /// The keys that the token was checked with. When the tenant publishes others, it is checked again.
    pub(super) keys: Arc<KeySet>,
}

/// The verified tokens of all callers, by hash: a memory dump gives away no token.
pub(super) struct Remembered {
    grants: Cache<[u8; 32], Grant>,
}

impl Remembered {
    pub(super) fn new(capacity: u64) -> Self {
        Self { grants: Cache::new(capacity) }
    }

    /// What the token grants, if it was verified before and everything that it was verified with still holds.
    pub(super) fn recall(&self, token: &str, now: Timestamp) -> Option<Grant> {
        let key = hash(token);
        let grant = self.grants.get(&key)?;
        if grant.holds(now) {
            return Some(grant);
        }
        self.grants.invalidate(&key);
        None
    }

    pub(super) fn remember(&self, token: &str, grant: Grant) {
        self.grants.insert(hash(token), grant);
    }

    pub(super) fn count(&self) -> u64 {
        self.grants.entry_count()
    }
}

impl Grant {
    fn holds(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.ring.current().is_some_and(|keys| Arc::ptr_eq(&keys, &self.keys))
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
