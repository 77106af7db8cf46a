use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn situation(wants: Wants, known: Option<WorkItemState>, seen: Seen) -> Situation {
    Situation {
        wants,
        fired_at: at(10),
        ended: false,
        known: known.map(|state| Known {
            state,
            told_through: at(10),
            joined: false,
            left_alone: false,
            brought_back: 0,
        }),
        create_attempted: false,
        write_unsure: false,
        look_due: false,
        record_resolved: false,
        held_until: None,
        when_resolved: WhenResolved::Resolve,
        people: People { closed: AfterClose::New, resolved: AfterResolve::Leave },
        check: DoubleCheck::NotDue,
        binding: Binding::NotDue,
        seen,
    }
}

fn refired(known: WorkItemState, seen: Seen) -> Situation {
    Situation { fired_at: at(20), ..situation(Wants::Open, Some(known), seen) }
}

#[test]
fn the_next_step_follows_from_what_is_wanted_and_what_is_there() {
    use Seen::{Absent, Gone, Item, Nothing};
    use Settlement::{Closed, Held, InSync, Left, NotNeeded, Replace};
    use Wants::{Open, Resolved};
    use WorkItemState as Is;

    let attempted = |wants, seen| Situation { create_attempted: true, ..situation(wants, None, seen) };
    let check = |check, wants, known| Situation { check, ..situation(wants, known, Nothing) };
    let unsure = |wants, known, seen| Situation { write_unsure: true, ..situation(wants, known, seen) };
    let look = |wants, known, seen| Situation { look_due: true, ..situation(wants, Some(known), seen) };
    let bind = |binding, wants, seen| Situation { binding, ..situation(wants, Some(Is::Open), seen) };
    let ended = |wants, known, seen| Situation { ended: true, ..situation(wants, Some(known), seen) };
    let recorded = Situation { record_resolved: true, ..situation(Resolved, None, Nothing) };
    let held = |situation| Situation { held_until: Some(at(99)), ..situation };
    let cases = [
        (held(situation(Open, None, Nothing)), Step::Done(Held(at(99)))),
        (held(recorded), Step::Done(Held(at(99)))),
        (held(situation(Resolved, None, Nothing)), Step::Done(NotNeeded)),
        (held(attempted(Open, Nothing)), Step::LookUp),
        (held(attempted(Open, Absent)), Step::Done(Held(at(99)))),
        (held(refired(Is::Open, Item(Is::Open))), Step::Note),
        (held(situation(Resolved, Some(Is::Open), Item(Is::Open))), Step::Resolve),
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
        (refired(Is::Resolved, Item(Is::Closed)), Step::Done(Replace(Deed::Closed))),
        (refired(Is::Open, Absent), Step::Done(Replace(Deed::Closed))),
        (situation(Open, Some(Is::Open), Item(Is::Resolved)), Step::Done(Left(Deed::Resolved))),
        (look(Open, Is::Open, Nothing), Step::Read),
        (look(Open, Is::Open, Item(Is::Open)), Step::Done(InSync)),
        (look(Resolved, Is::Resolved, Nothing), Step::Done(InSync)),
        (bind(Binding::Due, Open, Item(Is::Open)), Step::FindCi),
        (bind(Binding::Found, Open, Item(Is::Open)), Step::Bind),
        (bind(Binding::Due, Open, Nothing), Step::Done(InSync)),
        (bind(Binding::Due, Resolved, Item(Is::Open)), Step::FindCi),
        (bind(Binding::Found, Resolved, Item(Is::Open)), Step::Resolve),
        (bind(Binding::Due, Open, Item(Is::Resolved)), Step::Done(Left(Deed::Resolved))),
        (ended(Open, Is::Closed, Nothing), Step::Done(Closed)),
        (ended(Open, Is::Closed, Item(Is::Resolved)), Step::Done(Closed)),
        (ended(Resolved, Is::Open, Item(Is::Open)), Step::Resolve),
    ];
    for (situation, step) in cases {
        assert_eq!(next(&situation), step, "{situation:?}");
    }
}

