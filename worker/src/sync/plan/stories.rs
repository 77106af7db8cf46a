//! The plan against everything that Azure and people may do, in any order: a ledger and an ITSM in miniature.

use std::time::Duration;

use proptest::prelude::*;
use shared::alert::Condition;
use shared::alert::identity::AlertKey;
use uuid::Uuid;

use super::tests::any_people;
use super::*;
use crate::reconcile::alert::{AlertState, Report};
use crate::reconcile::ticket::{Decision, Members, There, Ticket, decide, first};

/// Two alerts that share a ticket.
const ALERTS: [AlertKey; 2] = [AlertKey([1; 32]), AlertKey([2; 32])];

/// Which of the two.
type Which = usize;

#[derive(Debug, Clone, Copy)]
enum Event {
    Fires(Which),
    /// Its newest firing is heard once more.
    Repeats(Which),
    Resolves(Which),
    /// Something older than the newest firing of both is heard only now.
    Late(Which, Condition),
    Person(Act),
    /// The answer to the next write is lost.
    Loses(Written),
    /// The ticket is synced if something is wanted of it.
    Pass,
    Look,
}

/// What a person does to the newest work item.
#[derive(Debug, Clone, Copy)]
enum Act {
    Close,
    Delete,
    Resolve,
    Reopen,
}

/// Whether a write whose answer is lost was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Is(WorkItemState),
    Deleted,
}

/// Two alerts, their tickets, and the work items that they have.
struct Story {
    people: People,
    second: i64,
    alerts: [AlertState; 2],
    /// The ticket that serves the alerts, as the intake sees it.
    ticket: Option<Ticket>,
    known: Option<Known>,
    loses: Option<Written>,
    write_unsure: bool,
    brought_back: u32,
    items: Vec<Item>,
    /// How often the newest firing was brought back.
    returns: u32,
}

