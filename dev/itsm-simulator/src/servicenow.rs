//! ServiceNow: the Table API, the CMDB, the journal and OAuth, as one instance shows them.

mod access;
mod cmdb;
mod control;
mod database;
mod incident;
mod instance;
mod operation;
mod parameters;
mod problem;
mod query;
mod rate;
mod render;
mod schema;
mod settings;
mod table_api;
mod ticket;

use std::sync::{Arc, MutexGuard};

pub use cmdb::CiSeed;
pub use instance::{Instance, RefusedByRule, WriteError};
pub use settings::{Settings, Switches};
pub use ticket::{JournalEntry, PersonalChange, Summary, Ticket, Write};

use crate::clock::Clock;
use crate::simulated::Simulated;

/// One simulated instance.
pub type ServiceNow = Simulated<Instance>;

impl ServiceNow {
    pub(crate) fn start(settings: Settings, seed: u64, clock: Arc<Clock>) -> Self {
        Self::new(seed, clock, move |now| Instance::new(settings.clone(), seed, now))
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.instance().settings.switches.clone()
    }

    /// Puts other switches in force; records stay.
    pub fn configure(&self, switches: Switches) {
        let now = self.now();
        self.instance().configure(switches, now);
    }

    /// Adds a configuration item and returns its `sys_id`.
    ///
    /// # Errors
    /// An unknown class, or too many items.
    pub fn seed_ci(&self, seed: CiSeed) -> Result<String, WriteError> {
        let now = self.now();
        self.instance().seed_ci(seed, now)
    }

    /// All incidents, oldest first, deleted ones included.
    pub fn tickets(&self) -> Vec<Ticket> {
        let instance = self.instance();
        (0..instance.database.len("incident")).filter_map(|position| instance.ticket(position)).collect()
    }

    /// The incidents with this correlation id, oldest first.
    pub fn tickets_of(&self, correlation_id: &str) -> Vec<Ticket> {
        self.tickets_by("correlation_id", correlation_id)
    }

    /// One incident by its number.
    pub fn ticket(&self, number: &str) -> Option<Ticket> {
        self.tickets_by("number", number).pop()
    }

    /// Changes an incident as a person with all rights does.
    ///
    /// # Errors
    /// [`WriteError::NoSuchTicket`], or [`WriteError::Full`] when the journal is.
    pub fn change_as_person(&self, number: &str, change: PersonalChange) -> Result<Ticket, WriteError> {
        let now = self.now();
        self.instance().change_as_person(number, change, now)
    }

    /// Makes the token in use invalid.
    pub fn revoke_tokens(&self) {
        self.instance().token = None;
    }

    /// Incidents by state, and duplicates.
    pub fn summary(&self) -> Summary {
        ticket::summary(self.instance().database.rows("incident"))
    }

    /// The state, with everything done that time alone brings about.
    fn instance(&self) -> MutexGuard<'_, Instance> {
        let mut instance = self.state();
        instance.catch_up(self.now());
        instance
    }

    fn tickets_by(&self, field: &str, value: &str) -> Vec<Ticket> {
        let instance = self.instance();
        let positions = instance.database.positions("incident", field, value);
        positions.iter().filter_map(|position| instance.ticket(*position)).collect()
    }
}
