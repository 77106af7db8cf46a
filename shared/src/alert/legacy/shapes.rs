//! One function for each shape: which members mean what.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{alert_id, at, essentials, members, severity};
use crate::alert::{Condition, Essentials, Severity, text, texts};

/// Beyond it a number is not exact to the cent, and so no amount.
const MAX_AMOUNT: f64 = 1e13;

/// A metric alert; `context` is like the common schema's `alertContext`, with the essentials among its members.
pub(super) fn metric<'a>(context: &'a RawValue, condition: Condition) -> Option<Essentials<'a>> {
    let [rule_id, rule, description, level, resource, criteria, timestamp, link] = members(
        context,
        ["id", "name", "description", "severity", "resourceId", "condition", "timestamp", "portalLink"],
    )?;
    let (rule_id, resource) = (text(rule_id)?, text(resource));
    let series = dimensions_of_criteria(criteria);
    let parts = resource.as_deref().into_iter().chain(series.iter().flatten().map(AsRef::as_ref));
    let id = alert_id("metric", &rule_id, parts);
    Some(Essentials {
        alert_rule: text(rule),
        severity: severity(level),
        signal_type: Some("Metric".into()),
        monitoring_service: Some("Platform".into()),
        target_ids: resource.into_iter().collect(),
        investigation_link: text(link),
        alert_rule_id: Some(rule_id),
        ..essentials(id, condition, at(timestamp), text(description))
    })
}

/// An event of the activity log. It does not name the rule, so what it is about stands in: a title, or the operation.
/// In the common schema every such alert has Sev4.
pub(super) fn activity_log<'a>(event: &'a RawValue, condition: Condition) -> Option<Essentials<'a>> {
    let [id, subscription, source, operation, description, resource, timestamp, properties] = members(
        event,
        [
            "eventDataId",
            "subscriptionId",
            "eventSource",
            "operationName",
            "description",
            "resourceId",
            "eventTimestamp",
            "properties",
        ],
    )?;
    let (event_id, scope) = (text(id)?, subscription_id(subscription)?);
    let [title, details] =
        properties.and_then(|properties| members(properties, ["title", "details"])).unwrap_or_default();
    let service = text(source).map(|source| match source.as_ref() {
        "ServiceHealth" => source,
        "ResourceHealth" => "Resource Health".into(),
        other => format!("Activity Log - {other}").into(),
    });
    let description = text(description).or_else(|| text(details));
    let operation = text(operation);
    // The id should be enough, but the samples of different events that the portal sends have the same one.
    let parts = [operation.as_deref().unwrap_or_default(), event_id.as_ref()];
    let id = alert_id("activity-log", &scope, parts);
    Some(Essentials {
        alert_rule: text(title).or(operation),
        severity: Some(Severity::Sev4),
        signal_type: Some("Activity Log".into()),
        monitoring_service: service,
        target_ids: vec![text(resource).unwrap_or(scope.into())],
        origin_alert_id: Some(event_id),
        ..essentials(id, condition, at(timestamp), description)
    })
}

/// A log search alert of the APIs before 2020. Each evaluation that finds something is an alert of its own, and none
/// is ever resolved.
pub(super) fn log(payload: &RawValue) -> Option<Essentials<'_>> {
    let [rule, subscription, resource, workspace, application, end, level, description, items, series, link] =
        members(
            payload,
            [
                "AlertRuleName",
                "SubscriptionId",
                "ResourceId",
                "WorkspaceId",
                "ApplicationId",
                "SearchIntervalEndtimeUtc",
                "Severity",
                "Description",
                "AffectedConfigurationItems",
                "Dimensions",
                "LinkToFilteredSearchResultsUI",
            ],
        )?;
    let (rule, scope) = (text(rule)?, subscription_id(subscription)?);
    let source = text(workspace).or_else(|| text(application));
    let service = if application.is_some() { "Application Insights" } else { "Log Analytics" };
    let ended = text(end);
    let series = dimensions(series);
    let parts = [Some(&rule), source.as_ref(), ended.as_ref()];
    let parts = parts.map(|part| part.map(AsRef::as_ref).unwrap_or_default());
    let id = alert_id("log", &scope, parts.into_iter().chain(series.iter().flatten().map(AsRef::as_ref)));
    Some(Essentials {
        alert_rule: Some(rule),
        severity: severity(level),
        signal_type: Some("Log".into()),
        monitoring_service: Some(service.into()),
        target_ids: vec![text(resource).unwrap_or(scope.into())],
        configuration_items: texts(items),
        investigation_link: text(link),
        ..essentials(id, Condition::Fired, at(end), text(description))
    })
}

/// A budget that crossed a threshold. Nothing says when, so the amount tells one month from the next.
pub(super) fn budget(payload: &RawValue) -> Option<Essentials<'_>> {
    let [name, subscription, group, start, threshold, spent, limit, unit] = members(
        payload,
        [
            "BudgetName",
            "SubscriptionId",
            "ResourceGroup",
            "BudgetStartDate",
            "NotificationThresholdAmount",
            "SpendingAmount",
            "Budget",
            "Unit",
        ],
    )?;
    let (name, subscription) = (text(name)?, subscription_id(subscription)?);
    let scope = match text(group) {
        Some(group) => format!("{subscription}/resourceGroups/{group}"),
        None => subscription,
    };
    let [start, threshold, spent, limit, unit] =
        [start, threshold, spent, limit, unit].map(|raw| amount(raw).unwrap_or_default());
    let description = format!("{spent} of {limit} {unit} are spent, and the threshold is {threshold}.");
    let id = alert_id("budget", &scope, [name.as_ref(), &start, &threshold, &spent]);
    Some(Essentials {
        alert_rule: Some(name),
        monitoring_service: Some("CostAlerts".into()),
        target_ids: vec![scope.into()],
        ..essentials(id, Condition::Fired, None, Some(description.into()))
    })
}

/// A text, or a number in its place: two amounts must not look the same for want of quotes.
fn amount(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    text(raw).or_else(|| {
        let number: f64 = serde_json::from_str(raw?.get()).ok()?;
        (number.abs() < MAX_AMOUNT).then(|| format!("{number:.2}").into())
    })
}

fn subscription_id(raw: Option<&RawValue>) -> Option<String> {
    text(raw).map(|id| format!("/subscriptions/{id}"))
}

fn dimensions_of_criteria(condition: Option<&RawValue>) -> Vec<[Cow<'_, str>; 2]> {
    let all = condition.and_then(|condition| members(condition, ["allOf"]));
    let criteria = list(all.and_then(|[all]| all)).into_iter();
    let mut found: Vec<_> = criteria
        .filter_map(|criterion| members(criterion, ["dimensions"]))
        .flat_map(|[given]| dimensions(given))
        .collect();
    found.sort();
    found
}

/// Names and values in order, since Azure promises none.
fn dimensions(raw: Option<&RawValue>) -> Vec<[Cow<'_, str>; 2]> {
    let pairs = list(raw).into_iter().filter_map(|pair| members(pair, ["name", "value"]));
    let mut found: Vec<_> = pairs.filter_map(|[name, value]| Some([text(name)?, text(value)?])).collect();
    found.sort();
    found
}

fn list(raw: Option<&RawValue>) -> Vec<&RawValue> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
