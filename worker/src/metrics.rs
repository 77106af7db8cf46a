//! What the worker counts. Every series that does not depend on a target's name exists from the start, at zero.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::intake::reading::Reading;
use crate::store::dead_letters::{Stored, Waiting};
use crate::store::listing::Backlog;

/// What intake counts.
#[derive(Clone, Debug)]
pub struct IntakeMetrics {
    reconciled: Counter,
    buried: Counter,
    batches: Counter,
    batch_seconds: Histogram,
    lag_seconds: Histogram,
    template_failures: Counter,
    dropped: Family<RuleLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
}

/// How a reload of the rules went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    Taken,
    Refused,
}

/// What is counted of the dead letters in the ledger.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterMetrics {
    stored: Counter,
    died_again: Counter,
    waiting: Gauge,
    waiting_bytes: Gauge,
}

/// What sync counts.
#[derive(Clone, Debug)]
pub struct SyncMetrics {
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ActionLabels, Histogram>,
    settled: Family<SettledLabels, Counter>,
    ci: Family<CiLabels, Counter>,
    doubles: Family<TargetLabels, Counter>,
    pub alerts_expired: Counter,
    pub leases_lost: Counter,
    pub template_failures: Counter,
    due: Family<TargetLabels, Gauge>,
    oldest_due_seconds: Family<TargetLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    parked: Family<TargetLabels, Gauge>,
    without_ci: Family<TargetLabels, Gauge>,
    paused: Family<TargetLabels, Gauge>,
    self_test_failed: Family<TargetLabels, Gauge>,
}

/// How the self-test of a target went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTest {
    Passed,
    Failed,
}

impl Reload {
    fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    target: String,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    target: String,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SettledLabels {
    target: String,
    settlement: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CiLabels {
    target: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    target: String,
}

impl IntakeMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciled: Counter::default(),
            buried: Counter::default(),
            batches: Counter::default(),
            batch_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            lag_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 20)),
            template_failures: Counter::default(),
            dropped: Family::default(),
            reloads: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("secure_export_intake");
        registry.register(
            "notifications",
            "Notifications brought into the ledger",
            metrics.reconciled.clone(),
        );
        registry.register("dead_letters", "Messages moved to the dead letters", metrics.buried.clone());
        registry.register("batches", "Transactions of intake", metrics.batches.clone());
        registry.register_with_unit(
            "batch",
            "Time of a transaction",
            Unit::Seconds,
            metrics.batch_seconds.clone(),
        );
        registry.register_with_unit(
            "lag",
            "From the receipt of a notification by ingest to its commit",
            Unit::Seconds,
            metrics.lag_seconds.clone(),
        );
        registry.register(
            "template_failures",
            "Correlation keys taken plain because their template failed",
            metrics.template_failures.clone(),
        );
        registry.register(
            "dropped",
            "Alerts that got no ticket because a rule drops them",
            metrics.dropped.clone(),
        );
        registry.register(
            "policy_reloads",
            "Changes of the rules that were taken or refused",
            metrics.reloads.clone(),
        );
        for outcome in [Reload::Taken, Reload::Refused] {
            drop(metrics.reloads.get_or_create(&ReloadLabels { outcome: outcome.name() }));
        }
        metrics
    }

    /// Counts alerts that rules have dropped, by the name of the rule.
    pub fn dropped(&self, alerts: &BTreeMap<String, u64>) {
        for (rule, count) in alerts {
            self.dropped.get_or_create(&RuleLabels { rule: rule.clone() }).inc_by(*count);
        }
    }

    pub fn reloaded(&self, outcome: Reload) {
        self.reloads.get_or_create(&ReloadLabels { outcome: outcome.name() }).inc();
    }

    pub fn committed(&self, readings: &[Reading], took: Duration) {
        let now = Timestamp::now();
        self.reconciled.inc_by(u64::try_from(readings.len()).unwrap_or(u64::MAX));
        self.batches.inc();
        self.batch_seconds.observe(took.as_secs_f64());
        for reading in readings {
            self.lag_seconds.observe(now.duration_since(reading.heard.received_at).as_secs_f64().max(0.0));
        }
    }

    pub fn buried(&self) {
        self.buried.inc();
    }

    pub fn template_failed(&self, failure: &str) {
        self.template_failures.inc();
        tracing::error!(failure, "a template failed, the plain correlation key is used: {failure}");
    }
}

