//! An alert as templates see it: `alert.…`, and the plain text that stands in when a template fails.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::alert::{Essentials, Notification, Severity, arm};
use uuid::Uuid;

use super::ci;
use crate::connector::CiCandidate;

/// Everything a template may say about an alert. What Azure did not send is an empty text or list.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AlertView {
    pub id: String,
    pub tenant_id: String,
    /// The name of the alert rule.
    pub rule: String,
    pub rule_id: String,
    /// `Sev0` to `Sev4`.
    pub severity: String,
    /// `Fired` or `Resolved`.
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
    /// The name of the first configuration item, or of the first target: a log alert's target is its workspace.
    pub resource: String,
    pub resource_group: String,
    pub subscription: String,
    pub configuration_items: Vec<String>,
    pub dimensions: Vec<Dimension>,
    /// `alertContext` as received, whatever its shape.
    pub context: Value,
    /// `customProperties` as received.
    pub custom: Value,
    pub link: String,
    /// What tells the problem from others: the rule, what it watches and the dimensions, as JSON.
    pub series: String,
    /// One line: severity, rule, resource.
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
        let dimensions = dimensions(&context);
        let targets: Vec<String> = essentials.target_ids.iter().map(ToString::to_string).collect();
        let items: Vec<String> = essentials.configuration_items.iter().map(ToString::to_string).collect();
        let target = targets.first().cloned().unwrap_or_default();
        let resource =
            items.first().or(targets.first()).map(|id| arm::name(id).to_owned()).unwrap_or_default();
        let pairs: Vec<_> = dimensions.iter().map(|d| (d.name.clone(), d.value.clone())).collect();
        let mut view = Self {
            id: essentials.alert_id.to_string(),
            tenant_id: tenant_id.to_string(),
            rule: text(essentials.alert_rule.as_deref()),
            rule_id: text(essentials.alert_rule_id.as_deref()),
            severity: text(essentials.severity.map(Severity::as_str)),
            condition: essentials.condition.to_string(),
            signal_type: text(essentials.signal_type.as_deref()),
            monitoring_service: text(essentials.monitoring_service.as_deref()),
            description: text(essentials.description.as_deref()),
            fired_at: essentials.fired_at.map(|at| at.to_string()).unwrap_or_default(),
            resolved_at: essentials.resolved_at.map(|at| at.to_string()).unwrap_or_default(),
            origin_id: text(essentials.origin_alert_id.as_deref()),
            resource_group: text(arm::resource_group(&target)),
            subscription: arm::subscription(&target)
                .or_else(|| arm::subscription(&essentials.alert_id))
                .unwrap_or_default(),
            link: text(essentials.investigation_link.as_deref()),
            series: series(essentials, &dimensions, unreadable.then_some(essentials.alert_id.as_ref())),
            title: String::new(),
            text: String::new(),
            level: essentials.severity,
            ci_candidates: ci::candidates(essentials, &context, &pairs),
            custom: value(notification.custom_properties),
            target,
            targets,
            resource,
            configuration_items: items,
            dimensions,
            context,
        };
        view.title = title(&view);
        view.text = plain(&view);
        view
    }

    /// What is left of an alert when its notifications are forgotten.
    #[must_use]
    pub fn unknown(tenant_id: Uuid, alert_id: &str) -> Self {
        let mut view = Self { id: alert_id.to_owned(), tenant_id: tenant_id.to_string(), ..Self::default() };
        view.title = title(&view);
        view.text = plain(&view);
        view
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

/// Nested too deeply to be read counts as absent: the ticket is made from the rest.
fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
}

/// Dimensions of metric and log alerts (`condition.allOf[].dimensions`), of the older log alerts
/// (`Dimensions`) and the labels of Prometheus alerts, sorted, each once.
fn dimensions(context: &Value) -> Vec<Dimension> {
    let criteria = context.pointer("/condition/allOf").and_then(Value::as_array);
    let pairs = criteria
        .into_iter()
        .flatten()
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

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An alert without a rule (a cost alert) or without a target is a series of its own, and so is one whose dimensions
/// cannot be read: `alone` is its id then.
fn series(essentials: &Essentials<'_>, dimensions: &[Dimension], alone: Option<&str>) -> String {
    let rule = essentials.alert_rule_id.as_deref().or(essentials.alert_rule.as_deref());
    let mut targets: Vec<String> = essentials.target_ids.iter().map(|id| id.to_lowercase()).collect();
    targets.sort();
    let alone = alone.or((rule.is_none() || targets.is_empty()).then_some(essentials.alert_id.as_ref()));
    let own = text(alone).to_lowercase();
    let dimensions: Vec<[&str; 2]> = dimensions.iter().map(|d| [d.name.as_str(), d.value.as_str()]).collect();
    serde_json::json!([text(rule).to_lowercase(), targets, dimensions, own]).to_string()
}

fn title(view: &AlertView) -> String {
    let name = [&view.rule, &view.description, &view.monitoring_service];
    let name = name.into_iter().find(|text| !text.is_empty()).map_or("Azure Monitor alert", String::as_str);
    let mut title = String::new();
    if !view.severity.is_empty() {
        push(&mut title, format_args!("[{}] ", view.severity));
    }
    title.push_str(name);
    if !view.resource.is_empty() {
        push(&mut title, format_args!(" on {}", view.resource));
    }
    title
}

fn plain(view: &AlertView) -> String {
    let mut text = String::new();
    if !view.description.is_empty() {
        push(&mut text, format_args!("{}\n\n", view.description));
    }
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            push(&mut text, format_args!("{name}: {value}\n"));
        }
    };
    line("Severity", &view.severity);
    line("Rule", &view.rule);
    line("Source", &view.monitoring_service);
    view.targets.iter().for_each(|target| line("Resource", target));
    line("Fired at", &view.fired_at);
    line("Resolved at", &view.resolved_at);
    measured(&view.context).iter().for_each(|measured| line("Condition", measured));
    view.dimensions.iter().for_each(|dimension| line(&dimension.name, &dimension.value));
    if let Some(custom) = view.custom.as_object() {
        custom.iter().for_each(|(name, value)| line(name, &scalar(value).unwrap_or_default()));
    }
    line("Link", &view.link);
    line("Alert", &view.id);
    text
}

