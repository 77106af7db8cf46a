//! Which tickets an alert gets: rules in order, the first that is for it, and a default for what no rule is for.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::settings::SettingsError;

use super::expiry::ANSWERED;
use super::matching::{MatchSettings, Matcher, Mismatch};
use super::view::AlertView;
use super::{AlreadyResolved, Route, RouteSettings};

/// How the default route is known.
pub const DEFAULT: &str = "route";
/// More rules than anybody reads; each alert is held against them all.
const MAX_RULES: usize = 5_000;
const MAX_NAME_CHARS: usize = 100;

/// One of `[[routes]]`, as written.
#[derive(Debug, Clone, Deserialize)]
pub struct RuleSettings {
    /// How tickets, logs and metrics name it; no other rule may.
    pub name: String,
    /// Which alerts it is for; without any condition, all.
    #[serde(default, rename = "match")]
    pub conditions: MatchSettings,
    /// Makes no ticket, for this reason.
    pub drop: Option<String>,
    /// Whether the rules after it are asked, too. Default `false`.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    /// Keys of `[route]` that differ for these alerts.
    #[serde(flatten)]
    pub changes: Map<String, Value>,
}

/// All rules, ready to be asked.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Arc<Route>,
    targets: BTreeSet<String>,
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
    /// The rule that makes no ticket, and why.
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
    IsNotForIt(Mismatch),
    /// An earlier rule has decided.
    IsNotAsked,
}

impl Policy {
    /// The rules over the default, whose keys they inherit.
    ///
    /// # Errors
    /// When a rule or the default cannot be used; the message names it.
    pub fn new(default: RouteSettings, rules: Vec<RuleSettings>) -> Result<Self, SettingsError> {
        if rules.len() > MAX_RULES {
            return Err(SettingsError::Invalid(format!("there are more than {MAX_RULES} [[routes]]")));
        }
        let base = serde_json::to_value(&default)
            .map_err(|error| SettingsError::Invalid(format!("route cannot be inherited: {error}")))?;
        let mut ready: Vec<Rule> = Vec::new();
        for (index, rule) in rules.into_iter().enumerate() {
            if let Some(twin) = ready.iter().find(|other| other.name == rule.name) {
                return Err(SettingsError::Invalid(format!("two [[routes]] are named {:?}", twin.name)));
            }
            ready.push(rule.check(index, &base)?);
        }
        let default = Arc::new(Route::new(DEFAULT, default)?);
        let mut policy = Self { rules: ready, default, targets: BTreeSet::new() };
        policy.targets = policy.routes().flat_map(|route| route.targets.iter().cloned()).collect();
        Ok(policy)
    }

    /// What an alert gets. Whoever is for no rule gets the default.
    #[must_use]
    pub fn choose(&self, alert: &AlertView) -> Choice {
        let Choice { mut routes, mut dropped } = self.take(alert);
        let answers = routes.iter().find(|route| route.only_answers(alert));
        dropped = dropped
            .or(answers.map(|route| Dropped { rule: route.name.clone(), reason: ANSWERED.to_owned() }));
        routes.retain(|route| !route.only_answers(alert));
        Choice { routes, dropped }
    }

