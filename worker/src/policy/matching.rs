//! Which alerts a rule is for: every condition that it names must hold, each with any of its patterns.

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use shared::alert::Severity;
use shared::settings::SettingsError;

use crate::kind::Kind;

mod facts;
mod glob;
mod needs;
mod patterns;
mod sieve;

use facts::{Fact, Field, Part};
use glob::Glob;
use patterns::{NamedPatterns, Patterns};

pub use facts::Facts;
pub use sieve::Sieve;

/// Before a pattern that is a regular expression. Every other pattern is a glob.
const REGEX: &str = "regex:";
/// A larger automaton than any honest pattern needs.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// `[routes.match]`, as written: each condition has one pattern or a list of some. A pattern fits without regard to
/// case: a glob with `*` and `?` all of the text, a regular expression (`regex:…`) any part of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchSettings {
    /// `Sev0` to `Sev4`; the empty pattern is for alerts without one.
    #[schemars(extend("examples" = Severity::ALL.map(Severity::as_str)))]
    pub severity: Patterns,
    /// `metric_static`, `log_v2`, `service_health`, …
    #[schemars(extend("examples" = Kind::ALL.map(Kind::name)))]
    pub kind: Patterns,
    /// `true` for what the portal's test button made, else `false`.
    #[schemars(extend("examples" = ["true", "false"]))]
    pub test: Patterns,
    /// `Metric`, `Log`, `Activity Log`, …
    pub signal_type: Patterns,
    /// `Platform`, `Log Alerts V2`, `Prometheus`, …
    pub monitoring_service: Patterns,
    /// The name of the alert rule, or its id.
    pub rule: Patterns,
    /// The id of the subscription of the first target, or of the alert.
    pub subscription: Patterns,
    /// The resource group of the first target.
    pub resource_group: Patterns,
    /// `microsoft.compute/virtualmachines`, …
    pub resource_type: Patterns,
    /// A resource by its id or its name: any target or configuration item.
    pub resource: Patterns,
    /// The id of the tenant that sent it.
    pub tenant: Patterns,
    /// Custom properties by name.
    pub custom: NamedPatterns,
    /// Dimensions of metrics and logs, and labels of Prometheus, by name.
    pub dimensions: NamedPatterns,
}

/// Conditions that can be asked.
#[derive(Debug)]
pub struct Matcher {
    conditions: Vec<Condition>,
}

/// Why a rule is not for an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub condition: String,
    /// What the alert has there.
    pub has: Vec<String>,
}

#[derive(Debug)]
struct Condition {
    part: Part,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// As the operator wrote it.
    text: String,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Glob(Glob),
    Regex(Regex),
}

impl MatchSettings {
    /// `name` is the path of these settings, for messages.
    ///
    /// # Errors
    /// When a pattern cannot be used.
    pub fn check(self, name: &str) -> Result<Matcher, SettingsError> {
        let plain = [
            (Field::Severity, self.severity),
            (Field::Kind, self.kind),
            (Field::Test, self.test),
            (Field::SignalType, self.signal_type),
            (Field::MonitoringService, self.monitoring_service),
            (Field::Rule, self.rule),
            (Field::Subscription, self.subscription),
            (Field::ResourceGroup, self.resource_group),
            (Field::ResourceType, self.resource_type),
            (Field::Resource, self.resource),
            (Field::Tenant, self.tenant),
        ];
        // The others are not given.
        let plain = plain.into_iter().filter(|(_, Patterns(patterns))| !patterns.is_empty());
        let plain = plain.map(|(field, patterns)| (Part::Field(field), patterns));
        let custom = self.custom.0.into_iter().map(|(key, patterns)| (Part::Custom(key), patterns));
        let dimensions =
            self.dimensions.0.into_iter().map(|(key, patterns)| (Part::Dimension(key), patterns));
        let conditions = plain.chain(custom).chain(dimensions).map(|(part, Patterns(patterns))| {
            let patterns = patterns.iter().map(|text| Pattern::new(&format!("{name}.{part}"), text));
            Ok(Condition { patterns: patterns.collect::<Result<_, SettingsError>>()?, part })
        });
        Ok(Matcher { conditions: conditions.collect::<Result<_, SettingsError>>()? })
    }
}

