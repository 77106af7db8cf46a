//! How the simulated Request Tracker is set up: who may call it, and which of its quirks are on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The account and the switches that it starts with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// User of Basic authentication, and the owner of the token.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// Sent as `Authorization: token …`.
    pub token: String,
    /// The quirks.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            username: "secure-export".to_owned(),
            password: "secure-export".to_owned(),
            token: "1-14-secure-export".to_owned(),
            switches: Switches::default(),
        }
    }
}

/// What differs between one customer's Request Tracker and another's. Each key left out has its default.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Queues by name; the first has the id 1.
    pub queues: Vec<String>,
    /// Catalogs of assets by name; the first has the id 1.
    pub catalogs: Vec<String>,
    /// Custom fields of tickets by name, the same in every queue.
    pub custom_fields: Vec<String>,
    /// The life cycle of tickets in every queue.
    pub statuses: Statuses,
    /// Rights that the user does not have.
    pub missing_rights: BTreeSet<Right>,
    /// The status that a scrip gives to every ticket that was just resolved.
    pub resolved_becomes: Option<String>,
    /// Searches drop their conditions on custom fields and find too much.
    pub search_ignores_custom_fields: bool,
    /// Tickets before the simulator answers 507.
    pub max_tickets: usize,
    /// Assets that can be seeded.
    pub max_cis: usize,
}

/// A life cycle: `__Active__` means every status that is not inactive.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Statuses {
    /// Statuses of tickets that somebody still has to work on; the first is that of a new ticket.
    pub active: Vec<String>,
    /// Statuses of tickets that are done.
    pub inactive: Vec<String>,
    /// The statuses that a ticket may be created with.
    pub at_creation: Vec<String>,
}

/// A right that an administrator may have forgotten to grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Right {
    /// Without it no custom field is shown, and the queue lists none.
    SeeCustomField,
    /// Without it the values of custom fields are dropped silently.
    ModifyCustomField,
    /// Without it the queue does not offer to make tickets, and a create is a 403.
    CreateTicket,
    /// Without it a comment is a 400.
    CommentOnTicket,
    /// Without it reading a ticket is a 403 and a search finds none.
    ShowTicket,
}

impl Statuses {
    pub(super) fn knows(&self, status: &str) -> bool {
        self.active.iter().chain(&self.inactive).any(|known| known == status)
    }

    pub(super) fn is_active(&self, status: &str) -> bool {
        self.active.iter().any(|known| known == status)
    }
}

impl Switches {
    pub(super) fn lacks(&self, right: Right) -> bool {
        self.missing_rights.contains(&right)
    }
}

impl Default for Statuses {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            active: owned(&["new", "open", "stalled"]),
            inactive: owned(&["resolved", "rejected", "deleted"]),
            at_creation: owned(&["new", "open", "resolved"]),
        }
    }
}

impl Default for Switches {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            queues: owned(&["General", "Service Desk", "Azure Alerts"]),
            catalogs: owned(&["General assets", "Azure CIs"]),
            custom_fields: owned(&["Azure Alert Id", "Severity"]),
            statuses: Statuses::default(),
            missing_rights: BTreeSet::new(),
            resolved_becomes: None,
            search_ignores_custom_fields: false,
            max_tickets: 100_000,
            max_cis: 200_000,
        }
    }
}
