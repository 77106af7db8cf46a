//! Which alerts a rule is for: every condition that it names must hold, each with any of its patterns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use shared::alert::{Severity, arm};
use shared::settings::{SettingsError, list};

use super::view::AlertView;
use crate::kind::Kind;

/// Before a pattern that is a regular expression. Every other pattern is a glob.
const REGEX: &str = "regex:";
/// A larger automaton than any honest pattern needs.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// `[routes.match]`, as written. A pattern fits without regard to case: a glob with `*` and `?` all of the text,
/// a regular expression (`regex:…`) any part of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchSettings {
    /// `Sev0` to `Sev4`; the empty pattern is for alerts without one.
    #[serde(deserialize_with = "list")]
    pub severity: Vec<String>,
    /// `metric_static`, `log_v2`, `service_health`, …
    #[serde(deserialize_with = "list")]
    pub kind: Vec<String>,
    /// `true` for what the portal's test button made, else `false`.
    #[serde(deserialize_with = "list")]
    pub test: Vec<String>,
    /// `Metric`, `Log`, `Activity Log`, …
    #[serde(deserialize_with = "list")]
    pub signal_type: Vec<String>,
    /// `Platform`, `Log Alerts V2`, `Prometheus`, …
    #[serde(deserialize_with = "list")]
    pub monitoring_service: Vec<String>,
    /// The name of the alert rule, or its id.
    #[serde(deserialize_with = "list")]
    pub rule: Vec<String>,
    /// The id of the subscription of the first target, or of the alert.
    #[serde(deserialize_with = "list")]
    pub subscription: Vec<String>,
    /// The resource group of the first target.
    #[serde(deserialize_with = "list")]
    pub resource_group: Vec<String>,
    /// `microsoft.compute/virtualmachines`, …
    #[serde(deserialize_with = "list")]
    pub resource_type: Vec<String>,
    /// A resource by its id or its name: any target or configuration item.
    #[serde(deserialize_with = "list")]
    pub resource: Vec<String>,
    /// The id of the tenant that sent it.
    #[serde(deserialize_with = "list")]
    pub tenant: Vec<String>,
    /// Custom properties by name.
    #[serde(deserialize_with = "lists")]
    pub custom: BTreeMap<String, Vec<String>>,
    /// Dimensions of metrics and logs, and labels of Prometheus, by name.
    #[serde(deserialize_with = "lists")]
    pub dimensions: BTreeMap<String, Vec<String>>,
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
    regex: Regex,
}

/// The part of an alert that a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Severity,
    Kind,
    Test,
    SignalType,
    MonitoringService,
    Rule,
    Subscription,
    ResourceGroup,
    ResourceType,
    Resource,
    Tenant,
    Custom(String),
    Dimension(String),
}

impl MatchSettings {
    /// `name` is the path of these settings, for messages.
    ///
    /// # Errors
    /// When a pattern cannot be used.
    pub fn check(self, name: &str) -> Result<Matcher, SettingsError> {
        let plain = [
            (Part::Severity, self.severity),
            (Part::Kind, self.kind),
            (Part::Test, self.test),
            (Part::SignalType, self.signal_type),
            (Part::MonitoringService, self.monitoring_service),
            (Part::Rule, self.rule),
            (Part::Subscription, self.subscription),
            (Part::ResourceGroup, self.resource_group),
            (Part::ResourceType, self.resource_type),
            (Part::Resource, self.resource),
            (Part::Tenant, self.tenant),
        ];
        // A condition that is given with no pattern could never hold, so it is taken for one that is not given.
        let plain = plain.into_iter().filter(|(_, patterns)| !patterns.is_empty());
        let custom = self.custom.into_iter().map(|(key, patterns)| (Part::Custom(key), patterns));
        let dimensions = self.dimensions.into_iter().map(|(key, patterns)| (Part::Dimension(key), patterns));
        let conditions = plain.chain(custom).chain(dimensions).map(|(part, patterns)| {
            let patterns = patterns.iter().map(|text| pattern(&format!("{name}.{part}"), text));
            Ok(Condition { patterns: patterns.collect::<Result<_, SettingsError>>()?, part })
        });
        Ok(Matcher { conditions: conditions.collect::<Result<_, SettingsError>>()? })
    }
}

impl Matcher {
    /// Whether it is for every alert.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether every condition holds.
    #[must_use]
    pub fn fits(&self, alert: &AlertView) -> bool {
        self.conditions.iter().all(|condition| condition.holds(&condition.part.of(alert)))
    }

    /// Whether it may be for alerts of this kind, as far as the kind tells.
    pub(super) fn may_fit(&self, kind: &str) -> bool {
        let about_kind = self.conditions.iter().filter(|condition| condition.part == Part::Kind);
        about_kind.into_iter().all(|condition| condition.holds(&[kind.into()]))
    }

    /// Patterns that no alert fits, each with its condition and what there is to fit.
    pub(super) fn idle(&self) -> impl Iterator<Item = (String, &str, Vec<&'static str>)> {
        let closed =
            self.conditions.iter().filter_map(|condition| Some((condition, condition.part.values()?)));
        closed.flat_map(|(condition, values)| {
            let fits = |pattern: &Pattern| values.iter().any(|value| pattern.regex.is_match(value));
            let idle: Vec<_> = condition.patterns.iter().filter(|pattern| !fits(pattern)).collect();
            idle.into_iter()
                .map(move |pattern| (condition.part.to_string(), pattern.text.as_str(), values.clone()))
        })
    }

