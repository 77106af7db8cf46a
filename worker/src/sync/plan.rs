//! The next step for a ticket (pure): what is wanted, against what the ledger and the ITSM say there is.
//!
//! Steps are taken one at a time, each with what the one before it found out, so a crash between any two of
//! them is repaired by planning again.

use jiff::Timestamp;

use crate::connector::WorkItemState;
use crate::reconcile::ticket::Wants;

/// A ticket as the plan sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    pub wants: Wants,
    /// The newest firing.
    pub fired_at: Timestamp,
    /// What the ledger has of the work item, if there is one.
    pub known: Option<Known>,
    /// A create may have been sent before, and nobody knows what became of it.
    pub create_attempted: bool,
    /// A write may have been sent before, and nobody knows what became of it: what is known proves nothing.
    pub write_unsure: bool,
    /// The route wants a ticket for the record even if the alert is resolved by now.
    pub record_resolved: bool,
    pub check: DoubleCheck,
    /// What the ITSM said in this pass.
    pub seen: Seen,
}

/// Whether there may be a second work item with the same correlation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleCheck {
    /// There is no reason to look, or it was done.
    NotDue,
    /// A search is due.
    Due,
    /// A search has found one that is open.
    Found,
}

/// What the ledger has of a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// As we left it; what a person did to it since is not in here.
    pub state: WorkItemState,
    /// Firings up to here are written on it.
    pub told_through: Timestamp,
}

/// What the ITSM said in this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    Item(WorkItemState),
    /// The id that we have leads nowhere.
    Gone,
    /// A search for the correlation id found nothing.
    Absent,
}

#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    LookUp,
    Create,
    Read,
    Note,
    Resolve,
    Reopen,
    /// Close a second work item.
    CloseDouble,
    Done(Settlement),
}

/// Why nothing is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    InSync,
    /// Resolved before there was a work item.
    NotNeeded,
    /// The ITSM has closed or removed it, and nothing is firing.
    Closed,
    /// The ITSM has closed or removed it while an alert fires: another ticket takes its place.
    Replace,
}

/// The next step.
pub fn next(situation: &Situation) -> Step {
    match (situation.check, situation.known) {
        (DoubleCheck::Due, _) => Step::LookUp,
        (DoubleCheck::Found, _) => Step::CloseDouble,
        (DoubleCheck::NotDue, None) => without_item(situation),
        (DoubleCheck::NotDue, Some(known)) => with_item(situation, known),
    }
}

fn without_item(situation: &Situation) -> Step {
    let unsure = situation.create_attempted && situation.seen != Seen::Absent;
    match situation.wants {
        _ if unsure => Step::LookUp,
        Wants::Open => Step::Create,
        Wants::Resolved if situation.record_resolved => Step::Create,
        Wants::Resolved => Step::Done(Settlement::NotNeeded),
    }
}

fn with_item(situation: &Situation, known: Known) -> Step {
    let news = situation.fired_at > known.told_through;
    match (situation.seen, situation.wants) {
        (Seen::Nothing, wants) if !news && !situation.write_unsure && in_state(known.state, wants) => {
            Step::Done(Settlement::InSync)
        }
        (Seen::Nothing, _) => Step::Read,
        (Seen::Gone, _) => Step::LookUp,
        (Seen::Absent | Seen::Item(WorkItemState::Closed), Wants::Open) => Step::Done(Settlement::Replace),
        (Seen::Absent | Seen::Item(WorkItemState::Closed), Wants::Resolved) => Step::Done(Settlement::Closed),
        (Seen::Item(WorkItemState::Open), Wants::Resolved) => Step::Resolve,
        (Seen::Item(WorkItemState::Resolved), Wants::Resolved) => Step::Done(Settlement::InSync),
        (Seen::Item(WorkItemState::Open), Wants::Open) if news => Step::Note,
        (Seen::Item(WorkItemState::Open), Wants::Open) => Step::Done(Settlement::InSync),
        // Resolved by us, or fired anew. A person who resolves a ticket while its alert fires is left in peace.
        (Seen::Item(WorkItemState::Resolved), Wants::Open)
            if news || known.state == WorkItemState::Resolved =>
        {
            Step::Reopen
        }
        (Seen::Item(WorkItemState::Resolved), Wants::Open) => Step::Done(Settlement::InSync),
    }
}

