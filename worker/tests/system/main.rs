//! The worker as a whole: real RabbitMQ, real Postgres, the simulated ITSM over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test needs it sets up by functions, which the exception for tests does not reach"
)]

mod faults;
mod intake;
mod leases;
mod many;
mod tickets;
mod world;
