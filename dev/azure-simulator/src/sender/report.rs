//! What a load brought: how many notifications ended how, and how long they took.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Delivery, Outcome};

/// The result of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Notifications, fired and resolved.
    pub sent: u64,
    /// Requests, first attempts and retries.
    pub attempts: u64,
    pub accepted: u64,
    /// Notifications given up, by the status that was the last answer.
    pub refused: BTreeMap<u16, u64>,
    /// Notifications given up without an answer.
    pub unreachable: u64,
    /// Notifications given up for want of a token.
    pub without_token: u64,
    /// From the first notification to the last answer.
    pub seconds: f64,
    pub accepted_per_second: f64,
    pub latency: Latency,
}

/// How long notifications took until they were accepted or given up, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Counts of one connection, or of several together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    attempts: u64,
    accepted: u64,
    refused: BTreeMap<u16, u64>,
    unreachable: u64,
    without_token: u64,
    latencies: Vec<Duration>,
}

impl LoadReport {
    /// Whether every notification was accepted.
    pub fn all_accepted(&self) -> bool {
        self.accepted == self.sent
    }
}

impl Tally {
    pub(super) fn count(&mut self, delivery: &Delivery, took: Duration) {
        self.attempts += u64::from(delivery.attempts);
        self.latencies.push(took);
        match delivery.outcome {
            Outcome::Accepted(_) => self.accepted += 1,
            Outcome::Refused(status) => *self.refused.entry(status).or_default() += 1,
            Outcome::Unreachable => self.unreachable += 1,
            Outcome::NoToken => self.without_token += 1,
        }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.attempts += other.attempts;
        self.accepted += other.accepted;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.unreachable += other.unreachable;
        self.without_token += other.without_token;
        self.latencies.extend(other.latencies);
        self
    }

    pub(super) fn report(mut self, elapsed: Duration) -> LoadReport {
        self.latencies.sort_unstable();
        let milliseconds = |quantile| percentile(&self.latencies, quantile).as_secs_f64() * 1_000.0;
        let seconds = elapsed.as_secs_f64();
        LoadReport {
            sent: self.latencies.len() as u64,
            attempts: self.attempts,
            accepted: self.accepted,
            refused: self.refused,
            unreachable: self.unreachable,
            without_token: self.without_token,
            seconds,
            accepted_per_second: self.accepted as f64 / seconds.max(f64::MIN_POSITIVE),
            latency: Latency {
                p50_ms: milliseconds(50),
                p99_ms: milliseconds(99),
                max_ms: milliseconds(100),
            },
        }
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<22}{:>12}", "notifications sent", self.sent)?;
        writeln!(formatter, "{:<22}{:>12}", "requests", self.attempts)?;
        writeln!(formatter, "{:<22}{:>12}", "accepted", self.accepted)?;
        for (status, count) in &self.refused {
            writeln!(formatter, "{:<22}{count:>12}", format!("refused with {status}"))?;
        }
        writeln!(formatter, "{:<22}{:>12}", "no answer", self.unreachable)?;
        writeln!(formatter, "{:<22}{:>12}", "no token", self.without_token)?;
        writeln!(formatter, "{:<22}{:>12.2}", "seconds", self.seconds)?;
        writeln!(formatter, "{:<22}{:>12.1}", "accepted per second", self.accepted_per_second)?;
        writeln!(formatter, "{:<22}{:>12.2}", "latency p50, ms", self.latency.p50_ms)?;
        writeln!(formatter, "{:<22}{:>12.2}", "latency p99, ms", self.latency.p99_ms)?;
        writeln!(formatter, "{:<22}{:>12.2}", "latency max, ms", self.latency.max_ms)
    }
}

/// The smallest latency that at least `percent` of all do not exceed; zero when there are none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let check =
            |percent, expected| assert_eq!(percentile(&sorted, percent), Duration::from_millis(expected));
        check(50, 100);
        check(99, 198);
        check(100, 200);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