    /// The same, for people who ask why not.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn ask(&self, alert: &AlertView) -> Result<(), Mismatch> {
        for condition in &self.conditions {
            let has = condition.part.of(alert);
            if !condition.holds(&has) {
                let has = has.into_iter().map(Cow::into_owned).collect();
                return Err(Mismatch { condition: condition.part.to_string(), has });
            }
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, has: &[Cow<'_, str>]) -> bool {
        has.iter().any(|text| self.patterns.iter().any(|pattern| pattern.regex.is_match(text)))
    }
}

impl Part {
    /// What the alert has there; nothing is one empty text, so that a pattern can ask for it.
    fn of<'a>(&self, alert: &'a AlertView) -> Vec<Cow<'a, str>> {
        let resources = || alert.targets.iter().chain(&alert.configuration_items);
        let one = |text: &'a str| vec![Cow::Borrowed(text)];
        let mut all: Vec<Cow<'a, str>> = match self {
            Self::Severity => one(&alert.severity),
            Self::Kind => one(alert.kind),
            Self::Test => one(if alert.is_test { "true" } else { "false" }),
            Self::SignalType => one(&alert.signal_type),
            Self::MonitoringService => one(&alert.monitoring_service),
            Self::Rule => vec![alert.rule.as_str().into(), alert.rule_id.as_str().into()],
            Self::Subscription => one(&alert.subscription),
            Self::ResourceGroup => one(&alert.resource_group),
            Self::ResourceType => {
                resources().filter_map(|id| arm::resource_type(id)).map(Cow::Owned).collect()
            }
            Self::Resource => resources().flat_map(|id| [id.as_str().into(), arm::name(id).into()]).collect(),
            Self::Tenant => one(&alert.tenant_id),
            Self::Custom(key) => {
                let custom = alert.custom.as_object().into_iter().flatten();
                custom
                    .filter(|(name, _)| name.eq_ignore_ascii_case(key))
                    .map(|(_, value)| text(value))
                    .collect()
            }
            Self::Dimension(key) => {
                let named = alert.dimensions.iter().filter(|pair| pair.name.eq_ignore_ascii_case(key));
                named.map(|pair| pair.value.as_str().into()).collect()
            }
        };
        all.retain(|text| !text.is_empty());
        if all.is_empty() { one("") } else { all }
    }
}

impl Part {
    /// All that an alert can have there, if that is known.
    fn values(&self) -> Option<Vec<&'static str>> {
        match self {
            // The empty pattern is for alerts without one.
            Self::Severity => Some(Severity::ALL.map(Severity::as_str).into_iter().chain([""]).collect()),
            Self::Kind => Some(Kind::ALL.map(Kind::name).to_vec()),
            Self::Test => Some(vec!["true", "false"]),
            Self::SignalType
            | Self::MonitoringService
            | Self::Rule
            | Self::Subscription
            | Self::ResourceGroup
            | Self::ResourceType
            | Self::Resource
            | Self::Tenant
            | Self::Custom(_)
            | Self::Dimension(_) => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Severity => "severity",
            Self::Kind => "kind",
            Self::Test => "test",
            Self::SignalType => "signal_type",
            Self::MonitoringService => "monitoring_service",
            Self::Rule => "rule",
            Self::Subscription => "subscription",
            Self::ResourceGroup => "resource_group",
            Self::ResourceType => "resource_type",
            Self::Resource => "resource",
            Self::Tenant => "tenant",
            Self::Custom(key) => return write!(formatter, "custom.{key}"),
            Self::Dimension(key) => return write!(formatter, "dimensions.{key}"),
        };
        formatter.write_str(name)
    }
}

fn text(value: &serde_json::Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn pattern(key: &str, text: &str) -> Result<Pattern, SettingsError> {
    let regex = match text.strip_prefix(REGEX) {
        Some(regex) => regex.to_owned(),
        None => glob(text),
    };
    let built = RegexBuilder::new(&regex)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .size_limit(MAX_PATTERN_BYTES)
        .build();
    let regex =
        built.map_err(|error| SettingsError::Invalid(format!("{key}: {text:?} is no pattern: {error}")))?;
    Ok(Pattern { text: text.to_owned(), regex })
}

fn glob(text: &str) -> String {
    let mut regex = String::from("^");
    for c in text.chars() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

/// Lists by name; each may be one text with commas, as in the environment.
fn lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct List(#[serde(deserialize_with = "list")] Vec<String>);
    let lists: BTreeMap<String, List> = Deserialize::deserialize(deserializer)?;
    Ok(lists.into_iter().map(|(name, List(items))| (name, items)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::view::Dimension;
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
        settings.check("routes[0].match").unwrap().ask(&alert())
    }

    #[test]
    fn every_condition_must_hold_with_any_of_its_patterns() {
        for settings in [
            json!({}),
            json!({"severity": ["sev0", "SEV1"], "signal_type": "metric, log"}),
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

    proptest! {
        #[test]
        fn a_glob_without_wildcards_fits_only_its_own_text(text in "[^*?]{0,12}", other in "[^*?]{0,12}") {
            let pattern = pattern("k", &glob_safe(&text)).unwrap();
            prop_assert!(pattern.regex.is_match(&glob_safe(&text)));
            let same = glob_safe(&text).to_lowercase() == glob_safe(&other).to_lowercase();
            prop_assume!(same == (glob_safe(&text).to_uppercase() == glob_safe(&other).to_uppercase()));
            prop_assert_eq!(pattern.regex.is_match(&glob_safe(&other)), same);
        }
    }

    /// Letters whose case is more than one letter, or that fold otherwise than they are lowered, are beside the point.
    fn glob_safe(text: &str) -> String {
        text.chars().filter(|c| c.is_ascii() && !text.starts_with(REGEX)).collect()
    }
}
