//! What holds in every story.

use super::super::tests::{any_people, any_when_resolved};
use super::*;

proptest! {
    /// The assertions are inside the story: none is opened beside another, none that is closed is written to.
    #[test]
    fn whatever_people_do_an_alert_never_has_two_items_and_a_new_firing_always_has_one(
        route in (any_people(), any_when_resolved()),
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut story = told_on(route, &events);
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
        let open = story.items.iter().filter(|item| **item == Item::Is(WorkItemState::Open)).count();
        let is_left_to_people = story.when_resolved != WhenResolved::Resolve;
        prop_assert_eq!(open, usize::from(is_left_to_people));
        prop_assert_eq!(story.known.unwrap().state, WorkItemState::Resolved, "nothing is owed to it");
    }

    #[test]
    fn people_are_told_once_that_the_alerts_of_their_ticket_are_resolved(
        events in prop::collection::vec(any_event(), 0..40), again in prop::collection::vec(0..4_usize, 0..10),
    ) {
        let mut story = told_on((People::LEFT_ALONE, WhenResolved::Note), &events);
        for event in [Event::Fires(0), Event::Pass, Event::Pass, Event::Resolves(0), Event::Resolves(1)] {
            story.happens(event);
        }
        let before = story.farewells;
        story.loses = None;
        story.happens(Event::Pass);
        for choice in again {
            let repeats = [Event::Pass, Event::Look, Event::Resolves(0), Event::Late(1, Condition::Resolved)];
            story.happens(repeats[choice]);
        }
        story.happens(Event::Pass);
        prop_assert_eq!(story.farewells, before + 1);
    }

    #[test]
    fn an_alert_that_fires_has_an_open_item_unless_a_person_ended_it(
        route in (any_people(), any_when_resolved()),
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let by_itself = |event: &Event| !matches!(event, Event::Person(_));
        let mut story = told_on(route, &events.into_iter().filter(by_itself).collect::<Vec<_>>());
        story.happens(Event::Look);
        story.happens(Event::Look);
        let open = story.items.iter().filter(|item| **item == Item::Is(WorkItemState::Open)).count();
        // What is left to people and they have not ended goes on with the next firing.
        let expected = match story.when_resolved {
            WhenResolved::Resolve => usize::from(story.firing()),
            WhenResolved::Note | WhenResolved::Leave => story.items.len(),
        };
        prop_assert_eq!((open, story.returns), (expected, 0));
        prop_assert!(story.items.len() <= 1 && (open == 1 || !story.firing()));
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
