//! Tickets as the ledger has them, locked until the transaction ends.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use shared::alert::identity::AlertKey;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::tickets::{bytes, key, wants};
use crate::reconcile::rate::Rate;
use crate::reconcile::ticket::{There, Ticket};
use crate::reconcile::timing::{Past, StandsFor};

/// A stored ticket, locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub id: Uuid,
    pub target: String,
    pub correlation_key: String,
    pub route: String,
    pub ticket: Ticket,
    pub past: Past,
    /// It waits for an operator.
    pub parked: bool,
    /// What the database took for now when it was read.
    pub now: Timestamp,
}

/// What a [`Row`] is read from.
const STORED: &str = "ticket_id, target, correlation_key, route, wants, fired_at, resolved_at, shown_alert,
    CASE WHEN external_id IS NULL AND create_attempted_at IS NULL THEN 'none' WHEN synced = 'none' THEN 'open'
         ELSE synced END AS there,
    returns_from, returns, flapping_since, written_at, storm_since IS NOT NULL AS storm,
    parked_at IS NOT NULL AS parked, clock_timestamp() AS now";

#[derive(FromRow)]
struct Row {
    ticket_id: Uuid,
    target: String,
    correlation_key: String,
    route: String,
    wants: String,
    fired_at: SqlTimestamp,
    resolved_at: Option<SqlTimestamp>,
    shown_alert: Vec<u8>,
    there: String,
    returns_from: Option<SqlTimestamp>,
    returns: i64,
    flapping_since: Option<SqlTimestamp>,
    written_at: Option<SqlTimestamp>,
    storm: bool,
    parked: bool,
    now: SqlTimestamp,
}

/// The open tickets of these alerts, locked until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn of_alerts(
    connection: &mut PgConnection,
    alerts: &[AlertKey],
) -> Result<Vec<Stored>, sqlx::Error> {
    let query = format!(
        "SELECT {STORED} FROM tickets
         WHERE ended_at IS NULL
           AND ticket_id IN (SELECT ticket_id FROM ticket_alerts WHERE alert_key = ANY($1))
         ORDER BY ticket_id FOR UPDATE"
    );
    let rows: Vec<Row> =
        sqlx::query_as(AssertSqlSafe(query)).bind(bytes(alerts)).fetch_all(connection).await?;
    rows.into_iter().map(Row::stored).collect()
}

/// The open tickets of these targets and keys, not locked.
///
/// # Errors
/// When the database fails.
pub async fn look_at(
    connection: &mut PgConnection,
    keys: &BTreeSet<(String, String)>,
) -> Result<Vec<Stored>, sqlx::Error> {
    let query = format!(
        "SELECT {STORED} FROM tickets
         WHERE ended_at IS NULL AND (target, correlation_key) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))"
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(query))
        .bind(keys.iter().map(|(target, _)| target.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(Row::stored).collect()
}

impl Row {
    fn stored(self) -> Result<Stored, sqlx::Error> {
        let there = match self.there.as_str() {
            "none" => There::Nothing,
            "open" => There::Open,
            "resolved" => There::Resolved,
            "closed" => There::Closed,
            other => return Err(sqlx::Error::Decode(format!("a ticket cannot be `{other}`").into())),
        };
        let ticket = Ticket {
            wants: wants(&self.wants)?,
            fired_at: self.fired_at.to_jiff(),
            resolved_at: self.resolved_at.map(SqlTimestamp::to_jiff),
            shown_alert: key(&self.shown_alert)?,
            there,
        };
        let past = Past {
            returns: self.returns_from.map(|window_from| Rate {
                window_from: window_from.to_jiff(),
                events: u32::try_from(self.returns).unwrap_or(u32::MAX),
                exceeded_since: self.flapping_since.map(SqlTimestamp::to_jiff),
            }),
            written_at: self.written_at.map(SqlTimestamp::to_jiff),
            stands_for: if self.storm { StandsFor::Storm } else { StandsFor::Key },
        };
        Ok(Stored {
            id: self.ticket_id,
            target: self.target,
            correlation_key: self.correlation_key,
            route: self.route,
            ticket,
            past,
            parked: self.parked,
            now: self.now.to_jiff(),
        })
    }
}
