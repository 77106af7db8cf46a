//! What the judge looks at: the work items of every ITSM, the ledger's rows, the broker's queues.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::desk::Desk;
use crate::judge::{Held, Item, Ledger, NO_SUBJECT};
use crate::product::Product;
use crate::traffic::FIRST_SUBJECT;

mod tickets;

/// Dead letters that are looked at; the run makes fewer.
const MOST_DEAD_LETTERS: usize = 10_000;

/// What is still to be done, and what nobody does any more although it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Backlog {
    /// Acknowledged notifications that the ledger has not heard yet.
    pub(crate) unheard: usize,
    /// Messages ready in the queue.
    pub(crate) queued: u32,
    pub(crate) due: i64,
    pub(crate) leased: i64,
    /// A second work item may be there, and is still to be looked for.
    pub(crate) to_double_check: i64,
    pub(crate) parked: i64,
    /// Not as wanted, and nobody is to act.
    pub(crate) adrift: i64,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The work items of each desk by subject.
///
/// # Errors
/// When a simulator does not answer.
pub(crate) async fn held(desks: &[Desk]) -> anyhow::Result<Held> {
    let mut held = Held::new();
    for desk in desks {
        let mut items: BTreeMap<u64, Vec<Item>> = BTreeMap::new();
        for shown in desk.all().await? {
            items.entry(subject(&shown.title).unwrap_or(NO_SUBJECT)).or_default().push(shown.item);
        }
        held.insert(desk.product(), items);
    }
    Ok(held)
}

/// What the ledger has heard and excused.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn ledger(database_url: &str) -> anyhow::Result<Ledger> {
    let mut database = PgConnection::connect(database_url).await?;
    let heard: Vec<(Uuid,)> =
        sqlx::query_as("SELECT notification_id FROM notifications").fetch_all(&mut database).await?;
    let mut excused = BTreeSet::new();
    for target in Product::ALL {
        let alerts: Vec<(String,)> = sqlx::query_as(
            "SELECT lower(a.alert_id) FROM alerts a
             WHERE a.no_ticket_reason IS NOT NULL
                OR EXISTS (SELECT FROM ticket_alerts l JOIN tickets t USING (ticket_id)
                           WHERE l.alert_key = a.alert_key AND t.target = $1 AND t.settled_reason IS NOT NULL)",
        )
        .bind(target.name())
        .fetch_all(&mut database)
        .await?;
        excused.extend(alerts.into_iter().map(|(id,)| (target, id)));
    }
    let tickets = tickets::read(&mut database).await?;
    Ok(Ledger { notifications: heard.into_iter().map(|(id,)| id).collect(), excused, tickets })
}

/// What is left to do, given the ids that were acknowledged.
///
/// # Errors
/// When the database or the broker does not answer.
pub(crate) async fn backlog(
    database_url: &str,
    amqp_url: &str,
    acknowledged: &[Uuid],
) -> anyhow::Result<Backlog> {
    let mut database = PgConnection::connect(database_url).await?;
    let (due, leased, to_double_check, parked, adrift): (i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE due_at IS NOT NULL), count(*) FILTER (WHERE lease_until IS NOT NULL AND due_at IS NOT NULL),
                count(*) FILTER (WHERE double_check_at IS NOT NULL AND parked_at IS NULL),
                count(*) FILTER (WHERE parked_at IS NOT NULL),
                count(*) FILTER (WHERE due_at IS NULL AND lease_until IS NULL AND parked_at IS NULL
                    AND (ended_at IS NULL AND wants = 'open' AND (synced = 'none' OR fired_at > told_through)
                         OR wants = 'resolved' AND synced = 'open'))
         FROM tickets",
    )
    .fetch_one(&mut database)
    .await?;
    let (unheard,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM unnest($1::uuid[]) AS id
         WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.notification_id = id)",
    )
    .bind(acknowledged)
    .fetch_one(&mut database)
    .await?;
    let connection = connect(amqp_url).await?;
    let channel = connection.create_channel().await?;
    let queue = channel
        .queue_declare(
            "alerts.inbound".into(),
            QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() },
            FieldTable::default(),
        )
        .await?;
    let queued = queue.message_count();
    connection.close(200, "looked".into()).await?;
    Ok(Backlog { unheard: usize::try_from(unheard)?, queued, due, leased, to_double_check, parked, adrift })
}

