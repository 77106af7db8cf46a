//! What an outage was like for those who were served: figures by phase, and the promises.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Subject;
use crate::desk::Tally;
use crate::gauges::load::Sent;
use crate::gauges::memory::{Memory, Resident};
use crate::gauges::promises::Promises;
use crate::gauges::sightings::Sightings;
use crate::gauges::spread::Spread;
use crate::product::Product;

/// What the broker held back is published within so many seconds of its return.
const PUBLISHED_WITHIN_S: f64 = 60.0;
/// Alerts wait for the outage to end, and then for at most so many times its length.
const CATCH_UP_FACTOR: f64 = 2.0;
/// A target that is up is to be served as if the other one were, too.
const NEIGHBOUR_DELAY_S: f64 = 1.0;
/// What a program may grow by, whatever is away: the requests and calls that wait at once, and their buffers.
/// What waits longer is on disk: in the broker, in Postgres, or in the spool.
const GROWTH_MIB: f64 = 32.0;

/// The phases of a run, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phases {
    pub(super) begin: Instant,
    pub(super) down: Instant,
    pub(super) back: Instant,
    pub(super) end: Instant,
}

/// All that was observed in a run.
#[derive(Debug)]
pub(super) struct Story {
    subject: Subject,
    phases: Phases,
    sent: Vec<Sent>,
    published: BTreeMap<u64, Instant>,
    desks: Vec<AtDesk>,
    programs: Vec<Program>,
}

/// What was seen at one target.
#[derive(Debug)]
struct AtDesk {
    target: Product,
    first: BTreeMap<u64, Instant>,
    doubled: usize,
    tally: Tally,
}

/// What a program needed in each phase.
#[derive(Debug)]
struct Program {
    name: String,
    phases: [Option<Resident>; 3],
    peak_mib: f64,
}

impl Phases {
    fn all(&self) -> [(&'static str, Instant, Instant); 3] {
        let Self { begin, down, back, end } = *self;
        [("before", begin, down), ("during", down, back), ("after", back, end)]
    }
}

impl Story {
    pub(super) fn new(subject: Subject, phases: Phases, sent: Vec<Sent>) -> Self {
        Self { subject, phases, sent, published: BTreeMap::new(), desks: Vec::new(), programs: Vec::new() }
    }

    /// Notes when each notification was seen at the broker.
    pub(super) fn published(&mut self, first: impl Fn(Uuid) -> Option<Instant>) {
        let of = |sent: &Sent| Some((sent.number, first(sent.id?)?));
        self.published = self.sent.iter().filter_map(of).collect();
    }

    /// Notes what was seen at a target.
    pub(super) fn seen_at(&mut self, target: Product, desk: &Sightings, tally: Tally) {
        let first =
            self.sent.iter().filter_map(|sent| Some((sent.number, desk.first(sent.number)?))).collect();
        self.desks.push(AtDesk { target, first, doubled: desk.doubled().len(), tally });
    }

    /// Notes what a program needed.
    pub(super) fn remembered(&mut self, name: &str, memory: &Memory, peak_mib: f64) {
        let phases = self.phases.all().map(|(_, from, to)| memory.between(from, to));
        self.programs.push(Program { name: name.to_owned(), phases, peak_mib });
    }

    /// What was promised for an outage of this length.
    pub(super) fn promises(&self, length: Duration) -> Promises {
        let mut promises = Promises::default();
        promises.never("phases in which nothing was acknowledged", self.silent_phases());
        let refusals = self.sent.iter().map(|sent| sent.refusals() as usize).sum();
        promises.never("requests refused or not answered", refusals);
        promises.never("alerts given up by the sender", self.sent.len() - self.owed().count());
        let unpublished = |sent: &&Sent| !self.published.contains_key(&sent.number);
        promises.never("alerts acknowledged and never published", self.owed().filter(unpublished).count());
        match self.subject {
            Subject::Broker => promises.at_most(
                "seconds from its return until all is published",
                self.latest(&self.published),
                PUBLISHED_WITHIN_S,
            ),
            Subject::Database | Subject::Itsm => {}
        }
        for desk in &self.desks {
            self.promise_tickets(desk, length, &mut promises);
        }
        for Program { name, phases, .. } in &self.programs {
            let growth = match phases.map(|phase| phase.map(|resident| resident.max_mib)) {
                [Some(before), Some(during), Some(after)] => (during.max(after) - before).max(0.0),
                _ => f64::NAN,
            };
            promises.at_most(format!("MiB that {name} grew by"), growth, GROWTH_MIB);
        }
        promises
    }

