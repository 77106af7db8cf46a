//! The operator's rules (pure): which alerts share a ticket, what it says, how urgent it is, where it hangs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::friendly::SpanPrinter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::alert::Severity;
use shared::settings::SettingsError;

pub mod ci;
pub mod correlate;
pub mod damping;
pub mod expiry;
pub mod matching;
pub mod people;
pub mod rules;
pub mod template;
pub mod trial;
pub mod view;
pub mod windows;

use damping::{FlappingSettings, StormSettings};
use expiry::{AutoResolve, PortalTest};
use people::{People, PeopleSettings, WontFix};
use rules::Policy;
use template::{StormText, Template, Templates};

use crate::reconcile::rate::Limit;
use crate::reconcile::timing::Pace;

/// The rules as they are now: they change while the worker runs.
pub type Policies = tokio::sync::watch::Receiver<std::sync::Arc<Policy>>;

/// The longest time that a setting may be, ten years: instants so far off can still be told, by every clock that is asked.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Section `[route]`, as written: which target gets the alerts, and as what.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// The name of a `[targets.NAME]` section, or a list of such names: an alert gets a ticket in each.
    #[serde(default, deserialize_with = "shared::settings::list")]
    pub target: Vec<String>,
    /// Alerts that are less severe get no ticket by it. Those without a severity do.
    #[serde(deserialize_with = "shared::settings::choice")]
    pub minimum_severity: Severity,
    /// Template; alerts for which it gives the same text share a ticket.
    pub correlation_key: String,
    /// The same ticket is opened again when its alert fires within this time after it was resolved.
    #[serde(with = "shared::settings::duration")]
    pub reopen_window: Duration,
    /// A new ticket waits so long: an alert that is resolved within it makes none.
    #[serde(with = "shared::settings::duration")]
    pub open_after: Duration,
    /// A resolution waits so long: an alert that fires again within it leaves its ticket open.
    #[serde(with = "shared::settings::duration")]
    pub resolve_after: Duration,
    #[serde(deserialize_with = "shared::settings::choice")]
    pub already_resolved: AlreadyResolved,
    pub storm: StormSettings,
    pub flapping: FlappingSettings,
    pub auto_resolve: AutoResolve,
    pub portal_test: PortalTest,
    pub people: PeopleSettings,
    pub bind: BindTexts,
    pub open: OpenTexts,
    pub update: ChangeTexts,
    pub resolve: ResolveSettings,
    pub reopen: ChangeTexts,
    pub severity: SeverityWeights,
}

/// What an alert gets that is resolved before its ticket was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlreadyResolved {
    /// No ticket; the ledger says why.
    Skip,
    /// A ticket for the record, resolved at once.
    Record,
}

/// Templates of a new ticket.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenTexts {
    /// Template of the one line.
    pub summary: String,
    /// Template of the long text.
    pub description: String,
    /// Template of the first note.
    pub note: String,
    /// Further fields by the ITSM's own names; the values are templates.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// Template of what a ticket says when its configuration item is bound after it was made.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BindTexts {
    /// Template of the note.
    pub note: String,
}

/// Templates of a change to a ticket.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTexts {
    /// Template of the note.
    pub note: String,
    /// Further fields by the ITSM's own names; the values are templates.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// Section `[route.resolve]`, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveSettings {
    /// What becomes of a work item that is open when its alerts are resolved.
    #[serde(deserialize_with = "shared::settings::choice")]
    pub action: WhenResolved,
    /// Template.
    pub note: String,
    /// Further fields by the ITSM's own names; the values are templates.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What becomes of a work item that is open when its alerts are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenResolved {
    Resolve,
    /// It is told, and people decide about its state.
    Note,
    /// Nothing is written: it is the matter of people alone.
    Leave,
}

/// Impact and urgency by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityWeights {
    pub sev0: Weight,
    pub sev1: Weight,
    pub sev2: Weight,
    pub sev3: Weight,
    pub sev4: Weight,
    /// For alerts without a severity.
    pub none: Weight,
}

/// How much a ticket matters; 1 is the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// From 1, the highest, to 5.
    #[schemars(range(min = 1, max = 5))]
    pub impact: u8,
    /// From 1, the highest, to 5.
    #[schemars(range(min = 1, max = 5))]
    pub urgency: u8,
}

