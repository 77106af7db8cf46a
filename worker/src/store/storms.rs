//! How many tickets each route has asked for lately, and the alerts that one ticket stands for in a storm.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::reconcile::rate::Rate;

/// Alerts of a storm that its ticket lists in one text.
const MOST_LISTED: i64 = 50;

/// Where tickets are counted. One ticket never stands for the alerts of two customers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub target: String,
    pub route: String,
    pub tenant_id: Uuid,
}

/// The alerts of a storm, as its ticket tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    pub since: Timestamp,
    pub alerts: u32,
    pub firing: u32,
    /// How many the work item tells of.
    pub told: u32,
    /// The titles of the newest.
    pub newest: Vec<String>,
}

impl Storm {
    pub(super) fn since(since: Timestamp, told: u32) -> Self {
        Self { since, alerts: 0, firing: 0, told, newest: Vec::new() }
    }
}

#[derive(FromRow)]
struct Row {
    target: String,
    route: String,
    tenant_id: Uuid,
    window_from: SqlTimestamp,
    events: i64,
    exceeded_since: Option<SqlTimestamp>,
}

/// The rates of these places, and what the database takes for now. Nobody else counts there until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &mut PgConnection,
    places: impl Iterator<Item = &Place> + Clone,
) -> Result<(BTreeMap<Place, Rate>, Timestamp), sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        // Also what is there is written, which locks it. The sweep may have removed what was read a moment before.
        "INSERT INTO storms AS s (target, route, tenant_id, window_from, events)
         SELECT target, route, tenant_id, now(), 0
         FROM UNNEST($1::text[], $2::text[], $3::uuid[]) AS u (target, route, tenant_id)
         ORDER BY target, route, tenant_id
         ON CONFLICT (target, route, tenant_id) DO UPDATE SET events = s.events
         RETURNING s.*",
    )
    .bind(places.clone().map(|place| place.target.as_str()).collect::<Vec<_>>())
    .bind(places.clone().map(|place| place.route.as_str()).collect::<Vec<_>>())
    .bind(places.map(|place| place.tenant_id).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let now: SqlTimestamp = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await?;
    let known = rows.into_iter().filter(|row| row.events > 0).map(|row| {
        let rate = Rate {
            window_from: row.window_from.to_jiff(),
            events: u32::try_from(row.events).unwrap_or(u32::MAX),
            exceeded_since: row.exceeded_since.map(SqlTimestamp::to_jiff),
        };
        (Place { target: row.target, route: row.route, tenant_id: row.tenant_id }, rate)
    });
    Ok((known.collect(), now.to_jiff()))
}

/// Writes the rates of locked places.
///
/// # Errors
/// When the database fails.
pub async fn keep(connection: &mut PgConnection, rates: &BTreeMap<Place, Rate>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE storms s SET window_from = u.window_from, events = u.events, exceeded_since = u.exceeded_since
         FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::timestamptz[], $5::bigint[], $6::timestamptz[])
              AS u (target, route, tenant_id, window_from, events, exceeded_since)
         WHERE s.target = u.target AND s.route = u.route AND s.tenant_id = u.tenant_id",
    )
    .bind(rates.keys().map(|place| place.target.as_str()).collect::<Vec<_>>())
    .bind(rates.keys().map(|place| place.route.as_str()).collect::<Vec<_>>())
    .bind(rates.keys().map(|place| place.tenant_id).collect::<Vec<_>>())
    .bind(rates.values().map(|rate| rate.window_from.to_sqlx()).collect::<Vec<_>>())
    .bind(rates.values().map(|rate| i64::from(rate.events)).collect::<Vec<_>>())
    .bind(rates.values().map(|rate| rate.exceeded_since.map(ToSqlx::to_sqlx)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Reads the alerts of a storm's ticket.
///
/// # Errors
/// When the database fails.
pub(super) async fn tell(
    connection: &mut PgConnection,
    ticket_id: Uuid,
    storm: &mut Storm,
) -> Result<(), sqlx::Error> {
    let (alerts, firing): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE a.firing)
         FROM ticket_alerts JOIN alerts a USING (alert_key) WHERE ticket_id = $1",
    )
    .bind(ticket_id)
    .fetch_one(&mut *connection)
    .await?;
    let most = u32::MAX;
    (storm.alerts, storm.firing) = (alerts.try_into().unwrap_or(most), firing.try_into().unwrap_or(most));
    storm.newest = sqlx::query_scalar(
        "SELECT m.title FROM ticket_alerts m JOIN alerts a USING (alert_key)
         WHERE m.ticket_id = $1 AND m.title IS NOT NULL ORDER BY a.fired_at DESC NULLS LAST, a.alert_key LIMIT $2",
    )
    .bind(ticket_id)
    .bind(MOST_LISTED)
    .fetch_all(connection)
    .await?;
    Ok(())
}
