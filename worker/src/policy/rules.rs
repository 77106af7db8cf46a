//! Which tickets an alert gets: rules in order, the first that is for it, and a default for what no rule is for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shared::alert::Severity;
use shared::settings::SettingsError;

use super::expiry::ANSWERED;
use super::matching::{Facts, Matcher, Mismatch, Sieve};
use super::view::AlertView;
use super::windows::{Hold, WindowSettings, Windows};
use super::{AlreadyResolved, Route, RouteSettings, brief_oddity};

mod written;

pub use written::RuleSettings;
pub(super) use written::check_name;
#[cfg(test)]
pub(super) use written::merged;

/// How the default route is known.
pub const DEFAULT: &str = "route";
/// More rules than anybody reads.
const MAX_RULES: usize = 5_000;

/// All rules, ready to be asked.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    sieve: Sieve,
    default: Arc<Route>,
    /// Every change of a ticket asks for its route.
    by_name: HashMap<String, Arc<Route>>,
    targets: BTreeSet<String>,
    windows: Windows,
    records_resolved: bool,
}

#[derive(Debug)]
struct Rule {
    name: String,
    matcher: Matcher,
    outcome: Outcome,
    goes_on: bool,
}

#[derive(Debug)]
enum Outcome {
    Tickets(Arc<Route>),
    /// None, for this reason.
    Drop(String),
}

/// What the policy has for an alert.
#[derive(Debug, Clone)]
pub struct Choice {
    /// In the order of the rules; each gives the alert a ticket in each of its targets.
    pub routes: Vec<Arc<Route>>,
    /// The rule that makes no ticket, and why; the last, if several do not.
    pub dropped: Option<Dropped>,
}

/// An alert gets no ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    pub rule: String,
    pub reason: String,
}

/// How one rule judges an alert, for people who ask why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    pub rule: &'a str,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Tickets {
        targets: Vec<String>,
        goes_on: bool,
    },
    Drops {
        reason: String,
    },
    /// It is for the alert, which is less severe than what it makes tickets for.
    IsForMoreSevere {
        minimum: Severity,
        goes_on: bool,
    },
    IsNotForIt(Mismatch),
    /// An earlier rule has decided.
    IsNotAsked,
}

impl Policy {
    /// The rules over the default, whose keys they inherit, and the windows in which new tickets wait.
    ///
    /// # Errors
    /// When a rule, the default or a window cannot be used; the message names it.
    pub fn new(
        default: RouteSettings,
        rules: Vec<RuleSettings>,
        windows: Vec<WindowSettings>,
    ) -> Result<Self, SettingsError> {
        if rules.len() > MAX_RULES {
            return Err(SettingsError::Invalid(format!("there are more than {MAX_RULES} [[routes]]")));
        }
        let base = serde_json::to_value(&default)
            .map_err(|error| SettingsError::Invalid(format!("route cannot be inherited: {error}")))?;
        // Before the rules, which inherit its mistakes.
        let default = Arc::new(Route::new(DEFAULT, default)?);
        let mut ready: Vec<Rule> = Vec::new();
        for (index, rule) in rules.into_iter().enumerate() {
            if let Some(twin) = ready.iter().find(|other| other.name == rule.name) {
                return Err(SettingsError::Invalid(format!("two [[routes]] are named {:?}", twin.name)));
            }
            ready.push(rule.check(index, &base)?);
        }
        let windows = Windows::new(windows)?;
        let sieve = Sieve::new(ready.iter().map(|rule| &rule.matcher)).map_err(|error| {
            SettingsError::Invalid(format!("[[routes]] have more patterns than can be searched for: {error}"))
        })?;
        let mut policy = Self {
            rules: ready,
            sieve,
            default,
            by_name: HashMap::new(),
            targets: BTreeSet::new(),
            windows,
            records_resolved: false,
        };
        policy.by_name = policy.routes().map(|route| (route.name.clone(), Arc::clone(route))).collect();
        policy.targets = policy.routes().flat_map(|route| route.targets.iter().cloned()).collect();
        let records = policy.routes().any(|route| route.already_resolved == AlreadyResolved::Record);
        policy.records_resolved = records;
        Ok(policy)
    }

