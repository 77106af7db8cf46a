//! From the queue into the ledger: deliveries are reconciled in batches, one transaction each, and
//! acknowledged after the commit. What is not ours goes to the dead letters alone, not with its batch.

pub mod batch;
pub mod consumer;
pub mod expiry;
pub mod reading;
pub mod storm;