impl Matcher {
    /// Whether it is for every alert.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.conditions.iter().all(|condition| condition.patterns.iter().any(Pattern::takes_all))
    }

    /// Whether every condition holds.
    #[must_use]
    pub fn fits(&self, alert: &Facts<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(alert.at(&condition.part)))
    }

    /// The parts in which some text has to occur, with these texts.
    fn needs(&self) -> impl Iterator<Item = (&Part, Vec<String>)> {
        self.conditions.iter().filter_map(|condition| Some((&condition.part, condition.needs()?)))
    }

    /// Whether it may be for alerts of this kind, as far as the kind tells.
    pub(super) fn may_fit(&self, kind: &str) -> bool {
        let about_kind =
            self.conditions.iter().filter(|condition| condition.part == Part::Field(Field::Kind));
        about_kind.into_iter().all(|condition| condition.holds(&[Fact::new(kind.into())]))
    }

    /// Patterns that no alert fits, each with its condition and what there is to fit.
    fn idle(&self) -> impl Iterator<Item = (String, &str, Vec<&'static str>)> {
        let closed =
            self.conditions.iter().filter_map(|condition| Some((condition, condition.part.values()?)));
        closed.flat_map(|(condition, values)| {
            let fits =
                |pattern: &Pattern| values.iter().any(|value| pattern.fits(&Fact::new((*value).into())));
            let idle: Vec<_> = condition.patterns.iter().filter(|pattern| !fits(pattern)).collect();
            idle.into_iter()
                .map(move |pattern| (condition.part.to_string(), pattern.text.as_str(), values.clone()))
        })
    }

    /// What is odd about these conditions of the rule or the window that `owner` names.
    pub(super) fn oddities(&self, owner: &str) -> impl Iterator<Item = String> {
        self.idle().map(move |(condition, pattern, there_are)| {
            let there_are = there_are.into_iter().map(|value| if value.is_empty() { "\"\"" } else { value });
            let there_are = there_are.collect::<Vec<_>>().join(", ");
            format!("no alert has the {condition} {pattern:?} of the {owner}; there are: {there_are}")
        })
    }

    /// The same as [`Self::fits`], for people who ask why not.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn ask(&self, alert: &Facts<'_>) -> Result<(), Mismatch> {
        for condition in &self.conditions {
            let has = alert.at(&condition.part);
            if !condition.holds(has) {
                let has = has.iter().map(|fact| fact.text.clone().into_owned()).collect();
                return Err(Mismatch { condition: condition.part.to_string(), has });
            }
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, has: &[Fact<'_>]) -> bool {
        has.iter().any(|fact| self.patterns.iter().any(|pattern| pattern.fits(fact)))
    }

    /// Folded texts of which one has to occur; `None` if it may hold without.
    fn needs(&self) -> Option<Vec<String>> {
        let of_each: Option<Vec<_>> = self.patterns.iter().map(Pattern::needs).collect();
        of_each.map(|texts| texts.concat())
    }
}

impl Pattern {
    fn new(key: &str, text: &str) -> Result<Self, SettingsError> {
        let form = match text.strip_prefix(REGEX) {
            None => Ok(Form::Glob(Glob::new(text))),
            Some(regex) => RegexBuilder::new(regex)
                .case_insensitive(true)
                .dot_matches_new_line(true)
                .size_limit(MAX_PATTERN_BYTES)
                .build()
                .map(Form::Regex),
        };
        let form =
            form.map_err(|error| SettingsError::Invalid(format!("{key}: {text:?} is no pattern: {error}")))?;
        Ok(Self { text: text.to_owned(), form })
    }

