//! Tickets as a test or a person behind the desk sees them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Texts kept for one ticket; what comes after them is only counted.
const MAX_TEXTS: usize = 100;

/// A ticket with all that was written on it.
#[derive(Clone, Debug, Serialize)]
pub struct Ticket {
    /// Counted from 1.
    pub id: u64,
    /// Its title or subject.
    pub title: String,
    /// By its name.
    pub status: String,
    /// Why it was closed; empty while nobody has said so.
    pub closure_code: String,
    /// By its name, empty when nobody has it.
    pub group: String,
    /// Custom fields that were set.
    pub fields: Map<String, Value>,
    /// Description, notes and whatever else people read, as it arrived, oldest first.
    pub texts: Vec<String>,
    /// Texts that came after the first hundred.
    pub texts_dropped: u64,
    /// Tickets that it is linked with.
    pub links: BTreeSet<u64>,
    /// Configuration items.
    pub cis: Vec<u64>,
    /// The ticket that it became a part of.
    pub merged_into: Option<u64>,
    /// The API does not know it any more.
    pub deleted: bool,
    /// When it was created.
    pub created: Timestamp,
}

/// What a person does to a ticket.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum PersonalChange {
    /// The product's status for what is done; not bound by the customer's rules.
    Resolve,
    /// The product's last status.
    Close,
    /// The same, with a closure code, where the product has such.
    CloseAs { code: String },
    /// Removed, or moved to the trash.
    Delete,
    /// The product's status for what is in work.
    Reopen,
    /// Makes it part of another ticket.
    Merge { into: u64 },
    /// To another group.
    Move { group: String },
}

/// A configuration item to add.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CiSeed {
    /// Host or resource name.
    pub name: String,
    /// Value of the custom field for the resource's id in Azure.
    pub arm_id: String,
}

/// What the API is asked to write; what is absent stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) title: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) fields: Map<String, Value>,
    pub(crate) texts: Vec<String>,
    pub(crate) cis: Option<Vec<u64>>,
}

#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) id: u64,
    pub(crate) seed: CiSeed,
}

impl Ticket {
    /// The text of a custom field, empty when it has none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn add_text(&mut self, text: String) {
        if self.texts.len() >= MAX_TEXTS {
            self.texts_dropped += 1;
        } else {
            self.texts.push(text);
        }
    }
}
