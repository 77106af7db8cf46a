//! What REST 2.0 answers. Pure.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::{WorkItem, WorkItemState, text};
use super::query::FieldName;
use super::settings::Desk;

const MAX_REASON_CHARS: usize = 500;

/// A ticket or an asset, as far as its fields were asked for and may be read.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    id: Number,
    #[serde(rename = "Status", default)]
    pub(super) status: String,
    #[serde(rename = "Name", default)]
    pub(super) name: String,
    #[serde(rename = "CustomFields", default, deserialize_with = "list_or_nothing")]
    custom_fields: Vec<CustomField>,
    #[serde(rename = "_hyperlinks", default)]
    links: Vec<Hyperlink>,
}

/// A page of a search.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Record>,
}

/// A queue, as far as it says what its tickets can hold.
#[derive(Debug, Deserialize)]
pub(super) struct Queue {
    #[serde(rename = "TicketCustomFields", default)]
    ticket_custom_fields: Vec<CustomField>,
    #[serde(rename = "_hyperlinks", default)]
    links: Vec<Hyperlink>,
}

/// What a record is linked to, or what the user may do with it.
#[derive(Debug, Deserialize)]
struct Hyperlink {
    #[serde(rename = "ref")]
    what: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct CustomField {
    name: String,
    #[serde(default)]
    values: Vec<Value>,
}

/// A number where a record stands alone, a string in a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

/// How the statuses of a life cycle are to be understood.
#[derive(Debug, Clone)]
pub(super) struct Statuses {
    /// What a resolved ticket is set to.
    pub(super) resolved: String,
    /// What a ticket is set to that is worked on again.
    pub(super) open: String,
    /// What a ticket is set to that was made twice.
    pub(super) duplicate: String,
    /// Those in which people are done with a ticket for good.
    pub(super) closed: Vec<String>,
}

impl Record {
    pub(super) fn id(&self) -> String {
        self.id.text()
    }

    pub(super) fn refers_to_asset(&self, id: &str) -> bool {
        self.links.iter().any(|link| {
            link.what == "refers-to"
                && link.kind.as_deref() == Some("asset")
                && link.id.as_ref().is_some_and(|linked| linked.text() == id)
        })
    }

    /// Whether the custom field has this value, in whatever case.
    pub(super) fn has(&self, field: &FieldName, value: &str) -> bool {
        let same =
            |held: &Value| held.as_str().is_some_and(|held| held.to_lowercase() == value.to_lowercase());
        self.custom_fields.iter().any(|one| is_named(one, field) && one.values.iter().any(same))
    }

    pub(super) fn work_item(&self, desk: &Desk) -> WorkItem {
        let id = self.id();
        WorkItem {
            number: number(&id),
            id,
            state: desk.statuses.state(&self.status),
            resolution: desk.resolution_field.as_ref().and_then(|field| self.value(field)).map(str::to_owned),
        }
    }

    /// The first value of a custom field.
    fn value(&self, field: &FieldName) -> Option<&str> {
        let held = self.custom_fields.iter().find(|one| is_named(one, field))?;
        held.values.iter().find_map(Value::as_str).filter(|value| !value.is_empty())
    }
}

impl Number {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Queue {
    pub(super) fn takes(&self, field: &FieldName) -> bool {
        self.ticket_custom_fields.iter().any(|one| is_named(one, field))
    }

    /// Whether the user may make tickets in it, as far as the queue says what may be done.
    pub(super) fn offers_creation(&self) -> bool {
        self.links.is_empty() || self.links.iter().any(|link| link.what == "create")
    }
}

impl Statuses {
    /// A status that is not known, such as one that the customer added, is open.
    pub(super) fn state(&self, status: &str) -> WorkItemState {
        let is = |other: &str| other.eq_ignore_ascii_case(status);
        if is(&self.resolved) {
            WorkItemState::Resolved
        } else if self.closed.iter().any(|closed| is(closed)) {
            WorkItemState::Closed
        } else {
            WorkItemState::Open
        }
    }
}

/// What people call a ticket.
pub(super) fn number(id: &str) -> String {
    format!("#{id}")
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let error = text::line(&error.to_string(), MAX_REASON_CHARS);
        format!("the answer is not one of REST 2.0, does base_url lead to Request Tracker? {error}")
    })
}

/// Request Tracker's own words about a refusal.
pub(super) fn explain(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice(body).ok().map(|refusal: Refusal| refusal.message)
}

/// What an update says that it did, in the user's language: only for people.
pub(super) fn sentences(said: &[String]) -> String {
    text::line(&said.join("; "), MAX_REASON_CHARS)
}

/// Where a queue has no custom fields, an empty text stands for their list.
fn list_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CustomField>, D::Error> {
    match Value::deserialize(deserializer)? {
        list @ Value::Array(_) => serde_json::from_value(list).map_err(D::Error::custom),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Ok(Vec::new())
        }
    }
}

fn is_named(field: &CustomField, name: &FieldName) -> bool {
    field.name.eq_ignore_ascii_case(name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> Record {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_id_is_a_number_alone_and_a_text_in_a_list() {
        assert_eq!(record(json!({"id": 20})).id(), "20");
        assert_eq!(record(json!({"id": "20"})).id(), "20");
    }

    #[test]
    fn statuses_are_told_apart_as_far_as_needed() {
        let closed = ["rejected", "deleted"].map(str::to_owned).into();
        let (resolved, open, duplicate) = ("resolved".into(), "open".into(), "rejected".into());
        let statuses = Statuses { resolved, open, duplicate, closed };
        for status in ["new", "open", "stalled", "waiting for parts", ""] {
            assert_eq!(statuses.state(status), WorkItemState::Open, "{status}");
        }
        assert_eq!(statuses.state("Resolved"), WorkItemState::Resolved);
        assert_eq!(statuses.state("rejected"), WorkItemState::Closed);
        assert_eq!(statuses.state("deleted"), WorkItemState::Closed);
    }

    #[test]
    fn a_field_counts_only_with_the_value_that_was_sought() {
        let field = FieldName::parse("Azure Alert Id").unwrap();
        let of = |values: Value| {
            record(json!({"id": 1, "CustomFields": [
            {"name": "Azure Alert Id", "values": values}, {"name": "Other", "values": ["sx1-b"]}]}))
        };
        assert!(of(json!(["SX1-A"])).has(&field, "sx1-a"));
        assert!(!of(json!(["sx1-b"])).has(&field, "sx1-a"));
        assert!(!of(json!([])).has(&field, "sx1-b"));
        assert!(!record(json!({"id": 1})).has(&field, "sx1-a"));
        assert!(!record(json!({"id": 1, "CustomFields": ""})).has(&field, "sx1-a"), "of a queue without any");
    }

    #[test]
    fn a_page_for_people_is_no_answer() {
        let error = read::<Page>(b"<html>Login</html>").unwrap_err();
        assert!(error.contains("base_url"), "{error}");
        assert_eq!(explain(br#"{"message":"Forbidden"}"#).as_deref(), Some("Forbidden"));
        assert_eq!(explain(b"<html>"), None);
    }
}
