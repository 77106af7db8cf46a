//! What an operator sees of the ledger, and the one thing that he does to it.

use jiff_sqlx::Timestamp as SqlTimestamp;
use serde::{Serialize, Serializer};
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::tickets::CHANNEL_DUE;

/// Which tickets to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One of the states of [`TicketLine::state`].
    pub state: Option<String>,
    pub target: Option<String>,
    pub ticket_id: Option<Uuid>,
    pub ci: CiFilter,
    pub limit: u32,
}

/// Which tickets to list, by their configuration item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CiFilter {
    #[default]
    Any,
    /// Open ones without a configuration item.
    Missing,
}

/// A ticket in a list.
#[derive(Debug, FromRow, Serialize)]
pub struct TicketLine {
    pub ticket_id: Uuid,
    pub target: String,
    pub number: Option<String>,
    /// `pending`, `open`, `resolved`, `closed`, `left`, `parked`, `not_needed` or `ended`.
    pub state: String,
    pub wants: String,
    pub ci: Option<String>,
    /// Why it has no configuration item.
    pub ci_missing: Option<String>,
    pub rule: Option<String>,
    #[serde(serialize_with = "instant")]
    pub fired_at: SqlTimestamp,
    /// When it is made, or is not needed, if it waits for that without a failure.
    #[serde(serialize_with = "maybe_instant")]
    pub waits_until: Option<SqlTimestamp>,
    /// Why it is in this state, where that is not plain.
    pub reason: Option<String>,
    pub correlation_id: String,
}

/// An alert that a ticket stands for.
#[derive(Debug, FromRow, Serialize)]
pub struct AlertLine {
    pub alert_id: String,
    pub firing: bool,
    pub notifications: i64,
    pub deliveries: i64,
}

/// A call made for a ticket.
#[derive(Debug, FromRow, Serialize)]
pub struct AttemptLine {
    #[serde(serialize_with = "instant")]
    pub started_at: SqlTimestamp,
    pub duration_ms: i32,
    pub worker: String,
    pub action: String,
    pub outcome: String,
    pub detail: Option<String>,
}

/// An alert without a ticket.
#[derive(Debug, FromRow, Serialize)]
pub struct WithoutTicket {
    pub alert_id: String,
    pub reason: String,
}

/// The tickets that the filter lets through, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn tickets(pool: &PgPool, filter: &Filter) -> Result<Vec<TicketLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM (
             SELECT t.ticket_id, t.target, t.external_number AS number, t.wants, a.alert_rule AS rule, t.fired_at,
                    CASE WHEN t.ci_missing IS NULL THEN t.ci_name END AS ci, t.ci_missing, t.correlation_id,
                    t.ci_missing IS NOT NULL AND t.ended_at IS NULL AND t.synced = 'open' AND NOT t.left_alone AS without_ci,
                    CASE WHEN t.parked_at IS NOT NULL THEN 'parked'
                         WHEN t.due_at IS NOT NULL THEN 'pending'
                         WHEN t.ended_at IS NOT NULL THEN 'ended'
                         WHEN t.synced = 'none' THEN 'not_needed'
                         WHEN t.left_alone THEN 'left'
                         ELSE t.synced END AS state,
                    CASE WHEN t.synced = 'none' AND t.last_error IS NULL AND t.due_at > now() THEN t.due_at END AS waits_until,
                    coalesce(t.last_error, t.end_reason, t.settled_reason,
                             CASE WHEN t.flapping_since IS NOT NULL AND t.synced = 'open' THEN 'flapping, held open until it is quiet'
                                  WHEN t.storm_since IS NOT NULL THEN 'stands for the alerts of a storm' END,
                             t.ci_missing) AS reason
             FROM tickets t JOIN alerts a ON a.alert_key = t.shown_alert) listed
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR target = $2)
           AND ($3::uuid IS NULL OR ticket_id = $3) AND (NOT $4 OR without_ci)
         ORDER BY ticket_id DESC LIMIT $5",
    )
    .bind(&filter.state)
    .bind(&filter.target)
    .bind(filter.ticket_id)
    .bind(filter.ci == CiFilter::Missing)
    .bind(i64::from(filter.limit))
    .fetch_all(pool)
    .await
}

