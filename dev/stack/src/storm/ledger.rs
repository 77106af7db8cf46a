//! What the ledger says of a storm.

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection};
use stack::Description;

pub(super) struct Ledger {
    connection: PgConnection,
    alerts: i64,
}

/// What must be as it is counted here, at the end.
pub(super) struct Findings {
    pub(super) alerts: i64,
    pub(super) alerts_without_ticket: i64,
    pub(super) alerts_of_several_tickets: i64,
    pub(super) tickets: i64,
    pub(super) tickets_not_resolved: i64,
    pub(super) work_items: i64,
}

impl Ledger {
    /// The ledger, which is to have so many alerts.
    pub(super) async fn open(description: &Description, alerts: u32) -> anyhow::Result<Self> {
        let connection = PgConnection::connect(&description.database_url).await?;
        Ok(Self { connection, alerts: alerts.into() })
    }

    /// Alerts that have not come, and tickets whose work item is not made. The next note of a storm may be due later.
    pub(super) async fn not_yet_open(&mut self) -> anyhow::Result<i64> {
        let (alerts, tickets): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM alerts WHERE firing),
                    (SELECT count(*) FROM tickets
                     WHERE synced <> 'open' OR due_at <= now() OR lease_until IS NOT NULL)",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(self.alerts - alerts + tickets)
    }

    /// Alerts that still fire, and tickets about which anything is left to do.
    pub(super) async fn not_yet_resolved(&mut self) -> anyhow::Result<i64> {
        let (alerts, tickets): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM alerts WHERE NOT firing),
                    (SELECT count(*) FROM tickets
                     WHERE synced <> 'resolved' OR due_at IS NOT NULL OR lease_until IS NOT NULL)",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(self.alerts - alerts + tickets)
    }

    /// Calls for tickets by what they were for.
    pub(super) async fn actions(&mut self) -> anyhow::Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT action, count(*) FROM attempts GROUP BY action")
                .fetch_all(&mut self.connection)
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// The most calls for tickets within any minute.
    pub(super) async fn busiest_minute(&mut self) -> anyhow::Result<i64> {
        let most = sqlx::query_scalar(
            "SELECT coalesce(max(calls), 0) FROM (
                 SELECT count(*) OVER (ORDER BY started_at RANGE BETWEEN interval '1 minute' PRECEDING AND CURRENT ROW)
                 FROM attempts) minutes (calls)",
        );
        Ok(most.fetch_one(&mut self.connection).await?)
    }

    pub(super) async fn findings(&mut self) -> anyhow::Result<Findings> {
        let (alerts, alerts_without_ticket, alerts_of_several_tickets): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE tickets = 0), count(*) FILTER (WHERE tickets > 1)
             FROM (SELECT count(ticket_id) AS tickets FROM alerts LEFT JOIN ticket_alerts USING (alert_key)
                   GROUP BY alert_key) of_alerts",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let (tickets, tickets_not_resolved, work_items): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE synced <> 'resolved'), count(DISTINCT external_id) FROM tickets",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(Findings {
            alerts,
            alerts_without_ticket,
            alerts_of_several_tickets,
            tickets,
            tickets_not_resolved,
            work_items,
        })
    }
}