impl Story {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Fires(which) => {
                self.second += 1;
                self.returns = 0;
                self.hear(which, Condition::Fired, at(self.second));
            }
            Event::Repeats(which) => {
                if let Some((fired, _)) = self.alerts[which].fired {
                    self.hear(which, Condition::Fired, fired);
                }
            }
            Event::Resolves(which) => {
                self.second += 1;
                self.hear(which, Condition::Resolved, at(self.second));
            }
            Event::Late(which, condition) => {
                let newest = self.alerts.iter().filter_map(|alert| alert.fired).max();
                let newest = newest.map_or(0, |(at, _)| at.as_second());
                self.hear(which, condition, at(newest - 1));
            }
            Event::Person(act) => self.person(act),
            Event::Loses(written) => self.loses = Some(written),
            Event::Pass => self.pass(false),
            Event::Look => self.pass(true),
        }
    }

    fn hear(&mut self, which: Which, condition: Condition, instant: Timestamp) {
        let report = Report { notification: Uuid::nil(), condition, at: Some(instant) };
        self.alerts[which] = self.alerts[which].hear(&report, at(1_000));
        let Some(ticket) = self.ticket else {
            self.ticket = self.first();
            return;
        };
        let ticket = Ticket {
            there: match self.known.map(|known| known.state) {
                None => There::Nothing,
                Some(WorkItemState::Open) => There::Open,
                Some(WorkItemState::Resolved) => There::Resolved,
                Some(WorkItemState::Closed) => There::Closed,
            },
            ..ticket
        };
        let members = Members::remembered(&ticket, self.firing()).with(ALERTS[which], &self.alerts[which]);
        match decide(&ticket, &members, Duration::MAX) {
            Decision::Keep => {}
            Decision::Change(wanted) => self.ticket = Some(wanted),
            Decision::Replace(_) => self.succeed(),
        }
    }

    fn succeed(&mut self) {
        let next = self.first();
        let told = self.known.filter(|known| next.is_some_and(|next| next.fired_at <= known.told_through));
        self.brought_back = told.map_or(0, |known| known.brought_back + 1);
        (self.known, self.ticket) = (None, next);
    }

    fn firing(&self) -> bool {
        self.alerts.iter().any(AlertState::firing)
    }

    /// The ticket that the newest alert that fires asks for.
    fn first(&self) -> Option<Ticket> {
        let firing = ALERTS.iter().zip(&self.alerts).filter(|(_, alert)| alert.firing());
        firing.max_by_key(|(_, alert)| alert.fired).map(|(key, alert)| first(*key, alert))
    }

    fn person(&mut self, act: Act) {
        if let Some(item @ Item::Is(WorkItemState::Open | WorkItemState::Resolved)) = self.items.last_mut() {
            *item = match act {
                Act::Close => Item::Is(WorkItemState::Closed),
                Act::Delete => Item::Deleted,
                Act::Resolve => Item::Is(WorkItemState::Resolved),
                Act::Reopen => Item::Is(WorkItemState::Open),
            };
        }
    }

    fn pass(&mut self, look_due: bool) {
        let Some(ticket) = self.ticket else { return };
        let mut seen = Seen::Nothing;
        for _ in 0..10 {
            let situation = Situation {
                wants: ticket.wants,
                fired_at: ticket.fired_at,
                ended: false,
                known: self.known,
                create_attempted: false,
                write_unsure: self.write_unsure,
                look_due,
                record_resolved: false,
                held_until: None,
                people: self.people,
                check: DoubleCheck::NotDue,
                binding: Binding::NotDue,
                seen,
            };
            match next(&situation) {
                Step::Done(settlement) => return self.settled(settlement, seen),
                Step::LookUp => seen = Seen::Absent,
                Step::Read => seen = self.read(),
                Step::Create => {
                    let open = self.items.contains(&Item::Is(WorkItemState::Open));
                    assert!(!open, "one is open already: {:?}", self.items);
                    assert!(ticket.wants == Wants::Open && self.firing());
                    self.items.push(Item::Is(WorkItemState::Open));
                    self.tell(ticket, WorkItemState::Open);
                    seen = self.read();
                }
                step @ (Step::Note | Step::Resolve | Step::Reopen | Step::BringBack) => {
                    let answered = self.write(step, ticket);
                    if !answered {
                        return;
                    }
                }
                Step::FindCi | Step::Bind | Step::CloseDouble => panic!("{situation:?}"),
            }
            if seen != Seen::Nothing && self.known.is_some() && seen != Seen::Absent && seen != Seen::Gone {
                seen = self.read();
            }
        }
        panic!("no end");
    }

    fn read(&self) -> Seen {
        match self.items.last().unwrap() {
            Item::Is(state) => Seen::Item(*state),
            Item::Deleted => Seen::Gone,
        }
    }

    /// Whether it is known what became of it.
    fn write(&mut self, step: Step, ticket: Ticket) -> bool {
        let (before, after) = match step {
            Step::Note => (WorkItemState::Open, WorkItemState::Open),
            Step::Resolve => (WorkItemState::Open, WorkItemState::Resolved),
            Step::Reopen | Step::BringBack => (WorkItemState::Resolved, WorkItemState::Open),
            Step::LookUp
            | Step::Create
            | Step::Read
            | Step::FindCi
            | Step::Bind
            | Step::CloseDouble
            | Step::Done(_) => panic!("{step:?} writes nothing"),
        };
        let item = self.items.last_mut().unwrap();
        assert_eq!(
            *item,
            Item::Is(before),
            "nothing is written to a closed item, or to one in another state"
        );
        let lost = self.loses.take();
        if lost != Some(Written::No) {
            *item = Item::Is(after);
            self.returns += u32::from(step == Step::BringBack);
        }
        let known = self.known.as_mut().unwrap();
        known.brought_back += u32::from(step == Step::BringBack);
        if lost.is_none() {
            self.tell(ticket, after);
        } else {
            self.write_unsure = true;
            if step == Step::Resolve {
                (known.state, known.left_alone) = (WorkItemState::Resolved, false);
            }
        }
        lost.is_none()
    }

    fn tell(&mut self, ticket: Ticket, state: WorkItemState) {
        let before = self.known;
        let again = before.filter(|known| ticket.fired_at <= known.told_through);
        let brought_back = match (before, again) {
            (None, _) => self.brought_back,
            (Some(_), None) => 0,
            (Some(_), Some(known)) => known.brought_back,
        };
        self.known = Some(Known {
            state,
            told_through: ticket.fired_at,
            joined: false,
            left_alone: false,
            brought_back,
        });
    }

    fn settled(&mut self, settlement: Settlement, seen: Seen) {
        self.write_unsure = false;
        if let Some(known) = &mut self.known {
            known.left_alone = matches!(settlement, Settlement::Left(_));
            match (settlement, seen) {
                (Settlement::Closed | Settlement::Replace(_) | Settlement::Left(Deed::Closed), _) => {
                    known.state = WorkItemState::Closed;
                }
                (Settlement::Left(Deed::Resolved), _) => known.state = WorkItemState::Open,
                (Settlement::InSync | Settlement::NotNeeded | Settlement::Held(_), Seen::Item(state)) => {
                    known.state = state;
                }
                (
                    Settlement::InSync | Settlement::NotNeeded | Settlement::Held(_),
                    Seen::Nothing | Seen::Gone | Seen::Absent,
                ) => {}
            }
        }
        if let Settlement::Replace(_) = settlement {
            self.succeed();
            self.returns += u32::from(self.brought_back > 0);
            self.pass(false);
        }
        assert!(self.returns <= MOST_RETURNS, "people and we fight for ever");
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn any_event() -> impl Strategy<Value = Event> {
    let late = prop_oneof![Just(Condition::Fired), Just(Condition::Resolved)];
    let act = prop_oneof![Just(Act::Close), Just(Act::Delete), Just(Act::Resolve), Just(Act::Reopen)];
    prop_oneof![
        2 => (0..2_usize).prop_map(Event::Fires),
        1 => (0..2_usize).prop_map(Event::Repeats),
        2 => (0..2_usize).prop_map(Event::Resolves),
        2 => (0..2_usize, late).prop_map(|(which, condition)| Event::Late(which, condition)),
        1 => any_written().prop_map(Event::Loses),
        4 => act.prop_map(Event::Person),
        3 => Just(Event::Pass),
        4 => Just(Event::Look),
    ]
}

fn any_written() -> impl Strategy<Value = Written> {
    prop_oneof![Just(Written::Yes), Just(Written::No)]
}

fn any_ending() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Act::Close), Just(Act::Delete), Just(Act::Resolve)]
}

