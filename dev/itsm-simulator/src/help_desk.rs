//! What simulated help desks have in common: tickets, what people do to them, and rules of the customer.
//!
//! A help desk with its own API is a [`dialect::Dialect`] on top of it.

mod control;
mod desk;
pub(crate) mod dialect;
mod http;
mod settings;
mod ticket;

use std::sync::Arc;

pub use desk::{Desk, Refusal};
pub use settings::{Settings, Switches};
pub use ticket::{CiSeed, PersonalChange, Summary, Ticket};

pub(crate) use ticket::Change;

use crate::clock::Clock;
use crate::simulated::Simulated;
use dialect::Dialect;

/// One simulated help desk.
pub type HelpDesk = Simulated<Desk>;

impl HelpDesk {
    pub(crate) fn start(dialect: &'static Dialect, settings: Settings, seed: u64, clock: Arc<Clock>) -> Self {
        Self::new(seed, clock, move |_| Desk::new(dialect, settings.clone()))
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.state().settings.switches.clone()
    }

    /// Puts other switches in force; records stay.
    pub fn configure(&self, switches: Switches) {
        self.state().settings.switches = switches;
    }

    /// Adds a configuration item and returns its id.
    ///
    /// # Errors
    /// A product without configuration items, or too many of them.
    pub fn seed_ci(&self, seed: CiSeed) -> Result<u64, Refusal> {
        self.state().seed_ci(seed)
    }

    /// All tickets, oldest first, merged and deleted ones included.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.state().tickets.clone()
    }

    /// The tickets with this value of the first custom field, oldest first.
    pub fn tickets_of(&self, key: &str) -> Vec<Ticket> {
        let desk = self.state();
        desk.tickets.iter().filter(|ticket| desk.key(ticket) == key).cloned().collect()
    }

    /// One ticket by its id.
    pub fn ticket(&self, id: u64) -> Option<Ticket> {
        self.state().tickets.iter().find(|ticket| ticket.id == id).cloned()
    }

    /// Changes a ticket as a person with all rights does.
    ///
    /// # Errors
    /// No such ticket or group, or a ticket merged into itself.
    pub fn change_as_person(&self, id: u64, change: PersonalChange) -> Result<Ticket, Refusal> {
        self.state().change_as_person(id, change)
    }

    /// Makes the token invalid until [`Self::restore_tokens`] or a reset: nobody can get a new one
    /// through the API.
    pub fn revoke_tokens(&self) {
        self.state().token_revoked = true;
    }

    /// Makes the token valid again, as a person does who issues a new one.
    pub fn restore_tokens(&self) {
        self.state().token_revoked = false;
    }

    /// Tickets by status, and duplicates.
    pub fn summary(&self) -> Summary {
        self.state().summary()
    }
}
