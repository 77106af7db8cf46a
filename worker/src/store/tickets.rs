//! Tickets, as the intake sees them: which there are, which alerts they stand for, what is wanted of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use shared::alert::identity::AlertKey;
use sqlx::PgConnection;
use uuid::Uuid;

use super::milliseconds;
use crate::reconcile::rate::Rate;
use crate::reconcile::ticket::{Ticket, Wants};
use crate::reconcile::timing::Due;

/// Channel of LISTEN/NOTIFY; the payload is the target that has tickets due.
pub const CHANNEL_DUE: &str = "tickets_due";

/// A ticket that an alert asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub alert: AlertKey,
    pub tenant_id: Uuid,
    pub target: String,
    pub route: String,
    pub correlation_key: String,
    /// How the alert is listed among those of a storm.
    pub title: String,
    /// When the storm began whose ticket it is.
    pub storm_since: Option<Timestamp>,
    /// How long the ticket waits before it is made.
    pub wait: Duration,
    pub ticket: Ticket,
}

/// A ticket in which an alert takes part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serving {
    pub alert: AlertKey,
    pub target: String,
    pub route: String,
    pub correlation_key: String,
}

/// What is wanted of a ticket from now on, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    pub id: Uuid,
    pub ticket: Ticket,
    pub due: Due,
    /// How often the ticket has fired again after it was resolved.
    pub returns: Option<Rate>,
}

/// The open tickets of these alerts in the ledger.
///
/// # Errors
/// When the database fails.
pub async fn served(
    connection: &mut PgConnection,
    alerts: &[AlertKey],
) -> Result<BTreeSet<Serving>, sqlx::Error> {
    let rows: Vec<(Vec<u8>, String, String, String)> = sqlx::query_as(
        "SELECT DISTINCT alert_key, target, route, correlation_key FROM ticket_alerts JOIN tickets USING (ticket_id)
         WHERE alert_key = ANY($1) AND ended_at IS NULL",
    )
    .bind(bytes(alerts))
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(bytes, target, route, correlation_key)| {
            Ok(Serving { alert: key(&bytes)?, target, route, correlation_key })
        })
        .collect()
}

/// Makes the tickets for keys that have none; what another worker made meanwhile stands. Sorted by key, so that
/// two workers wait for each other instead of deadlocking.
///
/// # Errors
/// When the database fails.
pub async fn ensure(connection: &mut PgConnection, wanted: &[&Wanted]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO tickets (ticket_id, target, route, correlation_key, follows,
                              wants, fired_at, resolved_at, shown_alert, storm_since, due_at)
         SELECT u.ticket_id, u.target, u.route, u.correlation_key, last.ticket_id, u.wants, u.fired_at, u.resolved_at, u.shown_alert,
                u.storm_since, now() + u.wait_ms * interval '1 millisecond'
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                     $7::timestamptz[], $8::bytea[], $9::bigint[], $10::timestamptz[])
              AS u (ticket_id, target, route, correlation_key, wants, fired_at, resolved_at, shown_alert, wait_ms, storm_since)
         LEFT JOIN LATERAL (SELECT ticket_id FROM tickets t
                            WHERE t.target = u.target AND t.correlation_key = u.correlation_key
                            ORDER BY ticket_id DESC LIMIT 1) last ON true
         ORDER BY u.target, u.correlation_key
         ON CONFLICT DO NOTHING",
    )
    .bind(wanted.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.target.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.route.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.correlation_key.as_str()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| text(one.ticket.wants)).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.ticket.fired_at.to_sqlx()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.ticket.resolved_at.map(ToSqlx::to_sqlx)).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.ticket.shown_alert.0.to_vec()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| milliseconds(one.wait)).collect::<Vec<_>>())
    .bind(wanted.iter().map(|one| one.storm_since.map(ToSqlx::to_sqlx)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the alerts members of the open tickets of their keys; answers whether each has one.
///
/// # Errors
/// When the database fails.
pub async fn join(connection: &mut PgConnection, wanted: &[Wanted]) -> Result<bool, sqlx::Error> {
    // Two routes may give an alert the same ticket.
    let asked: BTreeMap<(Vec<u8>, &str, &str), Option<&str>> = wanted
        .iter()
        .map(|one| {
            let title = one.storm_since.map(|_| one.title.as_str());
            ((one.alert.0.to_vec(), one.target.as_str(), one.correlation_key.as_str()), title)
        })
        .collect();
    let joined: i64 = sqlx::query_scalar(
        "WITH wanted AS (
             SELECT t.ticket_id, u.alert_key, u.title
             FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::text[]) AS u (alert_key, target, correlation_key, title)
             JOIN tickets t ON t.target = u.target AND t.correlation_key = u.correlation_key AND t.ended_at IS NULL
         ), joined AS (
             INSERT INTO ticket_alerts (ticket_id, alert_key, title)
             SELECT ticket_id, alert_key, title FROM wanted ON CONFLICT DO NOTHING
         )
         SELECT count(*) FROM wanted",
    )
    .bind(asked.keys().map(|(alert, _, _)| alert.clone()).collect::<Vec<_>>())
    .bind(asked.keys().map(|(_, target, _)| *target).collect::<Vec<_>>())
    .bind(asked.keys().map(|(_, _, key)| *key).collect::<Vec<_>>())
    .bind(asked.values().copied().collect::<Vec<_>>())
    .fetch_one(connection)
    .await?;
    Ok(usize::try_from(joined).is_ok_and(|joined| joined == asked.len()))
}