    /// What an alert gets. One for which no rule makes a ticket or ends the search gets the default.
    #[must_use]
    pub fn choose(&self, alert: &AlertView) -> Choice {
        let Choice { mut routes, mut dropped } = self.take(alert);
        let answers = routes.iter().find(|route| route.only_answers(alert));
        dropped = dropped
            .or(answers.map(|route| Dropped { rule: route.name.clone(), reason: ANSWERED.to_owned() }));
        routes.retain(|route| !route.only_answers(alert));
        Choice { routes, dropped }
    }

    /// By conditions and severity alone.
    fn take(&self, alert: &AlertView) -> Choice {
        let (facts, mut choice) = (Facts::of(alert), Choice { routes: Vec::new(), dropped: None });
        let candidates = self.sieve.candidates(&facts).filter_map(|rule| self.rules.get(rule));
        for rule in candidates.filter(|rule| rule.matcher.fits(&facts)) {
            match &rule.outcome {
                Outcome::Tickets(route) => choice.add(route, alert),
                Outcome::Drop(reason) => {
                    choice.dropped = Some(Dropped { rule: rule.name.clone(), reason: reason.clone() });
                    return choice;
                }
            }
            if !rule.goes_on {
                return choice;
            }
        }
        if choice.routes.is_empty() {
            choice.add(&self.default, alert);
        }
        choice
    }

