//! The rate rule of the Table API: so many requests in a window, which is an hour on a real instance.

use jiff::{SignedDuration, Timestamp};

/// The current window and what was used of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    opened: Option<Timestamp>,
    used: u64,
}

/// What the rule says about one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ruling {
    pub(super) limit: u64,
    /// End of the window, in seconds since 1970.
    pub(super) resets_at: i64,
    /// Seconds until then, when the call is one too many.
    pub(super) retry_after_s: Option<i64>,
}

impl Window {
    pub(super) fn rule(&mut self, limit: u64, length: SignedDuration, now: Timestamp) -> Ruling {
        let opened = match self.opened {
            Some(opened) if now.duration_since(opened) < length => opened,
            Some(_) | None => {
                *self = Self { opened: Some(now), used: 0 };
                now
            }
        };
        self.used += 1;
        // Rounded up: who waits exactly as long as told must not come a moment too early.
        let left_ms = length.saturating_sub(now.duration_since(opened)).as_millis();
        let left_s = i64::try_from((left_ms + 999) / 1000).unwrap_or(i64::MAX);
        let retry_after_s = (self.used > limit).then_some(left_s);
        Ruling { limit, resets_at: now.as_second().saturating_add(left_s), retry_after_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_after_the_last_allowed_one_waits_for_the_end_of_the_window() {
        let (mut window, hour) = (Window::default(), SignedDuration::from_hours(1));
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(window.rule(1, hour, at(0)).retry_after_s, None);
        assert_eq!(window.rule(1, hour, at(599_001)).retry_after_s, Some(3001));
        assert_eq!(window.rule(1, hour, at(3_600_000)).retry_after_s, None);
    }
}
