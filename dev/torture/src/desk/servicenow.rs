//! Incidents as the simulated ServiceNow shows them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Record, Tally, brief};
use crate::judge::{Item, ItemState};
use crate::product::Deed;

/// The user as whom people change incidents in the simulator.
const PERSON: &str = "admin";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Incident {
    number: String,
    sys_id: String,
    deleted: bool,
    fields: BTreeMap<String, String>,
    journal: Vec<Entry>,
    writes: Vec<Write>,
}

/// A work note or comment.
#[derive(Debug, Clone, Deserialize)]
struct Entry {
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Write {
    at: String,
    by: String,
    fields: BTreeMap<String, String>,
}

pub(super) fn change(deed: Deed) -> Option<Value> {
    match deed {
        Deed::Resolves => Some(json!({"action": "edit", "fields": {
            "state": "6", "close_code": "Solution provided", "close_notes": "restarted it",
        }})),
        Deed::Closes => Some(json!({"action": "close"})),
        Deed::Deletes => Some(json!({"action": "delete"})),
        Deed::Merges => None,
    }
}

pub(super) fn tally(summary: Value) -> serde_json::Result<Tally> {
    #[derive(Deserialize)]
    struct Summary {
        total: usize,
        by_state: BTreeMap<String, usize>,
        duplicates: BTreeMap<String, Value>,
    }
    let Summary { total, by_state, duplicates } = serde_json::from_value(summary)?;
    Ok(Tally { total, new: by_state.get("1").copied().unwrap_or(0), doubled: duplicates.len() })
}

impl Record for Incident {
    fn title(&self) -> &str {
        self.field("short_description")
    }

    fn item(&self, all: &[Self]) -> Item {
        let by_person = || self.writes.iter().filter(|write| write.by == PERSON);
        let closes = |write: &Write| matches!(write.fields.get("state").map(String::as_str), Some("7" | "8"));
        Item {
            number: self.number.clone(),
            correlation_id: self.field("correlation_id").to_owned(),
            state: match self.field("state") {
                _ if self.deleted => ItemState::Gone,
                "6" | "7" | "8" => ItemState::Over,
                _ => ItemState::Open,
            },
            ended_by_person: self.deleted || by_person().any(closes),
            touched: self.deleted || by_person().next().is_some(),
            closed_as_duplicate: self.is_closed_as_duplicate(all),
        }
    }

    fn account(&self) -> Vec<String> {
        let what = format!(
            "incident {} {} state {} correlation {}{}",
            self.number,
            self.sys_id,
            self.field("state"),
            self.field("correlation_id"),
            if self.deleted { " (deleted)" } else { "" },
        );
        let writes = self.writes.iter().map(|Write { at, by, fields }| {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", brief(value))).collect();
            format!("  {at} {by}: {}", fields.join(", "))
        });
        [what].into_iter().chain(writes).collect()
    }
}

impl Incident {
    /// A field's raw value, empty when it is not set.
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Closed with the code for it, and naming the one that it doubles.
    fn is_closed_as_duplicate(&self, all: &[Self]) -> bool {
        let names = |other: &Self| {
            let texts = self.fields.values().chain(self.journal.iter().map(|entry| &entry.value));
            texts.into_iter().any(|text| text.contains(&other.number) || text.contains(&other.sys_id))
        };
        matches!(self.field("state"), "6" | "7" | "8")
            && self.field("close_code").to_lowercase().contains("duplicate")
            && all.iter().filter(|other| other.number != self.number).any(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(number: &str, sys_id: &str, fields: &[(&str, &str)]) -> Incident {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Incident {
            number: number.to_owned(),
            sys_id: sys_id.to_owned(),
            deleted: false,
            fields: fields.iter().map(text).collect(),
            journal: Vec::new(),
            writes: Vec::new(),
        }
    }

    #[test]
    fn a_double_is_healed_only_when_it_is_closed_as_one_and_names_the_other() {
        let older = incident("INC1", "aaa", &[("state", "2")]);
        let closed = [("state", "6"), ("close_code", "Duplicate")];
        let link = [("close_notes", "Duplicate of INC1")];
        let is_healed = |fields: &[(&str, &str)]| {
            let all = [older.clone(), incident("INC2", "bbb", fields)];
            all[1].item(&all).closed_as_duplicate
        };
        assert!(is_healed(&[closed.as_slice(), &link].concat()));
        assert!(!is_healed(&closed));
        assert!(!is_healed(&[[("state", "1")].as_slice(), &closed[1..], &link].concat()));
    }

    #[test]
    fn who_ended_an_incident_is_told_by_its_writes() {
        let write = |by: &str, state: &str| Write {
            at: String::new(),
            by: by.to_owned(),
            fields: [("state".to_owned(), state.to_owned())].into(),
        };
        let item = |writes: Vec<Write>| {
            let all = [Incident { writes, ..incident("INC1", "aaa", &[("state", "6")]) }];
            let Item { touched, ended_by_person, .. } = all[0].item(&all);
            (touched, ended_by_person)
        };
        assert_eq!(item(vec![write("secure-export", "6")]), (false, false));
        assert_eq!(item(vec![write(PERSON, "6")]), (true, false));
        assert_eq!(item(vec![write("secure-export", "2"), write(PERSON, "7")]), (true, true));
    }
}
