//! `worker explain`: what becomes of an alert, and why. Nothing is written or called.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use jiff::fmt::friendly::SpanPrinter;
use serde::Serialize;
use shared::alert::{Condition, Notification};
use uuid::Uuid;

use super::output::{Format, answer, answer_json, one_line, printable, printable_body, second, shortened};
use crate::config::Config;
use crate::connector::CiCandidate;
use crate::intake::reading::group;
use crate::policy::rules::{Judgement, Policy, Verdict};
use crate::policy::template::{Template, TicketView, Transition};
use crate::policy::view::AlertView;
use crate::policy::windows::Hold;
use crate::policy::{AlreadyResolved, Route, WhenResolved, expiry};
use crate::reconcile::subject::Subject;

/// Azure sends no more, and ingest takes no more.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// All that is decided about an alert.
#[derive(Debug, Serialize)]
struct Explanation {
    alert_id: String,
    condition: String,
    severity: String,
    rule: String,
    monitoring_service: String,
    signal_type: String,
    kind: &'static str,
    test: bool,
    subscription: String,
    resource_group: String,
    resources: Vec<String>,
    fired_at: String,
    resolved_at: String,
    /// What tells the problem from others.
    series: String,
    /// When it counts as resolved though nothing says so, or that nothing ever does.
    expires: Option<String>,
    rules: Vec<Asked>,
    ci_candidates: Vec<String>,
    tickets: Vec<Planned>,
}

/// A rule, and what it says to the alert.
#[derive(Debug, Serialize)]
struct Asked {
    rule: String,
    says: String,
}

/// A ticket that the alert would have.
#[derive(Debug, Serialize)]
struct Planned {
    target: String,
    rule: String,
    /// Rules that would have the same ticket, with the texts of the first.
    also_by: Vec<String>,
    /// What the template of the key gives: alerts for which it is the same share a ticket.
    grouped_by: String,
    correlation_key: String,
    /// Why it would not be made at once, if so.
    waits: Option<String>,
    /// What becomes of it when its alerts are resolved, if they ever are.
    when_resolved: Option<String>,
    impact: u8,
    urgency: u8,
    summary: String,
    description: String,
    note: String,
    fields: std::collections::BTreeMap<String, String>,
    /// Templates that failed, for which plain text stands.
    failures: Vec<String>,
}

pub(super) fn run(
    config: &Config,
    file: &Path,
    tenant: Uuid,
    at: Timestamp,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let body = read(file)?;
    let notification = Notification::parse(&body).context("this is no alert that can be recognised")?;
    let explanation = explain(config, tenant, at, &notification);
    match format {
        Format::Json => answer_json(&explanation)?,
        Format::Text => answer(&told(&explanation))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?)
    };
    input.take(MAX_BODY_BYTES + 1).read_to_end(&mut body)?;
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    anyhow::ensure!(size <= MAX_BODY_BYTES, "{} is larger than {MAX_BODY_BYTES} bytes", file.display());
    Ok(body)
}

