//! The condition of one alert: a join over the notifications heard, so that their order and repetition
//! do not matter.

use jiff::{SignedDuration, Timestamp};
use shared::alert::{Condition, Essentials};
use uuid::Uuid;

/// How far Azure's clock may be ahead of ours.
const CLOCK_LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// Stands for the notification that there was none of: the alert counts as resolved, since it did not fire anew.
pub const NO_NOTIFICATION: Uuid = Uuid::nil();

/// What one notification says about its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub notification: Uuid,
    pub condition: Condition,
    /// When it fired, or through when it is resolved; `None` for through its first receipt.
    pub at: Option<Timestamp>,
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
    /// Reads the report out of a notification that says that its subject is in this condition.
    ///
    /// A Resolved speaks at least for the firing that it names: not every kind of alert says when it was resolved,
    /// and the time of receipt could cover a newer firing. Without any instant, a Fired counts as the oldest, since it
    /// must not reopen, and a Resolved speaks for what fired before it was first received.
    #[must_use]
    pub fn new(notification: Uuid, condition: Condition, essentials: &Essentials<'_>) -> Self {
        let at = match condition {
            Condition::Fired => Some(essentials.fired_at.unwrap_or(Timestamp::UNIX_EPOCH)),
            Condition::Resolved => essentials.fired_at.max(essentials.resolved_at),
        };
        Self { notification, condition, at }
    }
}

impl AlertState {
    /// The state after one more report, whose notification was first received at `first_received_at`. Commutative,
    /// associative and idempotent.
    ///
    /// What is said to happen long after its receipt counts as then: an instant in the far future would silence the
    /// alert, and all that share its ticket, until then.
    #[must_use]
    pub fn hear(self, report: &Report, first_received_at: Timestamp) -> Self {
        let latest = first_received_at.saturating_add(CLOCK_LEEWAY).unwrap_or(first_received_at);
        let heard = Some((report.at.unwrap_or(first_received_at).min(latest), report.notification));
        match report.condition {
            Condition::Fired => Self { fired: self.fired.max(heard), ..self },
            Condition::Resolved => Self { resolved: self.resolved.max(heard), ..self },
        }
    }

    /// The state once the newest firing counts as over, though nothing said so. It speaks for that firing alone: a newer
    /// one that is still on its way opens the alert again.
    #[must_use]
    pub fn expire(self) -> Self {
        let Some((at, _)) = self.fired else { return self };
        self.hear(&Report { notification: NO_NOTIFICATION, condition: Condition::Resolved, at: Some(at) }, at)
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
        Report { notification: Uuid::from_u128(id), condition, at: Timestamp::from_second(second).ok() }
    }

    /// Every notification of these tests was first received in 2033, later than all their instants.
    fn first_received_at() -> Timestamp {
        Timestamp::from_second(2_000_000_000).unwrap()
    }

    fn heard(reports: &[Report]) -> AlertState {
        reports.iter().fold(AlertState::default(), |state, report| state.hear(report, first_received_at()))
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
    fn an_alert_that_counts_as_resolved_fires_again_for_a_newer_firing_alone() {
        let over = heard(&[fired(5), resolved(10), fired(20)]).expire();
        assert!(!over.firing());
        assert_eq!(over.resolved.unwrap().1, NO_NOTIFICATION);
        assert!(!over.hear(&fired(15), first_received_at()).firing());
        assert!(over.hear(&fired(21), first_received_at()).firing());
        assert_eq!(AlertState::default().expire(), AlertState::default());
    }

    #[test]
    fn an_instant_in_the_far_future_does_not_silence_what_comes_after() {
        let received = Timestamp::from_second(1_000).unwrap();
        let far = AlertState::default().hear(&fired(200_000_000_000), received);
        let covered = far.hear(&resolved(2_000), Timestamp::from_second(2_000).unwrap());
        assert!(far.firing() && !covered.firing());
    }

    #[test]
    fn a_resolution_speaks_for_its_firing_when_it_has_no_instant_of_its_own() {
        let body = br#"{"data":{"essentials":{"alertId":"/a","monitorCondition":"Resolved",
            "firedDateTime":"2026-03-22T13:58:24Z"}}}"#;
        let read = shared::alert::Notification::parse(body).unwrap();
        let report = Report::new(Uuid::nil(), Condition::Resolved, &read.essentials);
        assert_eq!(report.at.unwrap().to_string(), "2026-03-22T13:58:24Z");
    }

    fn any_report() -> impl Strategy<Value = Report> {
        // Few instants and ids, so that ties and repetitions are common.
        (any::<bool>(), 0..6_i64, 0..4_u128).prop_map(|(fires, second, id)| {
            let condition = if fires { Condition::Fired } else { Condition::Resolved };
            let dated = report(condition, second, id);
            if second == 0 && !fires { Report { at: None, ..dated } } else { dated }
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
            let at = |report: &Report| report.at.unwrap_or(first_received_at());
            let newest = |condition| reports.iter().filter(|r| r.condition == condition).map(at).max();
            let expected = match (newest(Condition::Fired), newest(Condition::Resolved)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(fired), Some(resolved)) => fired > resolved,
            };
            prop_assert_eq!(heard(&reports).firing(), expected);
        }
    }
}
