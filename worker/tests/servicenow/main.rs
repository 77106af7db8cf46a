//! The ServiceNow connector against the simulated instance, one test for each of the product's pitfalls.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed preparation ends its test"
)]

mod access;
mod configuration_items;
mod desk;
mod faults;
mod tickets;
