//! The tickets of the ledger with their alerts.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::judge::Ticket;
use crate::product::Product;

const TICKETS: &str = "
    SELECT t.ticket_id, t.target, t.route, t.correlation_id, t.follows IS NOT NULL AS follows, t.ended_at IS NOT NULL AS ended,
           t.storm_since IS NOT NULL AS of_storm, t.flapping_since IS NOT NULL AS flapping, t.external_id IS NOT NULL AS made,
           extract(epoch FROM min(c.started_at) FILTER (WHERE c.action = 'create') - t.created_at)::float8 AS made_after_s,
           extract(epoch FROM max(c.started_at) FILTER (WHERE c.action = 'resolve') - m.last_resolved)::float8
               AS resolved_after_s,
           m.alerts, m.rules
    FROM tickets t LEFT JOIN attempts c USING (ticket_id)
    JOIN LATERAL (
        SELECT array_agg(DISTINCT lower(a.alert_id)) AS alerts, array_agg(DISTINCT a.alert_rule) AS rules,
               max(n.received_at) FILTER (WHERE n.condition = 'Resolved') AS last_resolved
        FROM ticket_alerts l JOIN alerts a USING (alert_key) JOIN notifications n USING (alert_key)
        WHERE l.ticket_id = t.ticket_id
    ) m ON true
    GROUP BY t.ticket_id, m.alerts, m.rules, m.last_resolved";

#[derive(FromRow)]
struct Row {
    ticket_id: Uuid,
    target: String,
    route: String,
    correlation_id: String,
    follows: bool,
    ended: bool,
    of_storm: bool,
    flapping: bool,
    made: bool,
    made_after_s: Option<f64>,
    resolved_after_s: Option<f64>,
    alerts: Vec<String>,
    rules: Vec<String>,
}

/// All tickets, by target and correlation id.
pub(super) async fn read(database: &mut PgConnection) -> anyhow::Result<BTreeMap<(Product, String), Ticket>> {
    let rows: Vec<Row> = sqlx::query_as(TICKETS).fetch_all(database).await?;
    rows.into_iter().map(ticket).collect()
}

fn ticket(row: Row) -> anyhow::Result<((Product, String), Ticket)> {
    let target = Product::ALL.into_iter().find(|product| product.name() == row.target);
    let target = target.with_context(|| format!("the ledger has a ticket in {}", row.target))?;
    let ticket = Ticket {
        target,
        route: row.route,
        correlation_id: row.correlation_id.clone(),
        drawn_at: drawn_at(row.ticket_id).context("the id of a ticket tells no time")?,
        follows: row.follows,
        ended: row.ended,
        of_storm: row.of_storm,
        flapping: row.flapping,
        made: row.made,
        made_after_s: row.made_after_s,
        resolved_after_s: row.resolved_after_s,
        alerts: row.alerts.into_iter().collect(),
        rules: row.rules.into_iter().collect(),
    };
    Ok(((target, row.correlation_id), ticket))
}

/// When an id of version 7 was drawn.
fn drawn_at(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_ticket_tells_its_millisecond() {
        let id: Uuid = "0193596f-e8c0-7000-8000-000000000000".parse().unwrap();
        assert_eq!(drawn_at(id).unwrap().as_millisecond(), 0x0193_596f_e8c0);
        assert_eq!(drawn_at(Uuid::nil()), None);
    }
}
