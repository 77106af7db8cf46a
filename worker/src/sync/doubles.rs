//! Which of several work items of one ticket is the one (pure).
//!
//! No ITSM that is spoken to here refuses a second work item with the same correlation id. One comes about when a
//! worker is stopped right before it sends a create, loses its ticket, and goes on; so a search is made again later,
//! and what it finds too many is closed.

use crate::connector::{WorkItem, WorkItemState};

/// What a search for a ticket's correlation id came to.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// The search does not show the work item that there is, so it proves nothing about others either.
    Unclear,
    Items {
        keep: WorkItem,
        /// Open beside the one that is kept.
        doubles: Vec<WorkItem>,
    },
}

/// What is known of the ticket that the search was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought<'a> {
    /// No work item yet, or one that is gone.
    Unknown,
    /// This work item is there.
    Item(&'a str),
    /// This work item was there; another ticket has taken its place, and it is never given another.
    Ended(&'a str),
}

/// Sorts out what a search has found, oldest first: the oldest that is open is the one, because people have had it the
/// longest; other open ones are doubles. One that somebody has resolved or closed is never preferred to an open one,
/// since an alert may fire.
pub fn sort_out(mut found: Vec<WorkItem>, sought: Sought<'_>) -> Found {
    let position = |id: &str| found.iter().position(|item| item.id == id);
    let oldest = |state| found.iter().position(|item| item.state == state);
    let open = oldest(WorkItemState::Open);
    let kept = match sought {
        Sought::Unknown if found.is_empty() => return Found::Nothing,
        Sought::Unknown => open.or(oldest(WorkItemState::Resolved)).unwrap_or(found.len() - 1),
        Sought::Item(id) => match position(id) {
            Some(known) => open.unwrap_or(known),
            None => return Found::Unclear,
        },
        Sought::Ended(id) => match position(id) {
            Some(known) => known,
            None => return Found::Unclear,
        },
    };
    let keep = found.remove(kept);
    found.retain(|item| item.state == WorkItemState::Open);
    Found::Items { keep, doubles: found }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(states: &[WorkItemState]) -> Vec<WorkItem> {
        let item = |(number, state): (usize, &WorkItemState)| WorkItem {
            id: number.to_string(),
            number: format!("INC{number}"),
            state: *state,
            resolution: None,
        };
        states.iter().enumerate().map(item).collect()
    }

    fn sorted(states: &[WorkItemState], sought: Sought<'_>) -> (String, Vec<String>) {
        match sort_out(items(states), sought) {
            Found::Items { keep, doubles } => (keep.id, doubles.into_iter().map(|item| item.id).collect()),
            Found::Nothing => ("nothing".to_owned(), Vec::new()),
            Found::Unclear => ("unclear".to_owned(), Vec::new()),
        }
    }

    #[test]
    fn the_oldest_open_one_is_kept_and_the_other_open_ones_are_doubles() {
        use Sought::{Ended, Item, Unknown};
        use WorkItemState::{Closed, Open, Resolved};
        let cases: [(&[WorkItemState], Sought<'_>, &str, &[&str]); 14] = [
            (&[], Unknown, "nothing", &[]),
            (&[], Item("0"), "unclear", &[]),
            (&[Open], Unknown, "0", &[]),
            (&[Open, Open], Unknown, "0", &["1"]),
            (&[Open, Open, Open], Item("1"), "0", &["1", "2"]),
            (&[Open, Open], Item("9"), "unclear", &[]),
            (&[Resolved, Open], Item("0"), "1", &[]),
            (&[Resolved, Open], Unknown, "1", &[]),
            (&[Closed, Resolved], Item("0"), "0", &[]),
            (&[Open, Resolved], Item("0"), "0", &[]),
            (&[Closed, Open], Item("0"), "1", &[]),
            (&[Closed, Open], Ended("0"), "0", &["1"]),
            (&[Closed, Closed], Unknown, "1", &[]),
            (&[Closed, Resolved, Open], Item("2"), "2", &[]),
        ];
        for (states, sought, keep, doubles) in cases {
            let expected = (keep.to_owned(), doubles.iter().map(ToString::to_string).collect());
            assert_eq!(sorted(states, sought), expected, "{states:?} {sought:?}");
        }
    }

    proptest! {
        #[test]
        fn of_what_is_open_exactly_one_is_left(states in prop::collection::vec(0..3_u8, 0..6), known in 0..6_usize) {
            let states: Vec<_> = states
                .into_iter()
                .map(|state| match state {
                    0 => WorkItemState::Open,
                    1 => WorkItemState::Resolved,
                    _ => WorkItemState::Closed,
                })
                .collect();
            let open = |item: &WorkItem| item.state == WorkItemState::Open;
            let all = items(&states);
            if let Found::Items { keep, doubles } = sort_out(all.clone(), Sought::Item(&known.to_string())) {
                let left = all.iter().filter(|item| open(item) && !doubles.contains(item)).count();
                prop_assert_eq!(left, usize::from(all.iter().any(open)));
                prop_assert!(left == 0 || open(&keep));
                prop_assert!(!doubles.contains(&keep));
            }
        }
    }
}