fn explain(config: &Config, tenant: Uuid, at: Timestamp, notification: &Notification<'_>) -> Explanation {
    let (view, policy) = (AlertView::new(tenant, notification), &config.policy);
    // An incident that is over is Fired as well, as far as the essentials go.
    let transition = match Subject::read(notification).condition {
        Condition::Fired => Transition::Open,
        Condition::Resolved => Transition::Resolve,
    };
    let choice = policy.choose(&view);
    let fires = view.condition != Condition::Resolved.as_str();
    let setting = expiry::setting(&view);
    let expires = match expiry::expires_after(&choice.routes, &view).filter(|_| fires) {
        Some(after) => {
            let length = SpanPrinter::new().unsigned_duration_to_string(&after);
            Some(format!("counts as resolved after {length} without a new firing ({setting})"))
        }
        None if fires && view.never_resolves && !choice.routes.is_empty() => {
            Some(format!("Azure never says so, people end it ({setting} is 0s)"))
        }
        None => None,
    };
    let all = choice.routes.iter().flat_map(|route| {
        let waits = waits(policy, route, at, &view, transition);
        let planned = |target: &String| planned(route, target, tenant, &view, transition, waits.clone());
        route.targets.iter().map(planned).collect::<Vec<_>>()
    });
    let mut tickets: Vec<Planned> = Vec::new();
    for ticket in all {
        // The key has the target in it.
        match tickets.iter_mut().find(|first| first.correlation_key == ticket.correlation_key) {
            Some(first) => first.also_by.push(ticket.rule),
            None => tickets.push(ticket),
        }
    }
    Explanation {
        tickets,
        expires,
        rules: policy.trace(&view).iter().map(asked).collect(),
        ci_candidates: view.ci_candidates.iter().map(candidate).collect(),
        alert_id: view.id,
        condition: view.condition,
        severity: view.severity,
        rule: view.rule,
        monitoring_service: view.monitoring_service,
        signal_type: view.signal_type,
        kind: view.kind,
        test: view.is_test,
        subscription: view.subscription,
        resource_group: view.resource_group,
        resources: view.targets,
        fired_at: view.fired_at,
        resolved_at: view.resolved_at,
        series: view.series,
    }
}

fn planned(
    route: &Route,
    target: &str,
    tenant: Uuid,
    view: &AlertView,
    transition: Transition,
    waits: Option<String>,
) -> Planned {
    let (ticket, mut failures) = (TicketView::default(), Vec::new());
    let mut render = |template: &Template| {
        let rendered = route.templates.render(template, view, &ticket);
        failures.extend(rendered.fallback);
        rendered.text
    };
    let (summary, description) = (render(&Template::Summary), render(&Template::Description));
    let (mut note, mut fields) = (String::new(), std::collections::BTreeMap::new());
    if (transition, route.when_resolved) != (Transition::Resolve, WhenResolved::Leave) {
        note = render(&Template::Note(transition));
        let failed;
        (fields, failed) = route.templates.fields(transition, view, &ticket);
        failures.extend(failed);
    }
    let group = group(route, tenant, view);
    failures.extend(group.fallback.clone());
    let weight = route.weight(view.level);
    Planned {
        target: target.to_owned(),
        rule: route.name.clone(),
        also_by: Vec::new(),
        correlation_key: group.correlation_key(target),
        grouped_by: group.text,
        when_resolved: when_resolved(route, view, transition),
        waits,
        impact: weight.impact,
        urgency: weight.urgency,
        summary,
        description,
        note,
        fields,
        failures,
    }
}

fn when_resolved(route: &Route, view: &AlertView, transition: Transition) -> Option<String> {
    let action = match route.when_resolved {
        WhenResolved::Resolve => "it is resolved",
        WhenResolved::Note => "a note says so, and people end it",
        WhenResolved::Leave => "nothing is written, and people end it",
    };
    match (transition, route.already_resolved) {
        (Transition::Resolve, AlreadyResolved::Skip) => {
            Some(format!("{action}, if there is one; none is made otherwise (already_resolved)"))
        }
        (Transition::Resolve, AlreadyResolved::Record) => Some(format!(
            "{action}, if there is one; one is made for the record otherwise (already_resolved)"
        )),
        (Transition::Open | Transition::Update | Transition::Reopen, _) => {
            (!view.never_resolves || route.expires_after(view).is_some()).then(|| action.to_owned())
        }
    }
}

/// How long what was heard at an instant waits before it is written.
fn waits(
    policy: &Policy,
    route: &Route,
    at: Timestamp,
    view: &AlertView,
    transition: Transition,
) -> Option<String> {
    match transition {
        Transition::Resolve => so_long("resolve_after", route.pace.resolve_after),
        Transition::Open | Transition::Update | Transition::Reopen => {
            let held = policy.hold_new(route, at, view);
            held.map(|Hold { until, window }| {
                format!("until {} (maintenance window {window})", second(until))
            })
            .or_else(|| so_long("open_after", route.pace.open_after))
        }
    }
}

fn so_long(setting: &str, wait: Duration) -> Option<String> {
    let length = SpanPrinter::new().unsigned_duration_to_string(&wait);
    (!wait.is_zero()).then(|| format!("{length} ({setting})"))
}

