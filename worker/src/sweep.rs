//! The slow loop: finds what was left lying, forgets what is old, shows the backlog.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SweepSettings;
use crate::intake::batch::BatchError;
use crate::intake::expiry::{More, expire};
use crate::metrics::{DeadLetterMetrics, SyncMetrics};
use crate::policy::Policies;
use crate::store::{Ledger, dead_letters, listing, looks, retention, targets};
use crate::sync::pace::{self, LookAgainSettings};

/// Everything that the sweep works with.
pub struct Sweep {
    pub ledger: Ledger,
    pub policies: Policies,
    pub settings: SweepSettings,
    pub look_again: LookAgainSettings,
    pub metrics: SyncMetrics,
    pub dead_letters: DeadLetterMetrics,
    pub bells: BTreeMap<String, Arc<Notify>>,
    pub shutdown: CancellationToken,
}

impl Sweep {
    /// Sweeps until shutdown.
    pub async fn run(self) {
        let mut forgotten_at: Option<Instant> = None;
        while !self.shutdown.is_cancelled() {
            let looked = self.ledger.with(async |connection| self.look(connection).await);
            if let Err(error) = looked.await {
                tracing::warn!(%error, "the ledger was not looked over, trying again: {error}");
            }
            if let Err(error) = self.expire().await {
                tracing::warn!(%error, "no alert counts as resolved by itself now, trying again: {error}");
            }
            if forgotten_at.is_none_or(|at| at.elapsed() >= self.settings.forget_every) {
                match self.forget().await {
                    Ok(()) => forgotten_at = Some(Instant::now()),
                    Err(error) => {
                        tracing::warn!(%error, "what is old was not removed, trying again: {error}")
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.interval) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    async fn look(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let backlog = listing::backlog(&mut *connection).await?;
        let paused: Vec<String> =
            targets::paused(&mut *connection).await?.into_iter().map(|paused| paused.target).collect();
        self.metrics.backlog(self.bells.keys(), &backlog, &paused);
        self.dead_letters.backlog(dead_letters::waiting(&mut *connection).await?);
        let repaired = retention::repair(&mut *connection).await?;
        if repaired > 0 {
            tracing::warn!(
                repaired,
                "{repaired} tickets were not as wanted and nobody was to act; they are due now"
            );
        }
        if repaired + retention::double_check(&mut *connection).await? > 0 {
            self.bells.values().for_each(|bell| bell.notify_one());
        }
        if !self.look_again.every.is_zero() {
            for target in self.bells.keys() {
                plan_looks(connection, target, self.look_again).await?;
            }
        }
        Ok(())
    }

    /// Takes alerts for resolved that have not fired anew for long enough, a few at a time, until there are no more.
    async fn expire(&self) -> Result<(), BatchError> {
        while !self.shutdown.is_cancelled() {
            let policy = Arc::clone(&self.policies.borrow());
            let expired = self
                .ledger
                .with(async |connection| expire(connection, &policy, Timestamp::now()).await)
                .await?;
            self.metrics.alerts_expired.inc_by(expired.alerts);
            if expired.alerts > 0 {
                tracing::info!(
                    alerts = expired.alerts,
                    "{} alerts did not fire anew and count as resolved",
                    expired.alerts
                );
            }
            if expired.more == More::No {
                break;
            }
        }
        Ok(())
    }

    /// A few rows at a time, so that nobody waits, until there are no more.
    async fn forget(&self) -> Result<(), sqlx::Error> {
        while self.ledger.with(async |connection| self.forget_some(connection).await).await?
            && !self.shutdown.is_cancelled()
        {}
        Ok(())
    }

    async fn forget_some(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let retention = self.settings.retention;
        let counted = self.policies.borrow().storms_last();
        Ok(retention::forget_attempts(&mut *connection, retention).await?
            | retention::forget_notifications(&mut *connection, retention).await?
            | retention::retire_tickets(&mut *connection, retention).await?
            | retention::forget_tickets(&mut *connection, retention).await?
            | retention::forget_alerts(&mut *connection, retention).await?
            | retention::forget_storms(&mut *connection, retention.max(counted)).await?
            | retention::forget_dead_letters(connection, retention).await?)
    }
}

/// Has open tickets looked at that nobody has looked at for long: people may have ended them, and what the CMDB lacked
/// may be there. Answers how many.
///
/// # Errors
/// When the database fails.
pub async fn plan_looks(
    connection: &mut PgConnection,
    target: &str,
    pace: LookAgainSettings,
) -> Result<usize, sqlx::Error> {
    let LookAgainSettings { every, per_minute } = pace;
    let mut transaction = connection.begin().await?;
    let slots = pace::slots(&looks::lock_plan(&mut transaction, target).await?, per_minute);
    let taken = looks::plan(&mut transaction, target, every, &slots).await?;
    if let Some(last) = slots.iter().take(taken).next_back() {
        looks::planned_until(&mut transaction, target, pace::until(*last, per_minute)).await?;
    }
    transaction.commit().await?;
    Ok(taken)
}