/// The bodies of all dead letters: those in the ledger, and those still on their queue, which stay where they are.
///
/// # Errors
/// When the broker or the database does not answer.
pub(crate) async fn dead_letters(amqp_url: &str, database_url: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut database = PgConnection::connect(database_url).await?;
    let stored = "SELECT body FROM dead_letters, generate_series(1, deaths)";
    let mut bodies: Vec<Vec<u8>> = sqlx::query_scalar(stored).fetch_all(&mut database).await?;
    let connection = connect(amqp_url).await?;
    let channel = connection.create_channel().await?;
    // What is not acknowledged returns when the connection ends.
    while bodies.len() < MOST_DEAD_LETTERS
        && let Some(message) = channel.basic_get("alerts.dead".into(), BasicGetOptions::default()).await?
    {
        bodies.push(message.delivery.data.clone());
    }
    connection.close(200, "looked".into()).await?;
    Ok(bodies)
}

/// Everything about one subject in the ledger, as text for people.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn ledger_account(database_url: &str, subject: u64) -> anyhow::Result<Vec<String>> {
    let mut database = PgConnection::connect(database_url).await?;
    let of_subject = if subject == NO_SUBJECT {
        "SELECT ticket_id FROM tickets WHERE storm_since IS NOT NULL AND $1 <> ''"
    } else {
        "SELECT l.ticket_id FROM ticket_alerts l JOIN alerts a USING (alert_key)
         WHERE a.alert_rule LIKE '%' || $1"
    };
    let parts = [
        "SELECT 'alert ' || to_jsonb(a)::text FROM alerts a WHERE a.alert_rule LIKE '%' || $1".to_owned(),
        "SELECT 'heard ' || (to_jsonb(n) - 'body')::text FROM notifications n JOIN alerts a USING (alert_key)
         WHERE a.alert_rule LIKE '%' || $1 ORDER BY n.received_at"
            .to_owned(),
        format!("SELECT 'ticket ' || to_jsonb(t)::text FROM tickets t WHERE t.ticket_id IN ({of_subject})"),
        format!(
            "SELECT 'attempt ' || to_jsonb(t)::text FROM attempts t WHERE t.ticket_id IN ({of_subject})
             ORDER BY t.started_at"
        ),
    ];
    let mut account = Vec::new();
    for part in parts {
        let lines: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(part))
            .bind(subject.to_string())
            .fetch_all(&mut database)
            .await
            .context("the ledger does not tell of a subject")?;
        account.extend(lines.into_iter().map(|(line,)| line));
    }
    Ok(account)
}

/// Everything about the work items of one subject, as text for people.
///
/// # Errors
/// When the simulator does not answer.
pub(crate) async fn desk_account(desk: &Desk, of: u64) -> anyhow::Result<Vec<String>> {
    let all = desk.all().await?;
    let of_subject = all.into_iter().filter(|shown| subject(&shown.title).unwrap_or(NO_SUBJECT) == of);
    let lines = of_subject.flat_map(|shown| shown.account);
    Ok(lines.map(|line| format!("{}: {line}", desk.product())).collect())
}

async fn connect(amqp_url: &str) -> anyhow::Result<Connection> {
    Ok(Connection::connect(amqp_url, ConnectionProperties::default()).await?)
}

/// The subject that a text names: the first run of digits that can be one.
fn subject(text: &str) -> Option<u64> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .find(|number| (FIRST_SUBJECT..FIRST_SUBJECT * 10).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_tells_whose_it_is() {
        assert_eq!(subject("[Sev2] cpu-high-1000017 on web-1000017"), Some(1_000_017));
        assert_eq!(subject("[Sev1] shop/PodsRestart-1000003 on aks-1000003"), Some(1_000_003));
        assert_eq!(subject("INC0010001"), None);
    }
}
