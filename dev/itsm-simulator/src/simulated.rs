//! A product in service: its state behind a lock, and what is known of the calls to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use jiff::Timestamp;

use crate::calls::{CallCounts, Calls};
use crate::clock::Clock;
use crate::fault::{Call, Fault, Faults, Strike, TooManyFaults};

/// One simulated product, shared by all threads that serve it. Its own deeds stand with its state.
pub struct Simulated<State> {
    inner: Arc<Inner<State>>,
}

/// What the control plane does to every product alike.
pub(crate) trait Controlled {
    fn faults(&self) -> &Faults;
    fn counts(&self) -> &Calls;
    fn start_anew(&self);
}

struct Inner<State> {
    fresh: Box<dyn Fn(Timestamp) -> State + Send + Sync>,
    clock: Arc<Clock>,
    faults: Faults,
    calls: Calls,
    state: Mutex<State>,
}

/// Another handle to the same product; a derived one would ask that the state can be cloned.
impl<State> Clone for Simulated<State> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<State> Simulated<State> {
    /// `fresh` makes the state at the start and at every reset.
    pub(crate) fn new(
        seed: u64,
        clock: Arc<Clock>,
        fresh: impl Fn(Timestamp) -> State + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(fresh(clock.now()));
        let (faults, calls) = (Faults::new(seed), Calls::default());
        Self { inner: Arc::new(Inner { fresh: Box::new(fresh), clock, faults, calls, state }) }
    }

    /// Puts a fault rule in force.
    ///
    /// # Errors
    /// [`TooManyFaults`] when there are as many as are kept.
    pub fn inject(&self, fault: Fault) -> Result<(), TooManyFaults> {
        self.inner.faults.inject(fault)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// How often each operation was called.
    pub fn calls(&self) -> CallCounts {
        self.inner.calls.read()
    }

    /// Starts counting anew.
    pub fn clear_calls(&self) {
        self.inner.calls.clear();
    }

    /// Back to how it was started: no records, faults or counts.
    pub fn reset(&self) {
        let fresh = (self.inner.fresh)(self.now());
        *self.state() = fresh;
        self.clear_faults();
        self.clear_calls();
    }

    /// Counts a call and says what it is to suffer.
    pub(crate) fn arrives(&self, request: &HttpRequest, table: &str, operation: &'static str) -> Strike {
        self.inner.calls.count(operation, request.headers().contains_key(COOKIE));
        self.inner.faults.strike(&Call { method: request.method().as_str(), table, operation })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

impl<State> Controlled for Simulated<State> {
    fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn counts(&self) -> &Calls {
        &self.inner.calls
    }

    fn start_anew(&self) {
        self.reset();
    }
}
