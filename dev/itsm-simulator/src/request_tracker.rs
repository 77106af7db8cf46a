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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use asset::CiSeed;
pub use desk::WriteError;
pub use settings::{Right, Settings, Statuses, Switches};
pub use ticket::{Event, Happening, Link, PersonalChange, Summary, Ticket};

use crate::calls::{CallCounts, Calls};
use crate::clock::Clock;
use crate::fault::{Fault, Faults, TooManyFaults};
use desk::Desk;

/// One simulated Request Tracker, shared by all threads that serve it.
#[derive(Clone)]
pub struct RequestTracker {
    inner: Arc<Inner>,
}

struct Inner {
    start: Settings,
    clock: Arc<Clock>,
    faults: Faults,
    calls: Calls,
    desk: Mutex<Desk>,
}

impl RequestTracker {
    pub(crate) fn new(settings: Settings, seed: u64, clock: Arc<Clock>) -> Self {
        let desk = Mutex::new(Desk::new(settings.clone()));
        let (faults, calls) = (Faults::new(seed), Calls::default());
        Self { inner: Arc::new(Inner { start: settings, clock, faults, calls, desk }) }
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.desk().settings.switches.clone()
    }

    /// Puts other switches in force; records stay.
    pub fn configure(&self, switches: Switches) {
        self.desk().settings.switches = switches;
    }

    /// Adds an asset and returns its id.
    ///
    /// # Errors
    /// An unknown catalog, or too many assets.
    pub fn seed_ci(&self, seed: CiSeed) -> Result<u64, WriteError> {
        self.desk().seed_ci(seed)
    }

    /// All tickets, oldest first, merged and deleted ones included.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.desk().tickets.clone()
    }

    /// The tickets with this value of the first custom field, oldest first.
    pub fn tickets_of(&self, key: &str) -> Vec<Ticket> {
        let desk = self.desk();
        let Some(name) = desk.settings.switches.custom_fields.first() else { return Vec::new() };
        desk.tickets.iter().filter(|ticket| ticket.custom_field(name) == key).cloned().collect()
    }

    /// One ticket by its own id, merged or not.
    pub fn ticket(&self, id: u64) -> Option<Ticket> {
        self.desk().tickets.iter().find(|ticket| ticket.id == id).cloned()
    }

    /// Changes a ticket as a person with all rights does.
    ///
    /// # Errors
    /// No such ticket or queue, or a ticket merged into itself.
    pub fn change_as_person(&self, id: u64, change: PersonalChange) -> Result<Ticket, WriteError> {
        let now = self.now();
        self.desk().change_as_person(id, change, now)
    }

    /// Puts a fault rule in force.
    ///
    /// # Errors
    /// [`TooManyFaults`] when there are as many as are kept.
    pub fn inject(&self, fault: Fault) -> Result<(), TooManyFaults> {
        self.inner.faults.inject(fault)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// How often each operation was called.
    pub fn calls(&self) -> CallCounts {
        self.inner.calls.read()
    }

    /// Starts counting anew.
    pub fn clear_calls(&self) {
        self.inner.calls.clear();
    }

    /// Makes the token invalid until [`Self::restore_tokens`] or a reset: nobody can get a new one
    /// through the API.
    pub fn revoke_tokens(&self) {
        self.desk().token_revoked = true;
    }

    /// Makes the token valid again, as a person does who issues a new one.
    pub fn restore_tokens(&self) {
        self.desk().token_revoked = false;
    }

    /// Tickets by status, and duplicates.
    pub fn summary(&self) -> Summary {
        self.desk().summary()
    }

    /// Back to how it was started: no records, faults or counts.
    pub fn reset(&self) {
        *self.desk() = Desk::new(self.inner.start.clone());
        self.clear_faults();
        self.clear_calls();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.inner.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}
