//! Azure's door: authenticates the alerts that action groups send and hands them to the broker. 202 means that the
//! broker has the alert on disk, or the spool has.

pub mod arrival;
pub mod auth;
pub mod cli;
pub mod config;
pub mod metrics;
pub mod problem;
pub mod receive;
pub mod reminder;
pub mod server;
pub mod spool;
