//! Writes the outcomes of passes to the ledger, many in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::plan::Settlement;
use super::retry::{self, Failing, RetrySettings, TargetVerdict, Verdict};
use crate::connector::{ConnectorError, WorkItemState};
use crate::metrics::SyncMetrics;
use crate::store::claims::{Ci, Claim};
use crate::store::outcomes::{self, Attempt, Outcome};
use crate::store::{is_passing, targets, tickets};

/// Outcomes that go into one transaction.
const MAX_BATCH: usize = 256;
/// Tries to write a batch; then the leases run out and the tickets are claimed anew.
const MAX_TRIES: u32 = 20;

/// What became of one pass.
pub struct Done {
    pub target: String,
    /// The ticket as the pass left it.
    pub claim: Claim,
    pub create_unsure: bool,
    pub attempts: Vec<Attempt>,
    pub ending: Ending,
}

/// How a pass ended.
pub enum Ending {
    Settled(Settlement),
    Failed(ConnectorError),
    /// The lease was about to end; what is left is done by the next pass.
    OutOfTime,
}

/// Everything that the recorder works with.
pub struct Recorder {
    pub pool: PgPool,
    pub retry: RetrySettings,
    pub linger: Duration,
    pub metrics: SyncMetrics,
    pub bells: BTreeMap<String, Arc<Notify>>,
    pub done: mpsc::Receiver<Done>,
}

