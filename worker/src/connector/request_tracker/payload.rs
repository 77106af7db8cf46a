//! The bodies of writes. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{ConnectorError, Draft, text};
use super::settings::Desk;

/// The column of a stock database, which cuts off what is longer without a word.
const SUBJECT_CHARS: usize = 200;
/// People read it whole; a mail of it stays small.
const TEXT_CHARS: usize = 32_000;
/// Before the name of a custom field in the fields of a route.
pub(super) const CUSTOM: &str = "CF.";
/// What the connector finds tickets again by and moves them with.
const RESERVED: [&str; 8] =
    ["id", "queue", "status", "content", "contenttype", "refersto", "addrefersto", "customfields"];

/// A new ticket. Without a requestor: Request Tracker would mail to it.
pub(super) fn create(desk: &Desk, draft: &Draft) -> Result<Value, ConnectorError> {
    let mut body = fields(desk, &draft.fields)?;
    let text: Vec<&str> =
        [&*draft.description, &*draft.note].into_iter().filter(|text| !text.is_empty()).collect();
    body.entry("Subject").or_insert_with(|| text::line(&draft.summary, SUBJECT_CHARS).into());
    body.entry("Priority").or_insert_with(|| priority(draft).to_string().into());
    body.insert("Queue".to_owned(), desk.queue.clone().into());
    body.insert("Content".to_owned(), text::block(&text.join("\n\n"), TEXT_CHARS).into());
    body.insert("ContentType".to_owned(), "text/plain".into());
    if let Some(ci) = &draft.ci {
        body.insert("RefersTo".to_owned(), asset(ci).into());
    }
    let custom = body.entry("CustomFields").or_insert_with(|| json!({}));
    if let Some(custom) = custom.as_object_mut() {
        custom.insert(desk.key_field.as_str().to_owned(), draft.correlation_id.clone().into());
    }
    Ok(Value::Object(body))
}

/// A comment, which mails nobody but those who watch for comments, and with it perhaps another status.
pub(super) fn comment(note: &str, status: Option<&str>) -> Value {
    let mut body = json!({ "Content": text::block(note, TEXT_CHARS), "ContentType": "text/plain" });
    if let (Some(status), Some(body)) = (status, body.as_object_mut()) {
        body.insert("Status".to_owned(), status.into());
    }
    body
}

/// How a link names an asset.
pub(super) fn asset(id: &str) -> String {
    format!("asset:{id}")
}

/// Why no route may set the field of this name.
pub(super) fn refuses(desk: &Desk, name: &str) -> Option<String> {
    if name.strip_prefix(CUSTOM).unwrap_or(name).trim().is_empty() {
        return Some(text::nameless());
    }
    let is_ours = match name.strip_prefix(CUSTOM) {
        Some(custom) => text::folded(custom) == text::folded(desk.key_field.as_str()),
        None => RESERVED.contains(&text::folded(name).as_str()),
    };
    is_ours.then(|| text::reserved(name))
}

/// The fields of the route: a name such as `Priority` is the ticket's own, `CF.Team` is a custom field.
pub(super) fn fields(
    desk: &Desk,
    fields: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, ConnectorError> {
    let (mut body, mut custom) = (Map::new(), Map::new());
    for (name, value) in fields {
        if let Some(reason) = refuses(desk, name) {
            return Err(ConnectorError::Rejected(reason));
        }
        match name.strip_prefix(CUSTOM) {
            Some(name) => custom.insert(name.to_owned(), text::block(value, TEXT_CHARS).into()),
            None => body.insert(name.clone(), text::line(value, SUBJECT_CHARS).into()),
        };
    }
    if !custom.is_empty() {
        body.insert("CustomFields".to_owned(), Value::Object(custom));
    }
    Ok(body)
}

/// From 100, which stock Request Tracker calls high, down to 0.
fn priority(draft: &Draft) -> u8 {
    let below = |level: u8| level.clamp(1, 3) - 1;
    100 - 25 * (below(draft.impact) + below(draft.urgency))
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::desk;
    use super::*;

    fn draft() -> Draft {
        Draft {
            correlation_id: "sx1-a".to_owned(),
            summary: "CPU\nis high".to_owned(),
            description: "Above 90 %\n<b>".to_owned(),
            note: "Fired".to_owned(),
            impact: 1,
            urgency: 2,
            ci: Some("7".to_owned()),
            fields: BTreeMap::new(),
        }
    }

    fn with(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_ticket_has_all_that_it_is_found_by() {
        let body = create(&desk(), &draft()).unwrap();
        let expected = json!({
            "Queue": "Azure Alerts", "Subject": "CPU is high", "Priority": "75",
            "Content": "Above 90 %\n<b>\n\nFired", "ContentType": "text/plain", "RefersTo": "asset:7",
            "CustomFields": {"Azure Alert Id": "sx1-a"},
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_route_may_set_fields_of_both_kinds_but_not_what_tickets_are_found_by() {
        let fields = with(&[("CF.Team", "net"), ("Priority", "5"), ("Subject", "mine")]);
        let body = create(&desk(), &Draft { fields, ..draft() }).unwrap();
        assert_eq!([&body["Priority"], &body["Subject"]], ["5", "mine"]);
        assert_eq!(body["CustomFields"], json!({"Team": "net", "Azure Alert Id": "sx1-a"}));
        for name in [
            "CF.Azure Alert Id",
            "CF.azure alert id",
            "CF.Azure Alert Id ",
            "Status",
            "status ",
            " Queue",
            "CustomFields",
        ] {
            let fields = with(&[(name, "x")]);
            assert!(create(&desk(), &Draft { fields, ..draft() }).is_err(), "{name}");
        }
    }

    #[test]
    fn a_field_has_a_name_which_may_have_blanks_and_capitals() {
        for name in ["", " ", "CF.", "CF. "] {
            assert!(refuses(&desk(), name).unwrap().contains("without a name"), "{name:?}");
        }
        for name in ["CF.On Call Team", "CF.größe", "Priority"] {
            assert_eq!(refuses(&desk(), name), None, "{name}");
        }
    }

    #[test]
    fn urgent_is_high() {
        let of = |impact, urgency| priority(&Draft { impact, urgency, ..draft() });
        assert_eq!([of(1, 1), of(2, 1), of(2, 2), of(3, 2), of(3, 3), of(0, 9)], [100, 75, 50, 25, 0, 50]);
    }
}