#[test]
fn what_people_are_to_end_is_told_once_that_its_alerts_are_resolved_or_not_at_all() {
    use Seen::{Item, Nothing};
    use Settlement::{Closed, HandedOver, InSync};
    use WhenResolved::{Leave, Note};
    use WorkItemState as Is;

    let over = |when_resolved, known, seen| Situation {
        when_resolved,
        ..situation(Wants::Resolved, Some(known), seen)
    };
    let unsure = |situation| Situation { write_unsure: true, ..situation };
    let anew = |situation| Situation { fired_at: at(20), ..situation };
    let handed_over = Step::Done(HandedOver);
    let cases = [
        (over(Note, Is::Open, Nothing), Step::Read),
        (over(Note, Is::Open, Item(Is::Open)), Step::TellResolved),
        (over(Note, Is::Open, Item(Is::Resolved)), Step::Done(InSync)),
        (over(Note, Is::Open, Item(Is::Closed)), Step::Done(Closed)),
        (Situation { binding: Binding::Due, ..over(Note, Is::Open, Item(Is::Open)) }, Step::FindCi),
        (over(Note, Is::Resolved, Nothing), handed_over),
        (over(Note, Is::Resolved, Item(Is::Open)), handed_over),
        (unsure(over(Note, Is::Resolved, Nothing)), Step::Read),
        (unsure(over(Note, Is::Resolved, Item(Is::Open))), Step::TellResolved),
        (anew(over(Note, Is::Resolved, Nothing)), Step::Read),
        (anew(over(Note, Is::Resolved, Item(Is::Open))), Step::TellResolved),
        (over(Leave, Is::Open, Nothing), handed_over),
        (over(Leave, Is::Resolved, Nothing), handed_over),
        (unsure(over(Leave, Is::Open, Nothing)), handed_over),
        (anew(over(Leave, Is::Open, Nothing)), handed_over),
        (over(Leave, Is::Open, Item(Is::Open)), handed_over),
        (over(Leave, Is::Closed, Nothing), Step::Done(InSync)),
    ];
    for (situation, step) in cases {
        assert_eq!(next(&situation), step, "{situation:?}");
    }
}

#[test]
fn what_was_handed_over_to_people_goes_on_when_its_alert_fires_again() {
    for when_resolved in [WhenResolved::Note, WhenResolved::Leave] {
        let again = |seen| Situation { when_resolved, ..refired(WorkItemState::Resolved, seen) };
        assert_eq!(next(&again(Seen::Nothing)), Step::Read);
        assert_eq!(next(&again(Seen::Item(WorkItemState::Open))), Step::Note);
        assert_eq!(next(&again(Seen::Item(WorkItemState::Resolved))), Step::Reopen);
        let replaced = Step::Done(Settlement::Replace(Deed::Closed));
        assert_eq!(next(&again(Seen::Item(WorkItemState::Closed))), replaced);
    }
}

#[test]
fn what_we_resolved_is_opened_again_for_an_alert_that_was_heard_late() {
    let ours = situation(Wants::Open, Some(WorkItemState::Resolved), Seen::Item(WorkItemState::Resolved));
    assert_eq!(next(&ours), Step::Reopen);
}

