//! Request Tracker 5: tickets, assets and queues, as REST 2.0 shows them.

mod access;
mod asset;
mod control;
mod desk;
mod listing;
mod operation;
mod problem;
mod render;
mod rest_api;
mod search;
mod settings;
mod sql;
mod ticket;

use std::sync::Arc;

pub use asset::CiSeed;
pub use desk::{Desk, WriteError};
pub use settings::{Right, Settings, Statuses, Switches};
pub use ticket::{Event, Happening, Link, PersonalChange, Summary, Ticket};

use crate::clock::Clock;
use crate::simulated::Simulated;

/// One simulated Request Tracker.
pub type RequestTracker = Simulated<Desk>;

impl RequestTracker {
    pub(crate) fn start(settings: Settings, seed: u64, clock: Arc<Clock>) -> Self {
        Self::new(seed, clock, move |_| Desk::new(settings.clone()))
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.state().settings.switches.clone()
    }

    /// Puts other switches in force; records stay.
    pub fn configure(&self, switches: Switches) {
        self.state().settings.switches = switches;
    }

    /// Adds an asset and returns its id.
    ///
    /// # Errors
    /// An unknown catalog, or too many assets.
    pub fn seed_ci(&self, seed: CiSeed) -> Result<u64, WriteError> {
        self.state().seed_ci(seed)
    }

    /// All tickets, oldest first, merged and deleted ones included.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.state().tickets.clone()
    }

    /// The tickets with this value of the first custom field, oldest first.
    pub fn tickets_of(&self, key: &str) -> Vec<Ticket> {
        let desk = self.state();
        let Some(name) = desk.settings.switches.custom_fields.first() else { return Vec::new() };
        desk.tickets.iter().filter(|ticket| ticket.custom_field(name) == key).cloned().collect()
    }

    /// One ticket by its own id, merged or not.
    pub fn ticket(&self, id: u64) -> Option<Ticket> {
        self.state().tickets.iter().find(|ticket| ticket.id == id).cloned()
    }

    /// Changes a ticket as a person with all rights does.
    ///
    /// # Errors
    /// No such ticket or queue, or a ticket merged into itself.
    pub fn change_as_person(&self, id: u64, change: PersonalChange) -> Result<Ticket, WriteError> {
        let now = self.now();
        self.state().change_as_person(id, change, now)
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
