//! What follows from a notification (pure): no clock, no I/O, no async.
//!
//! [`subject`] says what a notification is about; [`alert`] in which condition that is after everything heard about it;
//! [`ticket`] what the ledger wants of a ticket after everything known about its alerts.

pub mod alert;
pub mod rate;
pub mod subject;
pub mod ticket;
pub mod timing;
