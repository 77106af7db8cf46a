//! The condition of one alert: a join over the notifications heard, so that their order and repetition
//! do not matter.

use jiff::Timestamp;
use shared::alert::{Condition, Essentials};
use uuid::Uuid;

/// What one notification says about its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub notification: Uuid,
    pub condition: Condition,
    /// When it fired, or through when it is resolved.
    pub at: Timestamp,
}

/// Everything heard about one alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlertState {
    /// The newest firing and the notification that reported it.
    pub fired: Option<(Timestamp, Uuid)>,
    /// Through when the alert is resolved, and the notification that said so.
    pub resolved: Option<(Timestamp, Uuid)>,
}

impl Report {
    /// Reads the report out of a notification that was received at `received_at`.
    ///
    /// A Resolved speaks at least for the firing that it names: not every kind of alert says when it was
    /// resolved, and the time of receipt could cover a newer firing. Without any instant, a Fired counts as the
    /// oldest, since it must not reopen, and a Resolved as heard now, since it must not be swallowed.
    #[must_use]
    pub fn new(notification: Uuid, essentials: &Essentials<'_>, received_at: Timestamp) -> Self {
        let at = match essentials.condition {
            Condition::Fired => essentials.fired_at.unwrap_or(Timestamp::UNIX_EPOCH),
            Condition::Resolved => essentials.fired_at.max(essentials.resolved_at).unwrap_or(received_at),
        };
        Self { notification, condition: essentials.condition, at }
    }
}

impl AlertState {
    /// The state after one more report. Commutative, associative and idempotent.
    #[must_use]
    pub fn hear(self, report: &Report) -> Self {
        let heard = Some((report.at, report.notification));
        match report.condition {
            Condition::Fired => Self { fired: self.fired.max(heard), ..self },
            Condition::Resolved => Self { resolved: self.resolved.max(heard), ..self },
        }
    }

    #[must_use]
    pub fn firing(&self) -> bool {
        match (self.fired, self.resolved) {
            (Some((fired, _)), Some((resolved, _))) => resolved < fired,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(condition: Condition, second: i64, id: u128) -> Report {
        Report { notification: Uuid::from_u128(id), condition, at: Timestamp::from_second(second).unwrap() }
    }

    fn heard(reports: &[Report]) -> AlertState {
        reports.iter().fold(AlertState::default(), |state, report| state.hear(report))
    }

    fn fired(second: i64) -> Report {
        report(Condition::Fired, second, 1)
    }

    fn resolved(second: i64) -> Report {
        report(Condition::Resolved, second, 2)
    }

    #[test]
    fn a_late_fired_does_not_reopen_a_resolved_alert() {
        assert!(!heard(&[resolved(20), fired(10)]).firing());
        assert!(!heard(&[fired(10), resolved(20), fired(10)]).firing());
    }

    #[test]
    fn a_new_firing_reopens_it() {
        assert!(heard(&[fired(10), resolved(20), fired(30)]).firing());
        assert!(heard(&[fired(30), fired(10), resolved(20)]).firing());
    }

    #[test]
    fn a_resolution_at_the_instant_of_the_firing_resolves_it() {
        assert!(!heard(&[fired(10), resolved(10)]).firing());
    }

    #[test]
    fn a_resolution_speaks_for_its_firing_when_it_has_no_instant_of_its_own() {
        let body = br#"{"data":{"essentials":{"alertId":"/a","monitorCondition":"Resolved",
            "firedDateTime":"2026-03-22T13:58:24Z"}}}"#;
        let read = shared::alert::Notification::parse(body).unwrap();
        let received_at = "2026-03-23T00:00:00Z".parse().unwrap();
        let report = Report::new(Uuid::nil(), &read.essentials, received_at);
        assert_eq!(report.at.to_string(), "2026-03-22T13:58:24Z");
    }

    fn any_report() -> impl Strategy<Value = Report> {
        // Few instants and ids, so that ties and repetitions are common.
        (any::<bool>(), 0..6_i64, 0..4_u128).prop_map(|(fires, second, id)| {
            report(if fires { Condition::Fired } else { Condition::Resolved }, second, id)
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_end_in_the_same_state(
            (reports, shuffled) in prop::collection::vec(any_report(), 0..12).prop_flat_map(|reports| {
                let mut repeated = reports.clone();
                repeated.extend(reports.iter().copied());
                (Just(reports), Just(repeated).prop_shuffle())
            })
        ) {
            prop_assert_eq!(heard(&reports), heard(&shuffled));
        }

        #[test]
        fn an_alert_is_resolved_exactly_when_its_newest_firing_is_covered(
            reports in prop::collection::vec(any_report(), 0..12)
        ) {
            let newest = |condition| reports.iter().filter(|r| r.condition == condition).map(|r| r.at).max();
            let expected = match (newest(Condition::Fired), newest(Condition::Resolved)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(fired), Some(resolved)) => fired > resolved,
            };
            prop_assert_eq!(heard(&reports).firing(), expected);
        }
    }
}
