//! The rules by which the alerts of a fault run get their tickets (pure). Each subject goes one way, by its number.

use std::time::Duration;

use azure_simulator::alerts::{AlertRule, Kind, Target};
use serde::Serialize;

use crate::product::Product;
use crate::traffic::FIRST_SUBJECT;

/// Which rule a subject's alerts meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// The default: a ticket at each target, at once.
    Plain,
    /// Several alert rules share a ticket, by their resource group.
    Grouped,
    /// Tickets and resolutions wait.
    Damped,
    /// Alerts that come and go have their ticket held open.
    Flapping,
    /// So many at once that one ticket takes those over a limit.
    Storm,
    /// One rule has the ticket at the first target, and the rule after it a copy at the second.
    Copied,
}

/// One after the other, by subject. Their number has no divisor in common with that of the kinds of alerts, so that every
/// kind goes the plain way.
const WAYS: [Way; 17] = [
    Way::Plain,
    Way::Storm,
    Way::Grouped,
    Way::Plain,
    Way::Damped,
    Way::Plain,
    Way::Storm,
    Way::Plain,
    Way::Flapping,
    Way::Plain,
    Way::Storm,
    Way::Plain,
    Way::Damped,
    Way::Plain,
    Way::Copied,
    Way::Storm,
    Way::Plain,
];

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

/// Those that Azure resolves, each once: what is held open, held back or shared shows in the end of an alert.
const RESOLVED_KINDS: [Kind; 7] = [
    Kind::MetricStatic,
    Kind::LogV2,
    Kind::MetricDynamic,
    Kind::Prometheus,
    Kind::MetricMultiResource,
    Kind::LogV2ResourceCentric,
    Kind::Webtest,
];

/// Alert rules that share a ticket, fewer than there are kinds: no two of them have a name in common.
const SHARING: usize = 3;

/// How long new tickets wait, and resolutions, where alerts are damped.
pub(crate) const OPEN_AFTER: Duration = Duration::from_secs(3);
pub(crate) const RESOLVE_AFTER: Duration = Duration::from_secs(3);

/// New tickets within the interval, over which one ticket takes the rest.
pub(crate) const STORM_LIMIT: usize = 4;
pub(crate) const STORM_INTERVAL: Duration = Duration::from_secs(5);

/// Settings of the workers for these ways; the default is as it is.
pub(crate) fn settings() -> String {
    let (open_after, resolve_after) = (OPEN_AFTER.as_secs(), RESOLVE_AFTER.as_secs());
    let interval = STORM_INTERVAL.as_secs();
    format!(
        r#"
[[routes]]
name = "grouped"
match = {{ resource_group = ["grouped-*"] }}
correlation_key = "{{{{ alert.subscription }}}}/{{{{ alert.resource_group }}}}"

[[routes]]
name = "damped"
match = {{ resource_group = ["damped-*"] }}
open_after = "{open_after}s"
resolve_after = "{resolve_after}s"

[[routes]]
name = "flapping"
match = {{ resource_group = ["flapping-*"] }}
flapping = {{ firings = 1, window = "12s", note_every = "4s" }}

[[routes]]
name = "storm"
match = {{ resource_group = ["storm-*"] }}
storm = {{ limit = {STORM_LIMIT}, interval = "{interval}s", note_every = "3s" }}

[[routes]]
name = "copied"
match = {{ resource_group = ["copied-*"] }}
continue = true
target = "{first}"

[[routes]]
name = "copy"
match = {{ resource_group = ["copied-*"] }}
target = "{second}"
"#,
        first = Product::ServiceNow,
        second = Product::RequestTracker,
    )
}

impl Way {
    pub(crate) const ALL: [Self; 6] =
        [Self::Plain, Self::Grouped, Self::Damped, Self::Flapping, Self::Storm, Self::Copied];