/// What the ledger knows of the item, how people have ended it, and what the route says: what follows.
#[test]
fn what_people_decide_is_treated_as_the_route_says_until_the_alert_fires_anew() {
    use AfterClose as Close;
    use AfterResolve as Resolve;
    use Settlement::{Left, Replace};
    use WorkItemState as Is;

    const NEW: People = People { closed: Close::New, resolved: Resolve::New };
    const REOPEN: People = People { closed: Close::New, resolved: Resolve::Reopen };
    const LEAVE: People = People::LEFT_ALONE;
    // As we left it open; as it was left to people; as we brought it back as often as we may; as we resolved it.
    let open =
        Known { state: Is::Open, told_through: at(10), joined: false, left_alone: false, brought_back: 0 };
    let left = Known { left_alone: true, ..open };
    let left_closed = Known { state: Is::Closed, ..left };
    let tired = Known { brought_back: MOST_RETURNS, ..open };
    let ours = Known { state: Is::Resolved, ..open };
    let closed_when_quiet = Known { state: Is::Closed, ..open };
    let replace = |deed| Step::Done(Replace(deed));
    let leave = |deed| Step::Done(Left(deed));
    // The same firing as the item tells of.
    let cases = [
        (open, Deed::Closed, LEAVE, leave(Deed::Closed)),
        (open, Deed::Closed, NEW, replace(Deed::Closed)),
        (open, Deed::Resolved, LEAVE, leave(Deed::Resolved)),
        (open, Deed::Resolved, REOPEN, Step::BringBack),
        (open, Deed::Resolved, NEW, replace(Deed::Resolved)),
        (left, Deed::Closed, NEW, leave(Deed::Closed)),
        (left, Deed::Resolved, LEAVE, leave(Deed::Resolved)),
        (left_closed, Deed::Closed, NEW, leave(Deed::Closed)),
        (tired, Deed::Closed, NEW, leave(Deed::Closed)),
        (tired, Deed::Resolved, NEW, leave(Deed::Resolved)),
        (tired, Deed::Resolved, REOPEN, leave(Deed::Resolved)),
        (ours, Deed::Resolved, LEAVE, Step::Reopen),
        (ours, Deed::Closed, LEAVE, replace(Deed::Closed)),
        (closed_when_quiet, Deed::Closed, LEAVE, replace(Deed::Closed)),
    ];
    let seen = |deed| match deed {
        Deed::Closed => [Seen::Item(Is::Closed), Seen::Absent],
        Deed::Resolved => [Seen::Item(Is::Resolved); 2],
    };
    for (known, deed, people, step) in cases {
        for seen in seen(deed) {
            let now = Situation { people, known: Some(known), ..situation(Wants::Open, None, seen) };
            assert_eq!(next(&now), step, "{now:?}");
            let anew = Situation { fired_at: at(20), ..now };
            let expected = match deed {
                Deed::Closed => replace(Deed::Closed),
                Deed::Resolved => Step::Reopen,
            };
            assert_eq!(next(&anew), expected, "{anew:?}");
            let quiet = Situation { wants: Wants::Resolved, ..now };
            assert!(matches!(next(&quiet), Step::Done(_)), "{quiet:?}");
        }
    }
    for known in [left, left_closed] {
        let unseen = Situation { known: Some(known), ..situation(Wants::Open, None, Seen::Nothing) };
        assert!(matches!(next(&unseen), Step::Done(Left(_))), "{unseen:?}");
        let anew = Situation { fired_at: at(20), ..unseen };
        assert_eq!(next(&anew), Step::Read, "{anew:?}");
    }
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
    let known = (any_state(), 0..3_i64, any::<bool>(), any::<bool>(), 0..=MOST_RETURNS).prop_map(
        |(state, told, joined, left_alone, brought_back)| Known {
            state,
            told_through: at(told),
            joined,
            left_alone,
            brought_back,
        },
    );
    let check = prop_oneof![Just(DoubleCheck::NotDue), Just(DoubleCheck::Due), Just(DoubleCheck::Found)];
    let binding = prop_oneof![Just(Binding::NotDue), Just(Binding::Due), Just(Binding::Found)];
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let held_until = prop::option::of((5..9_i64).prop_map(at));
    let (said, route) = ((check, binding, seen, held_until), (any_people(), any_when_resolved()));
    (any::<bool>(), 0..3_i64, prop::option::of(known), switches, route, said).prop_map(
        |(open, fired, known, switches, (people, when_resolved), (check, binding, seen, held_until))| {
            let (ended, create_attempted, write_unsure, look_due, record_resolved) = switches;
            Situation {
                wants: if open { Wants::Open } else { Wants::Resolved },
                fired_at: at(fired),
                ended,
                known,
                create_attempted,
                write_unsure,
                look_due,
                record_resolved,
                held_until,
                when_resolved,
                people,
                check,
                binding,
                seen,
            }
        },
    )
}

pub(super) fn any_people() -> impl Strategy<Value = People> {
    let closed = prop_oneof![Just(AfterClose::Leave), Just(AfterClose::New)];
    let resolved =
        prop_oneof![Just(AfterResolve::Leave), Just(AfterResolve::Reopen), Just(AfterResolve::New)];
    (closed, resolved).prop_map(|(closed, resolved)| People { closed, resolved })
}

