//! Tickets that wait before they are made.

use sqlx::PgConnection;

use super::milliseconds;
use super::tickets::Wanted;

/// Has tickets that are not made yet wait no longer than the most urgent of their alerts does. The transaction has locked
/// them already.
///
/// # Errors
/// When the database fails.
pub async fn bring_forward(connection: &mut PgConnection, wanted: &[Wanted]) -> Result<(), sqlx::Error> {
    if wanted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE tickets t SET due_at = u.due_at
         FROM (SELECT target, correlation_key, now() + min(wait_ms) * interval '1 millisecond' AS due_at
               FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS wanted (target, correlation_key, wait_ms)
               GROUP BY target, correlation_key) u
         WHERE t.target = u.target AND t.correlation_key = u.correlation_key AND t.ended_at IS NULL
           AND t.synced = 'none' AND t.failing_since IS NULL AND t.due_at > u.due_at",
    )
    .bind(wanted.iter().map(|one| one.target.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.correlation_key.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| milliseconds(one.wait)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
