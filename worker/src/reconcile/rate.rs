//! How often something happens, window by window (pure): the one measure of storms and of flapping.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub most: u32,
    pub window: Duration,
}

/// What happened lately. A window begins with the first event after the one before it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub window_from: Timestamp,
    pub events: u32,
    /// Since when it has been too often, without a window between in which it was not.
    pub exceeded_since: Option<Timestamp>,
}

impl Rate {
    /// The rate after an event, given the one before it.
    ///
    /// While it is too often, it stays so until a whole window has passed with no more events than allowed. So the
    /// first `most` events of a storm are let through, and not as many again in each window of it.
    #[must_use]
    pub fn after(before: Option<Self>, now: Timestamp, limit: Limit) -> Self {
        let rate = match before {
            Some(before) if before.is_within(1, now, limit) => {
                Self { events: before.events.saturating_add(1), ..before }
            }
            Some(before) if before.events > limit.most && before.is_within(2, now, limit) => {
                Self { window_from: now, events: 1, ..before }
            }
            Some(_) | None => Self { window_from: now, events: 1, exceeded_since: None },
        };
        if rate.events <= limit.most {
            return rate;
        }
        Self { exceeded_since: rate.exceeded_since.or(Some(now)), ..rate }
    }

    /// Whether the next event begins another window.
    #[must_use]
    pub fn window_is_over(self, now: Timestamp, limit: Limit) -> bool {
        !self.is_within(1, now, limit)
    }

    /// The rate as it is without another event: what was too often is so no longer once a whole window has passed in
    /// which it was not.
    #[must_use]
    pub fn at(self, now: Timestamp, limit: Limit) -> Self {
        let lasts = if self.events > limit.most { 2 } else { 1 };
        let exceeded_since = self.exceeded_since.filter(|_| self.is_within(lasts, now, limit));
        Self { exceeded_since, ..self }
    }

    /// Whether it is less than so many windows since this one began.
    fn is_within(self, windows: i32, now: Timestamp, limit: Limit) -> bool {
        let window = SignedDuration::try_from(limit.window).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.window_from) < window.saturating_mul(windows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: Limit = Limit { most: 3, window: Duration::from_secs(60) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Since when it was too often, after each of these events.
    fn exceeded(seconds: &[i64]) -> Vec<Option<i64>> {
        let mut rate = None;
        let mut exceeded = Vec::new();
        for second in seconds {
            let now = Rate::after(rate, at(*second), LIMIT);
            exceeded.push(now.exceeded_since.map(Timestamp::as_second));
            rate = Some(now);
        }
        exceeded
    }

    #[test]
    fn what_is_within_the_limit_is_never_too_often() {
        assert_eq!(exceeded(&[0, 20, 40, 60, 80, 100, 120]), [None; 7]);
    }

    #[test]
    fn the_first_event_over_the_limit_begins_it() {
        assert_eq!(exceeded(&[0, 1, 2, 3, 4]), [None, None, None, Some(3), Some(3)]);
    }

    #[test]
    fn it_goes_on_in_the_next_window_and_ends_after_one_that_is_within_the_limit() {
        let events = [0, 1, 2, 3, 70, 100, 131, 132];
        assert_eq!(exceeded(&events)[4..], [Some(3), Some(3), None, None]);
    }

    #[test]
    fn a_window_of_silence_ends_it() {
        assert_eq!(exceeded(&[0, 1, 2, 3, 119])[4], Some(3));
        assert_eq!(exceeded(&[0, 1, 2, 3, 120])[4], None);
    }

    #[test]
    fn it_wears_off_without_another_event_too() {
        let rate = Rate { window_from: at(0), events: 4, exceeded_since: Some(at(3)) };
        assert_eq!(rate.at(at(119), LIMIT), rate);
        assert_eq!(rate.at(at(120), LIMIT).exceeded_since, None);
        let calmer = Rate { events: 2, ..rate };
        assert_eq!(calmer.at(at(59), LIMIT), calmer);
        assert_eq!(calmer.at(at(60), LIMIT).exceeded_since, None);
    }

    #[test]
    fn a_clock_that_goes_back_begins_no_new_window() {
        assert_eq!(exceeded(&[100, 50, 100, 99])[3], Some(99));
    }

    proptest! {
        #[test]
        fn no_window_lets_more_through_than_the_limit(steps in prop::collection::vec(0..30_i64, 0..200)) {
            let (mut rate, mut now, mut let_through): (Option<Rate>, _, Vec<i64>) = (None, 0, Vec::new());
            let mut windows: Vec<(Timestamp, u32)> = Vec::new();
            for step in steps {
                now += step;
                let next = Rate::after(rate, at(now), LIMIT);
                if windows.last().is_none_or(|(from, _)| *from != next.window_from) {
                    windows.push((next.window_from, 0));
                }
                if next.exceeded_since.is_none() {
                    windows.last_mut().unwrap().1 += 1;
                    let_through.push(now);
                }
                rate = Some(next);
            }
            prop_assert!(windows.iter().all(|(_, through)| *through <= LIMIT.most));
            // Wherever sixty seconds are cut out, they meet at most two windows.
            for from in &let_through {
                let within = let_through.iter().filter(|at| (*from..*from + 60).contains(*at)).count();
                prop_assert!(within <= 2 * 3, "{within} in the minute from {from}");
            }
        }
    }
}
