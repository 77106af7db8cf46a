//! The worker as a whole: real RabbitMQ, real Postgres, the simulated ITSM over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what a test needs it sets up by functions, which the exception for tests does not reach"
)]

mod crash;
mod dead_letters;
mod expiry;
mod faults;
mod handed_over;
mod held_back;
mod incidents;
mod injection;
mod intake;
mod leases;
mod legacy;
mod looks;
mod many;
mod people;
mod policies;
#[cfg(feature = "real-itsm")]
mod request_tracker;
mod routes;
mod storms;
mod targets;
mod tickets;
mod windows;
mod world;
