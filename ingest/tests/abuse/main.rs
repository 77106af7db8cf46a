//! Attacks on the public listener over real sockets, with real tokens, counted by kind.
//!
//! Each test prints `abuse: KIND: tried N, let in 0, crashes 0, slowest X ms`; run with `--no-capture` to see it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, its surroundings too, and the count is what the suite is for"
)]

#[allow(dead_code, reason = "the other suite needs the rest")]
#[path = "../world/app.rs"]
mod app;
mod bodies;
mod claims;
mod connections;
mod forms;
mod headers;
mod http;
mod identity_provider;
mod keys;
mod logs;
mod program;
mod siege;
