//! Recording what became of claimed tickets, many in one transaction.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::milliseconds;
use crate::config::DoubleCheckSettings;

/// What became of one claimed ticket.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub ticket_id: Uuid,
    pub lease_number: i64,
    /// The version that was acted on.
    pub version: i64,
    pub external_id: Option<String>,
    pub external_number: Option<String>,
    /// `none`, `open`, `resolved` or `closed`.
    pub synced: &'static str,
    pub told_through: Option<Timestamp>,
    /// Alerts of a storm that the work item tells of.
    pub told_alerts: u32,
    /// Something was written on the work item, or may have been: people need not be told again soon.
    pub wrote: bool,
    pub ci_id: Option<String>,
    pub ci_name: Option<String>,
    pub ci_missing: Option<String>,
    /// A create may have been sent, and nobody knows what became of it.
    pub create_unsure: bool,
    /// A write may have been carried out, and nobody knows.
    pub write_unsure: bool,
    /// A second work item was looked for.
    pub double_checked: bool,
    /// The ITSM was asked how the work item is, or was to be asked and could not answer.
    pub looked: bool,
    /// People ended it while its alert fires, and it stays so.
    pub left_alone: bool,
    pub brought_back: u32,
    /// Milliseconds until it is tried again, or the window that holds it has ended; none when it succeeded or is parked.
    pub retry_ms: Option<u64>,
    pub park: bool,
    pub error: Option<String>,
    pub settled_reason: Option<&'static str>,
}

/// One call made for a ticket.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub ticket_id: Uuid,
    pub lease_number: i64,
    pub worker: String,
    pub started_at: Timestamp,
    pub duration_ms: u32,
    pub action: &'static str,
    pub outcome: &'static str,
    pub detail: Option<String>,
}

/// An outcome that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Recorded {
    pub ticket_id: Uuid,
    pub lease_number: i64,
    /// Something else is wanted by now.
    pub due_again: bool,
}

/// Writes outcomes whose lease is still ours; answers which those were, and whether each is due again at once
/// because something else is wanted by now.
///
/// # Errors
/// When the database fails.
pub async fn record(
    connection: &mut PgConnection,
    outcomes: &[Outcome],
    checks: DoubleCheckSettings,
) -> Result<Vec<Recorded>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE tickets t
         SET external_id = o.external_id, external_number = o.external_number,
             synced = CASE WHEN t.write_unsure AND t.version > o.version AND t.synced = 'resolved' THEN 'resolved' ELSE o.synced END,
             told_through = o.told_through, told_alerts = o.told_alerts, ci_id = o.ci_id, ci_name = o.ci_name, ci_missing = o.ci_missing,
             create_attempted_at = CASE WHEN o.create_unsure THEN t.create_attempted_at END,
             create_fired_at = CASE WHEN o.create_unsure THEN t.create_fired_at END,
             -- Somebody may have come to doubt it since this one was claimed.
             write_unsure = o.write_unsure OR t.write_unsure AND t.version > o.version, lease_until = NULL, leased_by = NULL,
             failing_since = CASE WHEN o.error IS NOT NULL THEN coalesce(t.failing_since, now()) END,
             retry_ms = CASE WHEN o.error IS NOT NULL THEN coalesce(o.retry_ms, 0) ELSE 0 END, last_error = o.error,
             parked_at = CASE WHEN o.park THEN now() END,
             settled_reason = o.settled_reason,
             looked_at = CASE WHEN o.looked THEN now() ELSE t.looked_at END,
             look_at = CASE WHEN NOT o.looked THEN t.look_at END,
             left_alone = o.left_alone, brought_back = o.brought_back,
             double_check_at = CASE
                 WHEN o.create_unsure THEN now() + $2 * interval '1 millisecond'
                 -- Zero: somebody has asked for another look since this one was claimed.
                 WHEN NOT o.double_checked OR t.double_check_ms = 0 THEN t.double_check_at
                 WHEN t.double_check_ms * 2 <= $3 THEN now() + t.double_check_ms * 2 * interval '1 millisecond' END,
             double_check_ms = CASE WHEN o.create_unsure THEN $2 WHEN o.double_checked THEN t.double_check_ms * 2
                                    ELSE t.double_check_ms END,
             due_at = CASE WHEN o.park THEN NULL
                           -- A resolution that came meanwhile waits for its time, however soon the ticket is tried again.
                           WHEN o.error IS NOT NULL AND o.retry_ms IS NOT NULL AND t.wants = 'resolved' AND t.version > o.version
                           THEN greatest(t.then_due_at, now() + o.retry_ms * interval '1 millisecond')
                           -- What waits without a failure is looked at anew if something else is wanted.
                           WHEN o.retry_ms IS NOT NULL AND (o.error IS NOT NULL OR t.version <= o.version)
                           THEN now() + o.retry_ms * interval '1 millisecond'
                           WHEN t.version > o.version THEN coalesce(t.then_due_at, now()) END,
             then_due_at = NULL,
             written_at = CASE WHEN o.wrote THEN now() ELSE t.written_at END
         FROM jsonb_to_recordset($1) AS o (ticket_id uuid, lease_number bigint, version bigint, external_id text,
              external_number text, synced text, told_through timestamptz, told_alerts bigint, wrote boolean, ci_id text, ci_name text, ci_missing text,
              create_unsure boolean, write_unsure boolean, double_checked boolean, looked boolean, left_alone boolean,
              brought_back integer, retry_ms bigint, park boolean, error text, settled_reason text)
         WHERE t.ticket_id = o.ticket_id AND t.lease_number = o.lease_number
         RETURNING t.ticket_id, t.lease_number, coalesce(t.due_at <= now(), false) AS due_again",
    )
    .bind(Json(outcomes))
    .bind(milliseconds(checks.after))
    .bind(milliseconds(checks.until))
    .fetch_all(connection)
    .await
}