impl DeadLetterMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("secure_export_dead_letters");
        registry.register("stored", "Dead letters brought into the ledger", metrics.stored.clone());
        registry.register(
            "died_again",
            "Dead letters that the ledger had already",
            metrics.died_again.clone(),
        );
        registry.register("waiting", "Dead letters that wait for an operator", metrics.waiting.clone());
        registry.register_with_unit(
            "waiting",
            "Size of the dead letters that wait for an operator",
            Unit::Bytes,
            metrics.waiting_bytes.clone(),
        );
        metrics
    }

    pub fn stored(&self, stored: Stored) {
        match stored {
            Stored::New => {
                self.stored.inc();
            }
            Stored::DiedAgain => {
                self.died_again.inc();
            }
            Stored::Known => {}
        }
    }

    pub fn backlog(&self, waiting: Waiting) {
        self.waiting.set(waiting.letters);
        self.waiting_bytes.set(waiting.bytes);
    }
}

impl SyncMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 15))
            }),
            settled: Family::default(),
            ci: Family::default(),
            doubles: Family::default(),
            alerts_expired: Counter::default(),
            leases_lost: Counter::default(),
            template_failures: Counter::default(),
            due: Family::default(),
            oldest_due_seconds: Family::default(),
            parked: Family::default(),
            without_ci: Family::default(),
            paused: Family::default(),
            self_test_failed: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("secure_export_sync");
        registry.register("calls", "Calls to an ITSM by what became of them", metrics.calls.clone());
        registry.register_with_unit(
            "call",
            "Time of a call to an ITSM",
            Unit::Seconds,
            metrics.call_seconds.clone(),
        );
        registry.register("settled", "Passes over a ticket by how they ended", metrics.settled.clone());
        registry.register("ci_bindings", "Configuration items sought for tickets", metrics.ci.clone());
        registry.register(
            "doubles",
            "Second work items found for a ticket, and closed as duplicates",
            metrics.doubles.clone(),
        );
        registry.register(
            "alerts_expired",
            "Alerts that count as resolved because they did not fire anew",
            metrics.alerts_expired.clone(),
        );
        registry.register(
            "leases_lost",
            "Outcomes not recorded because another worker had taken the ticket over",
            metrics.leases_lost.clone(),
        );
        registry.register(
            "template_failures",
            "Texts written plain because their template failed",
            metrics.template_failures.clone(),
        );
        registry.register("tickets_due", "Tickets that wait to be synced", metrics.due.clone());
        registry.register_with_unit(
            "oldest_due",
            "How long the oldest due ticket has waited",
            Unit::Seconds,
            metrics.oldest_due_seconds.clone(),
        );
        registry.register("tickets_parked", "Tickets that wait for an operator", metrics.parked.clone());
        registry.register(
            "tickets_without_ci",
            "Open tickets without a configuration item",
            metrics.without_ci.clone(),
        );
        registry.register("target_paused", "1 while a target is left alone", metrics.paused.clone());
        registry.register(
            "self_test_failed",
            "1 while a target fails the self-test of this worker, which makes no tickets there",
            metrics.self_test_failed.clone(),
        );
        metrics
    }

    pub fn call(&self, target: &str, action: &'static str, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&CallLabels { target: target.to_owned(), action, outcome }).inc();
        self.call_seconds
            .get_or_create(&ActionLabels { target: target.to_owned(), action })
            .observe(took.as_secs_f64());
    }

    pub fn settled(&self, target: &str, settlement: &'static str) {
        self.settled.get_or_create(&SettledLabels { target: target.to_owned(), settlement }).inc();
    }

    pub fn double(&self, target: &str) {
        self.doubles.get_or_create(&TargetLabels { target: target.to_owned() }).inc();
    }

    pub fn ci(&self, target: &str, result: &'static str) {
        self.ci.get_or_create(&CiLabels { target: target.to_owned(), result }).inc();
    }

    pub fn self_test(&self, target: &str, outcome: SelfTest) {
        let failed = self.self_test_failed.get_or_create(&TargetLabels { target: target.to_owned() });
        failed.set(i64::from(outcome == SelfTest::Failed));
    }

    /// Shows the backlog of all targets; those that have none are at zero.
    pub fn backlog<'a>(
        &self,
        targets: impl Iterator<Item = &'a String>,
        backlog: &[Backlog],
        paused: &[String],
    ) {
        for target in targets {
            let labels = TargetLabels { target: target.clone() };
            let of = backlog.iter().find(|line| line.target == *target);
            self.due.get_or_create(&labels).set(of.map_or(0, |line| line.due));
            self.parked.get_or_create(&labels).set(of.map_or(0, |line| line.parked));
            self.without_ci.get_or_create(&labels).set(of.map_or(0, |line| line.without_ci));
            self.oldest_due_seconds.get_or_create(&labels).set(of.map_or(0.0, |line| line.oldest_due_s));
            self.paused.get_or_create(&labels).set(i64::from(paused.contains(target)));
        }
    }
}
