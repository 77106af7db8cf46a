//! ITSM products that cannot be run here, with their quirks and with faults on request.
//!
//! [`ItsmSimulator::start`] serves every product under its own base path and one control plane under
//! `/_control`. Tests that run in the same process control it through [`Running`] instead.

mod answer;
mod calls;
mod clock;
mod control;
mod ending;
mod fault;
pub mod help_desk;
mod numbered;
mod product;
mod request;
pub mod request_tracker;
mod server;
mod servicedesk_plus;
pub mod servicenow;
mod settings;
mod simulated;
mod zammad;

pub use calls::CallCounts;
pub use clock::Clock;
pub use fault::{Effect, Fault, Stage, TooManyFaults};
pub use numbered::{Condition, Numbered, Standing, Summary};
pub use server::{ItsmSimulator, Running, StartError};
pub use settings::{Settings, SettingsError};
pub use simulated::Simulated;
