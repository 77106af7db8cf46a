//! The slow loop: finds what was left lying, forgets what is old, shows the backlog.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SweepSettings;
use crate::metrics::SyncMetrics;
use crate::store::{listing, retention, targets};

/// Everything that the sweep works with.
pub struct Sweep {
    pub pool: PgPool,
    pub settings: SweepSettings,
    pub metrics: SyncMetrics,
    pub bells: BTreeMap<String, Arc<Notify>>,
    pub shutdown: CancellationToken,
}

impl Sweep {
    /// Sweeps until shutdown.
    pub async fn run(self) {
        let mut forgotten_at: Option<Instant> = None;
        while !self.shutdown.is_cancelled() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the ledger was not looked over, trying again: {error}");
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

    async fn look(&self) -> Result<(), sqlx::Error> {
        let backlog = listing::backlog(&self.pool).await?;
        let paused: Vec<String> =
            targets::paused(&self.pool).await?.into_iter().map(|paused| paused.target).collect();
        self.metrics.backlog(self.bells.keys(), &backlog, &paused);
        let repaired = retention::repair(&self.pool).await?;
        if repaired > 0 {
            tracing::warn!(
                repaired,
                "{repaired} tickets were not as wanted and nobody was to act; they are due now"
            );
            self.bells.values().for_each(|bell| bell.notify_one());
        }
        Ok(())
    }

    /// A few rows at a time, so that nobody waits, until there are no more.
    async fn forget(&self) -> Result<(), sqlx::Error> {
        let (pool, retention) = (&self.pool, self.settings.retention);
        while retention::forget_attempts(pool, retention).await? && !self.shutdown.is_cancelled() {}
        while retention::forget_notifications(pool, retention).await? && !self.shutdown.is_cancelled() {}
        while retention::retire_tickets(pool, retention).await? && !self.shutdown.is_cancelled() {}
        while retention::forget_tickets(pool, retention).await? && !self.shutdown.is_cancelled() {}
        while retention::forget_alerts(pool, retention).await? && !self.shutdown.is_cancelled() {}
        Ok(())
    }
}
