//! The worker: notifications from the queue are reconciled in Postgres, and tickets are kept in step with them.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connector;
pub mod dead_letters;
pub mod failure_point;
pub mod intake;
pub mod kind;
pub mod metrics;
pub mod policy;
pub mod reconcile;
pub mod reload;
pub mod store;
pub mod subscription;
pub mod sweep;
pub mod sync;
