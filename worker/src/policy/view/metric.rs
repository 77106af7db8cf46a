//! Metric alerts: what was measured against which threshold, over which window.

use serde_json::Value;

use super::part::{duration, first, joined, operator, text};
use super::sheet::Sheet;

pub(super) fn headline(context: &Value) -> String {
    let criterion = criteria(context).next();
    let measured =
        criterion.map(|criterion| (what(criterion), text(criterion, "/metricValue"), limit(criterion)));
    match measured {
        Some((what, value, limit)) if !value.is_empty() => joined(&what, " ", &joined(&value, " ", &limit)),
        Some(_) | None => String::new(),
    }
}

pub(super) fn tell(context: &Value, sheet: &mut Sheet) {
    let window = duration(&text(context, "/condition/windowSize"));
    for criterion in criteria(context) {
        sheet.line("Condition", condition(criterion, &window));
        sheet.line("Measured", text(criterion, "/metricValue"));
        sheet.line("Sensitivity", text(criterion, "/alertSensitivity"));
        sheet.line("Failing periods", failing_periods(criterion, "/failingPeriods"));
        sheet.line("Web test", text(criterion, "/webTestName"));
        sheet.line("Metric namespace", text(criterion, "/metricNamespace"));
    }
    sheet.line("Failing periods", failing_periods(context, "/condition/staticThresholdFailingPeriods"));
    sheet.line("Window", window_of(context));
}

/// The criteria of a metric or log alert.
pub(super) fn criteria(context: &Value) -> impl Iterator<Item = &Value> {
    context.pointer("/condition/allOf").and_then(Value::as_array).into_iter().flatten()
}

/// `Average of Percentage CPU > 90 over 5m`.
fn condition(criterion: &Value, window: &str) -> String {
    let aggregated = joined(&text(criterion, "/timeAggregation"), " of ", &what(criterion));
    joined(&joined(&aggregated, " ", &limit(criterion)), " over ", window)
}

fn what(criterion: &Value) -> String {
    text(criterion, "/metricName")
}

/// `> 90`.
pub(super) fn limit(criterion: &Value) -> String {
    let threshold = first(criterion, &["/threshold", "/Threshold"]);
    if threshold.is_empty() {
        threshold
    } else {
        joined(&operator(&text(criterion, "/operator")), " ", &threshold)
    }
}

/// `2 of 4`, where it takes more than one failing period to fire.
pub(super) fn failing_periods(value: &Value, pointer: &str) -> String {
    let count = |name: &str| text(value, &format!("{pointer}/{name}"));
    let (failing, of) = (count("minFailingPeriodsToAlert"), count("numberOfEvaluationPeriods"));
    if matches!(of.as_str(), "" | "0" | "1") { String::new() } else { joined(&failing, " of ", &of) }
}

/// When what was measured began and ended.
pub(super) fn window_of(context: &Value) -> String {
    let (start, end) =
        (text(context, "/condition/windowStartTime"), text(context, "/condition/windowEndTime"));
    joined(&start, " to ", &end)
}
