//! How a simulated help desk is set up: who may call it, and which of its quirks are on.

use serde::{Deserialize, Serialize};

/// The account and the switches that it starts with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The token or key of the integration user.
    pub token: String,
    /// The quirks.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self { token: "secure-export".to_owned(), switches: Switches::default() }
    }
}

/// What differs between one customer's help desk and another's. Each key left out has its default.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Groups by name; the first has the id 1.
    pub groups: Vec<String>,
    /// Further custom fields, which a ticket must have before it is resolved or closed.
    pub mandatory_on_resolve: Vec<String>,
    /// The status that a rule gives to every ticket that was just resolved or closed.
    pub resolved_becomes: Option<String>,
    /// Searches drop their conditions and find too much.
    pub search_ignores_condition: bool,
    /// The user may not write notes.
    pub may_not_write_notes: bool,
    /// ServiceDesk Plus says 200 to what it refuses for its content, and only the body tells.
    pub refuses_with_200: bool,
    /// Tickets before the simulator refuses more.
    pub max_tickets: usize,
    /// Configuration items that can be seeded.
    pub max_cis: usize,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            groups: ["Users", "Cloud", "Service Desk", "Azure Alerts"].map(str::to_owned).to_vec(),
            mandatory_on_resolve: Vec::new(),
            resolved_becomes: None,
            search_ignores_condition: false,
            may_not_write_notes: false,
            refuses_with_200: true,
            max_tickets: 100_000,
            max_cis: 200_000,
        }
    }
}
