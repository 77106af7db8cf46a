//! What follows from a failed call (pure): try again when, leave the target alone, or wait for an operator.

use std::time::Duration;

use crate::config::RetrySettings;
use crate::connector::ConnectorError;

/// What becomes of the ticket.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Due again after this wait.
    Retry(Duration),
    /// Waits for an operator.
    Park,
}

/// What becomes of the target.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetVerdict {
    /// It answered.
    Fine,
    /// It could not be reached or used: counts towards a pause.
    Failing,
    /// It must be left alone for so long.
    Pause(Duration),
}

/// How long a ticket has been failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    pub since: Duration,
    /// The wait before this attempt; zero for the first failure.
    pub last_wait: Duration,
}

/// Decides about a ticket. `chance` is in 0..1 and spreads the waits (decorrelated jitter).
pub fn ticket(error: &ConnectorError, failing: Failing, settings: &RetrySettings, chance: f64) -> Verdict {
    match error {
        ConnectorError::Rejected(_) => Verdict::Park,
        ConnectorError::Unavailable(_)
        | ConnectorError::Throttled { .. }
        | ConnectorError::Ambiguous(_)
        | ConnectorError::Unauthorized(_)
        | ConnectorError::Gone(_) => {
            if failing.since >= settings.give_up_after {
                return Verdict::Park;
            }
            Verdict::Retry(wait(failing.last_wait, settings, chance))
        }
    }
}

/// The wait before anybody looks what became of a write with an unknown outcome: what the ITSM is still working on
/// cannot be seen, and would undo what is found right now.
#[must_use]
pub fn before_look_up(settings: &RetrySettings, chance: f64) -> Duration {
    settings.look_up_after.saturating_add(settings.min.mul_f64(chance.clamp(0.0, 1.0)))
}

/// Decides about the target of a failed call.
pub fn target(error: &ConnectorError, settings: &RetrySettings) -> TargetVerdict {
    match error {
        ConnectorError::Throttled { retry_after: Some(wait), .. } => TargetVerdict::Pause(*wait),
        ConnectorError::Unauthorized(_) => TargetVerdict::Pause(settings.unauthorized_pause),
        // Throttled without a time to come back is back-pressure: rest longer each time.
        ConnectorError::Throttled { retry_after: None, .. }
        | ConnectorError::Unavailable(_)
        | ConnectorError::Ambiguous(_) => TargetVerdict::Failing,
        ConnectorError::Rejected(_) | ConnectorError::Gone(_) => TargetVerdict::Fine,
    }
}

/// How long a target rests after so many failures in a row; `None` before they are enough. However long it was away,
/// it is not left alone for long once it is back: to find out costs one call.
#[must_use]
pub fn rest(failures: u32, settings: &RetrySettings) -> Option<Duration> {
    let beyond = failures.checked_sub(settings.failures_before_pause)?;
    Some(settings.min.saturating_mul(2_u32.saturating_pow(beyond)).min(settings.max_rest))
}

/// Between the shortest wait and three times the last one, never beyond the longest.
fn wait(last: Duration, settings: &RetrySettings, chance: f64) -> Duration {
    let upper = last.saturating_mul(3).clamp(settings.min, settings.max);
    let spread = upper.saturating_sub(settings.min);
    settings.min.saturating_add(spread.mul_f64(chance.clamp(0.0, 1.0))).min(settings.max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: RetrySettings = RetrySettings {
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
        give_up_after: Duration::from_secs(7 * 86_400),
        unauthorized_pause: Duration::from_secs(60),
        failures_before_pause: 3,
        max_rest: Duration::from_secs(15),
        look_up_after: Duration::from_secs(30),
    };
    const FIRST: Failing = Failing { since: Duration::ZERO, last_wait: Duration::ZERO };

    #[test]
    fn a_refused_ticket_is_parked_at_once_and_its_target_is_fine() {
        let refused = ConnectorError::Rejected("data policy".into());
        assert_eq!(ticket(&refused, FIRST, &SETTINGS, 0.5), Verdict::Park);
        assert_eq!(target(&refused, &SETTINGS), TargetVerdict::Fine);
    }

    #[test]
    fn retry_after_pauses_the_target_not_just_the_ticket() {
        let hour = Duration::from_secs(3600);
        let throttled = ConnectorError::Throttled { retry_after: Some(hour), reason: String::new() };
        assert_eq!(target(&throttled, &SETTINGS), TargetVerdict::Pause(hour));
    }

    #[test]
    fn a_ticket_is_parked_for_its_age_not_for_its_count() {
        let down = ConnectorError::Unavailable(String::new());
        let old = Failing { since: SETTINGS.give_up_after, last_wait: Duration::ZERO };
        assert_eq!(ticket(&down, old, &SETTINGS, 0.5), Verdict::Park);
        assert!(matches!(ticket(&down, FIRST, &SETTINGS, 0.5), Verdict::Retry(_)));
    }

    #[test]
    fn a_target_rests_longer_with_every_failure_and_never_beyond_the_limit() {
        let rests: Vec<_> = (0..40).map(|failures| rest(failures, &SETTINGS)).collect();
        assert_eq!(&rests[..3], [None, None, None]);
        assert_eq!(rests[3], Some(SETTINGS.min));
        assert_eq!(rests[4], Some(SETTINGS.min * 2));
        assert_eq!(rests[39], Some(SETTINGS.max_rest));
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(last in 0..10_000_u64, chance in 0.0..1.0_f64) {
            let waited = wait(Duration::from_secs(last), &SETTINGS, chance);
            prop_assert!(waited >= SETTINGS.min && waited <= SETTINGS.max);
        }
    }
}
