//! What follows from a notification (pure): no clock, no I/O, no async.
//!
//! [`alert`] says in which condition an alert is after everything heard about it; [`ticket`] says what the
//! ledger wants of a ticket after everything known about its alerts.

pub mod alert;
pub mod ticket;