fn told(people: People, events: &[Event]) -> Story {
    let mut story = Story {
        people,
        second: 0,
        alerts: Default::default(),
        ticket: None,
        known: None,
        loses: None,
        write_unsure: false,
        brought_back: 0,
        items: Vec::new(),
        returns: 0,
    };
    events.iter().for_each(|event| story.happens(*event));
    story
}

#[test]
fn our_own_resolution_whose_answer_was_lost_is_undone_for_an_older_firing_that_is_heard_late() {
    for written in [Written::Yes, Written::No] {
        let before = [Event::Fires(0), Event::Pass, Event::Resolves(0), Event::Loses(written), Event::Pass];
        let late = [Event::Late(1, Condition::Fired), Event::Pass];
        let story = told(People::LEFT_ALONE, &[&before[..], &late].concat());
        assert_eq!(story.items, [Item::Is(WorkItemState::Open)], "{written:?}");
    }
}

proptest! {
    /// The assertions are inside the story: none is opened beside another, none that is closed is written to.
    #[test]
    fn whatever_people_do_an_alert_never_has_two_items_and_a_new_firing_always_has_one(
        people in any_people(),
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut story = told(people, &events);
        story.happens(Event::Fires(0));
        // An answer may be lost the first time.
        story.happens(Event::Pass);
        story.happens(Event::Pass);
        let open = story.items.iter().filter(|item| **item == Item::Is(WorkItemState::Open)).count();
        prop_assert_eq!((open, story.items.last()), (1, Some(&Item::Is(WorkItemState::Open))));
        story.happens(Event::Resolves(0));
        story.happens(Event::Resolves(1));
        story.happens(Event::Pass);
        story.happens(Event::Pass);
        prop_assert!(!story.items.contains(&Item::Is(WorkItemState::Open)));
    }

    #[test]
    fn an_alert_that_fires_has_an_open_item_unless_a_person_ended_it(
        people in any_people(),
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let by_itself = |event: &Event| !matches!(event, Event::Person(_));
        let mut story = told(people, &events.into_iter().filter(by_itself).collect::<Vec<_>>());
        story.happens(Event::Look);
        story.happens(Event::Look);
        let open = story.items.iter().filter(|item| **item == Item::Is(WorkItemState::Open)).count();
        prop_assert_eq!((open, story.returns), (usize::from(story.firing()), 0));
    }

    #[test]
    fn a_repeated_notification_never_undoes_what_people_decided(
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut story = told(People::LEFT_ALONE, &events);
        story.happens(Event::Fires(0));
        story.happens(Event::Pass);
        story.happens(Event::Pass);
        story.happens(Event::Person(Act::Close));
        let before = story.items.clone();
        for event in [Event::Look, Event::Repeats(0), Event::Repeats(1), Event::Pass, Event::Look] {
            story.happens(event);
        }
        prop_assert_eq!(story.items, before);
    }

    #[test]
    fn whoever_ends_a_ticket_again_and_again_wins_in_the_end(
        people in any_people(),
        acts in prop::collection::vec((any_ending(), prop::option::of(any_written())), 10..20),
    ) {
        let mut story = told(people, &[Event::Fires(0), Event::Pass]);
        for (act, lost) in acts {
            story.happens(Event::Person(act));
            story.loses = lost;
            story.happens(Event::Look);
        }
        story.happens(Event::Look);
        prop_assert!(story.returns <= MOST_RETURNS);
        prop_assert!(!story.items.contains(&Item::Is(WorkItemState::Open)));
    }
}
