//! The plan against everything that Azure and people may do, in any order: a ledger and an ITSM in miniature.

use std::time::Duration;

use proptest::prelude::*;
use shared::alert::Condition;
use shared::alert::identity::AlertKey;
use uuid::Uuid;

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
    when_resolved: WhenResolved,
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
    /// How often a work item was told that its alerts are resolved, and left to people.
    farewells: u32,
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
                when_resolved: self.when_resolved,
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
                step @ (Step::Note | Step::Resolve | Step::TellResolved | Step::Reopen | Step::BringBack) => {
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
            Step::Note | Step::TellResolved => (WorkItemState::Open, WorkItemState::Open),
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
            self.farewells += u32::from(step == Step::TellResolved);
        }
        let known = self.known.as_mut().unwrap();
        known.brought_back += u32::from(step == Step::BringBack);
        if lost.is_none() {
            self.write_unsure = false;
            self.tell(ticket, if step == Step::TellResolved { WorkItemState::Resolved } else { after });
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
                (Settlement::HandedOver, _) => known.state = WorkItemState::Resolved,
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
    told_on((people, WhenResolved::Resolve), events)
}

/// The same on a route that treats the end of alerts in this way.
fn told_on((people, when_resolved): (People, WhenResolved), events: &[Event]) -> Story {
    let mut story = Story {
        people,
        when_resolved,
        second: 0,
        alerts: Default::default(),
        ticket: None,
        known: None,
        loses: None,
        write_unsure: false,
        brought_back: 0,
        items: Vec::new(),
        returns: 0,
        farewells: 0,
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

mod laws;
