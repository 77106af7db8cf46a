//! The real program on a free port, with a real identity provider and a virtual host of its own on a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its surroundings too"
)]

#[path = "../world/app.rs"]
mod app;
mod bodies;
mod commands;
mod keys;
mod legacy;
mod publishing;
mod running;
mod spool;
mod tokens;
mod unknown;