/// `metric operator threshold: measured` for each criterion of a metric or log alert.
fn measured(context: &Value) -> Vec<String> {
    let criteria = context.pointer("/condition/allOf").and_then(Value::as_array);
    let part = |criterion: &Value, key: &str| criterion.get(key).and_then(scalar).unwrap_or_default();
    criteria
        .into_iter()
        .flatten()
        .filter_map(|criterion| {
            let what = [
                part(criterion, "metricName"),
                part(criterion, "metricMeasureColumn"),
                part(criterion, "timeAggregation"),
            ];
            let what = what.into_iter().find(|text| !text.is_empty())?;
            let mut text = format!("{what} {} {}", part(criterion, "operator"), part(criterion, "threshold"));
            let measured = part(criterion, "metricValue");
            if !measured.is_empty() {
                push(&mut text, format_args!(", measured {measured}"));
            }
            Some(text)
        })
        .collect()
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(essentials: Value, context: Value) -> AlertView {
        let body = json!({"data": {"essentials": essentials, "alertContext": context}}).to_string();
        AlertView::new(Uuid::nil(), &Notification::parse(body.as_bytes()).unwrap())
    }

    fn metric() -> AlertView {
        view(
            json!({"alertId": "/alerts/1", "monitorCondition": "Fired", "severity": "Sev1", "alertRule": "cpu-high",
                "description": "CPU is high", "firedDateTime": "2026-03-22T13:58:24.3713213Z",
                "alertTargetIDs": ["/subscriptions/S/resourcegroups/prod-rg/providers/microsoft.compute/virtualmachines/web-01"]}),
            json!({"condition": {"allOf": [{"metricName": "Percentage CPU", "operator": "GreaterThan", "threshold": "90",
                "metricValue": 97.5, "dimensions": [{"name": "core", "value": 3}]}]}}),
        )
    }

    #[test]
    fn a_metric_alert_reads_as_a_person_would_tell_it() {
        let view = metric();
        assert_eq!(view.title, "[Sev1] cpu-high on web-01");
        insta::assert_snapshot!(view.text, @r"
        CPU is high

        Severity: Sev1
        Rule: cpu-high
        Resource: /subscriptions/S/resourcegroups/prod-rg/providers/microsoft.compute/virtualmachines/web-01
        Fired at: 2026-03-22T13:58:24.371321Z
        Condition: Percentage CPU GreaterThan 90, measured 97.5
        core: 3
        Alert: /alerts/1
        ");
    }

    #[test]
    fn an_alert_of_almost_nothing_still_has_a_title_and_a_text() {
        let view = view(json!({"alertId": "/alerts/1", "monitorCondition": "Fired"}), Value::Null);
        assert_eq!(view.title, "Azure Monitor alert");
        assert_eq!(view.text, "Alert: /alerts/1\n");
    }

    #[test]
    fn another_firing_of_the_same_series_has_the_same_series() {
        let mut again = metric();
        again.id = "/alerts/2".into();
        assert_eq!(again.series, metric().series);
    }

    #[test]
    fn another_dimension_is_another_series() {
        let with = |core: u8| {
            view(
                json!({"alertId": "/a", "monitorCondition": "Fired", "alertRule": "r", "alertTargetIDs": ["/t"]}),
                json!({"condition": {"allOf": [{"dimensions": [{"name": "core", "value": core}]}]}}),
            )
            .series
        };
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn alerts_whose_dimensions_cannot_be_read_do_not_share_a_series() {
        let with = |id: &str| {
            let body = format!(
                r#"{{"data":{{"essentials":{{"alertId":"{id}","monitorCondition":"Fired","alertRule":"r","alertTargetIDs":["/t"]}},"alertContext":{{"value":1e999}}}}}}"#
            );
            AlertView::new(Uuid::nil(), &Notification::parse(body.as_bytes()).unwrap()).series
        };
        assert_ne!(with("/a"), with("/b"));
    }

    #[test]
    fn alerts_without_a_rule_do_not_share_a_series() {
        let cost = |id: &str| {
            view(json!({"alertId": id, "monitorCondition": "Fired", "alertRule": null, "alertTargetIDs": null}), Value::Null)
                .series
        };
        assert_ne!(cost("/a"), cost("/b"));
    }
}
