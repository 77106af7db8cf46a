//! Wakes the loops when a transaction announces due tickets. Polling is the fallback while the connection is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::tickets::CHANNEL_DUE;

const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// Rings the bell of a target whenever tickets of it are announced, until shutdown.
pub async fn listen(pool: PgPool, bells: BTreeMap<String, Arc<Notify>>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let outcome = tokio::select! {
            outcome = listen_once(&pool, &bells) => outcome,
            () = shutdown.cancelled() => return,
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "not listening for due tickets, polling until it works again: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT_PAUSE) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

async fn listen_once(pool: &PgPool, bells: &BTreeMap<String, Arc<Notify>>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL_DUE).await?;
    loop {
        let announced = listener.recv().await?;
        if let Some(bell) = bells.get(announced.payload()) {
            bell.notify_one();
        }
    }
}
