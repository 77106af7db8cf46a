//! Messages that nothing can be done with: from the queue of the dead letters into the ledger, where operators look at
//! them, replay or discard them. The queue itself cannot be looked at without taking messages off it.

pub mod collector;
pub mod reading;
pub mod replay;
