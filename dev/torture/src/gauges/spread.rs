//! How long things took, in three figures.

use std::fmt;
use std::time::Duration;

/// The middle, the slow and the slowest of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl FromIterator<Duration> for Spread {
    fn from_iter<I: IntoIterator<Item = Duration>>(all: I) -> Self {
        let mut all: Vec<Duration> = all.into_iter().collect();
        all.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100);
            all.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { count: all.len(), p50: percentile(50), p99: percentile(99), max: percentile(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p99, max } = self;
        if *count == 0 {
            return write!(formatter, "{:>24}", "–");
        }
        let [p50, p99, max] = [p50, p99, max].map(Duration::as_secs_f64);
        write!(formatter, "{p50:>8.3}{p99:>8.3}{max:>8.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_durations_that_occurred() {
        let spread: Spread = (1..=200).rev().map(Duration::from_millis).collect();
        let [p50, p99, max] = [100, 198, 200].map(Duration::from_millis);
        assert_eq!(spread, Spread { count: 200, p50, p99, max });
        assert_eq!(Spread::from_iter([]), Spread::default());
    }
}
