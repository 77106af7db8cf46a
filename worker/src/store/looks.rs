//! Which open tickets are looked at again, and when. Planned ahead in the ledger, so that the pace counts for all workers.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use sqlx::PgConnection;

/// How far the looks at a target's tickets are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub now: Timestamp,
    /// Looks are planned up to here.
    pub until: Option<Timestamp>,
    /// Looks that are planned and were not done yet, whether their time has come or not.
    pub waiting: u32,
}

/// How far the looks at a target's tickets are planned. Nobody else plans any until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_plan(connection: &mut PgConnection, target: &str) -> Result<Planned, sqlx::Error> {
    sqlx::query("INSERT INTO targets (target) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(target)
        .execute(&mut *connection)
        .await?;
    let until: Option<SqlTimestamp> =
        sqlx::query_scalar("SELECT looks_until FROM targets WHERE target = $1 FOR UPDATE")
            .bind(target)
            .fetch_one(&mut *connection)
            .await?;
    let (now, waiting): (SqlTimestamp, i64) = sqlx::query_as(
        "SELECT clock_timestamp(), count(*) FROM tickets
         WHERE target = $1 AND look_at IS NOT NULL AND due_at IS NULL AND parked_at IS NULL",
    )
    .bind(target)
    .fetch_one(connection)
    .await?;
    Ok(Planned {
        now: now.to_jiff(),
        until: until.map(SqlTimestamp::to_jiff),
        waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
    })
}

/// Gives these instants to the open tickets that nobody has looked at for longest, and for so long; answers how many it
/// took. One that is to be synced, or waits for an operator, needs no look.
///
/// # Errors
/// When the database fails.
pub async fn plan(
    connection: &mut PgConnection,
    target: &str,
    not_for: Duration,
    slots: &[Timestamp],
) -> Result<usize, sqlx::Error> {
    let planned = sqlx::query(
        "WITH stale AS (
             SELECT ticket_id, looked_at FROM tickets
             WHERE target = $1 AND ended_at IS NULL AND wants = 'open' AND synced = 'open'
               AND looked_at <= now() - $2 * interval '1 second'
               AND look_at IS NULL AND due_at IS NULL AND parked_at IS NULL
             ORDER BY looked_at LIMIT cardinality($3::timestamptz[])
             FOR UPDATE SKIP LOCKED
         ), numbered AS (SELECT ticket_id, row_number() OVER (ORDER BY looked_at) AS number FROM stale)
         UPDATE tickets t SET look_at = ($3::timestamptz[])[numbered.number]
         FROM numbered WHERE t.ticket_id = numbered.ticket_id",
    )
    .bind(target)
    .bind(not_for.as_secs_f64())
    .bind(slots.iter().map(|slot| slot.to_sqlx()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(usize::try_from(planned.rows_affected()).unwrap_or(slots.len()))
}

/// Notes up to where looks are planned now.
///
/// # Errors
/// When the database fails.
pub async fn planned_until(
    connection: &mut PgConnection,
    target: &str,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE targets SET looks_until = $2 WHERE target = $1")
        .bind(target)
        .bind(until.to_sqlx())
        .execute(connection)
        .await?;
    Ok(())
}
