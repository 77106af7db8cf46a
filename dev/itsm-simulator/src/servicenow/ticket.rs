//! Incidents as a test or a person behind the desk sees them: everything, history included.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Database, Row, Values};
use super::incident::stored_time;

/// Writes kept for one incident; what comes after them is only counted.
const MAX_WRITES: usize = 100;

/// An incident with all that happened to it.
#[derive(Clone, Debug, Serialize)]
pub struct Ticket {
    /// `INC` and seven digits.
    pub number: String,
    /// 32 hexadecimal digits.
    pub sys_id: String,
    /// A person deleted it; the API does not show it any more.
    pub deleted: bool,
    /// Raw values of all fields that are not empty.
    pub fields: BTreeMap<String, String>,
    /// Work notes and comments, oldest first.
    pub journal: Vec<JournalEntry>,
    /// What was sent, oldest first.
    pub writes: Vec<Write>,
    /// Writes that came after the first hundred.
    pub writes_dropped: u64,
}

impl Ticket {
    /// A field's raw value, empty when it is not set.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// One work note or comment.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct JournalEntry {
    /// UTC, as the instance stores times.
    pub at: String,
    /// `sys_user.user_name`.
    pub by: String,
    /// `work_notes` or `comments`.
    pub element: String,
    /// The text.
    pub value: String,
}

/// One write as it took effect.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Write {
    /// UTC, as the instance stores times.
    pub at: String,
    /// `sys_user.user_name`; `system` for what the instance does by itself.
    pub by: String,
    /// The fields sent, without those that the instance ignores.
    pub fields: BTreeMap<String, String>,
}

/// What a person does to an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum PersonalChange {
    /// State 7, without asking for a close code.
    Close,
    /// State 8.
    Cancel,
    /// The API answers 404 from now on.
    Delete,
    /// Sets any writable fields; journal fields add an entry.
    Edit { fields: BTreeMap<String, String> },
}

/// Incidents counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Deleted ones included.
    pub total: usize,
    /// Deleted by a person, and in none of the figures below.
    pub deleted: usize,
    /// By `state`.
    pub by_state: BTreeMap<String, usize>,
    /// Correlation ids that several incidents have, with their numbers.
    pub duplicates: BTreeMap<String, Vec<String>>,
    /// Of those, the ids with several incidents that are not resolved, closed or canceled.
    pub open_duplicates: BTreeMap<String, Vec<String>>,
}

/// The writes of one incident.
#[derive(Debug, Default)]
pub(super) struct Trail {
    writes: Vec<Write>,
    dropped: u64,
}

impl Trail {
    pub(super) fn add(&mut self, now: Timestamp, by: &str, fields: Values) {
        if self.writes.len() >= MAX_WRITES {
            self.dropped += 1;
            return;
        }
        self.writes.push(Write { at: stored_time(now), by: by.to_owned(), fields });
    }
}

pub(super) fn ticket(database: &Database, row: &Row, trail: Option<&Trail>) -> Ticket {
    let text = |name: &str| row.values.get(name).cloned().unwrap_or_default();
    let sys_id = text("sys_id");
    let entries = database.positions("sys_journal_field", "element_id", &sys_id);
    let journal = entries
        .iter()
        .filter_map(|position| database.row("sys_journal_field", *position))
        .map(|entry| {
            let text = |name: &str| entry.values.get(name).cloned().unwrap_or_default();
            JournalEntry {
                at: text("sys_created_on"),
                by: text("sys_created_by"),
                element: text("element"),
                value: text("value"),
            }
        })
        .collect();
    Ticket {
        number: text("number"),
        sys_id,
        deleted: row.deleted,
        fields: row.values.clone(),
        journal,
        writes: trail.map(|trail| trail.writes.clone()).unwrap_or_default(),
        writes_dropped: trail.map_or(0, |trail| trail.dropped),
    }
}

pub(super) fn summary(rows: &[Row]) -> Summary {
    let mut summary = Summary { total: rows.len(), ..Summary::default() };
    for row in rows {
        if row.deleted {
            summary.deleted += 1;
            continue;
        }
        let text = |name: &str| row.values.get(name).cloned().unwrap_or_default();
        let state = text("state");
        if let Some(correlation_id) = row.values.get("correlation_id") {
            let is_open = !matches!(state.as_str(), "6" | "7" | "8");
            summary.duplicates.entry(correlation_id.clone()).or_default().push(text("number"));
            if is_open {
                summary.open_duplicates.entry(correlation_id.clone()).or_default().push(text("number"));
            }
        }
        *summary.by_state.entry(state).or_default() += 1;
    }
    summary.duplicates.retain(|_, numbers| numbers.len() > 1);
    summary.open_duplicates.retain(|_, numbers| numbers.len() > 1);
    summary
}
