//! Tickets as a test or a person behind the desk sees them: everything, history included.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Events kept for one ticket; what comes after them is only counted.
const MAX_EVENTS: usize = 100;

/// A ticket with all that happened to it.
#[derive(Clone, Debug, Serialize)]
pub struct Ticket {
    /// Counted from 1.
    pub id: u64,
    /// The ticket that it became a part of.
    pub merged_into: Option<u64>,
    /// The queue's name.
    pub queue: String,
    /// At most 200 characters on one line.
    pub subject: String,
    /// `deleted` for a deleted one, which the API still shows.
    pub status: String,
    /// As sent at creation.
    pub priority: String,
    /// As sent at creation; the simulator does nothing with it.
    pub requestor: String,
    /// Values by the field's name; an empty field is absent.
    pub custom_fields: BTreeMap<String, String>,
    /// What it refers to.
    pub refers_to: Vec<Link>,
    /// When it was created.
    pub created: Timestamp,
    /// What happened, oldest first.
    pub history: Vec<Event>,
    /// Events that came after the first hundred.
    pub events_dropped: u64,
}

/// What a ticket refers to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Link {
    /// A configuration item.
    Asset { id: u64 },
    /// Another ticket.
    Ticket { id: u64 },
    /// Any other URI, which the product takes without a look at it.
    External { uri: String },
}

/// One thing that happened to a ticket.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The user's name; `RT_System` for a scrip.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened to a ticket.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// It was created with this text.
    Created { content: String },
    /// A comment.
    Commented { content: String },
    /// Another status.
    Status { from: String, to: String },
    /// Another subject.
    Subject { to: String },
    /// Another value of a custom field.
    CustomField { name: String, to: String },
    /// A link to something else.
    Linked { to: Link },
    /// Another queue.
    Moved { to: String },
    /// It became a part of another ticket.
    Merged { into: u64 },
}

/// What a person does to a ticket.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum PersonalChange {
    /// Status `resolved`.
    Resolve,
    /// Status `resolved`, with a value of a custom field.
    ResolveAs { field: String, value: String },
    /// Status `rejected`.
    Reject,
    /// Status `deleted`: searches miss it, a read does not.
    Delete,
    /// Status `open`.
    Reopen,
    /// The API answers with the other ticket from now on.
    Merge { into: u64 },
    /// Into another queue.
    Move { queue: String },
}

impl Ticket {
    /// A custom field's value, empty when it is not set.
    pub fn custom_field(&self, name: &str) -> &str {
        self.custom_fields.get(name).map_or("", String::as_str)
    }

    /// The comments, oldest first.
    pub fn comments(&self) -> Vec<&str> {
        self.history
            .iter()
            .filter_map(|event| match &event.what {
                Happening::Commented { content } => Some(content.as_str()),
                Happening::Created { .. }
                | Happening::Status { .. }
                | Happening::Subject { .. }
                | Happening::CustomField { .. }
                | Happening::Linked { .. }
                | Happening::Moved { .. }
                | Happening::Merged { .. } => None,
            })
            .collect()
    }

    pub(super) fn record(&mut self, at: Timestamp, by: &str, what: Happening) {
        if self.history.len() >= MAX_EVENTS {
            self.events_dropped += 1;
            return;
        }
        self.history.push(Event { at, by: by.to_owned(), what });
    }
}