/// Which of these tickets have an alert that fires.
///
/// # Errors
/// When the database fails.
pub async fn firing(connection: &mut PgConnection, tickets: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT ticket_id FROM UNNEST($1::uuid[]) AS u (ticket_id)
         WHERE EXISTS (SELECT FROM ticket_alerts m JOIN alerts a USING (alert_key)
                       WHERE m.ticket_id = u.ticket_id AND a.firing)",
    )
    .bind(tickets)
    .fetch_all(connection)
    .await
}

/// Which of these alerts belong to which of these tickets.
///
/// # Errors
/// When the database fails.
pub async fn memberships(
    connection: &mut PgConnection,
    tickets: &[Uuid],
    alerts: &[AlertKey],
) -> Result<Vec<(Uuid, AlertKey)>, sqlx::Error> {
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "SELECT ticket_id, alert_key FROM ticket_alerts WHERE alert_key = ANY($2) AND ticket_id = ANY($1)",
    )
    .bind(tickets)
    .bind(bytes(alerts))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|(ticket, alert)| Ok((ticket, key(&alert)?))).collect()
}

/// Locks the alerts of these tickets, and then the tickets, in the order in which the intake does, so that the
/// two wait for each other instead of deadlocking.
///
/// # Errors
/// When the database fails.
pub async fn lock_with_alerts(
    connection: &mut PgConnection,
    tickets: &[Uuid],
    with_alerts_of: &[Uuid],
) -> Result<(), sqlx::Error> {
    if !with_alerts_of.is_empty() {
        sqlx::query(
            "SELECT FROM alerts WHERE alert_key IN (SELECT alert_key FROM ticket_alerts WHERE ticket_id = ANY($1))
             ORDER BY alert_key FOR UPDATE",
        )
        .bind(with_alerts_of)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("SELECT FROM tickets WHERE ticket_id = ANY($1) ORDER BY ticket_id FOR UPDATE")
        .bind(tickets)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes what is wanted of tickets, and when. One that is parked waits for its operator; one that is to be made keeps
/// its time; one that is tried again is so no earlier than was planned; and one that is claimed is due by then once its
/// claim is given back. A claim that is not given back is taken over at once, unless a resolution waits for its time.
///
/// # Errors
/// When the database fails.
pub async fn change(connection: &mut PgConnection, wishes: &[Wish]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tickets t
         SET wants = u.wants, fired_at = u.fired_at, resolved_at = u.resolved_at, shown_alert = u.shown_alert,
             returns_from = u.returns_from, returns = u.returns, flapping_since = u.flapping_since,
             version = t.version + 1, settled_reason = NULL,
             due_at = CASE WHEN t.parked_at IS NOT NULL THEN NULL
                           WHEN u.due = 'kept' THEN coalesce(t.due_at, u.due_at)
                           WHEN u.wants = 'resolved' THEN greatest(CASE WHEN t.failing_since IS NOT NULL THEN t.due_at END, u.due_at)
                           -- A resolution may have put it off. What was planned before is not known, but by then it is over.
                           WHEN t.external_id IS NULL OR t.lease_until IS NOT NULL
                           THEN least(coalesce(t.due_at, u.due_at), now() + t.retry_ms * interval '1 millisecond')
                           WHEN t.failing_since IS NOT NULL AND u.due = 'within' THEN coalesce(t.due_at, u.due_at)
                           WHEN t.failing_since IS NOT NULL
                           THEN greatest(least(t.due_at, now() + t.retry_ms * interval '1 millisecond'), u.due_at)
                           WHEN u.due = 'anew' THEN u.due_at
                           ELSE least(t.due_at, u.due_at) END,
             then_due_at = CASE u.due WHEN 'kept' THEN coalesce(t.then_due_at, u.due_at) WHEN 'anew' THEN u.due_at
                                      ELSE least(t.then_due_at, u.due_at) END
         FROM (SELECT *, now() + wait_ms * interval '1 millisecond' AS due_at
               FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bytea[], $6::text[],
                           $7::bigint[], $8::timestamptz[], $9::bigint[], $10::timestamptz[])
                    AS wish (ticket_id, wants, fired_at, resolved_at, shown_alert, due, wait_ms,
                             returns_from, returns, flapping_since)) u
         WHERE t.ticket_id = u.ticket_id",
    )
    .bind(wishes.iter().map(|wish| wish.id).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| text(wish.ticket.wants)).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| wish.ticket.fired_at.to_sqlx()).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| wish.ticket.resolved_at.map(ToSqlx::to_sqlx)).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| wish.ticket.shown_alert.0.to_vec()).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| due(wish.due).0).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| milliseconds(due(wish.due).1)).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| wish.returns.map(|rate| rate.window_from.to_sqlx())).collect::<Vec<_>>())
    .bind(wishes.iter().map(|wish| wish.returns.map_or(0, |rate| i64::from(rate.events))).collect::<Vec<_>>())
    .bind(
        wishes
            .iter()
            .map(|wish| wish.returns.and_then(|rate| rate.exceeded_since).map(ToSqlx::to_sqlx))
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a ticket: its key is free, and its alerts have none. What is still owed to its work item, a resolution say,
/// remains due, unless the ITSM has closed it. Answers whether it had not ended before.
///
/// # Errors
/// When the database fails.
pub async fn end(connection: &mut PgConnection, ticket_id: Uuid, reason: &str) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query(
        "UPDATE tickets
         SET ended_at = now(), end_reason = $2, due_at = CASE WHEN synced <> 'closed' THEN due_at END,
             parked_at = CASE WHEN synced <> 'closed' THEN parked_at END
         WHERE ticket_id = $1 AND ended_at IS NULL",
    );
    let ended = ended.bind(ticket_id).bind(reason).execute(connection).await?;
    Ok(ended.rows_affected() > 0)
}