fn asked(judgement: &Judgement<'_>) -> Asked {
    let says = match &judgement.verdict {
        Verdict::Tickets { targets, goes_on: false } => {
            format!("makes a ticket in {}", targets.join(" and "))
        }
        Verdict::Tickets { targets, goes_on: true } => {
            format!("makes a ticket in {}, and the next are asked, too", targets.join(" and "))
        }
        Verdict::Drops { reason } => format!("makes none: {reason}"),
        Verdict::IsForMoreSevere { minimum, goes_on } => {
            let next = if *goes_on { "; the next are asked" } else { "" };
            format!("makes none: the alert is less severe than its minimum_severity, {minimum}{next}")
        }
        Verdict::IsNotForIt(mismatch) => match mismatch.has.join(", ") {
            nothing if nothing.is_empty() => format!("is not for it: it has no {}", mismatch.condition),
            has => format!("is not for it: {} is {has}", mismatch.condition),
        },
        Verdict::IsNotAsked => "is not asked: rules before it have decided".to_owned(),
    };
    Asked { rule: judgement.rule.to_owned(), says }
}

fn candidate(candidate: &CiCandidate) -> String {
    match candidate {
        CiCandidate::ArmId(id) => id.clone(),
        CiCandidate::Name(name) => format!("the name {name}"),
    }
}

fn told(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{name:<12} {}", brief(value)));
        }
    };
    line("alert", &explanation.alert_id);
    line("condition", &explanation.condition);
    line("severity", &explanation.severity);
    line("rule", &explanation.rule);
    line("service", &explanation.monitoring_service);
    line("signal type", &explanation.signal_type);
    line("kind", explanation.kind);
    line("test", if explanation.test { "true" } else { "" });
    line("subscription", &explanation.subscription);
    line("group", &explanation.resource_group);
    explanation.resources.iter().for_each(|resource| line("resource", resource));
    line("fired at", &explanation.fired_at);
    line("resolved at", &explanation.resolved_at);
    line("series", &explanation.series);
    line("ends", explanation.expires.as_deref().unwrap_or_default());
    lines.push("\nrules, in order".to_owned());
    let width =
        explanation.rules.iter().map(|asked| printable(&asked.rule).chars().count()).max().unwrap_or(0);
    lines.extend(
        explanation
            .rules
            .iter()
            .map(|asked| format!("  {:<width$}  {}", printable(&asked.rule), brief(&asked.says))),
    );
    lines.push("\nthe configuration item is looked for by".to_owned());
    lines.extend(explanation.ci_candidates.iter().map(|text| format!("  {}", brief(text))));
    if explanation.tickets.is_empty() {
        lines.push("\nno ticket".to_owned());
    }
    for ticket in &explanation.tickets {
        lines.push(format!("\nticket in {}, by {}", brief(&ticket.target), brief(&ticket.rule)));
        let mut line = |name: &str, value: &str| lines.push(format!("  {name:<12} {}", brief(value)));
        if !ticket.also_by.is_empty() {
            line("also by", &format!("{}, which add nothing to it", ticket.also_by.join(", ")));
        }
        line("grouped by", &ticket.grouped_by);
        line("key", &ticket.correlation_key);
        if let Some(waits) = &ticket.waits {
            line("waits", waits);
        }
        if let Some(when_resolved) = &ticket.when_resolved {
            line("in the end", when_resolved);
        }
        line("impact", &ticket.impact.to_string());
        line("urgency", &ticket.urgency.to_string());
        line("summary", &ticket.summary);
        ticket.fields.iter().for_each(|(name, value)| line(name, value));
        ticket.failures.iter().for_each(|failure| line("failed", failure));
        for (name, text) in [("note", &ticket.note), ("description", &ticket.description)] {
            lines.push(format!("  {name}\n{}", printable_body(shortened(text).as_bytes())));
        }
    }
    lines.join("\n")
}

/// One line of it, as far as somebody reads.
fn brief(text: &str) -> String {
    one_line(&shortened(text))
}
