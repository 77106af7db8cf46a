//! What the alerts of a run do, and when (pure): the same seed gives the same story.

use std::ops::Range;
use std::time::Duration;

use azure_simulator::alerts::AlertRule;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::judge::Condition;
use crate::notice::Notice;
use crate::ways::Way;

/// Subjects are counted from here, so that no rule's name is the beginning of another's.
pub(crate) const FIRST_SUBJECT: u64 = 1_000_000;

/// Subjects that begin together, so many that not each can have a ticket.
const BURST: usize = 12;
/// Within how long they do, and the rules of one subject.
const TOGETHER_WITHIN: Duration = Duration::from_secs(1);

/// How likely things are, of 1.
const IS_ANOTHER_ALERT: f64 = 0.4;
const IS_LATE: f64 = 0.25;
const IS_REPEATED: f64 = 0.2;

/// The notifications of a run and their deliveries.
#[derive(Debug)]
pub(crate) struct Story {
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
#[derive(Debug, Clone)]
struct Change {
    subject: u64,
    rule: AlertRule,
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
        let mut story = Self { notices: Vec::new(), deliveries: Vec::new() };
        let wanted = length.as_secs_f64() * rate;
        let mut bursts = Bursts::default();
        for subject in FIRST_SUBJECT.. {
            if story.deliveries.len() as f64 >= wanted {
                break;
            }
            let way = Way::of(subject);
            let begin = if way == Way::Storm {
                bursts.next(length, &mut dice)
            } else {
                length.mul_f64(dice.random::<f64>())
            };
            for rule in way.rules(seed, subject) {
                let begin = begin + TOGETHER_WITHIN.mul_f64(dice.random::<f64>());
                for change in changes(subject, &rule, begin, &mut dice) {
                    // What is due after the end does not happen: the alert is left as it is.
                    if change.at < length {
                        story.add(change, length, &mut dice);
                    }
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
        let alert = change.rule.fire(later(change.first_fired));
        Some(Notice {
            subject: change.subject,
            alert: alert.again(later(change.fired)),
            condition: change.condition,
            at: later(change.at),
        })
    }

    fn add(&mut self, change: Change, length: Duration, dice: &mut StdRng) {
        let (notice, at) = (self.notices.len(), change.at);
        self.notices.push(change);
        let times = if dice.random_bool(IS_REPEATED) { dice.random_range(2..=3) } else { 1 };
        for _ in 0..times {
            let late = if times > 1 || dice.random_bool(IS_LATE) { dice.random_range(0..5_000) } else { 0 };
            let after = (at + Duration::from_millis(late)).min(length);
            self.deliveries.push(Due { after, notice, via: dice.random_range(0..1_000) });
        }
    }
}

/// When the subjects of a storm begin.
#[derive(Default)]
struct Bursts {
    left: usize,
    at: Duration,
}

impl Bursts {
    /// When the next subject does.
    fn next(&mut self, length: Duration, dice: &mut StdRng) -> Duration {
        if self.left == 0 {
            *self = Self { left: BURST, at: length.mul_f64(dice.random::<f64>()) };
        }
        self.left -= 1;
        self.at
    }
}

fn changes(subject: u64, rule: &AlertRule, begin: Duration, dice: &mut StdRng) -> Vec<Change> {
    let (manner, resolves) = (Manner::of(Way::of(subject)), rule.kind().resolves());
    let (mut now, rule) = (begin, rule.clone());
    let mut change =
        Change { subject, rule, first_fired: now, fired: now, condition: Condition::Fired, at: now };
    let mut changes = vec![change.clone()];
    while changes.len() < manner.most_changes {
        now += manner.pause(dice);
        let is_resolved = resolves && !dice.random_bool(manner.fires_unresolved);
        change = match change.condition {
            Condition::Fired if is_resolved => Change { condition: Condition::Resolved, at: now, ..change },
            Condition::Resolved if dice.random_bool(manner.ends_after_a_resolution) => break,
            // Without a resolution in between, Azure makes another alert.
            Condition::Fired => Change { first_fired: now, fired: now, at: now, ..change },
            Condition::Resolved if dice.random_bool(IS_ANOTHER_ALERT) => {
                Change { first_fired: now, fired: now, condition: Condition::Fired, at: now, ..change }
            }
            Condition::Resolved => Change { fired: now, condition: Condition::Fired, at: now, ..change },
        };
        changes.push(change.clone());
        if !resolves && dice.random_bool(0.5) {
            break;
        }
    }
    changes
}

/// How the alerts of a way change; how likely things are, of 1.
struct Manner {
    /// Of one alert rule.
    most_changes: usize,
    fires_unresolved: f64,
    ends_after_a_resolution: f64,
    /// In milliseconds; each is as likely as the others.
    pauses: [Range<u64>; 4],
}

impl Manner {
    fn of(way: Way) -> Self {
        match way {
            // Flapping, usual and slow.
            Way::Plain | Way::Grouped | Way::Storm | Way::Copied => Self {
                most_changes: 6,
                fires_unresolved: 0.1,
                ends_after_a_resolution: 0.4,
                pauses: [50..500, 500..8_000, 500..8_000, 8_000..40_000],
            },
            // Within the time that things wait, and after it.
            Way::Damped => Self {
                most_changes: 6,
                fires_unresolved: 0.1,
                ends_after_a_resolution: 0.4,
                pauses: [50..1_500, 50..1_500, 1_500..5_000, 5_000..20_000],
            },
            // For so long that faults, in which changes pile up and are taken for one, do not hide it.
            Way::Flapping => Self {
                most_changes: 31,
                // While one of them fires, the others do not bring its ticket back.
                fires_unresolved: 0.0,
                ends_after_a_resolution: 0.02,
                pauses: [500..1_000, 500..1_500, 1_000..2_000, 1_500..2_500],
            },
        }
    }

    fn pause(&self, dice: &mut StdRng) -> Duration {
        let range = self.pauses.choose(dice).cloned().unwrap_or(500..8_000);
        Duration::from_millis(dice.random_range(range))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_seed_gives_the_same_story() {
        let told = |seed| format!("{:?}", Story::new(seed, MINUTE, 15.0));
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
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
    fn a_storm_breaks_loose_within_a_second() {
        let story = Story::new(7, MINUTE, 15.0);
        let mut begins: BTreeMap<u64, Duration> = BTreeMap::new();
        for change in story.notices.iter().filter(|change| Way::of(change.subject) == Way::Storm) {
            begins.entry(change.subject).or_insert(change.at);
        }
        let begins: Vec<Duration> = begins.into_values().collect();
        let spread = |burst: &[Duration]| *burst.iter().max().unwrap() - *burst.iter().min().unwrap();
        assert!(begins.len() > BURST);
        assert!(begins.chunks(BURST).all(|burst| spread(burst) <= TOGETHER_WITHIN));
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