/// A route that can be followed: [`RouteSettings`], checked.
#[derive(Debug)]
pub struct Route {
    pub name: String,
    /// At least one, none twice.
    pub targets: Vec<String>,
    pub minimum_severity: Severity,
    pub reopen_window: Duration,
    pub already_resolved: AlreadyResolved,
    /// New tickets in a target; one ticket takes the alerts over it.
    pub storm: Option<Limit>,
    pub pace: Pace,
    pub auto_resolve: AutoResolve,
    pub portal_test: PortalTest,
    pub when_resolved: WhenResolved,
    pub people: People,
    pub wont_fix: WontFix,
    pub templates: Templates,
    severity: SeverityWeights,
    /// Times that are probably meant in another unit, with their keys.
    brief: Vec<(&'static str, Duration)>,
}

impl Route {
    /// The route that these settings describe.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names its key.
    pub fn new(name: &str, raw: RouteSettings) -> Result<Self, SettingsError> {
        raw.severity.check()?;
        raw.check_durations()?;
        if raw.correlation_key.trim().is_empty() {
            return Err(SettingsError::Invalid(
                "route.correlation_key is empty: all alerts would share one ticket; use \"{{ alert.series }}\"".to_owned(),
            ));
        }
        let templates = Templates::new(&raw)?;
        let brief = raw.durations().into_iter().filter(|(_, time)| is_brief(*time)).collect();
        let mut targets = raw.target;
        targets.sort();
        if targets.is_empty() || targets.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(SettingsError::Invalid(
                "route.target must name a section [targets.NAME], or several, each once".to_owned(),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            targets,
            minimum_severity: raw.minimum_severity,
            reopen_window: raw.reopen_window,
            already_resolved: raw.already_resolved,
            storm: raw.storm.limit()?,
            pace: Pace {
                open_after: raw.open_after,
                resolve_after: raw.resolve_after,
                flapping: raw.flapping.limit()?,
                flapping_note_every: raw.flapping.note_every,
                storm_note_every: raw.storm.note_every,
            },
            auto_resolve: raw.auto_resolve,
            portal_test: raw.portal_test,
            when_resolved: raw.resolve.action,
            people: People { closed: raw.people.closed, resolved: raw.people.resolved },
            wont_fix: WontFix::new(&raw.people.wont_fix)?,
            templates,
            severity: raw.severity,
            brief,
        })
    }

    /// Whether it makes tickets for alerts of this severity.
    #[must_use]
    pub fn takes(&self, severity: Option<Severity>) -> bool {
        // The most urgent comes first.
        severity.is_none_or(|severity| severity <= self.minimum_severity)
    }

    /// Impact and urgency for a severity.
    #[must_use]
    pub fn weight(&self, severity: Option<Severity>) -> Weight {
        match severity {
            Some(Severity::Sev0) => self.severity.sev0,
            Some(Severity::Sev1) => self.severity.sev1,
            Some(Severity::Sev2) => self.severity.sev2,
            Some(Severity::Sev3) => self.severity.sev3,
            Some(Severity::Sev4) => self.severity.sev4,
            None => self.severity.none,
        }
    }
}

impl RouteSettings {
    /// Every time with its key.
    fn durations(&self) -> [(&'static str, Duration); 9] {
        [
            ("reopen_window", self.reopen_window),
            ("open_after", self.open_after),
            ("resolve_after", self.resolve_after),
            ("storm.interval", self.storm.interval),
            ("storm.note_every", self.storm.note_every),
            ("flapping.window", self.flapping.window),
            ("flapping.note_every", self.flapping.note_every),
            ("auto_resolve.after", self.auto_resolve.after),
            ("portal_test.resolve_after", self.portal_test.resolve_after),
        ]
    }

    /// Checks the times of a rule as well as those of the default.
    fn check_durations(&self) -> Result<(), SettingsError> {
        match self.durations().into_iter().find(|(_, duration)| *duration > LONGEST) {
            None => Ok(()),
            Some((key, _)) => Err(SettingsError::Invalid(format!("route.{key} is more than ten years"))),
        }
    }

    /// Every template with the key it stands under.
    fn templates(&self) -> Vec<(Template, &str)> {
        let mut all = vec![
            (Template::CorrelationKey, self.correlation_key.as_str()),
            (Template::Summary, &self.open.summary),
            (Template::Description, &self.open.description),
            (Template::StillFires, &self.people.note),
            (Template::Bound, &self.bind.note),
            (Template::Flapping, &self.flapping.note),
            (Template::Storm(StormText::Summary), &self.storm.summary),
            (Template::Storm(StormText::Description), &self.storm.description),
            (Template::Storm(StormText::Note), &self.storm.note),
        ];
        for (transition, note, fields) in [
            (template::Transition::Open, &self.open.note, &self.open.fields),
            (template::Transition::Update, &self.update.note, &self.update.fields),
            (template::Transition::Resolve, &self.resolve.note, &self.resolve.fields),
            (template::Transition::Reopen, &self.reopen.note, &self.reopen.fields),
        ] {
            all.push((Template::Note(transition), note));
            all.extend(
                fields.iter().map(|(name, text)| (Template::Field(transition, name.clone()), text.as_str())),
            );
        }
        all
    }
}

/// Whether a time is shorter than anybody means who writes about alerts.
fn is_brief(time: Duration) -> bool {
    !time.is_zero() && time < Duration::from_secs(1)
}

/// What is odd about such a time.
fn brief_oddity(what: &str, time: Duration) -> Option<String> {
    let length = SpanPrinter::new().unsigned_duration_to_string(&time);
    is_brief(time)
        .then(|| format!("{what} is {length}, less than a second: minutes are written m, seconds s"))
}

impl SeverityWeights {
    fn check(&self) -> Result<(), SettingsError> {
        let Self { sev0, sev1, sev2, sev3, sev4, none } = self;
        let all =
            [("sev0", sev0), ("sev1", sev1), ("sev2", sev2), ("sev3", sev3), ("sev4", sev4), ("none", none)];
        let known = 1..=5;
        match all.iter().find(|(_, it)| !known.contains(&it.impact) || !known.contains(&it.urgency)) {
            None => Ok(()),
            Some((key, _)) => Err(SettingsError::Invalid(format!(
                "route.severity.{key}: impact and urgency are 1 (highest) to 5"
            ))),
        }
    }
}
