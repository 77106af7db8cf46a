//! What the ledger wants of a ticket, given its alerts.

use std::time::Duration;

use jiff::Timestamp;
use shared::alert::identity::AlertKey;
use uuid::Uuid;

use super::alert::AlertState;

/// Why an alert has no ticket.
pub const RESOLVED_BEFORE_TICKET: &str = "resolved before its ticket was made";

/// What a ticket should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    Open,
    Resolved,
}

/// The part of a stored ticket that the decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub wants: Wants,
    pub fired_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    pub shown_alert: AlertKey,
    pub there: There,
}

/// What is known of the work item of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    Nothing,
    /// Or it may have been made, and nobody knows yet.
    Open,
    /// Or told that its alerts are resolved, and left to people, who may have it open.
    Resolved,
    /// The ITSM has closed it.
    Closed,
}

/// What is known of the alerts of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    pub any_firing: bool,
    /// The newest firing of any of them, and whose it is.
    pub newest: (Timestamp, AlertKey),
    /// The newest resolution of any of them.
    pub resolved_at: Option<Timestamp>,
}

impl Members {
    /// What the stored ticket remembers of its alerts, before what changed is added.
    #[must_use]
    pub fn remembered(ticket: &Ticket, any_firing: bool) -> Self {
        Self { any_firing, newest: (ticket.fired_at, ticket.shown_alert), resolved_at: ticket.resolved_at }
    }

    /// Adds what the first ticket of an alert would be.
    #[must_use]
    pub fn and(self, alert: &Ticket) -> Self {
        Self {
            any_firing: self.any_firing || alert.wants == Wants::Open,
            newest: self.newest.max((alert.fired_at, alert.shown_alert)),
            resolved_at: self.resolved_at.max(alert.resolved_at),
        }
    }

    /// Adds an alert that changed. Commutative and idempotent.
    #[must_use]
    pub fn with(self, alert: AlertKey, state: &AlertState) -> Self {
        let fired = state.fired.map_or(self.newest, |(at, _)| (at, alert));
        Self {
            newest: self.newest.max(fired),
            resolved_at: self.resolved_at.max(state.resolved.map(|(at, _)| at)),
            ..self
        }
    }
}

/// What to do with a stored ticket.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is as it should be.
    Keep,
    /// It should become this.
    Change(Ticket),
    /// It fired again and cannot be reopened: another ticket takes its place.
    Replace(Cause),
}

/// Why a ticket cannot be reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The ITSM has closed it, or somebody there.
    Closed,
    /// The reopen window was over.
    Late,
}

impl Cause {
    /// Why another ticket took over, for operators.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Closed => "fired again after it was closed in the ITSM",
            Self::Late => "fired again after the reopen window",
        }
    }
}

/// A ticket as its first alert wants it.
#[must_use]
pub fn first(alert: AlertKey, state: &AlertState) -> Ticket {
    let at = |heard: Option<(Timestamp, Uuid)>| heard.map(|(at, _)| at);
    Ticket {
        wants: if state.firing() { Wants::Open } else { Wants::Resolved },
        fired_at: at(state.fired).or(at(state.resolved)).unwrap_or(Timestamp::UNIX_EPOCH),
        resolved_at: at(state.resolved),
        shown_alert: alert,
        there: There::Nothing,
    }
}

/// Compares a ticket with its alerts. `reopen_window` is the longest time between a resolution and the next firing
/// for which the same ticket is opened again.
pub fn decide(ticket: &Ticket, members: &Members, reopen_window: Duration) -> Decision {
    let wants = if members.any_firing { Wants::Open } else { Wants::Resolved };
    let reopens = ticket.wants == Wants::Resolved && wants == Wants::Open;
    match ticket.there {
        There::Closed if reopens => return Decision::Replace(Cause::Closed),
        There::Open | There::Resolved if reopens && !within(ticket, members, reopen_window) => {
            return Decision::Replace(Cause::Late);
        }
        There::Nothing | There::Open | There::Resolved | There::Closed => {}
    }
    let wanted = Ticket {
        wants,
        fired_at: members.newest.0,
        resolved_at: members.resolved_at,
        shown_alert: members.newest.1,
        ..*ticket
    };
    if wanted == *ticket { Decision::Keep } else { Decision::Change(wanted) }
}

