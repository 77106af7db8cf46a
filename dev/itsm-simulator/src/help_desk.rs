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
pub use ticket::{CiSeed, PersonalChange, Ticket};

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
}