fn in_state(state: WorkItemState, wants: Wants) -> bool {
    match (state, wants) {
        (WorkItemState::Open, Wants::Open) => true,
        (WorkItemState::Resolved | WorkItemState::Closed, Wants::Resolved) => true,
        (WorkItemState::Open, Wants::Resolved) => false,
        (WorkItemState::Resolved | WorkItemState::Closed, Wants::Open) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn situation(wants: Wants, known: Option<WorkItemState>, seen: Seen) -> Situation {
        Situation {
            wants,
            fired_at: at(10),
            known: known.map(|state| Known { state, told_through: at(10) }),
            create_attempted: false,
            write_unsure: false,
            record_resolved: false,
            check: DoubleCheck::NotDue,
            seen,
        }
    }

    fn refired(known: WorkItemState, seen: Seen) -> Situation {
        Situation { fired_at: at(20), ..situation(Wants::Open, Some(known), seen) }
    }

    #[test]
    fn the_next_step_follows_from_what_is_wanted_and_what_is_there() {
        use Seen::{Absent, Gone, Item, Nothing};
        use Settlement::{Closed, InSync, NotNeeded, Replace};
        use Wants::{Open, Resolved};
        use WorkItemState as Is;

        let attempted = |wants, seen| Situation { create_attempted: true, ..situation(wants, None, seen) };
        let check = |check, wants, known| Situation { check, ..situation(wants, known, Nothing) };
        let unsure = |wants, known, seen| Situation { write_unsure: true, ..situation(wants, known, seen) };
        let recorded = Situation { record_resolved: true, ..situation(Resolved, None, Nothing) };
        let cases = [
            (situation(Open, None, Nothing), Step::Create),
            (situation(Resolved, None, Nothing), Step::Done(NotNeeded)),
            (recorded, Step::Create),
            (check(DoubleCheck::Due, Open, Some(Is::Open)), Step::LookUp),
            (check(DoubleCheck::Due, Resolved, None), Step::LookUp),
            (check(DoubleCheck::Found, Resolved, Some(Is::Resolved)), Step::CloseDouble),
            (unsure(Open, Some(Is::Open), Nothing), Step::Read),
            (unsure(Resolved, Some(Is::Resolved), Nothing), Step::Read),
            (unsure(Resolved, Some(Is::Resolved), Item(Is::Open)), Step::Resolve),
            (attempted(Open, Nothing), Step::LookUp),
            (attempted(Open, Absent), Step::Create),
            (attempted(Resolved, Nothing), Step::LookUp),
            (attempted(Resolved, Absent), Step::Done(NotNeeded)),
            (situation(Open, Some(Is::Open), Nothing), Step::Done(InSync)),
            (situation(Resolved, Some(Is::Resolved), Nothing), Step::Done(InSync)),
            (situation(Resolved, Some(Is::Open), Nothing), Step::Read),
            (situation(Resolved, Some(Is::Open), Item(Is::Open)), Step::Resolve),
            (situation(Resolved, Some(Is::Open), Item(Is::Resolved)), Step::Done(InSync)),
            (situation(Resolved, Some(Is::Open), Item(Is::Closed)), Step::Done(Closed)),
            (situation(Resolved, Some(Is::Open), Gone), Step::LookUp),
            (situation(Resolved, Some(Is::Open), Absent), Step::Done(Closed)),
            (refired(Is::Open, Nothing), Step::Read),
            (refired(Is::Open, Item(Is::Open)), Step::Note),
            (refired(Is::Resolved, Item(Is::Resolved)), Step::Reopen),
            (refired(Is::Resolved, Item(Is::Closed)), Step::Done(Replace)),
            (refired(Is::Open, Absent), Step::Done(Replace)),
            (situation(Open, Some(Is::Open), Item(Is::Resolved)), Step::Done(InSync)),
        ];
        for (situation, step) in cases {
            assert_eq!(next(&situation), step, "{situation:?}");
        }
    }

    #[test]
    fn what_we_resolved_is_opened_again_for_an_alert_that_was_heard_late() {
        let ours = situation(Wants::Open, Some(WorkItemState::Resolved), Seen::Item(WorkItemState::Resolved));
        assert_eq!(next(&ours), Step::Reopen);
    }

    fn any_state() -> impl Strategy<Value = WorkItemState> {
        prop_oneof![Just(WorkItemState::Open), Just(WorkItemState::Resolved), Just(WorkItemState::Closed)]
    }

    fn any_situation() -> impl Strategy<Value = Situation> {
        let seen = prop_oneof![
            Just(Seen::Nothing),
            Just(Seen::Gone),
            Just(Seen::Absent),
            any_state().prop_map(Seen::Item),
        ];
        let known = prop::option::of((any_state(), 0..3_i64));
        let check = prop_oneof![Just(DoubleCheck::NotDue), Just(DoubleCheck::Due), Just(DoubleCheck::Found)];
        (any::<bool>(), 0..3_i64, known, any::<bool>(), any::<bool>(), any::<bool>(), check, seen).prop_map(
            |(open, fired, known, create_attempted, write_unsure, record_resolved, check, seen)| Situation {
                wants: if open { Wants::Open } else { Wants::Resolved },
                fired_at: at(fired),
                known: known.map(|(state, told)| Known { state, told_through: at(told) }),
                create_attempted,
                write_unsure,
                record_resolved,
                check,
                seen,
            },
        )
    }

    /// What becomes of a work item when all steps are taken and nobody interferes.
    fn settle(
        mut situation: Situation,
        mut item: Option<WorkItemState>,
    ) -> (Settlement, Option<WorkItemState>) {
        for _ in 0..8 {
            let told = |state| Some(Known { state, told_through: situation.fired_at });
            match next(&situation) {
                Step::Done(settlement) => return (settlement, item),
                Step::CloseDouble => situation.check = DoubleCheck::NotDue,
                Step::LookUp if situation.check == DoubleCheck::Due => situation.check = DoubleCheck::Found,
                Step::LookUp => situation.seen = item.map_or(Seen::Absent, Seen::Item),
                Step::Read => situation.seen = item.map_or(Seen::Gone, Seen::Item),
                Step::Create => {
                    (item, situation.known) = (Some(WorkItemState::Open), told(WorkItemState::Open))
                }
                Step::Note => situation.known = told(WorkItemState::Open),
                Step::Resolve => {
                    (item, situation.known) = (Some(WorkItemState::Resolved), told(WorkItemState::Resolved));
                }
                Step::Reopen => {
                    (item, situation.known) = (Some(WorkItemState::Open), told(WorkItemState::Open))
                }
            }
            if let (Some(state), Some(_)) = (item, situation.known)
                && situation.seen != Seen::Nothing
            {
                situation.seen = Seen::Item(state);
            }
        }
        panic!("no end: {situation:?}")
    }

    proptest! {
        #[test]
        fn whatever_the_ledger_remembers_the_item_ends_as_wanted(
            situation in any_situation().prop_map(|situation| Situation { seen: Seen::Nothing, ..situation })
        ) {
            let item = situation.known.map(|known| known.state);
            let (settlement, item) = settle(Situation { create_attempted: false, ..situation }, item);
            match settlement {
                Settlement::InSync => {
                    let expected = match situation.wants {
                        Wants::Open => vec![WorkItemState::Open],
                        Wants::Resolved => vec![WorkItemState::Resolved, WorkItemState::Closed],
                    };
                    prop_assert!(expected.contains(&item.unwrap()), "{situation:?} ended {item:?}");
                }
                Settlement::NotNeeded => prop_assert_eq!(item, None),
                Settlement::Closed => prop_assert_eq!(situation.wants, Wants::Resolved),
                Settlement::Replace => prop_assert_eq!(item, Some(WorkItemState::Closed)),
            }
        }

        #[test]
        fn nothing_is_created_while_a_create_may_have_happened(situation in any_situation()) {
            if next(&situation) == Step::Create {
                prop_assert!(situation.known.is_none());
                prop_assert!(!situation.create_attempted || situation.seen == Seen::Absent);
            }
        }

        #[test]
        fn nothing_is_written_before_the_item_was_seen_in_a_state_that_allows_it(situation in any_situation()) {
            match next(&situation) {
                Step::Note | Step::Resolve => {
                    prop_assert_eq!(situation.seen, Seen::Item(WorkItemState::Open));
                }
                Step::Reopen => prop_assert_eq!(situation.seen, Seen::Item(WorkItemState::Resolved)),
                Step::LookUp | Step::Create | Step::Read | Step::CloseDouble | Step::Done(_) => {}
            }
        }

        #[test]
        fn a_resolved_alert_gets_no_ticket_unless_the_route_wants_one(situation in any_situation()) {
            if situation.wants == Wants::Resolved && !situation.record_resolved {
                prop_assert_ne!(next(&situation), Step::Create);
            }
        }
    }
}
