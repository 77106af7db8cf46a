//! What an alert has where conditions look, read once for however many rules (pure).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;

use serde_json::Value;
use shared::alert::{Severity, arm};

use super::glob::fold;
use crate::kind::Kind;
use crate::policy::view::AlertView;

/// The part of an alert that a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Field(Field),
    Custom(String),
    Dimension(String),
}

/// What every alert has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
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
}

const FIELDS: usize = 11;

/// An alert as rules are held against it. Only what some rule looks at is read.
pub struct Facts<'a> {
    alert: &'a AlertView,
    fields: [OnceCell<Vec<Fact<'a>>>; FIELDS],
    custom: OnceCell<Named<'a>>,
    dimensions: OnceCell<Named<'a>>,
    nothing: [Fact<'a>; 1],
}

/// One text, as it is and as globs are compared with it.
#[derive(Debug)]
pub(super) struct Fact<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) folded: String,
}

/// By name in lower case. An alert may have thousands of them, so none is looked for among all.
type Named<'a> = HashMap<String, Vec<Fact<'a>>>;

impl<'a> Facts<'a> {
    #[must_use]
    pub fn of(alert: &'a AlertView) -> Self {
        Self {
            alert,
            fields: [const { OnceCell::new() }; FIELDS],
            custom: OnceCell::new(),
            dimensions: OnceCell::new(),
            nothing: [Fact::new("".into())],
        }
    }

    /// What the alert has there; nothing is one empty text, so that a pattern can ask for it.
    pub(super) fn at(&self, part: &Part) -> &[Fact<'a>] {
        let found = match part {
            Part::Field(field) => {
                let cell = self.fields.get(*field as usize);
                cell.map(|cell| cell.get_or_init(|| facts(field.of(self.alert))).as_slice())
            }
            Part::Custom(name) => find(self.custom.get_or_init(|| custom(self.alert)), name),
            Part::Dimension(name) => find(self.dimensions.get_or_init(|| dimensions(self.alert)), name),
        };
        found.filter(|facts| !facts.is_empty()).unwrap_or(&self.nothing)
    }
}

impl<'a> Fact<'a> {
    pub(super) fn new(text: Cow<'a, str>) -> Self {
        Self { folded: fold(&text), text }
    }
}

impl Field {
    fn of<'a>(self, alert: &'a AlertView) -> Vec<Cow<'a, str>> {
        let resources = || alert.targets.iter().chain(&alert.configuration_items);
        let one = |text: &'a str| vec![Cow::Borrowed(text)];
        match self {
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
        }
    }
}

impl Part {
    /// All that an alert can have there, if that is known.
    pub(super) fn values(&self) -> Option<Vec<&'static str>> {
        match self {
            // The empty pattern is for alerts without one.
            Self::Field(Field::Severity) => {
                Some(Severity::ALL.map(Severity::as_str).into_iter().chain([""]).collect())
            }
            Self::Field(Field::Kind) => Some(Kind::ALL.map(Kind::name).to_vec()),
            Self::Field(Field::Test) => Some(vec!["true", "false"]),
            Self::Field(
                Field::SignalType
                | Field::MonitoringService
                | Field::Rule
                | Field::Subscription
                | Field::ResourceGroup
                | Field::ResourceType
                | Field::Resource
                | Field::Tenant,
            )
            | Self::Custom(_)
            | Self::Dimension(_) => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Field(Field::Severity) => "severity",
            Self::Field(Field::Kind) => "kind",
            Self::Field(Field::Test) => "test",
            Self::Field(Field::SignalType) => "signal_type",
            Self::Field(Field::MonitoringService) => "monitoring_service",
            Self::Field(Field::Rule) => "rule",
            Self::Field(Field::Subscription) => "subscription",
            Self::Field(Field::ResourceGroup) => "resource_group",
            Self::Field(Field::ResourceType) => "resource_type",
            Self::Field(Field::Resource) => "resource",
            Self::Field(Field::Tenant) => "tenant",
            Self::Custom(key) => return write!(formatter, "custom.{key}"),
            Self::Dimension(key) => return write!(formatter, "dimensions.{key}"),
        };
        formatter.write_str(name)
    }
}

fn facts(texts: Vec<Cow<'_, str>>) -> Vec<Fact<'_>> {
    texts.into_iter().filter(|text| !text.is_empty()).map(Fact::new).collect()
}

fn custom(alert: &AlertView) -> Named<'_> {
    let pairs = alert.custom.as_object().into_iter().flatten();
    gathered(pairs.map(|(name, value)| (name.as_str(), text(value))))
}

fn text(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn dimensions(alert: &AlertView) -> Named<'_> {
    gathered(alert.dimensions.iter().map(|pair| (pair.name.as_str(), pair.value.as_str().into())))
}

/// All values of one name together, however its case is written.
fn gathered<'a>(pairs: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> Named<'a> {
    let mut all = Named::new();
    for (name, text) in pairs.filter(|(_, text)| !text.is_empty()) {
        all.entry(name.to_ascii_lowercase()).or_default().push(Fact::new(text));
    }
    all
}

fn find<'f, 'a>(all: &'f Named<'a>, name: &str) -> Option<&'f [Fact<'a>]> {
    all.get(&name.to_ascii_lowercase()).map(Vec::as_slice)
}