    /// Which way the alerts of a subject go.
    pub(crate) fn of(subject: u64) -> Self {
        let number = subject.checked_sub(FIRST_SUBJECT).and_then(|number| usize::try_from(number).ok());
        number.and_then(|number| WAYS.get(number % WAYS.len())).copied().unwrap_or(Self::Plain)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Grouped => "grouped",
            Self::Damped => "damped",
            Self::Flapping => "flapping",
            Self::Storm => "storm",
            Self::Copied => "copied",
        }
    }

    /// The rule that makes the tickets at a target, as the ledger names it.
    pub(crate) fn route(self, target: Product) -> &'static str {
        match (self, target) {
            (Self::Plain, _) => "route",
            (Self::Copied, Product::RequestTracker) => "copy",
            (Self::Grouped | Self::Damped | Self::Flapping | Self::Storm | Self::Copied, _) => self.name(),
        }
    }

    /// The alert rules of a subject.
    pub(crate) fn rules(self, seed: u64, subject: u64) -> Vec<AlertRule> {
        let at = |kinds: &[Kind], member: usize| {
            let first = usize::try_from(subject).unwrap_or(0);
            kinds.get((first + member) % kinds.len()).copied().unwrap_or(Kind::MetricStatic)
        };
        let resolved = |member: usize| {
            let rule = AlertRule::new(at(&RESOLVED_KINDS, member), seed, subject);
            let resource_group = format!("{}-{subject}", self.name());
            let target = Target { resource_group, ..rule.target().clone() };
            rule.on(target)
        };
        match self {
            Self::Plain => vec![AlertRule::new(at(&KINDS, 0), seed, subject)],
            Self::Grouped => (0..SHARING).map(resolved).collect(),
            Self::Damped | Self::Flapping | Self::Storm | Self::Copied => vec![resolved(0)],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::*;

    fn subjects() -> std::ops::Range<u64> {
        FIRST_SUBJECT..FIRST_SUBJECT + 200
    }

    #[test]
    fn subjects_go_every_way_and_most_of_them_the_plain_one() {
        let going = |way| subjects().filter(|subject| Way::of(*subject) == way).count();
        assert!(Way::ALL.iter().all(|way| going(*way) > 0));
        assert!(Way::ALL.iter().all(|way| going(*way) <= going(Way::Plain)));
        assert_eq!(Way::of(1), Way::Plain);
    }

    #[test]
    fn alerts_of_every_kind_go_the_plain_way() {
        let plain = subjects().filter(|subject| Way::of(*subject) == Way::Plain);
        let kinds = plain.flat_map(|subject| Way::Plain.rules(1, subject)).map(|rule| rule.kind());
        assert_eq!(kinds.collect::<BTreeSet<_>>(), BTreeSet::from(KINDS));
    }

    #[test]
    fn alert_rules_that_share_a_ticket_have_the_group_in_common_and_not_the_name() {
        let subject = subjects().find(|subject| Way::of(*subject) == Way::Grouped).unwrap();
        let rules = Way::Grouped.rules(1, subject);
        let names: BTreeSet<String> = rules.iter().map(AlertRule::name).collect();
        let groups: BTreeSet<&str> = rules.iter().map(|rule| rule.target().resource_group.as_str()).collect();
        assert_eq!((names.len(), groups.len()), (SHARING, 1));
    }

    #[test]
    fn the_group_that_a_rule_matches_is_in_every_notification_of_its_way() {
        for subject in subjects().filter(|subject| Way::of(*subject) != Way::Plain) {
            let way = Way::of(subject);
            for rule in way.rules(1, subject) {
                let body: serde_json::Value =
                    serde_json::from_slice(&rule.fire(Timestamp::UNIX_EPOCH).fired()).unwrap();
                let target = body["data"]["essentials"]["alertTargetIDs"][0].as_str().unwrap();
                let group = format!("/resourcegroups/{}-{subject}/", way.name());
                assert!(target.to_lowercase().contains(&group), "{target}");
            }
        }
    }

    #[test]
    fn every_way_has_the_rules_that_its_tickets_are_to_name() {
        let settings: toml::Table = toml::from_str(&settings()).unwrap();
        let rules = settings["routes"].as_array().unwrap().iter();
        let names: BTreeSet<&str> =
            rules.map(|rule| rule["name"].as_str().unwrap()).chain(["route"]).collect();
        let named = Way::ALL.iter().flat_map(|way| Product::ALL.map(|target| way.route(target)));
        assert_eq!(named.collect::<BTreeSet<_>>(), names);
    }
}
