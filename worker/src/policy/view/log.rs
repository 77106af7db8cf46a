//! Log alerts of every generation: the query, what it found, and where to see more.

use serde_json::Value;

use super::links::{self, Links};
use super::metric::{criteria, failing_periods, limit, window_of};
use super::part::{duration, first, joined, operator, scalar, text};
use super::sheet::Sheet;

/// Rows of a result that a ticket shows, and columns of each.
const MAX_ROWS: usize = 5;
const MAX_COLUMNS: usize = 12;

/// `Count 0 < 1`, or how many results an alert of the older interface has.
pub(super) fn headline(context: &Value) -> String {
    let results = text(context, "/ResultCount");
    if !results.is_empty() {
        return format!("{results} {}", if results == "1" { "result" } else { "results" });
    }
    let Some(criterion) = criteria(context).next() else { return String::new() };
    let (value, limit) = (text(criterion, "/metricValue"), limit(criterion));
    // An alert on each event has no limit, and its value says nothing.
    if value.is_empty() || limit.is_empty() {
        String::new()
    } else {
        format!("{} {value} {limit}", what(criterion))
    }
}

pub(super) fn tell(context: &Value, sheet: &mut Sheet) {
    let window = duration(&text(context, "/condition/windowSize"));
    for criterion in criteria(context) {
        let limit = limit(criterion);
        if !limit.is_empty() {
            sheet.line("Condition", joined(&format!("{} {limit}", what(criterion)), " over ", &window));
            sheet.line("Measured", text(criterion, "/metricValue"));
        }
        sheet.line("Failing periods", failing_periods(criterion, "/failingPeriods"));
        sheet.block("Events", &events(criterion));
        sheet.block("Query", &text(criterion, "/searchQuery"));
    }
    sheet.line("Window", window_of(context));
    tell_v1(context, sheet);
}

/// Of Log Analytics and Application Insights before 2020.
fn tell_v1(context: &Value, sheet: &mut Sheet) {
    let threshold = text(context, "/Threshold");
    if !threshold.is_empty() {
        let kind = text(context, "/AlertType");
        let limit = joined(&operator(&text(context, "/Operator")), " ", &threshold);
        sheet.line("Condition", joined(&kind, " ", &limit));
    }
    sheet.line("Results", text(context, "/ResultCount"));
    let start = text(context, "/SearchIntervalStartTimeUtc");
    sheet.line("Window", joined(&start, " to ", &text(context, "/SearchIntervalEndtimeUtc")));
    sheet.block("First results", &rows(context));
    sheet.block("Query", &text(context, "/SearchQuery"));
}

/// The links to the results, the filtered ones first: they show the resource that the alert is about.
pub(super) fn add_links(context: &Value, links: &mut Links) {
    let criterion = criteria(context).next().unwrap_or(&Value::Null);
    let link = |in_criterion: [&str; 2], in_context: [&str; 2]| {
        let found = first(criterion, &in_criterion);
        links::given(&if found.is_empty() { first(context, &in_context) } else { found })
    };
    links.query = link(
        ["/linkToFilteredSearchResultsUI", "/linkToSearchResultsUI"],
        ["/LinkToFilteredSearchResultsUI", "/LinkToSearchResults"],
    );
    links.query_api = link(
        ["/linkToFilteredSearchResultsAPI", "/linkToSearchResultsAPI"],
        ["/LinkToFilteredSearchResultsAPI", "/LinkToSearchResultsAPI"],
    );
}

/// `Average of CounterValue`, or `Count` when rows are counted.
fn what(criterion: &Value) -> String {
    let aggregation = text(criterion, "/timeAggregation");
    let column = text(criterion, "/metricMeasureColumn");
    if column.is_empty() && aggregation.is_empty() {
        return "Count".to_owned();
    }
    joined(&aggregation, " of ", &column)
}

/// The events of an alert on each event, a line each.
fn events(criterion: &Value) -> String {
    let events = criterion.get("event").and_then(Value::as_array).into_iter().flatten();
    let lines = events.take(MAX_ROWS).filter_map(Value::as_array).map(|event| {
        let pairs =
            event.iter().take(MAX_COLUMNS).map(|pair| pair_of(&text(pair, "/name"), pair.get("value")));
        line_of(pairs)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The first rows of the embedded result, if there is one.
fn rows(context: &Value) -> String {
    let Some(table) = context.pointer("/SearchResults/tables/0") else { return String::new() };
    let list = |name: &str| table.get(name).and_then(Value::as_array).into_iter().flatten();
    let columns: Vec<String> = list("columns").map(|column| text(column, "/name")).collect();
    let lines = list("rows").take(MAX_ROWS).filter_map(Value::as_array).map(|row| {
        line_of(columns.iter().zip(row).take(MAX_COLUMNS).map(|(column, cell)| pair_of(column, Some(cell))))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn pair_of(name: &str, value: Option<&Value>) -> String {
    let value = value.and_then(scalar).unwrap_or_default();
    if value.is_empty() { value } else { joined(name, ": ", &value) }
}

fn line_of(pairs: impl Iterator<Item = String>) -> String {
    let line = pairs.filter(|pair| !pair.is_empty()).collect::<Vec<_>>().join(", ");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
