//! An alert as templates see it: `alert.…`, and the plain text that stands in when a template fails.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::alert::{Essentials, Notification, Schema, Severity, arm, json};
use uuid::Uuid;

use super::ci;
use crate::connector::CiCandidate;
use crate::kind::Kind;
use crate::reconcile::subject::{Scope, Subject};

mod activity;
mod detection;
mod health;
mod links;
mod log;
mod metric;
mod part;
mod plain_text;
mod sheet;
mod words;

use links::Links;
use part::scalar;

/// Everything a template may say about an alert. What Azure did not send is an empty text or list.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AlertView {
    pub id: String,
    /// The name of a [`Kind`].
    pub kind: &'static str,
    /// Whether the portal's test button made it.
    pub is_test: bool,
    /// Whether nothing that Azure sends will resolve it.
    pub never_resolves: bool,
    /// Whether it came in a shape from before the common alert schema.
    pub legacy: bool,
    pub tenant_id: String,
    /// The name of the alert rule.
    pub rule: String,
    pub rule_id: String,
    /// `Sev0` to `Sev4`.
    pub severity: String,
    /// `Fired` or `Resolved`; an incident is resolved when its context says so, though Azure calls it Fired.
    pub condition: String,
    pub signal_type: String,
    pub monitoring_service: String,
    pub description: String,
    pub fired_at: String,
    pub resolved_at: String,
    pub origin_id: String,
    /// The first target, in full.
    pub target: String,
    pub targets: Vec<String>,
    /// The short name of what the alert is about, see [`resource_of`].
    pub resource: String,
    pub resource_group: String,
    pub subscription: String,
    pub configuration_items: Vec<String>,
    pub dimensions: Vec<Dimension>,
    /// `alertContext` as received, whatever its shape.
    pub context: Value,
    /// `customProperties` as received.
    pub custom: Value,
    /// The investigation link.
    pub link: String,
    pub links: Links,
    /// What tells the problem from others: the rule, what it watches and the dimensions, or the incident; as JSON.
    pub series: String,
    /// One line: severity, rule, resource, and what happened.
    pub title: String,
    /// Everything an on-call engineer asks first, as plain text.
    pub text: String,
    #[serde(skip)]
    pub level: Option<Severity>,
    #[serde(skip)]
    pub ci_candidates: Vec<CiCandidate>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dimension {
    pub name: String,
    pub value: String,
}

impl AlertView {
    #[must_use]
    pub fn new(tenant_id: Uuid, notification: &Notification<'_>) -> Self {
        let essentials = &notification.essentials;
        let context = value(notification.context);
        let unreadable = notification.context.is_some() && context.is_null();
        let kind = Kind::recognise(essentials, &context);
        let subject = Subject::new(essentials, kind, &context);
        let dimensions = dimensions(&context);
        let targets: Vec<String> = essentials.target_ids.iter().map(ToString::to_string).collect();
        let items: Vec<String> = essentials.configuration_items.iter().map(ToString::to_string).collect();
        let target = targets.first().cloned().unwrap_or_default();
        let pairs: Vec<_> = dimensions.iter().map(|d| (d.name.clone(), d.value.clone())).collect();
        let told_inside = subject.condition != essentials.condition;
        let resolved_at = if told_inside { essentials.fired_at } else { essentials.resolved_at };
        let mut view = Self {
            id: essentials.alert_id.to_string(),
            kind: kind.name(),
            is_test: subject.scope == Scope::Press,
            never_resolves: subject.never_resolves(kind),
            legacy: notification.schema == Schema::Legacy,
            tenant_id: tenant_id.to_string(),
            rule: text(essentials.alert_rule.as_deref()),
            rule_id: text(essentials.alert_rule_id.as_deref()),
            severity: text(essentials.severity.map(Severity::as_str)),
            condition: subject.condition.to_string(),
            signal_type: text(essentials.signal_type.as_deref()),
            monitoring_service: text(essentials.monitoring_service.as_deref()),
            description: text(essentials.description.as_deref()),
            fired_at: essentials.fired_at.map(|at| at.to_string()).unwrap_or_default(),
            resolved_at: resolved_at.map(|at| at.to_string()).unwrap_or_default(),
            origin_id: text(essentials.origin_alert_id.as_deref()),
            resource_group: text(arm::resource_group(&target)),
            subscription: arm::subscription(&target)
                .or_else(|| arm::subscription(&essentials.alert_id))
                .unwrap_or_default(),
            link: text(essentials.investigation_link.as_deref()),
            links: links_of(tenant_id, essentials, &context, &dimensions),
            series: series(essentials, &subject, &dimensions, unreadable),
            title: String::new(),
            text: String::new(),
            level: essentials.severity,
            ci_candidates: ci::candidates(essentials, &context, &pairs),
            custom: value(notification.custom_properties),
            resource: resource_of(kind, &items, &target, &context),
            target,
            targets,
            configuration_items: items,
            dimensions,
            context,
        };
        view.title = words::title(&view, kind);
        view.text = words::plain(&view, kind);
        view
    }

