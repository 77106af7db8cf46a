//! Alerts and the notifications heard about them.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use shared::alert::identity::AlertKey;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::tickets::key;
use crate::reconcile::alert::AlertState;

/// A notification as it is kept.
#[derive(Debug, Clone)]
pub struct Heard {
    pub notification_id: Uuid,
    pub alert: AlertKey,
    pub condition: &'static str,
    pub received_at: Timestamp,
    pub traceparent: Option<String>,
    pub deliveries: i32,
    pub body: String,
}

/// An alert as it is identified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub key: AlertKey,
    pub tenant_id: Uuid,
    pub alert_id: String,
    pub alert_rule: Option<String>,
}

#[derive(FromRow)]
struct Row {
    alert_key: Vec<u8>,
    fired_at: Option<SqlTimestamp>,
    fired_notification: Option<Uuid>,
    resolved_through: Option<SqlTimestamp>,
    resolved_notification: Option<Uuid>,
}

/// Makes sure that there is a row for each alert. `alerts` must be sorted, so that two workers with the same
/// alerts wait for each other instead of deadlocking.
///
/// # Errors
/// When the database fails.
pub async fn ensure(connection: &mut PgConnection, alerts: &[Identity]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO alerts (alert_key, tenant_id, alert_id, alert_rule)
         SELECT * FROM UNNEST($1::bytea[], $2::uuid[], $3::text[], $4::text[])
         ON CONFLICT (alert_key) DO NOTHING",
    )
    .bind(alerts.iter().map(|alert| alert.key.0.to_vec()).collect::<Vec<_>>())
    .bind(alerts.iter().map(|alert| alert.tenant_id).collect::<Vec<_>>())
    .bind(alerts.iter().map(|alert| alert.alert_id.as_str()).collect::<Vec<_>>())
    .bind(alerts.iter().map(|alert| alert.alert_rule.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The states of the alerts, locked until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &mut PgConnection,
    alerts: &[Identity],
) -> Result<Vec<(AlertKey, AlertState)>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT alert_key, fired_at, fired_notification, resolved_through, resolved_notification
         FROM alerts WHERE alert_key = ANY($1) ORDER BY alert_key FOR UPDATE",
    )
    .bind(alerts.iter().map(|alert| alert.key.0.to_vec()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((key(&row.alert_key)?, row.state()))).collect()
}