pub(super) fn any_when_resolved() -> impl Strategy<Value = WhenResolved> {
    prop_oneof![Just(WhenResolved::Resolve), Just(WhenResolved::Note), Just(WhenResolved::Leave)]
}

/// What becomes of a work item when all steps are taken and nobody interferes.
fn settle(mut situation: Situation, mut item: Option<WorkItemState>) -> (Settlement, Option<WorkItemState>) {
    for _ in 0..10 {
        let told = |state| {
            let told_through = situation.fired_at;
            Some(Known { state, told_through, joined: false, left_alone: false, brought_back: 0 })
        };
        match next(&situation) {
            Step::Done(settlement) => return (settlement, item),
            Step::CloseDouble => situation.check = DoubleCheck::NotDue,
            Step::LookUp if situation.check == DoubleCheck::Due => situation.check = DoubleCheck::Found,
            Step::LookUp => situation.seen = item.map_or(Seen::Absent, Seen::Item),
            Step::Read => situation.seen = item.map_or(Seen::Gone, Seen::Item),
            Step::Create => (item, situation.known) = (Some(WorkItemState::Open), told(WorkItemState::Open)),
            Step::Note => situation.known = told(WorkItemState::Open),
            Step::TellResolved => {
                (situation.known, situation.write_unsure) = (told(WorkItemState::Resolved), false);
            }
            Step::Resolve => {
                (item, situation.known) = (Some(WorkItemState::Resolved), told(WorkItemState::Resolved));
            }
            Step::FindCi => situation.binding = Binding::Found,
            Step::Bind => situation.binding = Binding::NotDue,
            Step::Reopen | Step::BringBack => {
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
        situation in any_situation().prop_map(|situation| Situation {
            seen: Seen::Nothing, ended: false, ..situation
        })
    ) {
        let is_left_resolved = |known: &Known| known.left_alone && known.state == WorkItemState::Open;
        let item = situation.known.map(|known| {
            if is_left_resolved(&known) { WorkItemState::Resolved } else { known.state }
        });
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
            Settlement::Held(until) => {
                prop_assert_eq!((item, Some(until)), (None, situation.held_until));
            }
            Settlement::HandedOver => {
                prop_assert_eq!(situation.wants, Wants::Resolved);
                prop_assert_ne!(situation.when_resolved, WhenResolved::Resolve);
            }
            Settlement::Closed => prop_assert_eq!(situation.wants, Wants::Resolved),
            Settlement::Left(_) => {
                prop_assert!(situation.wants == Wants::Open && item != Some(WorkItemState::Open));
                prop_assert!(situation.known.is_some_and(|known| known.left_alone));
            }
            Settlement::Replace(_) => prop_assert_ne!(item, Some(WorkItemState::Open)),
        }
    }

    #[test]
    fn nothing_is_created_while_a_create_may_have_happened_or_a_window_holds_it(situation in any_situation()) {
        if next(&situation) == Step::Create {
            prop_assert!(situation.known.is_none());
            prop_assert!(!situation.create_attempted || situation.seen == Seen::Absent);
            prop_assert_eq!(situation.held_until, None);
        }
    }

    #[test]
    fn nothing_is_written_before_the_item_was_seen_in_a_state_that_allows_it(situation in any_situation()) {
        match next(&situation) {
            Step::Note | Step::Resolve | Step::TellResolved | Step::Bind => {
                prop_assert_eq!(situation.seen, Seen::Item(WorkItemState::Open));
            }
            Step::Reopen | Step::BringBack => {
                prop_assert_eq!(situation.seen, Seen::Item(WorkItemState::Resolved));
            }
            Step::LookUp
            | Step::Create
            | Step::Read
            | Step::FindCi
            | Step::CloseDouble
            | Step::Done(_) => {}
        }
    }

    #[test]
    fn nothing_is_resolved_that_the_route_leaves_to_people(situation in any_situation()) {
        if situation.when_resolved != WhenResolved::Resolve {
            prop_assert_ne!(next(&situation), Step::Resolve);
        }
    }

    #[test]
    fn a_resolved_alert_gets_no_ticket_unless_the_route_wants_one(situation in any_situation()) {
        if situation.wants == Wants::Resolved && !situation.record_resolved {
            prop_assert_ne!(next(&situation), Step::Create);
        }
    }
}
