//! Bringing work items to the state that the ledger wants: claim due tickets, call the ITSM, record.
//!
//! One loop per target, so that a target that is down or slow delays only its own tickets. Level-triggered:
//! a pass compares what is wanted with what is there and does what is missing, so a crash at any line, or a hundred
//! changes during an outage, are both repaired by the next pass.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::BootInstant;
use crate::config::{SyncSettings, Target};
use crate::connector::{self, ConnectorError, Finding};
use crate::failure_point::FailurePoint;
use crate::metrics::{SelfTest, SyncMetrics};
use crate::policy::Policies;
use crate::store::Ledger;
use crate::store::claims::{Claim, Terms, claim_due};

pub mod binding;
pub mod ci;
pub mod doubles;
pub mod pace;
pub mod pass;
pub mod plan;
pub mod recorder;
pub mod retry;
pub mod self_test;
pub mod wake;

use pass::Pass;
use recorder::Done;
use retry::{Failing, Verdict};

/// Everything that the loop of one target works with.
pub struct TargetLoop {
    pub name: String,
    pub target: Target,
    pub ledger: Ledger,
    pub policies: Policies,
    pub settings: SyncSettings,
    pub metrics: SyncMetrics,
    /// How this worker is known in the ledger.
    pub worker: String,
    /// Rings when tickets of this target became due.
    pub due: Arc<Notify>,
    pub done: mpsc::Sender<Done>,
    pub shutdown: CancellationToken,
}

impl TargetLoop {
    /// Syncs until shutdown; passes under way are finished first.
    pub async fn run(self) {
        let pass = Arc::new(Pass::new(
            self.name.clone(),
            self.target.clone(),
            self.policies.clone(),
            &self.settings,
            self.metrics.clone(),
            self.worker.clone(),
        ));
        self.check_target().await;
        let mut passes: JoinSet<()> = JoinSet::new();
        while !self.shutdown.is_cancelled() {
            while passes.try_join_next().is_some() {}
            let free = self.target.concurrency.saturating_sub(passes.len());
            // A claim is a transaction: wait until it is worth one.
            let claimed_at = BootInstant::now();
            let claimed =
                if free * 2 >= self.target.concurrency { self.claim(free).await } else { Vec::new() };
            let more = !claimed.is_empty() && claimed.len() == free;
            for claim in claimed {
                let (pass, done) = (Arc::clone(&pass), self.done.clone());
                passes.spawn(async move {
                    let outcome = pass.run(claim, claimed_at).await;
                    // The recorder outlives the loops; if it is gone the lease runs out and another pass repairs.
                    if done.send(outcome).await.is_err() {
                        tracing::warn!("an outcome was not recorded: the recorder is gone");
                    }
                });
            }
            if !more {
                self.wait(&mut passes).await;
            }
        }
        while passes.join_next().await.is_some() {}
    }

    /// Claims nothing before the target has shown that it answers as its connector relies on: a search that finds
    /// everything would have us write on other people's tickets.
    async fn check_target(&self) {
        let mut last_wait = Duration::ZERO;
        while !self.shutdown.is_cancelled() {
            let name = &self.name;
            let Err(error) = self.self_test().await else {
                self.metrics.self_test(name, SelfTest::Passed);
                tracing::info!(target_name = name, "{name} passed its self-test");
                return;
            };
            self.metrics.self_test(name, SelfTest::Failed);
            tracing::error!(target_name = name, %error, "{name} fails its self-test, no ticket is made there: {error}");
            let failing = Failing { since: Duration::ZERO, last_wait };
            last_wait = match retry::ticket(&error, failing, &self.settings.retry, rand::random()) {
                Verdict::Retry(wait) => wait,
                Verdict::Park => self.settings.retry.max,
            };
            tokio::select! {
                () = tokio::time::sleep(last_wait) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    async fn self_test(&self) -> Result<(), ConnectorError> {
        let name = &self.name;
        let presets = self_test::presets(name, &self.target, &self.policies.borrow());
        let findings = self_test::check(&self.target, &presets).await?;
        for Finding { subject, verdict } in &findings {
            if let connector::Verdict::Limited(what) = verdict {
                tracing::warn!(target_name = name, subject, "{name} works less well, {subject}: {what}");
            }
        }
        self_test::unusable(&findings).map_or(Ok(()), |reasons| Err(ConnectorError::Rejected(reasons)))
    }

    async fn claim(&self, limit: usize) -> Vec<Claim> {
        let terms = Terms {
            lease: self.settings.lease,
            takeover_wait: self.settings.retry.look_up_after,
            double_check_after: self.settings.double_check.after,
            worker: &self.worker,
        };
        let claimed =
            self.ledger.with(async |connection| claim_due(connection, &self.name, limit, &terms).await);
        match claimed.await {
            Ok(claims) => {
                if !claims.is_empty() {
                    FailurePoint::Claimed.reach();
                }
                claims
            }
            Err(error) => {
                tracing::warn!(target_name = self.name, %error, "cannot claim tickets, trying again: {error}");
                Vec::new()
            }
        }
    }

    async fn wait(&self, passes: &mut JoinSet<()>) {
        let spread = Duration::from_secs_f64(self.settings.poll.as_secs_f64() * rand::random::<f64>() * 0.1);
        tokio::select! {
            () = self.due.notified() => {}
            Some(_) = passes.join_next() => {}
            () = tokio::time::sleep(self.settings.poll.saturating_add(spread)) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}
