//! The plan against everything that Azure and people may do, in any order: a ledger and an ITSM in miniature.

use std::time::Duration;

use proptest::prelude::*;
use shared::alert::Condition;
use shared::alert::identity::AlertKey;
use uuid::Uuid;

use super::tests::any_people;
use super::*;
use crate::reconcile::alert::{AlertState, Report};
use crate::reconcile::ticket::{Decision, Members, Ticket, decide, first};

const ALERT: AlertKey = AlertKey([1; 32]);

#[derive(Debug, Clone, Copy)]
enum Event {
    Fires,
    /// The newest firing is heard once more.
    Repeats,
    Resolves,
    /// Something older is heard only now.
    Late(Condition),
    Person(Act),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Is(WorkItemState),
    Deleted,
}

/// One alert, its tickets, and the work items that they have.
struct Story {
    people: People,
    second: i64,
    alert: AlertState,
    /// The ticket that serves the alert, as the intake sees it.
    ticket: Option<Ticket>,
    known: Option<Known>,
    brought_back: u32,
    items: Vec<Item>,
    /// How often the newest firing was brought back.
    returns: u32,
}

impl Story {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Fires => {
                self.second += 1;
                self.returns = 0;
                self.hear(Condition::Fired);
            }
            Event::Repeats => {
                if self.alert.fired.is_some() {
                    let (fired, _) = self.alert.fired.unwrap();
                    self.hear_at(Condition::Fired, fired);
                }
            }
            Event::Resolves => {
                self.second += 1;
                self.hear(Condition::Resolved);
            }
            Event::Late(condition) => {
                let newest = self.alert.fired.map_or(0, |(at, _)| at.as_second());
                self.hear_at(condition, at(newest - 1));
            }
            Event::Person(act) => self.person(act),
            Event::Pass => self.pass(false),
            Event::Look => self.pass(true),
        }
    }

    fn hear(&mut self, condition: Condition) {
        self.hear_at(condition, at(self.second));
    }

    fn hear_at(&mut self, condition: Condition, instant: Timestamp) {
        let report = Report { notification: Uuid::nil(), condition, at: Some(instant) };
        self.alert = self.alert.hear(&report, at(1_000));
        let Some(ticket) = self.ticket else {
            self.ticket = self.alert.firing().then(|| first(ALERT, &self.alert));
            return;
        };
        let ticket = Ticket {
            exists: self.known.is_some(),
            closed: self.known.is_some_and(|known| known.state == WorkItemState::Closed),
            ..ticket
        };
        let members = Members::remembered(&ticket, self.alert.firing()).with(ALERT, &self.alert);
        match decide(&ticket, &members, Duration::MAX) {
            Decision::Keep => {}
            Decision::Change(wanted) => self.ticket = Some(wanted),
            Decision::Replace(_) => self.succeed(),
        }
    }

    fn succeed(&mut self) {
        let told =
            self.known.filter(|known| self.alert.fired.is_some_and(|(at, _)| at <= known.told_through));
        self.brought_back = told.map_or(0, |known| known.brought_back + 1);
        self.known = None;
        self.ticket = self.alert.firing().then(|| first(ALERT, &self.alert));
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
                write_unsure: false,
                look_due,
                record_resolved: false,
                people: self.people,
                check: DoubleCheck::NotDue,
                binding: Binding::NotDue,
                seen,
            };
            match next(&situation) {
                Step::Done(settlement) => return self.settled(settlement, ticket),
                Step::LookUp => seen = Seen::Absent,
                Step::Read => seen = self.read(),
                Step::Create => {
                    let open = self.items.contains(&Item::Is(WorkItemState::Open));
                    assert!(!open, "one is open already: {:?}", self.items);
                    assert!(ticket.wants == Wants::Open && self.alert.firing());
                    self.items.push(Item::Is(WorkItemState::Open));
                    self.tell(ticket, WorkItemState::Open);
                    seen = self.read();
                }
                Step::Note => self.write(ticket, WorkItemState::Open, WorkItemState::Open),
                Step::Resolve => self.write(ticket, WorkItemState::Open, WorkItemState::Resolved),
                Step::Reopen => self.write(ticket, WorkItemState::Resolved, WorkItemState::Open),
                Step::BringBack => {
                    self.write(ticket, WorkItemState::Resolved, WorkItemState::Open);
                    self.returns += 1;
                    self.known =
                        self.known.map(|known| Known { brought_back: known.brought_back + 1, ..known });
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

    fn write(&mut self, ticket: Ticket, before: WorkItemState, after: WorkItemState) {
        let item = self.items.last_mut().unwrap();
        assert_eq!(
            *item,
            Item::Is(before),
            "nothing is written to a closed item, or to one in another state"
        );
        *item = Item::Is(after);
        self.tell(ticket, after);
    }

    fn tell(&mut self, ticket: Ticket, state: WorkItemState) {
        let before = self.known;
        let again = before.filter(|known| ticket.fired_at <= known.told_through);
        let brought_back = match (before, again) {
            (None, _) => self.brought_back,
            (Some(_), None) => 0,
            (Some(_), Some(known)) => known.brought_back,
        };
        self.known = Some(Known { state, told_through: ticket.fired_at, left_alone: false, brought_back });
    }

    fn settled(&mut self, settlement: Settlement, ticket: Ticket) {
        if let Some(known) = &mut self.known {
            known.left_alone = matches!(settlement, Settlement::Left(_));
            match (settlement, ticket.wants) {
                (Settlement::Closed | Settlement::Replace(_) | Settlement::Left(Deed::Closed), _) => {
                    known.state = WorkItemState::Closed;
                }
                (Settlement::InSync, Wants::Resolved) if known.state == WorkItemState::Open => {
                    known.state = WorkItemState::Resolved;
                }
                (Settlement::InSync | Settlement::NotNeeded | Settlement::Left(Deed::Resolved), _) => {}
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
        2 => Just(Event::Fires),
        1 => Just(Event::Repeats),
        2 => Just(Event::Resolves),
        1 => late.prop_map(Event::Late),
        4 => act.prop_map(Event::Person),
        3 => Just(Event::Pass),
        4 => Just(Event::Look),
    ]
}

fn any_ending() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Act::Close), Just(Act::Delete), Just(Act::Resolve)]
}