    fn promise_tickets(&self, desk: &AtDesk, length: Duration, promises: &mut Promises) {
        let AtDesk { target, first, doubled, tally } = desk;
        let lost = self.owed().filter(|sent| !first.contains_key(&sent.number)).count();
        promises.never(format!("alerts acknowledged and without a ticket in {target}"), lost);
        promises.never(format!("alerts with several tickets in {target}"), doubled + tally.doubled);
        promises.never(format!("tickets of {target} in a wrong state"), tally.total - tally.new);
        if self.is_away(*target) {
            let bound = length.as_secs_f64() * CATCH_UP_FACTOR;
            promises.at_most(format!("seconds until {target} had caught up"), self.latest(first), bound);
        } else {
            let [before, during, _] = self.phases.all().map(|(_, from, to)| self.delays(first, from, to));
            // Like with like: on a busy machine the slowest of a healthy phase is a second from its middle, too.
            let pairs = [(before.p50, during.p50), (before.p99, during.p99), (before.max, during.max)];
            let delays = pairs.map(|(before, during)| during.saturating_sub(before));
            let delay = delays.into_iter().max().unwrap_or_default().as_secs_f64();
            promises.at_most(format!("seconds by which {target} was delayed"), delay, NEIGHBOUR_DELAY_S);
        }
    }

    fn silent_phases(&self) -> usize {
        let within = |from, to| self.owed().any(|sent| from <= sent.due && sent.due < to);
        self.phases.all().into_iter().filter(|(_, from, to)| !within(*from, *to)).count()
    }

    /// Whether the outage keeps a target from its tickets.
    fn is_away(&self, target: Product) -> bool {
        match self.subject {
            Subject::Broker | Subject::Database => true,
            Subject::Itsm => self.subject.targets().last() == Some(&target),
        }
    }

    fn owed(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| sent.is_acknowledged())
    }

    /// From the return until the last of all that were acknowledged before it, in seconds; not a number when one
    /// is missing.
    fn latest(&self, when: &BTreeMap<u64, Instant>) -> f64 {
        let after = |sent: &Sent| {
            let at = when.get(&sent.number)?;
            Some(at.saturating_duration_since(self.phases.back).as_secs_f64())
        };
        let waited = self.owed().filter(|sent| sent.answered <= self.phases.back);
        waited.map(|sent| after(sent).unwrap_or(f64::NAN)).fold(0.0, |most: f64, next| {
            if most.is_nan() || next.is_nan() { f64::NAN } else { most.max(next) }
        })
    }

