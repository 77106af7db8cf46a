//! What a run says in the end, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::evidence::Backlog;
use crate::judge::{Finding, Gone, Item, Verdict};
use crate::product::Product;
use crate::record::Counts;
use crate::ways::Way;

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) minutes: f64,
    pub(crate) ingests: usize,
    pub(crate) workers: usize,
    pub(crate) counts: Counts,
    pub(crate) subjects: usize,
    pub(crate) targets: BTreeMap<Product, AtTarget>,
    pub(crate) ways: BTreeMap<Way, Gone>,
    /// Alerts about which a last word was needed.
    pub(crate) last_words: usize,
    pub(crate) findings: Vec<Finding>,
    /// Dead letters that the run did not make itself.
    pub(crate) dead_letters: usize,
    /// Messages made by the run that are no alerts, as far as they are kept for an operator.
    pub(crate) poisoned: usize,
    /// How often an ingest or a worker ended by itself and was started again.
    pub(crate) restarts: usize,
    /// By kind of fault, without those for which this machine has no means.
    pub(crate) faults: BTreeMap<String, Tried>,
    /// Seconds from the end of the faults to the moment from which nothing was left to do; none when there was none in
    /// time.
    pub(crate) settled_after_s: Option<f64>,
    /// The same from the last words on.
    pub(crate) settled_again_after_s: Option<f64>,
    pub(crate) settle_limit_s: u64,
    /// What is left to do.
    pub(crate) backlog: Backlog,
}

/// What a target holds in the end; what is wrong with it is among the findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AtTarget {
    pub(crate) tickets: usize,
    /// Doubles that were closed as such.
    pub(crate) healed: usize,
}

/// How often a fault was planned and how often it came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tried {
    pub(crate) planned: usize,
    pub(crate) applied: usize,
}

impl AtTarget {
    pub(crate) fn of<'a>(items: impl Iterator<Item = &'a Item>) -> Self {
        items.fold(Self::default(), |Self { tickets, healed }, item| Self {
            tickets: tickets + 1,
            healed: healed + usize::from(item.closed_as_duplicate),
        })
    }
}

impl Report {
    /// Whether every promise was kept, and the run was one that could have broken them.
    pub(crate) fn is_good(&self) -> bool {
        self.findings.is_empty()
            && self.dead_letters == 0
            && self.poisoned >= self.faults.get("poison").map_or(0, |poison| poison.applied)
            && self.settled_after_s.is_some()
            && self.settled_again_after_s.is_some()
            && self.counts.acknowledged > 0
            && self.too_rare().next().is_none()
            && self.ways.values().all(Gone::is_seen)
    }

    /// Faults that came about less than half as often as planned.
    fn too_rare(&self) -> impl Iterator<Item = &str> {
        self.faults
            .iter()
            .filter(|(_, tried)| tried.applied * 2 < tried.planned)
            .map(|(kind, _)| kind.as_str())
    }

