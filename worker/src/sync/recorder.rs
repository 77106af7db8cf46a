//! Writes the outcomes of passes to the ledger, many in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::plan::Settlement;
use super::retry::{self, Failing, TargetVerdict, Verdict};
use crate::config::RetrySettings;
use crate::connector::{ConnectorError, WorkItemState};
use crate::metrics::SyncMetrics;
use crate::reconcile::ticket::RESOLVED_BEFORE_TICKET;
use crate::store::claims::{Ci, Claim};
use crate::store::outcomes::{self, Attempt, Outcome};
use crate::store::{Failure, failure, storable, targets, tickets};

/// Outcomes that go into one transaction.
const MAX_BATCH: usize = 256;
/// Tries to write a batch; then the leases run out and the tickets are claimed anew.
const MAX_TRIES: u32 = 20;
/// Why a ticket ended, or is settled, that nobody here closed.
const CLOSED_ELSEWHERE: &str = "closed or removed in the ITSM";

/// What became of one pass.
pub struct Done {
    pub target: String,
    /// The ticket as the pass left it.
    pub claim: Claim,
    pub create_unsure: bool,
    pub attempts: Vec<Attempt>,
    pub ending: Ending,
}

enum Written {
    Yes,
    /// No transaction will ever take it.
    Never,
    /// Not within [`MAX_TRIES`].
    GivenUp,
}

impl Done {
    fn is_replaced(&self) -> bool {
        matches!(self.ending, Ending::Settled(Settlement::Replace))
    }
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
            if let Written::Never = self.write(&batch).await {
                // One bad row must not take the others with it.
                for done in &batch {
                    if let Written::Never = self.write(std::slice::from_ref(done)).await {
                        self.park(&done.claim).await;
                    }
                }
            }
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

    async fn write(&self, batch: &[Done]) -> Written {
        let outcomes: Vec<Outcome> = batch.iter().map(|done| outcome(done, &self.retry)).collect();
        for attempt in 0..MAX_TRIES {
            match self.try_write(batch, &outcomes).await {
                Ok(()) => return Written::Yes,
                Err(error) if failure(&error) != Failure::Data => {
                    tracing::warn!(%error, attempt, "cannot record outcomes, trying again: {error}");
                    tokio::time::sleep(self.retry.min.mul_f64(1.0 + rand::random::<f64>())).await;
                }
                Err(error) => {
                    tracing::error!(%error, "outcomes cannot be recorded together: {error}");
                    return Written::Never;
                }
            }
        }
        tracing::error!("outcomes were not recorded, their tickets are looked up again when the leases end");
        Written::GivenUp
    }

    /// Sets a ticket aside whose outcome the ledger does not take, so that it is not looked up for ever.
    async fn park(&self, claim: &Claim) {
        let (ticket_id, reason) =
            (claim.ticket_id, "the ledger does not take its outcome: see the log of the worker");
        match outcomes::park(&self.pool, ticket_id, claim.lease_number, reason).await {
            Ok(()) => {
                tracing::error!(%ticket_id, "ticket {ticket_id} is parked: its outcome cannot be recorded")
            }
            Err(error) => tracing::error!(%ticket_id, %error, "ticket {ticket_id} cannot be parked: {error}"),
        }
    }

    async fn try_write(&self, batch: &[Done], outcomes: &[Outcome]) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let connection: &mut PgConnection = &mut transaction;
        let ids: Vec<Uuid> = batch.iter().map(|done| done.claim.ticket_id).collect();
        let replaced: Vec<Uuid> =
            batch.iter().filter(|done| done.is_replaced()).map(|done| done.claim.ticket_id).collect();
        tickets::lock_with_alerts(connection, &ids, &replaced).await?;
        let recorded: BTreeMap<Uuid, bool> =
            outcomes::record(connection, outcomes).await?.into_iter().collect();
        let attempts: Vec<Attempt> = batch.iter().flat_map(|done| done.attempts.iter().cloned()).collect();
        outcomes::keep_attempts(connection, &attempts).await?;
        for ticket_id in replaced.into_iter().filter(|ticket_id| recorded.contains_key(ticket_id)) {
            tickets::replace(connection, ticket_id, CLOSED_ELSEWHERE).await?;
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
                            tracing::error!(
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
        if let (true, Some(bell)) = (due_again || done.is_replaced(), self.bells.get(&done.target)) {
            bell.notify_one();
        }
    }
}

fn outcome(done: &Done, settings: &RetrySettings) -> Outcome {
    let claim = &done.claim;
    let (verdict, error) = match &done.ending {
        Ending::Settled(_) => (None, None),
        Ending::OutOfTime => (Some(Verdict::Retry(settings.min)), Some("the lease ended".to_owned())),
        Ending::Failed(error) => {
            let failing = Failing { since: claim.failing_for, last_wait: claim.last_wait };
            let verdict = match (retry::ticket(error, failing, settings, rand::random()), error) {
                (Verdict::Retry(wait), ConnectorError::Ambiguous(_)) if done.create_unsure => {
                    Verdict::Retry(wait.max(retry::before_look_up(settings, rand::random())))
                }
                (verdict, _) => verdict,
            };
            (Some(verdict), Some(error.to_string()))
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
        external_id: claim.item.as_ref().map(|item| storable(item.id.clone())),
        external_number: claim.item.as_ref().map(|item| storable(item.number.clone())),
        synced: claim.item.as_ref().map_or("none", |item| match item.state {
            WorkItemState::Open => "open",
            WorkItemState::Resolved => "resolved",
            WorkItemState::Closed => "closed",
        }),
        told_through: claim.item.as_ref().map(|item| item.told_through),
        ci_id: ci_id.map(storable),
        ci_name: ci_name.map(storable),
        ci_missing: ci_missing.map(storable),
        create_unsure: done.create_unsure,
        retry_ms: match verdict {
            Some(Verdict::Retry(wait)) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            Some(Verdict::Park) | None => None,
        },
        park: verdict == Some(Verdict::Park),
        error: error.map(storable),
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
            Self::NotNeeded => Some(RESOLVED_BEFORE_TICKET),
            Self::Closed | Self::Replace => Some(CLOSED_ELSEWHERE),
        }
    }
}
