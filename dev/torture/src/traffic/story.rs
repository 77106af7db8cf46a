//! What the alerts of a run do, and when (pure): the same seed gives the same story.

use std::time::Duration;

use azure_simulator::alerts::Kind;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::rule;
use crate::judge::Condition;
use crate::notice::Notice;

/// Subjects are counted from here, so that no rule's name is the beginning of another's.
pub(crate) const FIRST_SUBJECT: u64 = 1_000_000;

/// Those that name their rule, so that a ticket can be told to be theirs. Of health alerts, the judge would have to know
/// which tell of one incident.
const KINDS: [Kind; 10] = [
    Kind::MetricStatic,
    Kind::LogV2,
    Kind::MetricDynamic,
    Kind::Prometheus,
    Kind::MetricMultiResource,
    Kind::LogV2ResourceCentric,
    Kind::Webtest,
    Kind::MetricStatic,
    Kind::ActivityAdministrative,
    Kind::ActivitySecurity,
];

/// Changes of one subject, at most.
const MOST_CHANGES: usize = 6;
/// How likely things are, of 1.
const ENDS_AFTER_A_RESOLUTION: f64 = 0.4;
const IS_ANOTHER_ALERT: f64 = 0.4;
const FIRES_UNRESOLVED: f64 = 0.1;
const IS_LATE: f64 = 0.25;
const IS_REPEATED: f64 = 0.2;

/// The notifications of a run and their deliveries.
#[derive(Debug, PartialEq)]
pub(crate) struct Story {
    seed: u64,
    notices: Vec<Change>,
    /// In the order in which they are due.
    pub(crate) deliveries: Vec<Due>,
}

/// One delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) after: Duration,
    pub(crate) notice: usize,
    /// Which ingest it goes to, modulo their number.
    pub(crate) via: usize,
}

/// A change of an alert; times count from the start.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    subject: u64,
    kind: Kind,
    /// When the alert fired first, which its id follows from.
    first_fired: Duration,
    /// When it fired this time.
    fired: Duration,
    condition: Condition,
    at: Duration,
}

impl Story {
    /// About `rate` deliveries a second for `length`.
    pub(crate) fn new(seed: u64, length: Duration, rate: f64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut story = Self { seed, notices: Vec::new(), deliveries: Vec::new() };
        let wanted = length.as_secs_f64() * rate;
        for (subject, kind) in (FIRST_SUBJECT..).zip(KINDS.into_iter().cycle()) {
            if story.deliveries.len() as f64 >= wanted {
                break;
            }
            let begin = length.mul_f64(dice.random::<f64>());
            for change in changes(subject, kind, begin, &mut dice) {
                // What is due after the end does not happen: the alert is left as it is.
                if change.at < length {
                    story.add(change, length, &mut dice);
                }
            }
        }
        story.deliveries.sort_by_key(|due| due.after);
        story
    }

    /// A notification of the story that begins at `start`.
    pub(crate) fn notice(&self, number: usize, start: Timestamp) -> Option<Notice> {
        let change = self.notices.get(number)?;
        let later = |after: Duration| start.saturating_add(after).unwrap_or(start);
        let alert = rule(change.kind, self.seed, change.subject).fire(later(change.first_fired));
        Some(Notice {
            subject: change.subject,
            alert: alert.again(later(change.fired)),
            condition: change.condition,
            at: later(change.at),
        })
    }

    fn add(&mut self, change: Change, length: Duration, dice: &mut StdRng) {
        let notice = self.notices.len();
        self.notices.push(change);
        let times = if dice.random_bool(IS_REPEATED) { dice.random_range(2..=3) } else { 1 };
        for _ in 0..times {
            let late = if times > 1 || dice.random_bool(IS_LATE) { dice.random_range(0..5_000) } else { 0 };
            let after = (change.at + Duration::from_millis(late)).min(length);
            self.deliveries.push(Due { after, notice, via: dice.random_range(0..1_000) });
        }
    }
}

fn changes(subject: u64, kind: Kind, begin: Duration, dice: &mut StdRng) -> Vec<Change> {
    let mut now = begin;
    let mut change =
        Change { subject, kind, first_fired: now, fired: now, condition: Condition::Fired, at: now };
    let mut changes = vec![change];
    while changes.len() < MOST_CHANGES {
        now += pause(dice);
        let resolves = kind.resolves() && !dice.random_bool(FIRES_UNRESOLVED);
        change = match change.condition {
            Condition::Fired if resolves => Change { condition: Condition::Resolved, at: now, ..change },
            Condition::Resolved if dice.random_bool(ENDS_AFTER_A_RESOLUTION) => break,
            // Without a resolution in between, Azure makes another alert.
            Condition::Fired => Change { first_fired: now, fired: now, at: now, ..change },
            Condition::Resolved if dice.random_bool(IS_ANOTHER_ALERT) => {
                Change { first_fired: now, fired: now, condition: Condition::Fired, at: now, ..change }
            }
            Condition::Resolved => Change { fired: now, condition: Condition::Fired, at: now, ..change },
        };
        changes.push(change);
        if !kind.resolves() && dice.random_bool(0.5) {
            break;
        }
    }
    changes
}

/// Flapping, usual and slow.
fn pause(dice: &mut StdRng) -> Duration {
    let ranges = [50..500_u64, 500..8_000, 500..8_000, 8_000..40_000];
    let range = ranges.choose(dice).cloned().unwrap_or(500..8_000);
    Duration::from_millis(dice.random_range(range))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_seed_gives_the_same_story() {
        assert_eq!(Story::new(7, MINUTE, 15.0), Story::new(7, MINUTE, 15.0));
        assert_ne!(Story::new(7, MINUTE, 15.0), Story::new(8, MINUTE, 15.0));
    }

    #[test]
    fn a_story_has_as_many_deliveries_as_the_rate_says_and_all_in_its_time() {
        let story = Story::new(7, MINUTE, 15.0);
        assert!((900..1_000).contains(&story.deliveries.len()), "{}", story.deliveries.len());
        assert!(story.deliveries.iter().all(|due| due.after <= MINUTE));
        assert!(story.deliveries.is_sorted_by_key(|due| due.after));
    }

    #[test]
    fn alerts_fire_anew_with_their_id_and_with_another() {
        let story = Story::new(7, MINUTE, 15.0);
        let start = Timestamp::UNIX_EPOCH;
        let notices: Vec<Notice> =
            (0..story.notices.len()).filter_map(|number| story.notice(number, start)).collect();
        let fired = || notices.iter().filter(|notice| notice.condition == Condition::Fired);
        let ids: BTreeSet<String> = fired().map(Notice::alert_id).collect();
        let subjects: BTreeSet<u64> = fired().map(|notice| notice.subject).collect();
        assert!(fired().count() > ids.len() && ids.len() > subjects.len());
    }

    #[test]
    fn every_notification_names_its_subject_so_that_its_ticket_can_be_told() {
        let story = Story::new(7, MINUTE, 15.0);
        for number in 0..story.notices.len() {
            let notice = story.notice(number, Timestamp::UNIX_EPOCH).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&notice.body()).unwrap();
            let rule = body["data"]["essentials"]["alertRule"].as_str().unwrap();
            assert!(rule.ends_with(&notice.subject.to_string()), "{rule}");
        }
    }
}