/// Has a second work item looked for at once: somebody who had lost these tickets has sent a create all the same.
///
/// # Errors
/// When the database fails.
pub async fn suspect(connection: &mut PgConnection, tickets: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE tickets SET double_check_at = now(), double_check_ms = 0 WHERE ticket_id = ANY($1)")
        .bind(tickets)
        .execute(connection)
        .await?;
    Ok(())
}

/// Has work items read: somebody who had lost these tickets has written to them all the same. Where that was a
/// resolution, it was ours and no person's. One that waits for its time still does: the work item is read before it.
///
/// # Errors
/// When the database fails.
pub async fn doubt(
    connection: &mut PgConnection,
    written: &[Uuid],
    resolved: &[Uuid],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tickets
         SET write_unsure = true, version = version + 1,
             then_due_at = CASE WHEN wants = 'resolved' THEN coalesce(then_due_at, now()) ELSE now() END,
             synced = CASE WHEN ticket_id = ANY($2) THEN 'resolved' ELSE synced END,
             due_at = CASE WHEN parked_at IS NOT NULL THEN NULL WHEN wants = 'resolved' THEN coalesce(due_at, now())
                           ELSE least(due_at, now()) END
         WHERE ticket_id = ANY($1) AND external_id IS NOT NULL",
    )
    .bind(written)
    .bind(resolved)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a ticket aside until an operator acts, if its lease is still ours.
///
/// # Errors
/// When the database fails.
pub async fn park(
    connection: &mut PgConnection,
    ticket_id: Uuid,
    lease_number: i64,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tickets SET parked_at = now(), due_at = NULL, lease_until = NULL, leased_by = NULL, last_error = $3
         WHERE ticket_id = $1 AND lease_number = $2",
    )
    .bind(ticket_id)
    .bind(lease_number)
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the calls made.
///
/// # Errors
/// When the database fails.
pub async fn keep_attempts(connection: &mut PgConnection, attempts: &[Attempt]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO attempts (ticket_id, lease_number, worker, started_at, duration_ms, action, outcome, detail)
         SELECT * FROM jsonb_to_recordset($1) AS a (ticket_id uuid, lease_number bigint, worker text,
                       started_at timestamptz, duration_ms integer, action text, outcome text, detail text)",
    )
    .bind(Json(attempts))
    .execute(connection)
    .await?;
    Ok(())
}
