//! Writes the outcomes of passes to the ledger, many in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::plan::{Deed, MOST_RETURNS, Settlement};
use super::retry::{self, TargetVerdict};
use crate::config::{DoubleCheckSettings, RetrySettings};
use crate::connector::ConnectorError;
use crate::failure_point::FailurePoint;
use crate::metrics::SyncMetrics;
use crate::reconcile::ticket::RESOLVED_BEFORE_TICKET;
use crate::store::claims::Claim;
use crate::store::outcomes::{self, Attempt, Outcome};
use crate::store::{Failure, Ledger, failure, targets, tickets};

mod outcome;

use outcome::outcome;

/// Outcomes that go into one transaction.
const MAX_BATCH: usize = 256;
/// Tries to write a batch; then the leases run out and the tickets are claimed anew.
const MAX_TRIES: u32 = 20;
/// Why a ticket ended, or is settled, that nobody here closed.
const CLOSED_ELSEWHERE: &str = "closed or removed in the ITSM";
const HANDED_OVER: &str = "its alerts are resolved, and route.resolve.action leaves its state to people";
/// Why a ticket ended that is not closed.
const RESOLVED_ELSEWHERE: &str = "resolved in the ITSM while its alert fired";
/// Why nothing is written on a ticket whose alert fires.
const CLOSED_AND_LEFT: &str =
    "closed or removed in the ITSM while its alert fires, left so until it fires anew";
const RESOLVED_AND_LEFT: &str = "resolved in the ITSM while its alert fires, left so until it fires anew";
const ENDED_TOO_OFTEN: &str =
    "resolved or closed in the ITSM again and again while its alert fires, left so until it fires anew";

/// Why a ticket is not made yet.
const HELD: &str = "waits for the end of a maintenance window";

/// What became of one pass.
pub struct Done {
    pub target: String,
    /// The ticket as the pass left it.
    pub claim: Claim,
    pub create_unsure: bool,
    /// A create was carried out in this pass, or may have been.
    pub create_sent: bool,
    /// A second work item was looked for, and what was found is dealt with.
    pub double_checked: bool,
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
    fn lease(&self) -> (Uuid, i64) {
        (self.claim.ticket_id, self.claim.lease_number)
    }

    /// Whether it was a look that saw the work item as the ledger has it.
    fn found_nothing_new(&self) -> bool {
        let only_looked =
            self.attempts.iter().all(|attempt| attempt.action == "read" && attempt.outcome == "ok");
        self.claim.look_due && only_looked && matches!(self.ending, Ending::Settled(Settlement::InSync))
    }

    /// Why another ticket takes its place, if one does.
    fn replaced(&self) -> Option<&'static str> {
        match self.ending {
            Ending::Settled(Settlement::Replace(Deed::Closed)) => Some(CLOSED_ELSEWHERE),
            Ending::Settled(Settlement::Replace(Deed::Resolved)) => Some(RESOLVED_ELSEWHERE),
            Ending::Settled(
                Settlement::InSync
                | Settlement::NotNeeded
                | Settlement::Held(_)
                | Settlement::Closed
                | Settlement::HandedOver
                | Settlement::Left(_),
            )
            | Ending::Failed(_)
            | Ending::NotLooked(_)
            | Ending::OutOfTime => None,
        }
    }

    /// Why nothing is left to do, where that is not plain.
    fn settled_reason(&self) -> Option<&'static str> {
        let deed = match self.ending {
            Ending::Settled(Settlement::InSync) | Ending::Failed(_) | Ending::OutOfTime => return None,
            Ending::Settled(Settlement::NotNeeded) => return Some(RESOLVED_BEFORE_TICKET),
            Ending::Settled(Settlement::Held(_)) => return Some(HELD),
            Ending::Settled(Settlement::Closed) => return Some(CLOSED_ELSEWHERE),
            Ending::Settled(Settlement::HandedOver) => return Some(HANDED_OVER),
            Ending::Settled(Settlement::Replace(_)) => return self.replaced(),
            // Nothing new is known: it is as it was.
            Ending::NotLooked(_) if self.claim.left_alone => Deed::Resolved,
            Ending::NotLooked(_) => return None,
            Ending::Settled(Settlement::Left(deed)) => deed,
        };
        Some(match deed {
            Deed::Closed | Deed::Resolved if self.claim.brought_back >= MOST_RETURNS => ENDED_TOO_OFTEN,
            Deed::Closed => CLOSED_AND_LEFT,
            Deed::Resolved => RESOLVED_AND_LEFT,
        })
    }
}

/// How a pass ended.
pub enum Ending {
    Settled(Settlement),
    Failed(ConnectorError),
    /// Nothing is wanted of the work item, and it could not be looked at: another time will do.
    NotLooked(ConnectorError),
    /// The lease was about to end; what is left is done by the next pass.
    OutOfTime,
}