    /// What is left of an alert when its notifications are forgotten.
    #[must_use]
    pub fn unknown(tenant_id: Uuid, alert_id: &str) -> Self {
        let kind = Kind::Other;
        let tenant_id = tenant_id.to_string();
        let mut view = Self { id: alert_id.to_owned(), kind: kind.name(), tenant_id, ..Self::default() };
        view.title = words::title(&view, kind);
        view.text = words::plain(&view, kind);
        view
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

/// Nested too deeply to be read counts as absent: the ticket is made from the rest.
fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(json::read).unwrap_or(Value::Null)
}

/// The name of the first configuration item, or of the first target: a log alert's target is its workspace. A backup
/// alert names its vault in both, and the machine in its context.
fn resource_of(kind: Kind, items: &[String], target: &str, context: &Value) -> String {
    let linked = part::first(context, &["/linkedResourceName", "/linkedResourceId"]);
    if kind == Kind::AzureBackup && !linked.is_empty() {
        return arm::name(&linked).to_owned();
    }
    arm::name(items.first().map_or(target, String::as_str)).to_owned()
}

fn links_of(
    tenant_id: Uuid,
    essentials: &Essentials<'_>,
    context: &Value,
    dimensions: &[Dimension],
) -> Links {
    let mut links = Links::default();
    log::add_links(context, &mut links);
    let portal = links::portal(essentials.investigation_link.as_deref().unwrap_or_default(), &links.query);
    links.alert = links::alert(portal, &essentials.alert_id);
    // The target may be only the workspace or the vault; what is wrong is the resource behind it.
    let linked = part::text(context, "/linkedResourceId");
    let behind = std::iter::once(linked.as_str()).chain(dimensions.iter().map(|d| d.value.as_str()));
    let target = essentials.target_ids.first().map_or("", AsRef::as_ref);
    links.resource = links::resource(
        portal,
        tenant_id,
        behind.into_iter().find(|id| arm::is_resource(id)).unwrap_or(target),
    );
    links
}

/// Dimensions of metric and log alerts (`condition.allOf[].dimensions`), of the older log alerts
/// (`Dimensions`) and the labels of Prometheus alerts, sorted, each once.
fn dimensions(context: &Value) -> Vec<Dimension> {
    let pairs = metric::criteria(context)
        .filter_map(|criterion| criterion.get("dimensions"))
        .chain(context.get("Dimensions"))
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|pair| Some((scalar(pair.get("name")?)?, scalar(pair.get("value")?)?)));
    let labels = context.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some((name.clone(), scalar(value)?)));
    let mut all: Vec<_> = pairs.chain(labels).map(|(name, value)| Dimension { name, value }).collect();
    all.sort();
    all.dedup();
    all
}

/// An incident is its own series, whichever rule tells of it, and so is each press of the test button. Any other alert
/// without a rule (a cost alert) or without a target is one too, and one whose dimensions cannot be read.
fn series(
    essentials: &Essentials<'_>,
    subject: &Subject,
    dimensions: &[Dimension],
    unreadable: bool,
) -> String {
    match subject.scope {
        Scope::Alert => {}
        Scope::Incident | Scope::Press => return serde_json::json!([subject.id]).to_string(),
    }
    let rule = essentials.alert_rule_id.as_deref().or(essentials.alert_rule.as_deref());
    let mut targets: Vec<String> = essentials.target_ids.iter().map(|id| id.to_lowercase()).collect();
    targets.sort();
    let alone = unreadable || rule.is_none() || targets.is_empty();
    let own = text(alone.then_some(essentials.alert_id.as_ref())).to_lowercase();
    let dimensions: Vec<[&str; 2]> = dimensions.iter().map(|d| [d.name.as_str(), d.value.as_str()]).collect();
    serde_json::json!([text(rule).to_lowercase(), targets, dimensions, own]).to_string()
}

#[cfg(test)]
mod tests;
