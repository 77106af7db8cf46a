//! Forgetting what is old, and finding what was left lying. A few rows at a time, so that nobody waits.

use std::time::Duration;

use sqlx::PgExecutor;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;

/// Rows that one statement removes at most.
const PER_STATEMENT: u32 = 5_000;

/// Removes calls made before the retention; answers whether there are more.
///
/// # Errors
/// When the database fails.
pub async fn forget_attempts(
    executor: impl PgExecutor<'_>,
    retention: Duration,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM attempts WHERE attempt_id IN (
             SELECT attempt_id FROM attempts WHERE started_at < now() - $1 * interval '1 second'
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    );
    few(gone, executor, retention).await
}

/// Removes notifications heard before the retention, but none that a text may still be taken from; answers whether
/// there are more.
///
/// # Errors
/// When the database fails.
pub async fn forget_notifications(
    executor: impl PgExecutor<'_>,
    retention: Duration,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM notifications WHERE notification_id IN (
             SELECT n.notification_id FROM notifications n JOIN alerts a USING (alert_key)
             WHERE n.received_at < now() - $1 * interval '1 second'
               AND NOT (n.notification_id IN (a.fired_notification, a.resolved_notification)
                        AND EXISTS (SELECT FROM ticket_alerts JOIN tickets t USING (ticket_id)
                                    WHERE alert_key = a.alert_key
                                      AND (t.ended_at IS NULL AND t.wants = 'open'
                                           OR t.due_at IS NOT NULL OR t.parked_at IS NOT NULL)))
             LIMIT $2 FOR UPDATE OF n SKIP LOCKED)",
    );
    few(gone, executor, retention).await
}

/// Ends tickets that were resolved before the retention and are as wanted: no firing comes back to them. Answers
/// whether there are more.
///
/// # Errors
/// When the database fails.
pub async fn retire_tickets(executor: impl PgExecutor<'_>, retention: Duration) -> Result<bool, sqlx::Error> {
    let retired = sqlx::query(
        "UPDATE tickets SET ended_at = now(), end_reason = 'resolved long ago' WHERE ticket_id IN (
             SELECT ticket_id FROM tickets
             WHERE ended_at IS NULL AND wants = 'resolved' AND due_at IS NULL AND parked_at IS NULL
               AND greatest(resolved_at, created_at) < now() - $1 * interval '1 second'
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    );
    few(retired, executor, retention).await
}

/// Removes tickets that ended before the retention, with the calls made for them; answers whether there are more.
///
/// # Errors
/// When the database fails.
pub async fn forget_tickets(executor: impl PgExecutor<'_>, retention: Duration) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "WITH old AS (
             SELECT ticket_id FROM tickets
             WHERE ended_at < now() - $1 * interval '1 second' AND due_at IS NULL AND parked_at IS NULL
             LIMIT $2 FOR UPDATE SKIP LOCKED
         ), calls AS (DELETE FROM attempts WHERE ticket_id IN (SELECT ticket_id FROM old)
         ), members AS (DELETE FROM ticket_alerts WHERE ticket_id IN (SELECT ticket_id FROM old)
         ), followers AS (UPDATE tickets SET follows = NULL WHERE follows IN (SELECT ticket_id FROM old)
                            AND ticket_id NOT IN (SELECT ticket_id FROM old))
         DELETE FROM tickets WHERE ticket_id IN (SELECT ticket_id FROM old)",
    );
    few(gone, executor, retention).await
}

/// Removes alerts that do not fire, have no ticket any more, and of which no notification is kept; answers whether
/// there are more.
///
/// # Errors
/// When the database fails.
pub async fn forget_alerts(executor: impl PgExecutor<'_>, retention: Duration) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM alerts WHERE alert_key IN (
             SELECT alert_key FROM alerts a
             WHERE NOT firing AND first_heard_at < now() - $1 * interval '1 second'
               AND NOT EXISTS (SELECT FROM notifications n WHERE n.alert_key = a.alert_key)
               AND NOT EXISTS (SELECT FROM ticket_alerts m WHERE m.alert_key = a.alert_key)
               AND NOT EXISTS (SELECT FROM tickets t WHERE t.shown_alert = a.alert_key)
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    );
    few(gone, executor, retention).await
}

/// Removes counts of new tickets that nothing was added to for so long; answers whether there are more. A ticket of a
/// storm knows by itself since when that was.
///
/// # Errors
/// When the database fails.
pub async fn forget_storms(executor: impl PgExecutor<'_>, quiet: Duration) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM storms WHERE (target, route, tenant_id) IN (
             SELECT target, route, tenant_id FROM storms WHERE window_from < now() - $1 * interval '1 second'
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    );
    few(gone, executor, quiet).await
}

/// Removes dead letters that were replayed or discarded before the retention, with the record of it; one that waits is
/// never removed. Answers whether there are more.
///
/// # Errors
/// When the database fails.
pub async fn forget_dead_letters(
    executor: impl PgExecutor<'_>,
    retention: Duration,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM dead_letters WHERE dead_letter_id IN (
             SELECT dead_letter_id FROM dead_letters
             WHERE state <> 'waiting' AND state_since < now() - $1 * interval '1 second'
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    );
    few(gone, executor, retention).await
}

/// Makes tickets due whose work item is not as wanted although nobody is to act: none should be.
///
/// # Errors
/// When the database fails.
pub async fn repair(executor: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
    let repaired = sqlx::query(
        "UPDATE tickets SET due_at = now() WHERE ticket_id IN (
             SELECT ticket_id FROM tickets
             WHERE due_at IS NULL AND parked_at IS NULL
               AND (ended_at IS NULL AND wants = 'open' AND (synced = 'none' OR fired_at > told_through)
                    OR wants = 'resolved' AND synced = 'open')
             LIMIT $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind(i64::from(PER_STATEMENT));
    Ok(repaired.execute(executor).await?.rows_affected())
}

/// Makes tickets due for which it is time to look for a second work item.
///
/// # Errors
/// When the database fails.
pub async fn double_check(executor: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
    let due = sqlx::query(
        "UPDATE tickets SET due_at = now() WHERE ticket_id IN (
             SELECT ticket_id FROM tickets
             WHERE double_check_at <= now() AND due_at IS NULL AND parked_at IS NULL
             LIMIT $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind(i64::from(PER_STATEMENT));
    Ok(due.execute(executor).await?.rows_affected())
}

/// Runs a statement over a few rows; answers whether there may be more. A row that somebody refers to again since
/// it was chosen stays for another time.
async fn few(
    statement: Query<'_, Postgres, PgArguments>,
    executor: impl PgExecutor<'_>,
    retention: Duration,
) -> Result<bool, sqlx::Error> {
    let outcome =
        statement.bind(retention.as_secs_f64()).bind(i64::from(PER_STATEMENT)).execute(executor).await;
    match outcome {
        Ok(done) => Ok(done.rows_affected() >= u64::from(PER_STATEMENT)),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Ok(false),
        Err(error) => Err(error),
    }
}