impl Recorder {
    /// Records until every sender is gone.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.collect(&mut batch).await {
            self.write(&batch).await;
            batch.clear();
        }
    }

    /// Waits for an outcome, and a little longer for more; `false` when there are no more.
    async fn collect(&mut self, batch: &mut Vec<Done>) -> bool {
        let Some(first) = self.done.recv().await else { return false };
        batch.push(first);
        let full = tokio::time::sleep(self.linger);
        tokio::pin!(full);
        while batch.len() < MAX_BATCH {
            tokio::select! {
                biased;
                done = self.done.recv() => match done {
                    Some(done) => batch.push(done),
                    None => break,
                },
                () = &mut full => break,
            }
        }
        true
    }

    async fn write(&self, batch: &[Done]) {
        let outcomes: Vec<Outcome> = batch.iter().map(|done| outcome(done, &self.retry)).collect();
        for attempt in 0..MAX_TRIES {
            match self.try_write(batch, &outcomes).await {
                Ok(()) => return,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, attempt, "cannot record outcomes, trying again: {error}");
                    tokio::time::sleep(self.retry.min.mul_f64(1.0 + rand::random::<f64>())).await;
                }
                Err(error) => {
                    tracing::error!(%error, "outcomes cannot be recorded, their tickets are looked up again: {error}");
                    return;
                }
            }
        }
        tracing::error!("outcomes were not recorded, their tickets are looked up again when the leases end");
    }

    async fn try_write(&self, batch: &[Done], outcomes: &[Outcome]) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let connection: &mut PgConnection = &mut transaction;
        let recorded: BTreeMap<Uuid, bool> =
            outcomes::record(connection, outcomes).await?.into_iter().collect();
        let attempts: Vec<Attempt> = batch.iter().flat_map(|done| done.attempts.iter().cloned()).collect();
        outcomes::keep_attempts(connection, &attempts).await?;
        let ours = |done: &&Done| recorded.contains_key(&done.claim.ticket_id);
        for done in batch.iter().filter(ours) {
            if let Ending::Settled(Settlement::Replace) = done.ending {
                tickets::replace(connection, done.claim.ticket_id, "closed or removed in the ITSM").await?;
            }
        }
        self.judge_targets(connection, batch).await?;
        transaction.commit().await?;

        self.metrics
            .leases_lost
            .inc_by(u64::try_from(batch.len().saturating_sub(recorded.len())).unwrap_or(0));
        for done in batch {
            self.report(done, recorded.get(&done.claim.ticket_id).copied());
        }
        Ok(())
    }

    /// One verdict a batch and target: calls that fail together are one failure.
    async fn judge_targets(&self, connection: &mut PgConnection, batch: &[Done]) -> Result<(), sqlx::Error> {
        let names: BTreeSet<&str> = batch.iter().map(|done| done.target.as_str()).collect();
        for name in names {
            let of_target = || batch.iter().filter(|done| done.target == name);
            let mut failure = None;
            let mut fine = false;
            for done in of_target().filter(|done| !done.attempts.is_empty()) {
                match &done.ending {
                    Ending::Settled(_) | Ending::OutOfTime => fine = true,
                    Ending::Failed(error) => match retry::target(error, &self.retry) {
                        TargetVerdict::Fine => fine = true,
                        TargetVerdict::Failing => failure = Some(error),
                        TargetVerdict::Pause(rest) => {
                            tracing::warn!(
                                target_name = name,
                                ?rest,
                                "{name} is left alone for {rest:?}: {error}"
                            );
                            targets::pause(connection, name, rest, &error.to_string()).await?;
                        }
                    },
                }
            }
            match failure {
                _ if fine => targets::answered(connection, name).await?,
                None => {}
                Some(error) => {
                    let failures = targets::failed(connection, name, &error.to_string()).await?;
                    if let Some(rest) = retry::rest(failures, &self.retry) {
                        tracing::warn!(
                            target_name = name,
                            failures,
                            ?rest,
                            "{name} rests for {rest:?}: {error}"
                        );
                        targets::pause(connection, name, rest, &error.to_string()).await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn report(&self, done: &Done, due_again: Option<bool>) {
        let claim = &done.claim;
        let number = claim.item.as_ref().map_or("", |item| item.number.as_str());
        let ticket_id = claim.ticket_id;
        let Some(due_again) = due_again else {
            tracing::warn!(%ticket_id, number, "another worker has taken ticket {number} over, nothing recorded");
            return;
        };
        match &done.ending {
            Ending::Settled(settlement) => {
                self.metrics.settled(&done.target, settlement.name());
                let settlement = settlement.name();
                tracing::info!(%ticket_id, number, settlement, "ticket {number} is settled: {settlement}");
            }
            Ending::OutOfTime => {
                tracing::warn!(%ticket_id, number, "ticket {number} took too long, the next pass goes on")
            }
            Ending::Failed(error @ ConnectorError::Rejected(_)) => {
                tracing::error!(%ticket_id, number, %error, "ticket {number} is parked until an operator acts: {error}");
            }
            Ending::Failed(error) => {
                tracing::warn!(%ticket_id, number, %error, "ticket {number} is tried again later: {error}");
            }
        }
        let replaced = matches!(done.ending, Ending::Settled(Settlement::Replace));
        if let (true, Some(bell)) = (due_again || replaced, self.bells.get(&done.target)) {
            bell.notify_one();
        }
    }
}

fn outcome(done: &Done, settings: &RetrySettings) -> Outcome {
    let claim = &done.claim;
    let (verdict, error) = match &done.ending {
        Ending::Settled(_) => (None, None),
        Ending::OutOfTime => (Some(Verdict::Retry(Duration::ZERO)), Some("the lease ended".to_owned())),
        Ending::Failed(error) => {
            let failing = Failing { since: claim.failing_for, last_wait: claim.last_wait };
            (Some(retry::ticket(error, failing, settings, rand::random())), Some(error.to_string()))
        }
    };
    let (ci_id, ci_name, ci_missing) = match &claim.ci {
        Some(Ci::Bound { id, name }) => (Some(id.clone()), Some(name.clone()), None),
        Some(Ci::Missing(reason)) => (None, None, Some(reason.clone())),
        None => (None, None, None),
    };
    Outcome {
        ticket_id: claim.ticket_id,
        lease_number: claim.lease_number,
        version: claim.version,
        external_id: claim.item.as_ref().map(|item| item.id.clone()),
        external_number: claim.item.as_ref().map(|item| item.number.clone()),
        synced: claim.item.as_ref().map_or("none", |item| match item.state {
            WorkItemState::Open => "open",
            WorkItemState::Resolved => "resolved",
            WorkItemState::Closed => "closed",
        }),
        told_through: claim.item.as_ref().map(|item| item.told_through),
        ci_id,
        ci_name,
        ci_missing,
        create_unsure: done.create_unsure,
        retry_ms: match verdict {
            Some(Verdict::Retry(wait)) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            Some(Verdict::Park) | None => None,
        },
        park: verdict == Some(Verdict::Park),
        error,
        settled_reason: match &done.ending {
            Ending::Settled(settlement) => settlement.reason(),
            Ending::Failed(_) | Ending::OutOfTime => None,
        },
    }
}

impl Settlement {
    fn name(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::NotNeeded => "not_needed",
            Self::Closed => "closed",
            Self::Replace => "replaced",
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::InSync => None,
            Self::NotNeeded => Some(crate::intake::batch::RESOLVED_BEFORE_TICKET),
            Self::Closed => Some("closed or removed in the ITSM"),
            Self::Replace => Some("closed or removed in the ITSM; another ticket follows"),
        }
    }
}
