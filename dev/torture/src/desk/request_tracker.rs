//! Tickets as the simulated Request Tracker shows them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Record, Tally, brief};
use crate::judge::{Item, ItemState};
use crate::product::Deed;

/// The user as whom people change tickets in the simulator.
const PERSON: &str = "root";

/// The custom field with the correlation id.
const KEY_FIELD: &str = "Azure Alert Id";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ticket {
    id: u64,
    merged_into: Option<u64>,
    subject: String,
    status: String,
    custom_fields: BTreeMap<String, String>,
    refers_to: Vec<Link>,
    history: Vec<Event>,
}

#[derive(Debug, Clone, Deserialize)]
struct Link {
    kind: String,
    /// None for what is outside.
    id: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Event {
    at: String,
    by: String,
    #[serde(flatten)]
    what: Map<String, Value>,
}

pub(super) fn change(deed: Deed, next: &str) -> Option<Value> {
    match deed {
        Deed::Resolves => Some(json!({"action": "resolve"})),
        Deed::Closes => Some(json!({"action": "reject"})),
        Deed::Deletes => Some(json!({"action": "delete"})),
        Deed::Merges => Some(json!({"action": "merge", "into": next.parse::<u64>().ok()?})),
    }
}

pub(super) fn tally(summary: Value) -> serde_json::Result<Tally> {
    #[derive(Deserialize)]
    struct Summary {
        total: usize,
        by_status: BTreeMap<String, usize>,
        duplicates: BTreeMap<String, Value>,
    }
    let Summary { total, by_status, duplicates } = serde_json::from_value(summary)?;
    Ok(Tally { total, new: by_status.get("new").copied().unwrap_or(0), doubled: duplicates.len() })
}

impl Record for Ticket {
    fn title(&self) -> &str {
        &self.subject
    }

    fn item(&self, all: &[Self]) -> Item {
        let by_person = || self.history.iter().filter(|event| event.by == PERSON);
        Item {
            number: self.id.to_string(),
            correlation_id: self.key().to_owned(),
            state: match self.status.as_str() {
                _ if self.merged_into.is_some() => ItemState::Gone,
                "deleted" => ItemState::Gone,
                "resolved" | "rejected" => ItemState::Over,
                _ => ItemState::Open,
            },
            ended_by_person: by_person().any(Event::ends),
            touched: by_person().next().is_some(),
            closed_as_duplicate: self.status == "rejected" && self.refers_to_one_of(all),
        }
    }

    fn account(&self) -> Vec<String> {
        let merged = self.merged_into.map(|into| format!(" merged into {into}")).unwrap_or_default();
        let what = format!("ticket {} status {} correlation {}{merged}", self.id, self.status, self.key());
        let history = self.history.iter().map(|Event { at, by, what }| {
            let what: Vec<String> =
                what.iter().map(|(name, value)| format!("{name}={}", brief(&value.to_string()))).collect();
            format!("  {at} {by}: {}", what.join(", "))
        });
        [what].into_iter().chain(history).collect()
    }
}

impl Ticket {
    fn key(&self) -> &str {
        self.custom_fields.get(KEY_FIELD).map_or("", String::as_str)
    }

    fn refers_to_one_of(&self, all: &[Self]) -> bool {
        let others = || all.iter().map(|other| other.id).filter(|id| *id != self.id);
        let tickets =
            || self.refers_to.iter().filter(|link| link.kind == "ticket").filter_map(|link| link.id);
        tickets().any(|id| others().any(|other| other == id))
    }
}

impl Event {
    /// Whether a ticket to which this happened is not to be written to any more.
    fn ends(&self) -> bool {
        let is = |name: &str, values: &[&str]| {
            self.what.get(name).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
        };
        is("event", &["merged"]) || is("event", &["status"]) && is("to", &["rejected", "deleted"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(id: u64, change: &Value) -> Ticket {
        let mut ticket = json!({
            "id": id, "merged_into": null, "subject": "[Sev2] cpu-high-1000017 on web-1000017", "status": "new",
            "custom_fields": {KEY_FIELD: "sx1-a"}, "refers_to": [], "history": [],
        });
        for (key, value) in change.as_object().unwrap() {
            ticket[key] = value.clone();
        }
        serde_json::from_value(ticket).unwrap()
    }

    fn item(change: &Value) -> Item {
        let all = [ticket(1, &json!({})), ticket(2, change)];
        all[1].item(&all)
    }

    #[test]
    fn a_double_is_healed_only_when_it_is_rejected_with_a_link_to_the_other() {
        let link = json!([{"kind": "external", "uri": "x:y"}, {"kind": "ticket", "id": 1}]);
        assert!(item(&json!({"status": "rejected", "refers_to": link})).closed_as_duplicate);
        assert!(!item(&json!({"status": "new", "refers_to": link})).closed_as_duplicate);
        let asset = json!([{"kind": "asset", "id": 1}]);
        assert!(!item(&json!({"status": "rejected", "refers_to": asset})).closed_as_duplicate);
    }

    #[test]
    fn who_ended_a_ticket_is_told_by_its_history() {
        let by = |by: &str, what: &Value| {
            let mut event = json!({"at": "2026-01-01T00:00:00Z", "by": by});
            for (key, value) in what.as_object().unwrap() {
                event[key] = value.clone();
            }
            let Item { touched, ended_by_person, .. } = item(&json!({"history": [event]}));
            (touched, ended_by_person)
        };
        let status = |to: &str| json!({"event": "status", "from": "open", "to": to});
        assert_eq!(by("secure-export", &status("rejected")), (false, false));
        assert_eq!(by(PERSON, &status("resolved")), (true, false));
        for what in [status("rejected"), status("deleted"), json!({"event": "merged", "into": 1})] {
            assert_eq!(by(PERSON, &what), (true, true), "{what}");
        }
    }

    #[test]
    fn what_a_search_does_not_find_is_gone() {
        assert_eq!(item(&json!({})).state, ItemState::Open);
        assert_eq!(item(&json!({"status": "resolved"})).state, ItemState::Over);
        assert_eq!(item(&json!({"status": "deleted"})).state, ItemState::Gone);
        assert_eq!(item(&json!({"merged_into": 1})).state, ItemState::Gone);
    }
}
