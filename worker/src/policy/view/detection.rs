//! What Azure or Prometheus found out by a rule of its own: smart detection, Prometheus, Azure Backup, budgets.

use serde_json::Value;

use super::part::{duration, first, joined, list, scalar, text};
use super::sheet::Sheet;

/// Annotations of a Prometheus rule that a ticket shows.
const MAX_ANNOTATIONS: usize = 20;

pub(super) fn smart_headline(context: &Value) -> String {
    text(context, "/DetectionSummary")
}

pub(super) fn tell_smart(context: &Value, sheet: &mut Sheet) {
    sheet.line("Detected", text(context, "/DetectionSummary"));
    sheet.line("Detector", first(context, &["/SmartDetectorName", "/SmartDetectorId"]));
    sheet.line("Measured", first(context, &["/DetectedValue", "/DetectedFailureRate"]));
    sheet.line("Normal", first(context, &["/NormalValue", "/NormalFailureRate"]));
    sheet.line("Occurred at", first(context, &["/FormattedOccurrenceTime", "/FormattedOccurenceTime"]));
    sheet.line("Analysed at", text(context, "/AnalysisTimestamp"));
}

pub(super) fn prometheus_headline(context: &Value) -> String {
    first(context, &["/annotations/summary", "/annotations/title", "/annotations/description"])
}

pub(super) fn tell_prometheus(context: &Value, sheet: &mut Sheet) {
    sheet.line("Expression", text(context, "/expression"));
    sheet.line("Measured", text(context, "/expressionValue"));
    sheet.line("Holds for", duration(&text(context, "/for")));
    sheet.line("Evaluated every", duration(&text(context, "/interval")));
    let annotations = context.get("annotations").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in annotations.take(MAX_ANNOTATIONS) {
        sheet.line(name, scalar(value).unwrap_or_default());
    }
    sheet.line("Rule group", text(context, "/ruleGroup"));
}

pub(super) fn tell_backup(context: &Value, sheet: &mut Sheet) {
    sheet.line("Protected", first(context, &["/linkedResourceName", "/linkedResourceId"]));
    sheet.line("Protected resource", text(context, "/linkedResourceId"));
    sheet.line("Type", first(context, &["/formattedSourceType", "/sourceType"]));
    sheet.line("Category", text(context, "/category"));
    let affected = text(context, "/affectedItems");
    sheet.line("Affected", if affected.is_empty() { text(context, "/sourceId") } else { affected });
    for cause in causes(context) {
        sheet.line("Possible cause", cause);
    }
    sheet.line("To do", text(context, "/extendedInfo/recommendedActions"));
    sheet.line("Occurrences", text(context, "/extendedInfo/occurrenceCount"));
    sheet.line("Job", text(context, "/extendedInfo/jobId"));
}

/// `Budget web: spent $1,874.20, limit $1,800.00`.
pub(super) fn budget_headline(context: &Value) -> String {
    let data = |name: &str| text(context, &format!("/AlertData/{name}"));
    let (forecast, spent, limit) =
        (data("ForecastedTotalForPeriod"), data("SpentAmount"), data("NotificationThresholdAmount"));
    let amount = match (forecast.is_empty(), spent.is_empty()) {
        (false, _) => format!("forecast {forecast}"),
        (true, false) => format!("spent {spent}"),
        (true, true) => String::new(),
    };
    let limit = if limit.is_empty() { limit } else { format!("limit {limit}") };
    let name = data("BudgetName");
    let budget = if name.is_empty() { name } else { format!("Budget {name}") };
    joined(&budget, ": ", &joined(&amount, ", ", &limit))
}

pub(super) fn tell_budget(context: &Value, sheet: &mut Sheet) {
    let lines = [
        ("Budget", "BudgetName"),
        ("Spent", "SpentAmount"),
        ("Forecast for the period", "ForecastedTotalForPeriod"),
        ("Alerts at", "NotificationThresholdAmount"),
        ("Whole budget", "BudgetThreshold"),
        ("Currency", "Unit"),
        ("Threshold is", "ThresholdType"),
        ("Budget is of", "BudgetType"),
        ("Scope", "Scope"),
        ("Since", "BudgetStartDate"),
        ("Created by", "BudgetCreator"),
        ("Budget id", "BudgetId"),
    ];
    for (name, key) in lines {
        sheet.line(name, text(context, &format!("/AlertData/{key}")));
    }
}

fn causes(context: &Value) -> Vec<String> {
    let one = text(context, "/extendedInfo/possibleCauses");
    let many = list(context, "/extendedInfo/possibleCauses");
    if many.is_empty() { vec![one] } else { many.iter().filter_map(scalar).collect() }
}