/// Everything that the recorder works with.
pub struct Recorder {
    pub ledger: Ledger,
    pub retry: RetrySettings,
    pub linger: Duration,
    pub double_check: DoubleCheckSettings,
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
        let outcomes: Vec<Outcome> =
            batch.iter().map(|done| outcome(done, &self.retry, Timestamp::now())).collect();
        for attempt in 0..MAX_TRIES {
            let written =
                self.ledger.with(async |connection| self.try_write(connection, batch, &outcomes).await);
            match written.await {
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
        let parked = self
            .ledger
            .with(async |connection| outcomes::park(connection, ticket_id, claim.lease_number, reason).await);
        match parked.await {
            Ok(()) => {
                tracing::error!(%ticket_id, "ticket {ticket_id} is parked: its outcome cannot be recorded")
            }
            Err(error) => tracing::error!(%ticket_id, %error, "ticket {ticket_id} cannot be parked: {error}"),
        }
    }

    async fn try_write(
        &self,
        connection: &mut PgConnection,
        batch: &[Done],
        outcomes: &[Outcome],
    ) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin().await?;
        let connection: &mut PgConnection = &mut transaction;
        let ids: Vec<Uuid> = batch.iter().map(|done| done.claim.ticket_id).collect();
        let replaced: Vec<Uuid> =
            batch.iter().filter(|done| done.replaced().is_some()).map(|done| done.claim.ticket_id).collect();
        tickets::lock_with_alerts(connection, &ids, &replaced).await?;
        // By lease and not by ticket alone: one that was lost and claimed again may be in the batch twice.
        let recorded: BTreeMap<(Uuid, i64), bool> = outcomes::record(connection, outcomes, self.double_check)
            .await?
            .into_iter()
            .map(|recorded| ((recorded.ticket_id, recorded.lease_number), recorded.due_again))
            .collect();
        let (kept, lost): (Vec<&Done>, Vec<&Done>) =
            batch.iter().partition(|done| recorded.contains_key(&done.lease()));
        // Whoever lost a ticket changes nothing of it. What it has called stays on record, and a write is looked into.
        // A look that found nothing new is not worth a line: there may be a hundred a day of each open ticket.
        let told = batch.iter().filter(|done| !done.found_nothing_new());
        let attempts: Vec<Attempt> = told.flat_map(|done| done.attempts.iter().cloned()).collect();
        outcomes::keep_attempts(connection, &attempts).await?;
        let suspect: Vec<Uuid> =
            lost.iter().filter(|done| done.create_sent).map(|done| done.claim.ticket_id).collect();
        outcomes::suspect(connection, &suspect).await?;
        let lost_with = |action: &[&str]| -> Vec<Uuid> {
            let has = |done: &&&Done| done.attempts.iter().any(|attempt| action.contains(&attempt.action));
            lost.iter().filter(has).map(|done| done.claim.ticket_id).collect()
        };
        let (written, resolved) =
            (lost_with(&["note", "resolve", "reopen", "bind"]), lost_with(&["resolve"]));
        outcomes::doubt(connection, &written, &resolved).await?;
        for done in &kept {
            if let Some(reason) = done.replaced() {
                tickets::replace(connection, done.claim.ticket_id, reason).await?;
            }
        }
        self.judge_targets(connection, &kept).await?;
        FailurePoint::BeforeRecord.reach();
        transaction.commit().await?;
        FailurePoint::Recorded.reach();

        self.metrics.leases_lost.inc_by(u64::try_from(lost.len()).unwrap_or(0));
        for done in batch {
            self.report(done, recorded.get(&done.lease()).copied());
        }
        Ok(())
    }

    /// One verdict a batch and target: calls that fail together are one failure.
    async fn judge_targets(&self, connection: &mut PgConnection, batch: &[&Done]) -> Result<(), sqlx::Error> {
        let names: BTreeSet<&str> = batch.iter().map(|done| done.target.as_str()).collect();
        for name in names {
            let of_target = || batch.iter().filter(|done| done.target == name);
            let mut failure = None;
            let mut fine = false;
            for done in of_target().filter(|done| !done.attempts.is_empty()) {
                match &done.ending {
                    Ending::Settled(_) | Ending::OutOfTime => fine = true,
                    Ending::Failed(error) | Ending::NotLooked(error) => {
                        match retry::target(error, &self.retry) {
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
                        }
                    }
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
            Ending::Settled(_) if done.found_nothing_new() => {
                tracing::debug!(%ticket_id, number, "ticket {number} is as it was");
            }
            Ending::Settled(settlement @ Settlement::Held(until)) => {
                self.metrics.settled(&done.target, settlement.name());
                tracing::info!(%ticket_id, %until, "ticket {ticket_id} waits for the end of a maintenance window, {until}");
            }
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
            Ending::NotLooked(error) => {
                tracing::warn!(%ticket_id, number, %error, "ticket {number} is looked at another time: {error}");
            }
        }
        if let (true, Some(bell)) = (due_again || done.replaced().is_some(), self.bells.get(&done.target)) {
            bell.notify_one();
        }
    }
}
