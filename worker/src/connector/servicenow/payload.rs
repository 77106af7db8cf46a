//! The bodies of writes. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{Change, ConnectorError, Draft, WorkItem, text};

/// Lengths of the columns of a stock instance, which cuts off what is longer without a word. That of the
/// correlation id is in the vendor documentation, "Case API"; the others may be larger on an instance.
const SHORT_DESCRIPTION_CHARS: usize = 160;
const TEXT_CHARS: usize = 4000;
pub(super) const CORRELATION_CHARS: usize = 100;

const IN_PROGRESS: &str = "2";
const RESOLVED: &str = "6";
/// The data policy of a stock instance refuses a resolve without notes.
const CLOSE_NOTES: &str = "The alert is resolved.";
/// What the connector finds tickets again by and moves them with, besides every `sys_…` column.
const RESERVED: [&str; 6] =
    ["active", "correlation_display", "correlation_id", "incident_state", "number", "state"];

/// So much of what is no name stands in the message.
const SHOWN_CHARS: usize = 60;

type Fields = Map<String, Value>;

/// A new incident.
pub(super) fn create(draft: &Draft, correlation_display: &str) -> Result<Value, ConnectorError> {
    let mut body = of_the_route(&draft.fields)?;
    fill(&mut body, "short_description", &summary(&draft.summary));
    fill(&mut body, "description", &prose(&draft.description));
    fill(&mut body, "work_notes", &prose(&draft.note));
    fill(&mut body, "impact", level(draft.impact));
    fill(&mut body, "urgency", level(draft.urgency));
    fill(&mut body, "cmdb_ci", draft.ci.as_deref().unwrap_or_default());
    fill(&mut body, "correlation_id", &draft.correlation_id);
    fill(&mut body, "correlation_display", &text::line(correlation_display, CORRELATION_CHARS));
    Ok(Value::Object(body))
}

/// A work note, and what else changes; `None` when nothing does.
pub(super) fn note(change: &Change) -> Result<Option<Value>, ConnectorError> {
    let mut body = begun(change)?;
    fill(&mut body, "work_notes", &prose(&change.note));
    Ok((!body.is_empty()).then_some(Value::Object(body)))
}

/// State and resolution in one, as the data policy wants them.
pub(super) fn resolve(change: &Change, close_code: &str) -> Result<Value, ConnectorError> {
    let mut body = begun(change)?;
    let note = prose(&change.note);
    fill(&mut body, "state", RESOLVED);
    fill(&mut body, "close_code", close_code);
    fill(&mut body, "close_notes", if note.is_empty() { CLOSE_NOTES } else { &note });
    fill(&mut body, "work_notes", &note);
    Ok(Value::Object(body))
}

/// Resolved as another incident's duplicate, whose child it becomes: that is the link that people follow.
pub(super) fn close_double(original: &WorkItem, close_code: &str) -> Value {
    let note = prose(&text::duplicate_of(original));
    json!({
        "state": RESOLVED, "close_code": close_code, "close_notes": note, "work_notes": note,
        "parent_incident": original.id,
    })
}

/// Back to work; the instance clears the resolution itself.
pub(super) fn reopen(change: &Change) -> Result<Value, ConnectorError> {
    let mut body = begun(change)?;
    fill(&mut body, "state", IN_PROGRESS);
    fill(&mut body, "work_notes", &prose(&change.note));
    Ok(Value::Object(body))
}

/// What the route wants of a change, and the configuration item if it was found only now.
fn begun(change: &Change) -> Result<Fields, ConnectorError> {
    let mut body = of_the_route(&change.fields)?;
    fill(&mut body, "cmdb_ci", change.ci.as_deref().unwrap_or_default());
    Ok(body)
}

/// Why no route may set this column.
pub(super) fn refuses(column: &str) -> Option<String> {
    let name = text::folded(column);
    if RESERVED.contains(&name.as_str()) || name.starts_with("sys_") {
        return Some(text::reserved(column));
    }
    (!is_name_of_a_column(column)).then(|| {
        format!(
            "the route sets field {:?}, which no column is called: write a name such as `assignment_group`, of lower \
             case letters, digits and `_`",
            text::line(column, SHOWN_CHARS)
        )
    })
}

/// Names with a dot lead to a column of another record, which is not written through an incident.
fn is_name_of_a_column(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(legal)
}

/// What the route wants in the body. An empty value is kept: it is how a column is cleared.
fn of_the_route(fields: &BTreeMap<String, String>) -> Result<Fields, ConnectorError> {
    let mut body = Fields::new();
    for (column, value) in fields {
        if let Some(reason) = refuses(column) {
            return Err(ConnectorError::Rejected(reason));
        }
        let value = if column == "short_description" { summary(value) } else { prose(value) };
        body.insert(column.clone(), Value::String(value));
    }
    Ok(body)
}

/// Adds what the route does not say itself.
fn fill(body: &mut Fields, column: &str, value: &str) {
    let said = body.get(column).and_then(Value::as_str).is_some_and(|said| !said.is_empty());
    if !said && !value.is_empty() {
        body.insert(column.to_owned(), Value::String(value.to_owned()));
    }
}

fn summary(raw: &str) -> String {
    without_markup(text::line(raw, SHORT_DESCRIPTION_CHARS))
}

