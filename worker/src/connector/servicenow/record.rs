//! What the Table API answers: an envelope of rows whose values are all strings.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::{WorkItem, WorkItemState, text};

/// The columns without which no ticket can be kept.
pub(super) const NEEDED: &[&str] = &["sys_id", "number", "state", "correlation_id"];

/// The columns that a work item is read from.
pub(super) const WORK_ITEM: &[&str] = &["sys_id", "number", "state", "correlation_id", "close_code"];

/// The same of a ticket that was written to, and what a configuration item that was found later is told by.
pub(super) const WRITTEN: &[&str] = &["sys_id", "number", "state", "correlation_id", "cmdb_ci"];

/// Longer than the numbers and explanations of an instance; the rest is not its own words.
const MAX_NUMBER_CHARS: usize = 100;
const MAX_REASON_CHARS: usize = 500;

/// One record, as far as its columns were asked for and may be read.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Row(Map<String, Value>);

#[derive(Deserialize)]
struct Envelope {
    error: Option<Value>,
    result: Option<Value>,
}

impl Row {
    /// The raw value of a column; empty when the column is, when it is unknown, and when it may not be read.
    ///
    /// A reference is a bare id or an object around it, depending on the release, and `""` when empty.
    pub(super) fn text(&self, column: &str) -> &str {
        match self.0.get(column) {
            Some(Value::Object(reference)) => reference.get("value").and_then(Value::as_str).unwrap_or(""),
            Some(value) => value.as_str().unwrap_or(""),
            None => "",
        }
    }

    /// Whether the column is among those that came: one that is unknown or may not be read is left out.
    pub(super) fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }

    /// What people know the record by, fit for a line and for the ledger.
    pub(super) fn number(&self) -> String {
        text::line(self.text("number"), MAX_NUMBER_CHARS)
    }

    /// The work item in this row, unless it has no id that could be one.
    pub(super) fn work_item(&self) -> Option<WorkItem> {
        let id =
            Some(self.text("sys_id")).filter(|id| !id.is_empty() && !id.chars().any(char::is_control))?;
        Some(WorkItem {
            id: id.to_owned(),
            number: self.number(),
            state: state(self.text("state")),
            resolution: Some(self.text("close_code")).filter(|code| !code.is_empty()).map(str::to_owned),
        })
    }
}

/// The work items in these rows, unless one of them has no id that could be one.
pub(super) fn work_items(rows: &[Row]) -> Option<Vec<WorkItem>> {
    rows.iter().map(Row::work_item).collect()
}

/// The rows of a search, or the one row of anything else.
///
/// An answer of 200 proves nothing: a cancelled transaction comes with an `error`, perhaps beside half
/// a result, and a sleeping developer instance sends a page for people.
pub(super) fn result<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let envelope: Envelope = serde_json::from_slice(body)
        .map_err(|_| "the answer is no JSON object: is the instance asleep, or a login page in its place?")?;
    if let Some(error) = envelope.error {
        let words = text::line(&words(&error), MAX_REASON_CHARS);
        return Err(format!("success with an error inside: {words}"));
    }
    let result = envelope.result.ok_or("the answer has no result")?;
    serde_json::from_value(result).map_err(|error| {
        format!("the result is not as expected: {}", text::line(&error.to_string(), MAX_REASON_CHARS))
    })
}

/// The instance's own words about a refusal.
pub(super) fn explain(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    envelope.error.as_ref().map(words)
}

/// The states of a stock instance; one that the customer added is open, for all we know.
pub(super) fn state(value: &str) -> WorkItemState {
    match value {
        "6" => WorkItemState::Resolved,
        "7" | "8" => WorkItemState::Closed,
        _ => WorkItemState::Open,
    }
}

fn words(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("message"), text("detail")) {
        (Some(message), Some(detail)) => format!("{message}: {detail}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Row {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_reference_is_an_id_in_every_shape() {
        assert_eq!(row(json!({"cmdb_ci": {"link": "https://x", "value": "c1"}})).text("cmdb_ci"), "c1");
        assert_eq!(row(json!({"cmdb_ci": "c1"})).text("cmdb_ci"), "c1");
        assert_eq!(row(json!({"cmdb_ci": ""})).text("cmdb_ci"), "");
        assert_eq!(row(json!({"cmdb_ci": null})).text("cmdb_ci"), "");
        assert_eq!(row(json!({})).text("cmdb_ci"), "");
    }

    #[test]
    fn states_are_told_apart_as_far_as_needed() {
        for open in ["1", "2", "3", "42", ""] {
            assert_eq!(state(open), WorkItemState::Open);
        }
        assert_eq!(state("6"), WorkItemState::Resolved);
        assert_eq!(["7", "8"].map(state), [WorkItemState::Closed; 2]);
    }

    #[test]
    fn a_success_is_believed_only_with_a_result_and_without_an_error() {
        let read = |body: &str| result::<Vec<Row>>(body.as_bytes()).map(|rows| rows.len());
        assert_eq!(read(r#"{"result":[{"sys_id":"a"}]}"#), Ok(1));
        assert_eq!(read(r#"{"result":[]}"#), Ok(0));
        for (body, expected) in [
            (r#"{"error":{"message":"Transaction cancelled","detail":null},"result":[]}"#, "cancelled"),
            ("<html>Hibernating Instance</html>", "asleep"),
            (r#"{"status":"success"}"#, "no result"),
            (r#"{"result":""}"#, "not as expected"),
            ("[]", "no JSON object"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_row_without_its_id_does_not_count_as_missing() {
        let [one, two, nameless] =
            [json!({"sys_id": "a"}), json!({"sys_id": "b"}), json!({"number": "INC1"})].map(row);
        assert_eq!(work_items(&[]), Some(Vec::new()));
        assert_eq!(work_items(std::slice::from_ref(&nameless)), None);
        let both = [one, two];
        let ids = |items: Vec<WorkItem>| items.into_iter().map(|item| item.id).collect::<Vec<_>>();
        assert_eq!(work_items(&both).map(ids), Some(vec!["a".to_owned(), "b".to_owned()]));
        let [one, _] = both;
        assert_eq!(work_items(&[one, nameless]), None);
    }

    #[test]
    fn what_an_instance_says_fits_a_line_and_the_ledger() {
        let number = json!({"sys_id": "a", "number": "INC\u{0}1\n"});
        assert_eq!(row(number).work_item().unwrap().number, "INC 1");
        assert_eq!(row(json!({"sys_id": "a\u{0}"})).work_item(), None);
        let inside = json!({"error": {"message": format!("no\u{0}\n{}", "x".repeat(5000))}}).to_string();
        let wrong = json!({"result": format!("\n{}", "y".repeat(5000))}).to_string();
        for body in [inside, wrong] {
            let error = result::<Vec<Row>>(body.as_bytes()).unwrap_err();
            assert!(error.chars().count() < 600 && !error.chars().any(char::is_control), "{error}");
        }
    }

    #[test]
    fn a_refusal_is_explained_by_message_and_detail() {
        let body = json!({"error": {"message": "Operation Failed", "detail": "Data Policy Exception"}});
        assert_eq!(explain(body.to_string().as_bytes()).unwrap(), "Operation Failed: Data Policy Exception");
        assert_eq!(
            explain(br#"{"error":{"message":"Invalid table","detail":null}}"#).unwrap(),
            "Invalid table"
        );
        assert_eq!(explain(br#"{"error":"invalid"}"#).unwrap(), "\"invalid\"");
        assert_eq!(explain(b"<html>"), None);
    }
}