    /// By conditions alone.
    fn take(&self, alert: &AlertView) -> Choice {
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.matcher.fits(alert)) {
            match &rule.outcome {
                Outcome::Tickets(route) => routes.push(Arc::clone(route)),
                Outcome::Drop(reason) => {
                    let dropped = Dropped { rule: rule.name.clone(), reason: reason.clone() };
                    return Choice { routes, dropped: Some(dropped) };
                }
            }
            if !rule.goes_on {
                return Choice { routes, dropped: None };
            }
        }
        if routes.is_empty() {
            routes.push(Arc::clone(&self.default));
        }
        Choice { routes, dropped: None }
    }

    /// Rule by rule why it is for the alert or not, the default last.
    #[must_use]
    pub fn trace(&self, alert: &AlertView) -> Vec<Judgement<'_>> {
        let (mut judgements, mut decided, mut any) = (Vec::new(), false, false);
        for rule in &self.rules {
            let verdict = match (decided, rule.matcher.ask(alert), &rule.outcome) {
                (true, _, _) => Verdict::IsNotAsked,
                (false, Err(mismatch), _) => Verdict::IsNotForIt(mismatch),
                (false, Ok(()), Outcome::Tickets(route)) => {
                    (decided, any) = (!rule.goes_on, true);
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

    /// The route of this name; the default for one that is no more.
    #[must_use]
    pub fn route(&self, name: &str) -> &Arc<Route> {
        self.routes().find(|route| route.name == name).unwrap_or(&self.default)
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
        self.routes().any(|route| route.already_resolved == AlreadyResolved::Record)
    }

    /// Every target that a route names.
    #[must_use]
    pub fn targets(&self) -> &BTreeSet<String> {
        &self.targets
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
        if route.only_answers(alert) {
            return Self::Drops { reason: ANSWERED.to_owned() };
        }
        Self::Tickets { targets: route.targets.clone(), goes_on }
    }
}

impl RuleSettings {
    fn check(self, index: usize, base: &Value) -> Result<Rule, SettingsError> {
        let Self { name, conditions, drop, goes_on, changes } = self;
        let path = format!("routes[{index}] ({name})");
        let invalid = |what: &dyn std::fmt::Display| SettingsError::Invalid(format!("{path}: {what}"));
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        if name == DEFAULT || name.is_empty() || name.len() > MAX_NAME_CHARS || !name.chars().all(legal) {
            return Err(invalid(
                &"a name has letters, digits, dashes, dots and blanks, and is not \"route\"",
            ));
        }
        let matcher = conditions.check(&format!("{path}.match"))?;
        let outcome = match drop {
            Some(_) if goes_on || !changes.is_empty() => {
                return Err(invalid(&"drop makes no ticket: remove its other keys, or drop"));
            }
            Some(reason) if reason.trim().is_empty() => {
                return Err(invalid(&"drop is empty: say why these alerts get no ticket"));
            }
            Some(reason) => Outcome::Drop(reason),
            None => {
                let settings: RouteSettings =
                    serde_json::from_value(merged(base.clone(), Value::Object(changes)))
                        .map_err(|error| invalid(&error))?;
                Outcome::Tickets(Arc::new(Route::new(&name, settings).map_err(|error| invalid(&error))?))
            }
        };
        Ok(Rule { name, matcher, outcome, goes_on })
    }
}

/// Tables key by key, everything else as a whole.
fn merged(base: Value, changes: Value) -> Value {
    match (base, changes) {
        (Value::Object(mut base), Value::Object(changes)) => {
            for (key, change) in changes {
                let before = base.remove(&key).unwrap_or(Value::Null);
                base.insert(key, merged(before, change));
            }
            Value::Object(base)
        }
        (_, change) => change,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn settings() -> RouteSettings {
        #[derive(Deserialize)]
        struct Defaults {
            route: RouteSettings,
        }
        let defaults = include_str!("../../config.default.toml");
        let defaults = defaults.replace("\n[route]\n", "\n[route]\ntarget = \"snow\"\n");
        shared::settings::load::<Defaults>(&defaults, None).map(|all| all.route).unwrap()
    }

    pub(in crate::policy) fn policy(rules: Value) -> Result<Policy, String> {
        let rules: Vec<RuleSettings> = serde_json::from_value(rules).map_err(|error| error.to_string())?;
        Policy::new(settings(), rules).map_err(|error| error.to_string())
    }

    fn alert(severity: &str, group: &str) -> AlertView {
        AlertView { severity: severity.to_owned(), resource_group: group.to_owned(), ..AlertView::default() }
    }

    fn chosen(policy: &Policy, alert: &AlertView) -> Vec<String> {
        policy.choose(alert).routes.iter().map(|route| route.name.clone()).collect()
    }

    #[test]
    fn the_first_rule_that_is_for_it_decides_and_the_default_takes_the_rest() {
        let policy = policy(json!([
            {"name": "quiet", "match": {"severity": "Sev4"}, "drop": "nobody acts on it"},
            {"name": "copy", "match": {"resource_group": "prod-*"}, "continue": true, "target": "audit"},
            {"name": "prod", "match": {"resource_group": "prod-*"}, "target": ["snow", "pager"], "reopen_window": "1h"},
        ]))
        .unwrap();
        assert_eq!(chosen(&policy, &alert("Sev1", "dev")), [DEFAULT]);
        assert_eq!(chosen(&policy, &alert("Sev1", "prod-web")), ["copy", "prod"]);
        let dropped = policy.choose(&alert("Sev4", "prod-web"));
        assert!(dropped.routes.is_empty());
        assert_eq!(dropped.dropped.unwrap().reason, "nobody acts on it");
        assert_eq!(policy.targets().iter().collect::<Vec<_>>(), ["audit", "pager", "snow"]);
        assert_eq!(policy.route("prod").reopen_window.as_secs(), 3600);
        assert_eq!(policy.route("gone").name, DEFAULT);
    }

    #[test]
    fn a_rule_inherits_every_key_that_it_does_not_give() {
        let policy = policy(json!([
            {"name": "db", "open": {"fields": {"team": "db"}}, "severity": {"sev0": {"impact": 2, "urgency": 2}}},
        ]))
        .unwrap();
        let (db, default) = (policy.route("db"), policy.route(DEFAULT));
        assert_eq!((&db.targets, db.reopen_window), (&default.targets, default.reopen_window));
        assert_eq!(db.weight(None), default.weight(None));
        assert_ne!(
            db.weight(Some(shared::alert::Severity::Sev0)),
            default.weight(Some(shared::alert::Severity::Sev0))
        );
        assert_eq!(db.templates.field_names().0.into_iter().collect::<Vec<_>>(), ["team"]);
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_named() {
        let refuse = |rule: Value, expected: &str| {
            let error = policy(json!([{"name": "fine"}, rule])).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refuse(json!({"name": "fine"}), "two [[routes]] are named \"fine\"");
        refuse(json!({"name": "route"}), "routes[1] (route): a name has");
        refuse(json!({"name": "x", "sumary": "y"}), "routes[1] (x): unknown field `sumary`");
        refuse(json!({"name": "x", "open": {"summary": "{{ alert."}}), "routes[1] (x): route.open.summary");
        refuse(json!({"name": "x", "match": {"rule": "regex:("}}), "routes[1] (x).match.rule");
        refuse(json!({"name": "x", "drop": " "}), "drop is empty");
        refuse(json!({"name": "x", "drop": "y", "target": "snow"}), "remove its other keys");
        refuse(json!({"name": "x", "target": []}), "route.target");
        refuse(json!({"name": "x", "reopen_window": "soon"}), "routes[1] (x)");
    }

    #[test]
    fn rules_after_one_for_every_alert_are_out_of_reach() {
        let policy = policy(json!([{"name": "a", "continue": true}, {"name": "b"}, {"name": "c"}])).unwrap();
        assert_eq!(policy.unreachable().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn the_trace_says_of_each_rule_why() {
        let policy = policy(json!([
            {"name": "dev", "match": {"resource_group": "dev"}},
            {"name": "prod", "match": {"severity": "Sev1"}},
        ]))
        .unwrap();
        let alert = alert("Sev1", "web");
        let trace = policy.trace(&alert);
        let mismatch = Mismatch { condition: "resource_group".to_owned(), has: vec!["web".to_owned()] };
        assert_eq!(trace[0].verdict, Verdict::IsNotForIt(mismatch));
        assert_eq!(trace[1].verdict, Verdict::Tickets { targets: vec!["snow".to_owned()], goes_on: false });
        assert_eq!((trace[2].rule, &trace[2].verdict), (DEFAULT, &Verdict::IsNotAsked));
    }

    proptest! {
        #[test]
        fn every_alert_gets_a_ticket_or_a_reason_and_the_trace_says_the_same(
            rules in prop::collection::vec((0..5_u8, any::<bool>(), any::<bool>()), 0..6), severity in 0..5_u8
        ) {
            let rules: Vec<Value> = rules.iter().enumerate().map(|(index, (severity, drops, goes_on))| {
                let conditions = json!({"severity": format!("Sev{severity}")});
                let name = format!("rule {index}");
                if *drops {
                    json!({"name": name, "match": conditions, "drop": "why not"})
                } else {
                    json!({"name": name, "match": conditions, "continue": goes_on})
                }
            }).collect();
            let (policy, alert) = (policy(Value::Array(rules)).unwrap(), alert(&format!("Sev{severity}"), ""));
            let choice = policy.choose(&alert);
            prop_assert_eq!(choice.routes.is_empty(), choice.dropped.is_some() && choice.routes.is_empty());
            let trace = policy.trace(&alert);
            let makes = trace.iter().filter(|judged| matches!(judged.verdict, Verdict::Tickets { .. }));
            let makes: Vec<&str> = makes.map(|judged| judged.rule).collect();
            prop_assert_eq!(makes, choice.routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>());
            let drops = trace.iter().any(|judged| matches!(judged.verdict, Verdict::Drops { .. }));
            prop_assert_eq!(drops, choice.dropped.is_some());
        }
    }
}
