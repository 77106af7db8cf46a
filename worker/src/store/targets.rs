//! What all workers know about a target: whether it answers, and until when it must be left alone.

use std::time::Duration;

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{FromRow, PgConnection, PgExecutor};

/// A target at rest.
#[derive(Debug, Clone, FromRow)]
pub struct Paused {
    pub target: String,
    pub until: SqlTimestamp,
    pub reason: Option<String>,
}

/// Notes that a target answered. A rest that it asked for goes on.
///
/// # Errors
/// When the database fails.
pub async fn answered(connection: &mut PgConnection, target: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE targets SET failures = 0, changed_at = now() WHERE target = $1 AND failures > 0")
        .bind(target)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts a failure, unless the target is at rest already; answers how many there were in a row.
///
/// # Errors
/// When the database fails.
pub async fn failed(connection: &mut PgConnection, target: &str, reason: &str) -> Result<u32, sqlx::Error> {
    let failures: i32 = sqlx::query_scalar(
        "INSERT INTO targets (target, failures, reason) VALUES ($1, 1, $2)
         ON CONFLICT (target) DO UPDATE
         SET failures = targets.failures + CASE WHEN targets.paused_until > now() THEN 0 ELSE 1 END,
             reason = excluded.reason, changed_at = now()
         RETURNING failures",
    )
    .bind(target)
    .bind(reason)
    .fetch_one(connection)
    .await?;
    Ok(failures.unsigned_abs())
}

/// Leaves a target alone for so long, or longer if it is at rest already. It counts as failing until it answers.
///
/// # Errors
/// When the database fails.
pub async fn pause(
    connection: &mut PgConnection,
    target: &str,
    rest: Duration,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO targets (target, failures, paused_until, reason)
         VALUES ($1, 1, now() + $2 * interval '1 second', $3)
         ON CONFLICT (target) DO UPDATE
         SET failures = greatest(targets.failures, 1), paused_until = greatest(targets.paused_until, excluded.paused_until),
             reason = excluded.reason, changed_at = now()",
    )
    .bind(target)
    .bind(rest.as_secs_f64())
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// The targets that are at rest now.
///
/// # Errors
/// When the database fails.
pub async fn paused(executor: impl PgExecutor<'_>) -> Result<Vec<Paused>, sqlx::Error> {
    sqlx::query_as("SELECT target, paused_until AS until, reason FROM targets WHERE paused_until > now()")
        .fetch_all(executor)
        .await
}
