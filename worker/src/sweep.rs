//! The slow loop: finds what was left lying, forgets what is old, shows the backlog.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::ops::Dependency;
use sqlx::PgPool;
use tokio::sync::Notify;
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
    pub database: Dependency,
    pub shutdown: CancellationToken,
}

impl Sweep {
    /// Sweeps until shutdown.
    pub async fn run(self) {
        while !self.shutdown.is_cancelled() {
            match self.once().await {
                Ok(()) => self.database.up(),
                Err(error) => {
                    self.database.down(&error.to_string());
                    tracing::warn!(%error, "the sweep failed, trying again: {error}");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.interval) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    async fn once(&self) -> Result<(), sqlx::Error> {
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
        retention::forget_attempts(&self.pool, self.settings.retention).await?;
        retention::forget_notifications(&self.pool, self.settings.retention).await?;
        retention::retire_tickets(&self.pool, self.settings.retention).await?;
        retention::forget_tickets(&self.pool, self.settings.retention).await?;
        retention::forget_alerts(&self.pool, self.settings.retention).await?;
        Ok(())
    }
}
