//! When what is wanted of a ticket is carried out, and whether its alerts fire so often that it is held open (pure).

use std::time::Duration;

use jiff::Timestamp;

use super::rate::{Limit, Rate};
use super::ticket::{There, Ticket, Wants};

/// How a route takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub open_after: Duration,
    pub resolve_after: Duration,
    /// How many firings after a resolution, and within which time, make a ticket a flapping one.
    pub flapping: Option<Limit>,
    /// The least time between two notes on a flapping ticket.
    pub flapping_note_every: Duration,
    /// The least time between two notes on the ticket of a storm.
    pub storm_note_every: Duration,
}

/// What else the timing depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// How often the ticket has fired again after it was resolved.
    pub returns: Option<Rate>,
    /// When something was written on the work item last.
    pub written_at: Option<Timestamp>,
    pub stands_for: StandsFor,
}

/// What the alerts of a ticket have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandsFor {
    /// The correlation key of their route.
    Key,
    /// That they came over the limit of their route.
    Storm,
}

/// When a change is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// When the ticket is due anyway; after this time, if it is not.
    Kept(Duration),
    /// After this time at the latest.
    Within(Duration),
    /// After this time, whenever the ticket was due before.
    Anew(Duration),
}

/// When the change from one ticket to the other is due, and how often the ticket has fired again by then.
#[must_use]
pub fn due(
    before: &Ticket,
    wanted: &Ticket,
    past: &Past,
    pace: &Pace,
    now: Timestamp,
) -> (Due, Option<Rate>) {
    let fires_again = (before.wants, wanted.wants) == (Wants::Resolved, Wants::Open);
    let returns = match pace.flapping {
        Some(limit) if fires_again => Some(Rate::after(past.returns, now, limit)),
        Some(limit) => past.returns.map(|rate| rate.at(now, limit)),
        None => None,
    };
    let flaps = |rate: Option<Rate>| rate.and_then(|rate| rate.exceeded_since).is_some();
    let note_after = |every: Duration| {
        let quiet = past
            .written_at
            .map_or(Duration::ZERO, |at| Duration::try_from(now.duration_since(at)).unwrap_or_default());
        every.saturating_sub(quiet)
    };
    let note_after = match past.stands_for {
        // The first note on it says so.
        _ if flaps(returns) && flaps(past.returns) => note_after(pace.flapping_note_every),
        StandsFor::Storm => note_after(pace.storm_note_every),
        StandsFor::Key => Duration::ZERO,
    };
    let due = match (before.there, before.wants, wanted.wants) {
        (There::Nothing, _, _) => Due::Kept(pace.open_after),
        (_, Wants::Open, Wants::Resolved) => match pace.flapping {
            Some(limit) if flaps(returns) => Due::Anew(limit.window.max(pace.resolve_after)),
            Some(_) | None => Due::Anew(pace.resolve_after),
        },
        // It is resolved, or was left to people as if it were: they take the alert for over.
        (There::Resolved | There::Closed, _, Wants::Open) => Due::Anew(Duration::ZERO),
        (There::Open, Wants::Resolved, Wants::Open) => Due::Anew(note_after),
        (There::Open, Wants::Open, Wants::Open) => Due::Within(note_after),
        (_, Wants::Resolved, Wants::Resolved) => Due::Kept(Duration::ZERO),
    };
    (due, returns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::alert::identity::AlertKey;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const PACE: Pace = Pace {
        open_after: Duration::from_secs(10),
        resolve_after: Duration::from_secs(20),
        flapping: Some(Limit { most: 2, window: Duration::from_secs(600) }),
        flapping_note_every: Duration::from_secs(1800),
        storm_note_every: MINUTE,
    };
    const PLAIN: Past = Past { returns: None, written_at: None, stands_for: StandsFor::Key };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ticket(wants: Wants, there: There) -> Ticket {
        Ticket { wants, fired_at: at(0), resolved_at: None, shown_alert: AlertKey([1; 32]), there }
    }

    fn due_at(before: (Wants, There), wanted: Wants, past: &Past, now: i64) -> Due {
        due(&ticket(before.0, before.1), &ticket(wanted, before.1), past, &PACE, at(now)).0
    }

    #[test]
    fn what_is_not_made_keeps_its_time_and_what_people_look_at_is_told_at_once() {
        let due = |wants, there, wanted| due_at((wants, there), wanted, &PLAIN, 100);
        assert_eq!(due(Wants::Resolved, There::Nothing, Wants::Open), Due::Kept(PACE.open_after));
        assert_eq!(due(Wants::Open, There::Nothing, Wants::Resolved), Due::Kept(PACE.open_after));
        assert_eq!(due(Wants::Open, There::Open, Wants::Resolved), Due::Anew(PACE.resolve_after));
        assert_eq!(due(Wants::Resolved, There::Open, Wants::Open), Due::Anew(Duration::ZERO));
        assert_eq!(due(Wants::Resolved, There::Resolved, Wants::Open), Due::Anew(Duration::ZERO));
        assert_eq!(due(Wants::Open, There::Open, Wants::Open), Due::Within(Duration::ZERO));
        // That it is resolved twice brings its resolution no nearer.
        assert_eq!(due(Wants::Resolved, There::Open, Wants::Resolved), Due::Kept(Duration::ZERO));
    }

    #[test]
    fn a_ticket_of_a_storm_gets_a_note_an_interval() {
        let storm = |written_at| Past { written_at, stands_for: StandsFor::Storm, ..PLAIN };
        let note = |written_at| due_at((Wants::Open, There::Open), Wants::Open, &storm(written_at), 100);
        assert_eq!(note(Some(at(70))), Due::Within(MINUTE / 2));
        assert_eq!(note(Some(at(10))), Due::Within(Duration::ZERO));
        assert_eq!(note(None), Due::Within(MINUTE));
    }

    /// Lets a ticket fire and be resolved every `seconds`, as if each change were carried out when it is due.
    fn flap(times: i64, seconds: i64) -> Vec<(Due, Due)> {
        let (mut past, mut changes) = (PLAIN, Vec::new());
        for time in 0..times {
            let now = at(time * seconds);
            let (open, resolved) = (ticket(Wants::Open, There::Open), ticket(Wants::Resolved, There::Open));
            let (fires, returns) = due(&resolved, &open, &past, &PACE, now);
            past.returns = returns;
            if fires == Due::Anew(Duration::ZERO) {
                past.written_at = Some(now);
            }
            let (ends, returns) = due(&open, &resolved, &past, &PACE, now);
            past.returns = returns;
            changes.push((fires, ends));
        }
        changes
    }

    #[test]
    fn a_ticket_that_fires_again_too_often_is_held_open_with_few_notes() {
        let changes = flap(5, 60);
        let usual = (Due::Anew(Duration::ZERO), Due::Anew(PACE.resolve_after));
        let held = Due::Anew(Duration::from_secs(600));
        assert_eq!(changes[..2], [usual, usual]);
        // The first time is told at once, the next only when the interval since then is over.
        assert_eq!(changes[2], (Due::Anew(Duration::ZERO), held));
        assert_eq!(changes[3], (Due::Anew(Duration::from_secs(1800 - 60)), held));
        assert_eq!(changes[4], (Due::Anew(Duration::from_secs(1800 - 120)), held));
    }

    #[test]
    fn what_is_resolved_in_the_itsm_is_reopened_at_once_however_much_it_flaps() {
        let returns = Some(Rate { window_from: at(0), events: 9, exceeded_since: Some(at(0)) });
        let past = Past { returns, written_at: Some(at(5)), ..PLAIN };
        let due = due_at((Wants::Resolved, There::Resolved), Wants::Open, &past, 10);
        assert_eq!(due, Due::Anew(Duration::ZERO));
    }

    #[test]
    fn a_route_that_does_not_look_for_it_has_no_flapping_tickets() {
        let returns = Some(Rate { window_from: at(0), events: 9, exceeded_since: Some(at(0)) });
        let off = Pace { flapping: None, ..PACE };
        let (open, resolved) = (ticket(Wants::Open, There::Open), ticket(Wants::Resolved, There::Open));
        let (due, returns) = due(&open, &resolved, &Past { returns, ..PLAIN }, &off, at(10));
        assert_eq!((due, returns), (Due::Anew(PACE.resolve_after), None));
    }

    proptest! {
        #[test]
        fn no_resolution_waits_longer_than_the_route_says(
            events in 0..9_u32, exceeded in any::<bool>(), storm in any::<bool>(), now in 0..9_999_i64
        ) {
            let exceeded_since = exceeded.then(|| at(0));
            let past = Past {
                returns: Some(Rate { window_from: at(0), events, exceeded_since }),
                written_at: None,
                stands_for: if storm { StandsFor::Storm } else { StandsFor::Key },
            };
            let (Due::Kept(wait) | Due::Within(wait) | Due::Anew(wait)) =
                due_at((Wants::Open, There::Open), Wants::Resolved, &past, now);
            prop_assert!(wait <= Duration::from_secs(600));
        }
    }
}
