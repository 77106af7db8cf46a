//! What is counted, each at zero from the start, so that a rate is known before the first event.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::problem::Code;

/// Seconds: a confirmed publish takes milliseconds; the request deadline is a few seconds.
const PUBLISH_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0];

/// The counters of this process; clones count into the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    accepted: Counter,
    requests: Family<RequestLabels, Counter>,
    pub requests_in_flight: Gauge,
    pub publish_seconds: Histogram,
    pub legacy_notifications: Counter,
    tokens: Family<TokenLabels, Counter>,
    pub remembered_tokens: Gauge,
    key_fetches: Family<FetchLabels, Counter>,
    pub spool: SpoolMetrics,
}

/// Of the spool; zero where there is none.
#[derive(Debug, Clone, Default)]
pub struct SpoolMetrics {
    pub records: Gauge,
    pub bytes: Gauge,
    pub oldest_seconds: Gauge<f64, AtomicU64>,
    pub spooled: Counter,
    pub commits: Counter,
    pub published: Counter,
    pub refused: Counter,
    pub damaged: Counter,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    Verified,
    Remembered,
    /// With the name of the check that it failed.
    Refused(&'static str),
    /// The keys to check it with could not be had.
    Unchecked,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    status: u16,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Registers everything under `ingest_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        for code in Code::ALL {
            drop(requests.get_or_create(&RequestLabels::refused(code)));
        }
        let metrics = Self {
            accepted: requests.get_or_create_owned(&RequestLabels { status: 202, code: "accepted" }),
            requests,
            requests_in_flight: Gauge::default(),
            publish_seconds: Histogram::new(PUBLISH_BUCKETS),
            legacy_notifications: Counter::default(),
            tokens: Family::default(),
            remembered_tokens: Gauge::default(),
            key_fetches: Family::default(),
            spool: SpoolMetrics::default(),
        };
        for outcome in [TokenOutcome::Verified, TokenOutcome::Remembered, TokenOutcome::Unchecked] {
            drop(metrics.tokens.get_or_create(&outcome.labels()));
        }
        for outcome in [Ok::<(), ()>(()), Err(())] {
            drop(metrics.key_fetches.get_or_create(&FetchLabels::of(outcome)));
        }
        let registry = registry.sub_registry_with_prefix("secure_export_ingest");
        registry.register("requests", "Requests answered, by status and code", metrics.requests.clone());
        registry.register(
            "requests_in_flight",
            "Requests being answered now",
            metrics.requests_in_flight.clone(),
        );
        registry.register_with_unit(
            "publish",
            "Time until the broker confirmed, or the attempt was given up",
            Unit::Seconds,
            metrics.publish_seconds.clone(),
        );
        registry.register(
            "legacy_notifications",
            "Notifications in a shape from before the common alert schema",
            metrics.legacy_notifications.clone(),
        );
        registry.register("token_checks", "Tokens presented, by what became of them", metrics.tokens.clone());
        registry.register(
            "remembered_tokens",
            "Verified tokens whose signature need not be checked again",
            metrics.remembered_tokens.clone(),
        );
        registry.register("key_fetches", "Fetches of a tenant's signing keys", metrics.key_fetches.clone());
        metrics.spool.register(registry);
        metrics
    }

    pub fn request_accepted(&self) {
        self.accepted.inc();
    }

    pub fn request_refused(&self, code: Code) {
        self.requests.get_or_create(&RequestLabels::refused(code)).inc();
    }

    pub fn token_checked(&self, outcome: TokenOutcome) {
        self.tokens.get_or_create(&outcome.labels()).inc();
    }

    pub fn keys_fetched<T, E>(&self, outcome: Result<T, E>) {
        self.key_fetches.get_or_create(&FetchLabels::of(outcome)).inc();
    }
}

impl SpoolMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "spool_records",
            "Notifications that wait on disk for the broker",
            self.records.clone(),
        );
        registry.register_with_unit(
            "spool",
            "What the spool takes on disk, with what was kept aside",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit(
            "spool_oldest",
            "How long ago the oldest of them arrived",
            Unit::Seconds,
            self.oldest_seconds.clone(),
        );
        registry.register("spool_spooled", "Notifications written to disk", self.spooled.clone());
        registry.register(
            "spool_commits",
            "Writes with an fsync; each has one or more notifications",
            self.commits.clone(),
        );
        registry.register(
            "spool_published",
            "Notifications brought from disk to the broker",
            self.published.clone(),
        );
        registry.register(
            "spool_refused",
            "Notifications that the spool could not take",
            self.refused.clone(),
        );
        registry.register("spool_damaged", "Records on disk that cannot be read", self.damaged.clone());
    }
}

impl RequestLabels {
    fn refused(code: Code) -> Self {
        Self { status: code.status().as_u16(), code: code.name() }
    }
}

impl TokenOutcome {
    fn labels(self) -> TokenLabels {
        let (outcome, reason) = match self {
            Self::Verified => ("verified", ""),
            Self::Remembered => ("remembered", ""),
            Self::Refused(reason) => ("refused", reason),
            Self::Unchecked => ("unchecked", ""),
        };
        TokenLabels { outcome, reason }
    }
}

impl FetchLabels {
    fn of<T, E>(outcome: Result<T, E>) -> Self {
        Self { outcome: if outcome.is_ok() { "succeeded" } else { "failed" } }
    }
}