    /// From the acknowledgement to the ticket, of what was acknowledged in a stretch of time.
    fn delays(&self, first: &BTreeMap<u64, Instant>, from: Instant, to: Instant) -> Spread {
        self.owed()
            .filter(|sent| from <= sent.answered && sent.answered < to)
            .filter_map(|sent| Some(first.get(&sent.number)?.saturating_duration_since(sent.answered)))
            .collect()
    }
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<8}{:>8}{:>8}{:>9}{:>9}", "phase", "seconds", "sent", "refused", "given up")?;
        write!(formatter, "{:>28}", "due → 202, s: p50 p99 max")?;
        for desk in &self.desks {
            write!(formatter, "   {:>32}", format!("202 → {}, s", desk.target))?;
        }
        writeln!(formatter)?;
        for (phase, from, to) in self.phases.all() {
            let due: Vec<&Sent> = self.sent.iter().filter(|sent| from <= sent.due && sent.due < to).collect();
            let refused: u32 = due.iter().map(|sent| sent.refusals()).sum();
            let accepted = due.iter().filter(|sent| sent.is_acknowledged());
            let given_up = due.len() - accepted.clone().count();
            let answered: Spread =
                accepted.map(|sent| sent.answered.saturating_duration_since(sent.due)).collect();
            let seconds = to.duration_since(from).as_secs_f64();
            write!(
                formatter,
                "{phase:<8}{seconds:>8.0}{:>8}{refused:>9}{given_up:>9}    {answered}",
                due.len()
            )?;
            for desk in &self.desks {
                write!(formatter, "   {:>32}", self.delays(&desk.first, from, to).to_string())?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "\n{:<8}{:>20}{:>20}{:>20}{:>8}", "MiB", "before", "during", "after", "peak")?;
        for Program { name, phases, peak_mib } in &self.programs {
            write!(formatter, "{name:<8}")?;
            for phase in phases {
                match phase {
                    Some(Resident { median_mib, max_mib }) => {
                        let text = format!("{median_mib:.1} (max {max_mib:.1})");
                        write!(formatter, "{text:>20}")?;
                    }
                    None => write!(formatter, "{:>20}", "–")?,
                }
            }
            writeln!(formatter, "{peak_mib:>8.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use azure_simulator::sender::Outcome;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(100);
    const SECOND: Duration = Duration::from_secs(1);

    /// One alert in each phase, served at once; what waited for the outage was served 10 s after it.
    fn served(subject: Subject) -> Story {
        let begin = Instant::now();
        let [down, back, end] = [100, 200, 300].map(|seconds| begin + seconds * SECOND);
        let sent = [(1, 50), (2, 150), (3, 250)].map(|(number, due)| {
            let due = begin + due * SECOND;
            let id = Some(Uuid::from_u128(number.into()));
            Sent { number, due, answered: due, attempts: 1, outcome: Outcome::Accepted(202), id }
        });
        let mut story = Story::new(subject, Phases { begin, down, back, end }, sent.into());
        let seen = |late| sent_at(&story, late);
        let (late, at_once) = (seen(back + 10 * SECOND), seen(begin));
        story.published = if subject == Subject::Broker { late.clone() } else { at_once.clone() };
        for (target, number) in subject.targets().iter().zip(1..) {
            let first = if number == subject.targets().len() { late.clone() } else { at_once.clone() };
            let tally = Tally { total: 3, new: 3, doubled: 0 };
            story.desks.push(AtDesk { target: *target, first, doubled: 0, tally });
        }
        let resident = Some(Resident { median_mib: 30.0, max_mib: 40.0 });
        story.programs.push(Program { name: "ingest".to_owned(), phases: [resident; 3], peak_mib: 40.0 });
        story
    }

    /// When each alert was seen: at once, but the one of the outage not before `late`.
    fn sent_at(story: &Story, late: Instant) -> BTreeMap<u64, Instant> {
        let seen = |sent: &Sent| if sent.number == 2 { sent.answered.max(late) } else { sent.answered };
        story.sent.iter().map(|sent| (sent.number, seen(sent))).collect()
    }

    fn broken(subject: Subject, spoil: impl FnOnce(&mut Story)) -> Vec<String> {
        let mut story = served(subject);
        spoil(&mut story);
        story.promises(LENGTH).broken().map(str::to_owned).collect()
    }

    #[test]
    fn who_serves_all_in_time_has_kept_every_promise() {
        for subject in [Subject::Broker, Subject::Database, Subject::Itsm] {
            assert_eq!(broken(subject, |_| {}), [""; 0]);
        }
    }

    #[test]
    fn every_promise_can_be_broken() {
        let one = |subject, spoil: fn(&mut Story), what: &str| {
            assert_eq!(broken(subject, spoil), [what]);
        };
        one(Subject::Database, |it| it.sent[1].attempts = 2, "requests refused or not answered");
        let lost = "alerts acknowledged and without a ticket in servicenow";
        let caught_up = "seconds until servicenow had caught up";
        let without = |missing| {
            broken(Subject::Database, |it| it.desks[0].first.retain(|number, _| *number != missing))
        };
        assert_eq!(without(3), [lost]);
        assert_eq!(without(2), [lost, caught_up]);
        let unpublished = "alerts acknowledged and never published";
        let unseen = |it: &mut Story| it.published.retain(|number, _| *number != 2);
        one(Subject::Database, unseen, unpublished);
        one(Subject::Database, |it| it.desks[0].doubled = 1, "alerts with several tickets in servicenow");
        one(Subject::Database, |it| it.desks[0].tally.total = 4, "tickets of servicenow in a wrong state");
        one(Subject::Database, |it| it.programs[0].phases[1] = None, "MiB that ingest grew by");
        let late = |it: &mut Story| it.published.extend([(2, it.phases.back + 61 * SECOND)]);
        one(Subject::Broker, late, "seconds from its return until all is published");
        let delayed = |it: &mut Story| it.desks[0].first.extend([(2, it.sent[1].answered + 2 * SECOND)]);
        one(Subject::Itsm, delayed, "seconds by which servicenow was delayed");
    }

    #[test]
    fn without_a_load_nothing_is_shown() {
        let silent = "phases in which nothing was acknowledged";
        assert!(broken(Subject::Database, |it| it.sent.clear()).contains(&silent.to_owned()));
    }
}