/// [Ends](end) a ticket that people have ended; another one takes over its key and those of its alerts that fire. If it
/// was told of the newest firing already, the other one counts as bringing it back.
///
/// # Errors
/// When the database fails.
pub async fn replace(
    connection: &mut PgConnection,
    ticket_id: Uuid,
    reason: &str,
) -> Result<(), sqlx::Error> {
    if !end(&mut *connection, ticket_id, reason).await? {
        return Ok(());
    }
    let successor = Uuid::now_v7();
    let made = sqlx::query(
        "INSERT INTO tickets (ticket_id, target, route, correlation_key, follows, wants, fired_at, shown_alert, storm_since,
                              due_at, brought_back)
         SELECT $2, t.target, t.route, t.correlation_key, t.ticket_id, 'open', a.fired_at, a.alert_key, t.storm_since, now(),
                CASE WHEN a.fired_at <= t.told_through THEN t.brought_back + 1 ELSE 0 END
         FROM tickets t JOIN ticket_alerts USING (ticket_id) JOIN alerts a USING (alert_key)
         WHERE t.ticket_id = $1 AND a.firing ORDER BY a.fired_at DESC, a.alert_key LIMIT 1",
    )
    .bind(ticket_id)
    .bind(successor)
    .execute(&mut *connection)
    .await?;
    if made.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO ticket_alerts (ticket_id, alert_key, title)
         SELECT $2, alert_key, title FROM ticket_alerts JOIN alerts USING (alert_key) WHERE ticket_id = $1 AND firing",
    )
    .bind(ticket_id)
    .bind(successor)
    .execute(connection)
    .await?;
    Ok(())
}

/// Wakes the workers of a target once the transaction commits.
///
/// # Errors
/// When the database fails.
pub async fn announce(connection: &mut PgConnection, target: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL_DUE).bind(target).execute(connection).await?;
    Ok(())
}

pub(super) fn key(bytes: &[u8]) -> Result<AlertKey, sqlx::Error> {
    match bytes.try_into() {
        Ok(key) => Ok(AlertKey(key)),
        Err(_) => Err(sqlx::Error::Decode("an alert key must have 32 bytes".into())),
    }
}

pub(super) fn wants(text: &str) -> Result<Wants, sqlx::Error> {
    match text {
        "open" => Ok(Wants::Open),
        "resolved" => Ok(Wants::Resolved),
        other => Err(sqlx::Error::Decode(format!("a ticket cannot want `{other}`").into())),
    }
}

fn text(wants: Wants) -> &'static str {
    match wants {
        Wants::Open => "open",
        Wants::Resolved => "resolved",
    }
}

pub(super) fn bytes(alerts: &[AlertKey]) -> Vec<Vec<u8>> {
    alerts.iter().map(|alert| alert.0.to_vec()).collect()
}

/// How a time is meant, and after how long it is.
fn due(due: Due) -> (&'static str, Duration) {
    match due {
        Due::Kept(wait) => ("kept", wait),
        Due::Within(wait) => ("within", wait),
        Due::Anew(wait) => ("anew", wait),
    }
}