fn told(people: People, events: &[Event]) -> Story {
    let mut story = Story {
        people,
        second: 0,
        alert: AlertState::default(),
        ticket: None,
        known: None,
        brought_back: 0,
        items: Vec::new(),
        returns: 0,
    };
    events.iter().for_each(|event| story.happens(*event));
    story
}

proptest! {
    /// The assertions are inside the story: none is opened beside another, none that is closed is written to.
    #[test]
    fn whatever_people_do_an_alert_never_has_two_items_and_a_new_firing_always_has_one(
        people in any_people(),
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut story = told(people, &events);
        story.happens(Event::Fires);
        story.happens(Event::Pass);
        let open = story.items.iter().filter(|item| **item == Item::Is(WorkItemState::Open)).count();
        prop_assert_eq!((open, story.items.last()), (1, Some(&Item::Is(WorkItemState::Open))));
        story.happens(Event::Resolves);
        story.happens(Event::Pass);
        prop_assert!(!story.items.contains(&Item::Is(WorkItemState::Open)));
    }

    #[test]
    fn a_repeated_notification_never_undoes_what_people_decided(
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut story = told(People::LEFT_ALONE, &events);
        story.happens(Event::Fires);
        story.happens(Event::Pass);
        story.happens(Event::Person(Act::Close));
        let before = story.items.clone();
        for event in [Event::Look, Event::Repeats, Event::Pass, Event::Look] {
            story.happens(event);
        }
        prop_assert_eq!(story.items, before);
    }

    #[test]
    fn whoever_ends_a_ticket_again_and_again_wins_in_the_end(
        people in any_people(),
        acts in prop::collection::vec(any_ending(), 10..20),
    ) {
        let mut story = told(people, &[Event::Fires, Event::Pass]);
        for act in acts {
            story.happens(Event::Person(act));
            story.happens(Event::Look);
        }
        prop_assert!(story.returns <= MOST_RETURNS);
        prop_assert!(!story.items.contains(&Item::Is(WorkItemState::Open)));
    }
}