/// The tickets with this id, number or correlation id.
///
/// # Errors
/// When the database fails.
pub async fn find(pool: &PgPool, name: &str) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        // A number that is written with a sign is given without: in a shell it begins a comment.
        "SELECT ticket_id FROM tickets
         WHERE ticket_id = $2 OR external_number IN ($1, '#' || $1) OR correlation_id = $1",
    )
    .bind(name)
    .bind(name.parse::<Uuid>().ok())
    .fetch_all(pool)
    .await
}

/// The alerts of a ticket and how often each was heard.
///
/// # Errors
/// When the database fails.
pub async fn alerts(pool: &PgPool, ticket_id: Uuid) -> Result<Vec<AlertLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT a.alert_id, a.firing, count(n.*) AS notifications, coalesce(sum(n.deliveries), 0)::bigint AS deliveries
         FROM ticket_alerts JOIN alerts a USING (alert_key) LEFT JOIN notifications n USING (alert_key)
         WHERE ticket_id = $1 GROUP BY a.alert_key ORDER BY a.alert_id",
    )
    .bind(ticket_id)
    .fetch_all(pool)
    .await
}

/// The calls made for a ticket, in order.
///
/// # Errors
/// When the database fails.
pub async fn attempts(pool: &PgPool, ticket_id: Uuid) -> Result<Vec<AttemptLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT started_at, duration_ms, worker, action, outcome, detail
         FROM attempts WHERE ticket_id = $1 ORDER BY attempt_id",
    )
    .bind(ticket_id)
    .fetch_all(pool)
    .await
}

/// Alerts that have no ticket, and why.
///
/// # Errors
/// When the database fails.
pub async fn without_ticket(pool: &PgPool, limit: u32) -> Result<Vec<WithoutTicket>, sqlx::Error> {
    sqlx::query_as(
        "SELECT alert_id, no_ticket_reason AS reason FROM alerts a
         WHERE no_ticket_reason IS NOT NULL
           AND NOT EXISTS (SELECT FROM ticket_alerts m WHERE m.alert_key = a.alert_key)
         ORDER BY first_heard_at DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
}

/// Makes parked or waiting tickets due now, as if they had never failed; answers how many there were.
///
/// # Errors
/// When the database fails.
pub async fn retry(pool: &PgPool, tickets: &[Uuid]) -> Result<u64, sqlx::Error> {
    let due = sqlx::query(
        "WITH due AS (
             UPDATE tickets SET due_at = now(), parked_at = NULL, failing_since = NULL, retry_ms = 0
             WHERE ticket_id = ANY($1) AND (parked_at IS NOT NULL OR due_at IS NOT NULL)
             RETURNING target)
         SELECT pg_notify($2, target) FROM due",
    );
    Ok(due.bind(tickets).bind(CHANNEL_DUE).execute(pool).await?.rows_affected())
}

/// How many open tickets there are of each target and state: what the metrics show.
#[derive(Debug, FromRow)]
pub struct Backlog {
    pub target: String,
    pub due: i64,
    pub parked: i64,
    pub without_ci: i64,
    /// Seconds since the oldest due ticket became due.
    pub oldest_due_s: f64,
}

/// The backlog of each target.
///
/// # Errors
/// When the database fails.
pub async fn backlog(executor: impl PgExecutor<'_>) -> Result<Vec<Backlog>, sqlx::Error> {
    sqlx::query_as(
        "SELECT target, count(*) FILTER (WHERE due_at <= now()) AS due,
                count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
                count(*) FILTER (WHERE ci_missing IS NOT NULL AND ended_at IS NULL AND synced = 'open' AND NOT left_alone) AS without_ci,
                coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)::float8 AS oldest_due_s
         FROM tickets
         WHERE due_at IS NOT NULL OR parked_at IS NOT NULL OR (ci_missing IS NOT NULL AND ended_at IS NULL AND synced = 'open')
         GROUP BY target",
    )
    .fetch_all(executor)
    .await
}

pub(super) fn instant<S: Serializer>(at: &SqlTimestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.to_jiff())
}

pub(super) fn maybe_instant<S: Serializer>(
    at: &Option<SqlTimestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => instant(at, serializer),
        None => serializer.serialize_none(),
    }
}
