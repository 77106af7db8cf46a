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
pub use ticket::{Event, Happening, Link, PersonalChange, Ticket};

use crate::clock::Clock;
use crate::simulated::Simulated;

/// One simulated Request Tracker.
pub type RequestTracker = Simulated<Desk>;

impl RequestTracker {
    pub(crate) fn start(settings: Settings, seed: u64, clock: Arc<Clock>) -> Self {
        Self::new(seed, clock, move |_| Desk::new(settings.clone()))
    }
}