    fn fits(&self, fact: &Fact<'_>) -> bool {
        match &self.form {
            Form::Glob(glob) => glob.fits(&fact.folded),
            Form::Regex(regex) => regex.is_match(&fact.text),
        }
    }

    fn takes_all(&self) -> bool {
        match &self.form {
            Form::Glob(glob) => glob.takes_all(),
            Form::Regex(_) => false,
        }
    }

    fn needs(&self) -> Option<Vec<String>> {
        match &self.form {
            Form::Glob(glob) => glob.needs().map(|text| vec![text.to_owned()]),
            Form::Regex(regex) => needs::of_regex(regex.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::view::{AlertView, Dimension};
    use super::*;

    const MACHINE: &str =
        "/subscriptions/A1/resourceGroups/Prod-Web/providers/Microsoft.Compute/virtualMachines/Web-01";

    fn alert() -> AlertView {
        AlertView {
            kind: "metric_static",
            severity: "Sev1".to_owned(),
            signal_type: "Metric".to_owned(),
            rule: "CPU is high".to_owned(),
            subscription: "a1".to_owned(),
            resource_group: "Prod-Web".to_owned(),
            targets: vec![MACHINE.to_owned()],
            custom: json!({"Team": "web", "Tier": 1}),
            dimensions: vec![Dimension { name: "Disk".to_owned(), value: "C:".to_owned() }],
            ..AlertView::default()
        }
    }

    fn asked(settings: serde_json::Value) -> Result<(), Mismatch> {
        let settings: MatchSettings = serde_json::from_value(settings).unwrap();
        settings.check("routes[0].match").unwrap().ask(&Facts::of(&alert()))
    }

    #[test]
    fn every_condition_must_hold_with_any_of_its_patterns() {
        for settings in [
            json!({}),
            json!({"severity": ["sev0", "SEV1"], "signal_type": ["metric", "log"]}),
            json!({"rule": "cpu*"}),
            json!({"kind": "metric_*", "test": "false"}),
            json!({"rule": "regex:is (high|low)$"}),
            json!({"subscription": "A1", "resource_group": "prod-*"}),
            json!({"resource_type": "microsoft.compute/virtualmachines"}),
            json!({"resource": "web-0?"}),
            json!({"resource": "/subscriptions/a1/*"}),
            json!({"custom": {"team": ["web", "db"], "tier": "1"}}),
            json!({"dimensions": {"disk": "c:"}}),
            json!({"monitoring_service": ["", "x"]}),
        ] {
            assert_eq!(asked(settings.clone()), Ok(()), "{settings}");
        }
    }

    #[test]
    fn what_does_not_hold_is_named_with_what_the_alert_has() {
        for (settings, condition, has) in [
            (json!({"severity": "Sev2"}), "severity", "Sev1"),
            (json!({"rule": "high"}), "rule", "CPU is high"),
            (json!({"severity": "Sev1", "custom": {"team": "db"}}), "custom.team", "web"),
            (json!({"dimensions": {"host": "*x"}}), "dimensions.host", ""),
            (json!({"tenant": "?*"}), "tenant", ""),
        ] {
            let mismatch = asked(settings.clone()).unwrap_err();
            assert_eq!(
                (&*mismatch.condition, &mismatch.has),
                (condition, &vec![has.to_owned()]),
                "{settings}"
            );
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_by_its_key() {
        let check = |settings| -> String {
            let settings: MatchSettings = serde_json::from_value(settings).unwrap();
            settings.check("routes[0].match").unwrap_err().to_string()
        };
        assert!(check(json!({"rule": "regex:("})).contains("routes[0].match.rule"));
        assert!(check(json!({"custom": {"team": "regex:a{9999}{9999}"}})).contains("match.custom.team"));
        assert!(serde_json::from_value::<MatchSettings>(json!({"sevrity": "Sev1"})).is_err());
    }
}