/// Writes the states of alerts that changed; none counts as resolved by itself any more, until [`expire_after`] says so.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &mut PgConnection,
    alerts: &[(AlertKey, AlertState)],
) -> Result<(), sqlx::Error> {
    let at = |instant: Option<(Timestamp, Uuid)>| instant.map(|(at, _)| at.to_sqlx());
    let by = |instant: Option<(Timestamp, Uuid)>| instant.map(|(_, notification)| notification);
    sqlx::query(
        "UPDATE alerts a
         SET fired_at = u.fired_at, fired_notification = u.fired_notification,
             resolved_through = u.resolved_through, resolved_notification = u.resolved_notification,
             expires_at = NULL
         FROM UNNEST($1::bytea[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::uuid[])
              AS u (alert_key, fired_at, fired_notification, resolved_through, resolved_notification)
         WHERE a.alert_key = u.alert_key",
    )
    .bind(alerts.iter().map(|(alert, _)| alert.0.to_vec()).collect::<Vec<_>>())
    .bind(alerts.iter().map(|(_, state)| at(state.fired)).collect::<Vec<_>>())
    .bind(alerts.iter().map(|(_, state)| by(state.fired)).collect::<Vec<_>>())
    .bind(alerts.iter().map(|(_, state)| at(state.resolved)).collect::<Vec<_>>())
    .bind(alerts.iter().map(|(_, state)| by(state.resolved)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets firing alerts count as resolved so long from now on.
///
/// # Errors
/// When the database fails.
pub async fn expire_after(
    connection: &mut PgConnection,
    alerts: &[(AlertKey, Duration)],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE alerts a SET expires_at = now() + u.seconds * interval '1 second'
         FROM UNNEST($1::bytea[], $2::float8[]) AS u (alert_key, seconds)
         WHERE a.alert_key = u.alert_key",
    )
    .bind(alerts.iter().map(|(alert, _)| alert.0.to_vec()).collect::<Vec<_>>())
    .bind(alerts.iter().map(|(_, after)| after.as_secs_f64()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes of alerts that nothing Azure sends will ever resolve them.
///
/// # Errors
/// When the database fails.
pub async fn never_resolve(connection: &mut PgConnection, alerts: &[AlertKey]) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE alerts SET never_resolves = true WHERE alert_key = ANY($1) AND NOT never_resolves")
        .bind(alerts.iter().map(|alert| alert.0.to_vec()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The states of up to so many alerts whose time has come, locked until the transaction ends, in the order in which the
/// intake locks them. Those that somebody has locked may be hearing of a new firing just now.
///
/// # Errors
/// When the database fails.
pub async fn take_expired(
    connection: &mut PgConnection,
    limit: u32,
) -> Result<Vec<(AlertKey, AlertState)>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT alert_key, fired_at, fired_notification, resolved_through, resolved_notification
         FROM alerts
         WHERE alert_key = ANY(ARRAY(
                   SELECT alert_key FROM alerts WHERE expires_at <= now() ORDER BY expires_at LIMIT $1))
           AND expires_at <= now()
         ORDER BY alert_key FOR UPDATE SKIP LOCKED",
    )
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((key(&row.alert_key)?, row.state()))).collect()
}

/// Keeps the notifications; one that was heard before counts as many deliveries more. Answers when each was first
/// received.
///
/// # Errors
/// When the database fails.
pub async fn keep(
    connection: &mut PgConnection,
    heard: &[Heard],
) -> Result<Vec<(Uuid, Timestamp)>, sqlx::Error> {
    let received: Vec<(Uuid, SqlTimestamp)> = sqlx::query_as(
        "INSERT INTO notifications (notification_id, alert_key, condition, received_at, traceparent, deliveries, body)
         SELECT * FROM UNNEST($1::uuid[], $2::bytea[], $3::text[], $4::timestamptz[], $5::text[], $6::int[], $7::text[])
         ON CONFLICT (notification_id)
         DO UPDATE SET deliveries = notifications.deliveries + excluded.deliveries
         RETURNING notification_id, received_at",
    )
    .bind(heard.iter().map(|one| one.notification_id).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.alert.0.to_vec()).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.condition).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.received_at.to_sqlx()).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.traceparent.as_deref()).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.deliveries).collect::<Vec<_>>())
    .bind(heard.iter().map(|one| one.body.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(received.into_iter().map(|(notification, at)| (notification, at.to_jiff())).collect())
}

/// Says why alerts have no ticket.
///
/// # Errors
/// When the database fails.
pub async fn explain_no_ticket(
    connection: &mut PgConnection,
    alerts: &[AlertKey],
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE alerts SET no_ticket_reason = $2 WHERE alert_key = ANY($1)")
        .bind(alerts.iter().map(|alert| alert.0.to_vec()).collect::<Vec<_>>())
        .bind(reason)
        .execute(connection)
        .await?;
    Ok(())
}

/// The same for alerts about which nothing was said yet: that one was dropped says more than that it is over by now.
///
/// # Errors
/// When the database fails.
pub async fn explain_no_ticket_once(
    connection: &mut PgConnection,
    alerts: &[AlertKey],
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE alerts SET no_ticket_reason = $2 WHERE alert_key = ANY($1) AND no_ticket_reason IS NULL",
    )
    .bind(alerts.iter().map(|alert| alert.0.to_vec()).collect::<Vec<_>>())
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

impl Row {
    fn state(&self) -> AlertState {
        let pair =
            |at: Option<SqlTimestamp>, by: Option<Uuid>| at.map(|at| (at.to_jiff(), by.unwrap_or_default()));
        AlertState {
            fired: pair(self.fired_at, self.fired_notification),
            resolved: pair(self.resolved_through, self.resolved_notification),
        }
    }
}