    /// Rule by rule why it is for the alert or not, the default last.
    #[must_use]
    pub fn trace(&self, alert: &AlertView) -> Vec<Judgement<'_>> {
        let (mut judgements, mut decided, mut any) = (Vec::new(), false, false);
        let facts = Facts::of(alert);
        for rule in &self.rules {
            let verdict = match (decided, rule.matcher.ask(&facts), &rule.outcome) {
                (true, _, _) => Verdict::IsNotAsked,
                (false, Err(mismatch), _) => Verdict::IsNotForIt(mismatch),
                (false, Ok(()), Outcome::Tickets(route)) => {
                    (decided, any) = (!rule.goes_on, any || route.takes(alert.level));
                    Verdict::of(route, alert, rule.goes_on)
                }
                (false, Ok(()), Outcome::Drop(reason)) => {
                    decided = true;
                    Verdict::Drops { reason: reason.clone() }
                }
            };
            judgements.push(Judgement { rule: &rule.name, verdict });
        }
        let verdict =
            if decided || any { Verdict::IsNotAsked } else { Verdict::of(&self.default, alert, false) };
        judgements.push(Judgement { rule: DEFAULT, verdict });
        judgements
    }

    /// Until when a new ticket of the alert waits, if a window covers it.
    #[must_use]
    pub fn hold(&self, now: Timestamp, alert: &AlertView) -> Option<Hold<'_>> {
        self.windows.hold(now, alert)
    }

    /// How long a new ticket of the alert by this route waits: as long as the route says, and then to the end of a window.
    #[must_use]
    pub fn wait(&self, route: &Route, now: Timestamp, alert: &AlertView) -> Duration {
        let held = self.hold_new(route, now, alert);
        held.map_or(route.pace.open_after, |hold| hold.until.duration_since(now).unsigned_abs())
    }

    /// Until when a new ticket of the alert by this route waits, if a window covers it once the route would have it made.
    #[must_use]
    pub fn hold_new(&self, route: &Route, now: Timestamp, alert: &AlertView) -> Option<Hold<'_>> {
        self.hold(now.checked_add(route.pace.open_after).ok()?, alert)
    }

    /// The route of this name; the default for one that is no more.
    #[must_use]
    pub fn route(&self, name: &str) -> &Arc<Route> {
        self.by_name.get(name).unwrap_or(&self.default)
    }

    /// Every route that makes tickets, the default last.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        let of_rules = self.rules.iter().filter_map(|rule| match &rule.outcome {
            Outcome::Tickets(route) => Some(route),
            Outcome::Drop(_) => None,
        });
        of_rules.chain([&self.default])
    }

    /// Whether a route wants a ticket for the record of alerts that are resolved by then.
    #[must_use]
    pub fn records_resolved(&self) -> bool {
        self.records_resolved
    }

    /// How long a count of new tickets matters at most after its window has begun.
    #[must_use]
    pub fn storms_last(&self) -> Duration {
        let longest = self.routes().filter_map(|route| route.storm).map(|limit| limit.window).max();
        longest.unwrap_or_default().saturating_mul(2)
    }

    /// Every target that a route names.
    #[must_use]
    pub fn targets(&self) -> &BTreeSet<String> {
        &self.targets
    }

    /// Every route that makes tickets, and whether its rule may be for alerts of a kind; the default first.
    pub(super) fn routes_by_kind(&self) -> impl Iterator<Item = (&Route, impl Fn(&str) -> bool)> {
        let of_rules = self.rules.iter().filter_map(|rule| match &rule.outcome {
            Outcome::Tickets(route) => Some((route.as_ref(), Some(&rule.matcher))),
            Outcome::Drop(_) => None,
        });
        std::iter::once((self.default.as_ref(), None)).chain(of_rules).map(|(route, matcher)| {
            (route, move |kind: &str| matcher.is_none_or(|matcher| matcher.may_fit(kind)))
        })
    }

    /// What is odd about the rules and windows at this instant, though they can be used.
    pub fn oddities(&self, now: Timestamp) -> impl Iterator<Item = String> {
        let unreachable = self
            .unreachable()
            .map(|rule| format!("no alert reaches the rule {rule:?}: one before it is for all alerts"));
        let idle = self
            .rules
            .iter()
            .flat_map(|rule| rule.matcher.oddities(&format!("rule {:?}", rule.name)).collect::<Vec<_>>());
        let of_default =
            self.default.brief.iter().filter_map(|(key, time)| brief_oddity(&format!("route.{key}"), *time));
        // What a rule inherits is told of the default.
        let of_rules = self.routes().flat_map(|route| {
            let own = route.brief.iter().filter(|time| !self.default.brief.contains(time));
            own.filter_map(|(key, time)| {
                brief_oddity(&format!("route.{key} of the rule {:?}", route.name), *time)
            })
        });
        let none =
            self.drops_all().map(|rule| format!("no alert gets a ticket: the rule {rule:?} drops them all"));
        none.into_iter()
            .chain(unreachable)
            .chain(idle)
            .chain(of_default)
            .chain(of_rules)
            .chain(self.windows.oddities(now))
    }

    /// The rule that drops whatever no rule before it has dropped, where none before it makes tickets.
    fn drops_all(&self) -> Option<&str> {
        let drops = self.rules.iter().take_while(|rule| matches!(rule.outcome, Outcome::Drop(_)));
        drops.filter(|rule| rule.matcher.takes_all()).map(|rule| rule.name.as_str()).next()
    }

    /// Rules that no alert reaches, since one before them is for every alert and goes no further.
    pub fn unreachable(&self) -> impl Iterator<Item = &str> {
        let last = self.rules.iter().position(|rule| rule.matcher.takes_all() && !rule.goes_on);
        let reached = last.map_or(self.rules.len(), |last| last + 1);
        self.rules.iter().skip(reached).map(|rule| rule.name.as_str())
    }
}

impl Verdict {
    fn of(route: &Route, alert: &AlertView, goes_on: bool) -> Self {
        if !route.takes(alert.level) {
            return Self::IsForMoreSevere { minimum: route.minimum_severity, goes_on };
        }
        if route.only_answers(alert) {
            return Self::Drops { reason: ANSWERED.to_owned() };
        }
        Self::Tickets { targets: route.targets.clone(), goes_on }
    }
}

impl Choice {
    /// Takes the route, if the alert is severe enough for it.
    fn add(&mut self, route: &Arc<Route>, alert: &AlertView) {
        if route.takes(alert.level) {
            self.routes.push(Arc::clone(route));
        } else {
            let reason = format!("less severe than its minimum_severity, {}", route.minimum_severity);
            self.dropped = Some(Dropped { rule: route.name.clone(), reason });
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