fn prose(raw: &str) -> String {
    without_markup(text::block(raw, TEXT_CHARS))
}

/// Journal columns show what stands between `[code]` and `[/code]` as HTML; any column may be one.
///
/// It comes last: without its control characters a text may have a tag that it had not before.
fn without_markup(mut plain: String) -> String {
    let lower_case = plain.to_ascii_lowercase();
    for (tag, harmless) in [("[code]", "(code)"), ("[/code]", "(/code)")] {
        for (at, _) in lower_case.match_indices(tag) {
            plain.replace_range(at..at + tag.len(), harmless);
        }
    }
    plain
}

/// The stock levels are 1 to 3.
fn level(level: u8) -> &'static str {
    match level {
        0 | 1 => "1",
        2 => "2",
        _ => "3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draft() -> Draft {
        Draft {
            correlation_id: "sx1:abc".to_owned(),
            summary: "CPU\nhigh".to_owned(),
            description: "d".to_owned(),
            note: "n".to_owned(),
            impact: 2,
            urgency: 9,
            ci: None,
            fields: BTreeMap::new(),
        }
    }

    fn change(note: &str, fields: &[(&str, &str)]) -> Change {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Change { note: note.to_owned(), fields, ..Change::default() }
    }

    #[test]
    fn a_new_incident_has_raw_string_values_and_no_empty_ones() {
        let body = create(&draft(), "secure-export").unwrap();
        let expected = json!({
            "short_description": "CPU high", "description": "d", "work_notes": "n", "impact": "2",
            "urgency": "3", "correlation_id": "sx1:abc", "correlation_display": "secure-export",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn texts_are_cut_at_the_columns_limits_by_characters() {
        let long = Draft { summary: "ä".repeat(200), description: "ß".repeat(5000), ..draft() };
        let body = create(&long, "x").unwrap();
        let chars = |column: &str| body[column].as_str().unwrap().chars().count();
        assert_eq!((chars("short_description"), chars("description")), (160, 4000));
        assert!(body["description"].as_str().unwrap().ends_with('…'));
    }

    #[test]
    fn a_resolve_has_state_code_and_notes_in_one() {
        let body = resolve(&change("done", &[]), "Solution provided").unwrap();
        let expected = json!({
            "state": "6", "close_code": "Solution provided", "close_notes": "done", "work_notes": "done",
        });
        assert_eq!(body, expected);
        assert_eq!(resolve(&change("", &[]), "c").unwrap()["close_notes"], CLOSE_NOTES);
    }

    #[test]
    fn the_route_may_say_what_the_connector_would_say_itself() {
        let fields = [("close_code", "User error"), ("close_notes", ""), ("u_root_cause", "load")];
        let body = resolve(&change("done", &fields), "Solution provided").unwrap();
        assert_eq!(body["close_code"], "User error");
        assert_eq!(body["close_notes"], "done");
        assert_eq!(body["u_root_cause"], "load");
    }

    #[test]
    fn the_route_does_not_set_what_the_connector_relies_on() {
        for column in RESERVED.into_iter().chain(["sys_id", "sys_class_name"]) {
            let refused = note(&change("n", &[(column, "1")]));
            assert!(
                matches!(&refused, Err(ConnectorError::Rejected(reason)) if reason.contains(column)),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn no_spelling_of_a_column_gets_around_that() {
        for column in ["Correlation_ID", "State", "state ", "\tSTATE", "SYS_ID", " sys_domain"] {
            let reason = refuses(column).unwrap();
            assert!(reason.contains("which the connector sets itself"), "{column:?}: {reason}");
        }
    }

    #[test]
    fn what_no_column_can_be_called_is_refused_with_what_a_name_looks_like() {
        let endless = "X".repeat(1_000_000);
        for column in
            ["", " ", "Category", "category ", "short description", "caller_id.name", "größe", &endless]
        {
            let reason = refuses(column).unwrap();
            assert!(reason.contains("lower case letters, digits and `_`"), "{column:?}: {reason}");
            assert!(reason.len() < 300, "{}", reason.len());
        }
        for column in ["category", "u_root_cause", "x_acme_app_2", "0", "system"] {
            assert_eq!(refuses(column), None, "{column}");
        }
    }

    #[test]
    fn a_change_of_nothing_is_no_write() {
        assert_eq!(note(&Change::default()), Ok(None));
        assert_eq!(reopen(&Change::default()).unwrap(), json!({"state": "2"}));
    }

    proptest! {
        #[test]
        fn no_text_has_markup_afterwards(raw in "[\\[\\]/codeCODE\u{0}\u{130}]{0,80}") {
            let plain = prose(&raw).to_lowercase();
            prop_assert!(!plain.contains("[code]") && !plain.contains("[/code]"), "{plain}");
        }
    }

    #[test]
    fn no_markup_reaches_a_journal() {
        for (raw, expected) in [
            ("[code]<b>x</b>[/code]", "(code)<b>x</b>(/code)"),
            ("[CoDe]", "(code)"),
            ("[co\u{0}de]", "(code)"),
            ("[[code]code]", "[(code)code]"),
            ("cpu[0] > 90", "cpu[0] > 90"),
        ] {
            assert_eq!(prose(raw), expected);
        }
    }
}
