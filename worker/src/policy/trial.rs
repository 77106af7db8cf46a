//! Every template is tried on a sample of every kind of alert before an alert comes that it fails on (pure).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::LazyLock;

use shared::alert::{Condition, Notification};
use uuid::Uuid;

use super::Route;
use super::rules::Policy;
use super::template::{Failure, Template, Templates, TicketView, Transition};
use super::view::AlertView;
use crate::reconcile::subject::Subject;

/// Notifications, one a line: of each kind a Fired and, where Azure says that such an alert is over, its end.
///
/// A simulator for development makes them, which the worker must not depend on; a test keeps them in step with it.
const SAMPLES: &str = include_str!("samples.jsonl");
/// Kinds that a message names; a template that fails on more is broken in general.
const MOST_KINDS_NAMED: usize = 5;

/// What is wrong with a template of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub route: String,
    /// The key that it stands under.
    pub template: String,
    pub verdict: Verdict,
    what: String,
}

/// How bad it is, the worse last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It fails on some alerts, or on all that do not carry what it asks for.
    Warning,
    /// It fails on every alert.
    Error,
}

struct Sample {
    alert: AlertView,
    condition: Condition,
}

/// By template and its text: what it gave on each sample. Most rules inherit most of their texts.
type Outcomes = HashMap<(String, String), Vec<Option<Failure>>>;

impl Verdict {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} {}", self.route, self.template, self.what)
    }
}

/// The trial was ended before this route was through.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its templates take too long: not all were tried by the route {route:?}; write simpler ones, or fewer that differ"
)]
pub struct Ended {
    pub route: String,
}

/// Tries every template of every route on the alerts that the route may be for.
///
/// # Errors
/// When `ends` says so, which is asked before every template.
pub fn findings(policy: &Policy, ends: impl Fn() -> bool) -> Result<Vec<Finding>, Ended> {
    let mut outcomes = Outcomes::new();
    let mut findings: Vec<Finding> = Vec::new();
    let mut told = HashMap::new();
    for (route, is_for) in policy.routes_by_kind() {
        for template in route.templates.all() {
            if ends() {
                return Err(Ended { route: route.name.clone() });
            }
            let named = (template.key(), route.templates.source(template));
            let tried = outcomes.entry(named.clone()).or_insert_with(|| attempts(&route.templates, template));
            let asked =
                SAMPLE_ALERTS.iter().zip(tried.iter()).filter(|(sample, _)| is_for(sample.alert.kind));
            let asked = asked.filter(|(sample, _)| is_rendered(template, sample));
            let Some(finding) = judged(route, template, &asked.collect::<Vec<_>>()) else { continue };
            // Of a text that several rules share, what is no worse for the next of them is said once.
            if told.get(&named).is_none_or(|before| *before < finding.verdict) {
                told.insert(named, finding.verdict);
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

static SAMPLE_ALERTS: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let parsed = SAMPLES.lines().filter_map(|line| Notification::parse(line.as_bytes()).ok());
    let sample = |notification: Notification<'_>| Sample {
        alert: AlertView::new(Uuid::nil(), &notification),
        condition: Subject::read(&notification).condition,
    };
    parsed.map(sample).collect()
});

fn attempts(templates: &Templates, template: &Template) -> Vec<Option<Failure>> {
    let number = if template.is_of_a_new_ticket() { "" } else { "INC0000001" };
    let ticket = TicketView { number: number.to_owned(), ..TicketView::default() };
    SAMPLE_ALERTS.iter().map(|sample| templates.text(template, &sample.alert, &ticket).err()).collect()
}

/// A resolution is told from the end of an alert, everything else from either.
fn is_rendered(template: &Template, sample: &Sample) -> bool {
    match template {
        Template::Note(Transition::Resolve) | Template::Field(Transition::Resolve, _) => {
            sample.condition == Condition::Resolved
        }
        Template::CorrelationKey
        | Template::Summary
        | Template::Description
        | Template::StillFires
        | Template::Bound
        | Template::Flapping
        | Template::Storm(_)
        | Template::Note(Transition::Open | Transition::Update | Transition::Reopen)
        | Template::Field(Transition::Open | Transition::Update | Transition::Reopen, _) => true,
    }
}

fn judged(route: &Route, template: &Template, asked: &[(&Sample, &Option<Failure>)]) -> Option<Finding> {
    let failed: Vec<(&Sample, &Failure)> =
        asked.iter().filter_map(|(sample, failure)| Some((*sample, failure.as_ref()?))).collect();
    let unknown = route.templates.unknown_names(template);
    let finding =
        |verdict, what| Some(Finding { route: route.name.clone(), template: template.key(), verdict, what });
    let names = match unknown.iter().map(String::as_str).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => String::new(),
        names => format!("names {names}, which nothing has"),
    };
    let Some((_, first)) = failed.first() else {
        return if names.is_empty() { None } else { finding(Verdict::Warning, names) };
    };
    if failed.len() < asked.len() {
        let names = if names.is_empty() { names } else { format!(" and {names}") };
        let on = kinds(&failed);
        return finding(Verdict::Warning, format!("fails on {on}: {}{names}", first.why));
    }
    let may_be_given = failed.iter().all(|(_, failure)| failure.lacks_data);
    if may_be_given && names.is_empty() && route.templates.reads_open_data(template) {
        let what =
            "fails on every alert that lacks what it reads of alert.context or alert.custom; give a default";
        return finding(Verdict::Warning, format!("{what}: {}", first.why));
    }
    let names = if names.is_empty() { names } else { format!(": it {names}") };
    finding(Verdict::Error, format!("fails on every alert{names}: {}", first.why))
}

/// The kinds of these samples; an end of its own only where the beginning is none of them.
fn kinds(failed: &[(&Sample, &Failure)]) -> String {
    let of = |condition| {
        let those = failed.iter().filter(move |(sample, _)| sample.condition == condition);
        those.map(|(sample, _)| sample.alert.kind).collect::<BTreeSet<_>>()
    };
    let (fired, resolved) = (of(Condition::Fired), of(Condition::Resolved));
    let ends = resolved.difference(&fired).map(|kind| format!("{kind} (resolved)"));
    let all: Vec<String> = fired.iter().map(ToString::to_string).chain(ends).collect();
    let named = all.iter().take(MOST_KINDS_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(MOST_KINDS_NAMED) {
        0 => named,
        more => format!("{named} and {more} more kinds"),
    }
}

#[cfg(test)]
mod tests;