    fn found(&self, target: Option<Product>, verdict: Verdict) -> usize {
        let counts = |finding: &&Finding| finding.target == target && finding.verdict == verdict;
        self.findings.iter().filter(counts).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(formatter, "{name:<28}{value:>10}");
        line("seed", &self.seed)?;
        line("subjects", &self.subjects)?;
        line("notifications", &self.counts.notifications)?;
        line("deliveries sent", &self.counts.sent)?;
        line("acknowledged", &self.counts.acknowledged)?;
        for (status, count) in &self.counts.given_up {
            let name = match status {
                0 => "given up without an answer".to_owned(),
                status => format!("given up after {status}"),
            };
            line(&name, count)?;
        }
        line("last words needed", &self.last_words)?;
        line("lost on the way", &self.found(None, Verdict::Lost))?;
        line("dead letters not ours", &self.dead_letters)?;
        line("poisoned on purpose", &self.poisoned)?;
        line("programs that ended", &self.restarts)?;
        for (name, settled) in [
            ("settled after, s", self.settled_after_s),
            ("  after last words, s", self.settled_again_after_s),
        ] {
            match settled {
                Some(seconds) => line(name, &format!("{seconds:.1}"))?,
                None => line("NOT SETTLED, left to do", &format!("{:?}", self.backlog))?,
            }
        }
        line("  promised, s", &self.settle_limit_s)?;
        let columns = ["target", "tickets", "lost", "doubled", "healed", "wrong state", "against rule"];
        let [target, tickets, lost, doubled, healed, wrong, against] = columns;
        writeln!(
            formatter,
            "\n{target:<28}{tickets:>10}{lost:>10}{doubled:>10}{healed:>10}{wrong:>14}{against:>14}"
        )?;
        for (target, AtTarget { tickets, healed }) in &self.targets {
            let [lost, doubled, wrong, against] =
                [Verdict::Lost, Verdict::Doubled, Verdict::WrongState, Verdict::AgainstRule]
                    .map(|verdict| self.found(Some(*target), verdict));
            writeln!(
                formatter,
                "{target:<28}{tickets:>10}{lost:>10}{doubled:>10}{healed:>10}{wrong:>14}{against:>14}"
            )?;
        }
        writeln!(formatter, "\n{:<28}{:>10}{:>10}  of these tickets", "way", "alerts", "tickets")?;
        for (way, Gone { alerts, tickets, shown }) in &self.ways {
            let shown: Vec<String> = shown.iter().map(|(what, count)| format!("{count} {what}")).collect();
            writeln!(formatter, "{:<28}{alerts:>10}{tickets:>10}  {}", way.name(), shown.join(", "))?;
        }
        writeln!(formatter, "\n{:<32}{:>10}{:>10}", "fault", "planned", "applied")?;
        for (kind, tried) in &self.faults {
            writeln!(formatter, "{kind:<32}{:>10}{:>10}", tried.planned, tried.applied)?;
        }
        for kind in self.too_rare() {
            writeln!(formatter, "{kind} came about too rarely to show anything")?;
        }
        for (way, _) in self.ways.iter().filter(|(_, gone)| !gone.is_seen()) {
            writeln!(formatter, "{} was not gone in every respect, so nothing is shown of it", way.name())?;
        }
        for finding in self.findings.iter().take(50) {
            writeln!(formatter, "{}: {finding}", finding.subject)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report {
            seed: 1,
            minutes: 2.0,
            ingests: 1,
            workers: 1,
            counts: Counts { acknowledged: 1, ..Counts::default() },
            subjects: 1,
            targets: BTreeMap::new(),
            ways: [(Way::Plain, seen(1))].into(),
            last_words: 0,
            findings: Vec::new(),
            dead_letters: 0,
            poisoned: 0,
            restarts: 0,
            faults: [("kill_worker".to_owned(), Tried { planned: 2, applied: 1 })].into(),
            settled_after_s: Some(1.0),
            settled_again_after_s: Some(1.0),
            settle_limit_s: 180,
            backlog: Backlog::default(),
        }
    }

    fn seen(count: usize) -> Gone {
        Gone { alerts: 1, tickets: 1, shown: [("with a work item", count)].into() }
    }

    #[test]
    fn what_is_wrong_is_counted_where_it_is() {
        let finding = |target, verdict| Finding { subject: 1, target, verdict, why: String::new() };
        let findings = vec![
            finding(None, Verdict::Lost),
            finding(Some(Product::RequestTracker), Verdict::Lost),
            finding(Some(Product::RequestTracker), Verdict::WrongState),
        ];
        let targets = Product::ALL.map(|product| (product, AtTarget { tickets: 7, healed: 2 })).into();
        let text = Report { findings, targets, ..good() }.to_string();
        let row = |name: &str| {
            let rows = text.lines().filter_map(|line| line.strip_prefix(name));
            rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).next().unwrap()
        };
        assert_eq!(row("lost on the way"), "1");
        assert_eq!(row("servicenow "), "7 0 0 2 0 0");
        assert_eq!(row("request-tracker "), "7 1 0 2 1 0");
    }

    #[test]
    fn a_run_is_good_only_if_it_could_have_failed_and_did_not() {
        assert!(good().is_good());
        let finding = Finding { subject: 1, target: None, verdict: Verdict::Lost, why: String::new() };
        let rare = [("kill_worker".to_owned(), Tried { planned: 3, applied: 1 })];
        let poison = [("poison".to_owned(), Tried { planned: 1, applied: 1 })];
        for bad in [
            Report { findings: vec![finding], ..good() },
            Report { dead_letters: 1, ..good() },
            Report { settled_after_s: None, ..good() },
            Report { settled_again_after_s: None, ..good() },
            Report { counts: Counts::default(), ..good() },
            Report { faults: rare.into(), ..good() },
            Report { faults: poison.into(), ..good() },
            Report { ways: [(Way::Plain, seen(0))].into(), ..good() },
            Report { ways: [(Way::Grouped, Gone::default())].into(), ..good() },
        ] {
            assert!(!bad.is_good(), "{bad}");
        }
    }
}
