//! Postgres refuses connections, has no room left, or ends sessions and locks rows in an order of its own.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::Victims;
use crate::world::Part;

/// More than the server of the stack has.
const MOST_CONNECTIONS: usize = 1_000;

/// Takes all connections that are left, so that whoever needs another is refused.
///
/// # Errors
/// When not even one can be had.
pub(crate) async fn no_connections(victims: Victims<'_>, length: Duration) -> anyhow::Result<()> {
    let url = &victims.world.description().database_url;
    let mut held = vec![PgConnection::connect(url).await?];
    // What is in use now must be taken when it becomes free.
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL")
        .execute(held.first_mut().ok_or(sqlx::Error::PoolClosed)?)
        .await?;
    while held.len() < MOST_CONNECTIONS {
        match PgConnection::connect(url).await {
            Ok(connection) => held.push(connection),
            Err(_full) => break,
        }
    }
    victims.last(length).await;
    Ok(())
}

/// Leaves the server no room. It may end for want of it, and is then started again.
///
/// # Errors
/// When it has no disk of its own, or does not come back.
pub(crate) async fn full(victims: Victims<'_>, length: Duration) -> anyhow::Result<()> {
    let world = victims.world;
    let ballast = world.fill_database_disk().await?;
    victims.last(length).await;
    drop(ballast);
    if !comes_back(&world.description().database_url).await {
        world.kill(Part::Postgres).await?;
        world.start_again(Part::Postgres).await?;
    }
    Ok(())
}

/// Whether the server answers, if need be after a recovery.
async fn comes_back(url: &str) -> bool {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        if PgConnection::connect(url).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    false
}

/// Locks tickets and alerts against the order of the workers, and ends a session now and then.
///
/// # Errors
/// When the database does not answer at the beginning.
pub(crate) async fn deadlocks(
    victims: Victims<'_>,
    length: Duration,
    dice: &mut StdRng,
) -> anyhow::Result<()> {
    let url = &victims.world.description().database_url;
    drop(PgConnection::connect(url).await?);
    let end = Instant::now() + length;
    while Instant::now() < end && !victims.end.is_cancelled() {
        // A deadlock or another fault ends the session; that is what it is for.
        disturb(url, dice.random_bool(0.2)).await.ok();
    }
    Ok(())
}

async fn disturb(url: &str, ends_sessions: bool) -> Result<(), sqlx::Error> {
    let mut session = PgConnection::connect(url).await?;
    if ends_sessions {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND datname IS NOT NULL ORDER BY random() LIMIT 2",
        )
        .execute(&mut session)
        .await?;
    }
    let mut transaction = session.begin().await?;
    let rows: Vec<(uuid::Uuid,)> =
        sqlx::query_as("SELECT ticket_id FROM tickets ORDER BY ticket_id DESC LIMIT 40")
            .fetch_all(&mut *transaction)
            .await?;
    for (ticket_id,) in rows {
        sqlx::query("SELECT 1 FROM tickets WHERE ticket_id = $1 FOR UPDATE")
            .bind(ticket_id)
            .execute(&mut *transaction)
            .await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    transaction.rollback().await
}