fn within(ticket: &Ticket, members: &Members, reopen_window: Duration) -> bool {
    let Some(resolved_at) = ticket.resolved_at else { return true };
    let quiet = members.newest.0.duration_since(resolved_at);
    Duration::try_from(quiet).is_ok_and(|quiet| quiet <= reopen_window) || quiet.is_negative()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::alert::Condition;

    use super::*;
    use crate::reconcile::alert::Report;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ticket(wants: Wants) -> Ticket {
        Ticket {
            wants,
            fired_at: at(100),
            resolved_at: (wants == Wants::Resolved).then(|| at(200)),
            shown_alert: AlertKey([1; 32]),
            there: if wants == Wants::Open { There::Open } else { There::Resolved },
        }
    }

    fn members(any_firing: bool, fired: i64, resolved: Option<i64>) -> Members {
        Members { any_firing, newest: (at(fired), AlertKey([1; 32])), resolved_at: resolved.map(at) }
    }

    fn wanted(decision: Decision) -> Wants {
        match decision {
            Decision::Change(ticket) => ticket.wants,
            Decision::Keep | Decision::Replace(_) => panic!("no change: {decision:?}"),
        }
    }

    #[test]
    fn a_ticket_stays_open_while_any_of_its_alerts_fires() {
        assert_eq!(decide(&ticket(Wants::Open), &members(true, 100, None), HOUR), Decision::Keep);
        let one_resolved = decide(&ticket(Wants::Open), &members(true, 100, Some(150)), HOUR);
        assert_eq!(wanted(one_resolved), Wants::Open);
        let all_resolved = decide(&ticket(Wants::Open), &members(false, 100, Some(150)), HOUR);
        assert_eq!(wanted(all_resolved), Wants::Resolved);
    }

    #[test]
    fn a_firing_within_the_window_opens_the_same_ticket_again() {
        let again = decide(&ticket(Wants::Resolved), &members(true, 200 + 3600, Some(200)), HOUR);
        assert_eq!(wanted(again), Wants::Open);
    }

    #[test]
    fn a_firing_after_the_window_gets_a_new_ticket() {
        let late = members(true, 200 + 3601, Some(200));
        assert_eq!(decide(&ticket(Wants::Resolved), &late, HOUR), Decision::Replace(Cause::Late));
    }

    #[test]
    fn a_ticket_that_was_never_made_is_used_whenever_the_alert_fires_again() {
        let unmade = Ticket { there: There::Nothing, ..ticket(Wants::Resolved) };
        assert_eq!(wanted(decide(&unmade, &members(true, 999_999, Some(200)), HOUR)), Wants::Open);
    }

    #[test]
    fn a_ticket_that_the_itsm_closed_is_never_opened_again() {
        let closed = Ticket { there: There::Closed, ..ticket(Wants::Resolved) };
        for fired in [201, 200 + 3601] {
            let decision = decide(&closed, &members(true, fired, Some(200)), HOUR);
            assert_eq!(decision, Decision::Replace(Cause::Closed));
        }
    }

    #[test]
    fn hearing_the_same_twice_changes_nothing_the_second_time() {
        let Decision::Change(once) = decide(&ticket(Wants::Open), &members(false, 100, Some(150)), HOUR)
        else {
            panic!("the first time must change it")
        };
        assert_eq!(decide(&once, &members(false, 100, Some(150)), HOUR), Decision::Keep);
    }

    /// A ticket's life as the intake writes it: one report after the other about three alerts that share it.
    fn after(reports: &[(u8, Report)]) -> Option<Ticket> {
        let mut alerts = [AlertState::default(); 3];
        let mut ticket: Option<Ticket> = None;
        for (number, report) in reports {
            let (index, alert) = (usize::from(*number), AlertKey([*number; 32]));
            alerts[index] = alerts[index].hear(report, at(1_000));
            let state = alerts[index];
            let any_firing = alerts.iter().any(AlertState::firing);
            let Some(stored) = ticket.or_else(|| state.firing().then(|| first(alert, &state))) else {
                continue;
            };
            let members = Members::remembered(&stored, any_firing).with(alert, &state);
            ticket = Some(match decide(&stored, &members, Duration::MAX) {
                Decision::Keep => stored,
                Decision::Change(wanted) => wanted,
                Decision::Replace(_) => panic!("nothing is outside this window"),
            });
        }
        ticket
    }

    fn any_report() -> impl Strategy<Value = (u8, Report)> {
        (0..3_u8, any::<bool>(), 0..6_i64).prop_map(|(alert, fires, second)| {
            let condition = if fires { Condition::Fired } else { Condition::Resolved };
            (alert, Report { notification: Uuid::nil(), condition, at: Some(at(second)) })
        })
    }

    proptest! {
        #[test]
        fn a_ticket_that_several_alerts_share_is_open_exactly_while_one_of_them_fires(
            reports in prop::collection::vec(any_report(), 0..16)
        ) {
            let mut alerts = [AlertState::default(); 3];
            for (number, report) in &reports {
                alerts[usize::from(*number)] = alerts[usize::from(*number)].hear(report, at(1_000));
            }
            let firing = alerts.iter().any(AlertState::firing);
            match after(&reports) {
                None => prop_assert!(!firing, "an alert fires without a ticket"),
                Some(ticket) => prop_assert_eq!(ticket.wants == Wants::Open, firing),
            }
        }
    }
}
