//! How often each operation was called, and what that cost.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Milliseconds per clock tick of `/proc`: `USER_HZ` is 100 on every Linux architecture we run on, see proc_pid_stat(5).
const MS_PER_TICK: u64 = 10;

/// Calls since the start or the last clearing.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CallCounts {
    /// Calls by operation, refused ones included.
    pub operations: BTreeMap<&'static str, u64>,
    /// All of them.
    pub total: u64,
    /// Calls that sent a cookie back: a client that keeps cookies pins itself to a server session.
    pub with_cookie: u64,
    /// CPU time of the whole simulator process since its start, in milliseconds.
    pub cpu_ms: u64,
}

impl CallCounts {
    /// How often one operation was called.
    pub fn of(&self, operation: &str) -> u64 {
        self.operations.get(operation).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    counts: Mutex<CallCounts>,
}

impl Calls {
    pub(crate) fn count(&self, operation: &'static str, with_cookie: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.operations.entry(operation).or_default() += 1;
        counts.total += 1;
        counts.with_cookie += u64::from(with_cookie);
    }

    pub(crate) fn read(&self) -> CallCounts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CallCounts { cpu_ms: cpu_ms().unwrap_or(0), ..counts }
    }

    pub(crate) fn clear(&self) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = CallCounts::default();
    }
}

/// User and system time of this process; `None` where there is no `/proc`.
fn cpu_ms() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses and may contain spaces; after it, time
    // in user and in system mode are fields 12 and 13.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) * MS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_by_operation_until_cleared() {
        let calls = Calls::default();
        calls.count("create", false);
        calls.count("create", true);
        calls.count("read", false);
        let counts = calls.read();
        assert_eq!((counts.of("create"), counts.total, counts.with_cookie), (2, 3, 1));
        calls.clear();
        assert_eq!(calls.read().total, 0);
    }
}
