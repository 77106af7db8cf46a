//! Claiming due tickets: a lease with a fencing number, never a lock held across a call to the ITSM.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::milliseconds;
use super::storms::{self, Storm};
use super::tickets::wants;
use crate::connector::WorkItemState;
use crate::reconcile::alert::NO_NOTIFICATION;
use crate::reconcile::ticket::Wants;

/// Alerts of a ticket that are counted; a ticket of more is a ticket of this many.
const MOST_COUNTED: i64 = 1_000;

/// On what terms tickets are claimed.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub lease: Duration,
    /// How long after the end of a lease that was not given back its ticket is left alone: what its holder sent last
    /// may still be on its way, or being worked on.
    pub takeover_wait: Duration,
    /// How long after such a take-over a second work item is looked for, if the first was not known.
    pub double_check_after: Duration,
    /// How the claiming worker is known in the ledger.
    pub worker: &'a str,
}

/// A ticket that belongs to this worker until its lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    pub ticket_id: Uuid,
    pub lease_number: i64,
    /// Of what is wanted; a later one means that it changed meanwhile.
    pub version: i64,
    pub correlation_id: String,
    /// The name of the route that it was made by.
    pub route: String,
    pub wants: Wants,
    pub fired_at: Timestamp,
    /// A create may have been sent under an earlier lease.
    pub create_attempted: bool,
    /// The firing that such a create was about.
    pub create_fired_at: Option<Timestamp>,
    /// A write may have been sent before, and nobody knows what became of it.
    pub write_unsure: bool,
    /// It is time to look for a second work item.
    pub double_check_due: bool,
    /// It is time to see what people did to it.
    pub look_due: bool,
    /// People ended it while its alert fired, and it was left so.
    pub left_alone: bool,
    /// How often the ticket of this firing was brought back after people had ended it.
    pub brought_back: u32,
    /// Another ticket has taken its place.
    pub ended: bool,
    pub item: Option<Item>,
    pub ci: Option<Ci>,
    /// The alerts over the limit of the route, if it stands for them.
    pub storm: Option<Storm>,
    /// Since when its alerts come and go too often.
    pub flapping_since: Option<Timestamp>,
    pub failing_for: Duration,
    pub last_wait: Duration,
    /// What the text of the ticket is taken from.
    pub source: Source,
}

/// The work item as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: String,
    pub number: String,
    pub state: WorkItemState,
    pub told_through: Timestamp,
}

/// The configuration item of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ci {
    Bound {
        id: String,
        name: String,
    },
    /// Why there is none.
    Missing(String),
    /// The CMDB names this one, and the ITSM did not take it.
    Refused {
        id: String,
        name: String,
        reason: String,
    },
}

impl Ci {
    /// The product's id of it, if there is one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Bound { id, .. } => Some(id),
            Self::Missing(_) | Self::Refused { .. } => None,
        }
    }
}

/// The notifications that the texts of a ticket are written from.
#[derive(Debug, Clone)]
pub struct Source {
    pub tenant_id: Uuid,
    pub alert_id: String,
    /// The body of the newest Fired.
    pub fired: Option<String>,
    /// The body of the newest Resolved.
    pub resolved: Option<String>,
    /// The number of the ticket that this one follows.
    pub follows: Option<String>,
    /// How many alerts the ticket stands for, up to a limit.
    pub alerts: u32,
    /// Whether the alert fires, and not only another one of the ticket.
    pub firing: bool,
    /// Another alert of the ticket fires, and Azure may resolve it.
    pub another_may_resolve: bool,
    /// Whether the alert counts as resolved though nothing said so.
    pub auto_resolved: bool,
}

#[derive(FromRow)]
struct Row {
    ticket_id: Uuid,
    lease_number: i64,
    version: i64,
    correlation_id: String,
    route: String,
    wants: String,
    fired_at: SqlTimestamp,
    attempted: bool,
    create_fired_at: Option<SqlTimestamp>,
    write_unsure: bool,
    double_check_due: bool,
    look_due: bool,
    left_alone: bool,
    brought_back: i32,
    ended: bool,
    external_id: Option<String>,
    external_number: Option<String>,
    synced: String,
    told_through: Option<SqlTimestamp>,
    ci_id: Option<String>,
    ci_name: Option<String>,
    ci_missing: Option<String>,
    storm_since: Option<SqlTimestamp>,
    told_alerts: i64,
    flapping_since: Option<SqlTimestamp>,
    failing_ms: i64,
    retry_ms: i64,
    tenant_id: Uuid,
    alert_id: String,
    fired_body: Option<String>,
    resolved_body: Option<String>,
    follows_number: Option<String>,
    alerts: i64,
    firing: bool,
    another_may_resolve: bool,
    auto_resolved: bool,
}

/// Takes up to `limit` due tickets of a target that is not at rest, and then those that are to be looked at. While it is
/// failing, a single ticket at a time, over all workers, tries whether it works again.
///
/// The claim also commits "create attempted" for those without a work item, so that no create is ever sent
/// without the ledger knowing.
///
/// # Errors
/// When the database fails.
pub async fn claim_due(
    connection: &mut PgConnection,
    target: &str,
    limit: usize,
    terms: &Terms<'_>,
) -> Result<Vec<Claim>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // The planner takes an unknown limit for a tenth of all that is due, and would read whole tables for a handful of
    // tickets; an array of unknown length it takes for a few rows, and goes by the indexes.
    let rows: Vec<Row> = sqlx::query_as(
        "WITH target AS (
             SELECT coalesce(max(failures), 0) > 0 AS failing, coalesce(max(paused_until) > now(), false) AS paused
             FROM targets WHERE target = $1
         ), capacity AS (
             SELECT CASE WHEN failing THEN greatest(1 - (SELECT count(*) FROM tickets
                                                         WHERE target = $1 AND lease_until > now()), 0)
                         ELSE $2 END AS tickets FROM target
         ), wanted AS (
             SELECT ticket_id, create_attempted_at IS NOT NULL AS attempted, create_fired_at,
                    coalesce(double_check_at <= now(), false) AS double_check_due,
                    write_unsure OR lease_until IS NOT NULL AS unsure
             FROM tickets
             WHERE target = $1 AND due_at <= now()
               AND (lease_until IS NULL OR lease_until < now() - $5 * interval '1 millisecond')
               AND NOT (SELECT paused FROM target)
             ORDER BY due_at
             LIMIT (SELECT tickets FROM capacity)
             FOR UPDATE SKIP LOCKED
         ), looks AS (
             SELECT ticket_id, create_attempted_at IS NOT NULL AS attempted, create_fired_at,
                    coalesce(double_check_at <= now(), false) AS double_check_due,
                    write_unsure OR lease_until IS NOT NULL AS unsure
             FROM tickets
             WHERE target = $1 AND look_at <= now() AND due_at IS NULL AND parked_at IS NULL
               AND (lease_until IS NULL OR lease_until < now() - $5 * interval '1 millisecond')
               AND NOT (SELECT paused FROM target)
             ORDER BY look_at
             -- Of what is left over: a look delays no ticket of which something is wanted.
             LIMIT (SELECT tickets - (SELECT count(*) FROM wanted) FROM capacity)
             FOR UPDATE SKIP LOCKED
         ), due AS (
             SELECT * FROM wanted UNION ALL SELECT * FROM looks
         ), claimed AS (
             UPDATE tickets t
             SET lease_number = t.lease_number + 1, lease_until = now() + $3 * interval '1 millisecond', leased_by = $4,
                 leased_wants = t.wants, then_due_at = NULL,
                 -- Whoever did not give it back may have resolved the work item: that is no decision of people.
                 synced = CASE WHEN t.synced = 'open' AND t.lease_until IS NOT NULL AND t.leased_wants = 'resolved'
                               THEN 'resolved' ELSE t.synced END,
                 left_alone = t.left_alone AND (t.lease_until IS NULL OR t.leased_wants IS DISTINCT FROM 'resolved'),
                 create_attempted_at =
                     CASE WHEN t.external_id IS NULL THEN coalesce(t.create_attempted_at, now()) END,
                 create_fired_at = CASE WHEN t.external_id IS NULL THEN coalesce(t.create_fired_at, t.fired_at) END,
                 double_check_at = CASE WHEN t.lease_until IS NOT NULL AND t.external_id IS NULL
                                        THEN now() + $6 * interval '1 millisecond' ELSE t.double_check_at END,
                 double_check_ms = CASE WHEN t.lease_until IS NOT NULL AND t.external_id IS NULL
                                          OR t.double_check_at <= now() AND t.double_check_ms = 0 THEN $6
                                        ELSE t.double_check_ms END
             WHERE t.ticket_id = ANY(ARRAY(SELECT ticket_id FROM due))
             RETURNING t.*
         )
         SELECT c.ticket_id, c.lease_number, c.version, c.correlation_id, c.route, c.wants, c.fired_at, due.attempted,
                due.create_fired_at,
                due.unsure AS write_unsure, due.double_check_due,
                coalesce(c.look_at <= now(), false) AS look_due, c.left_alone, c.brought_back,
                c.ended_at IS NOT NULL AS ended,
                c.external_id, c.external_number, c.synced, c.told_through, c.ci_id, c.ci_name, c.ci_missing,
                c.storm_since, c.told_alerts, c.flapping_since,
                coalesce((extract(epoch FROM now() - c.failing_since) * 1000)::bigint, 0) AS failing_ms, c.retry_ms,
                a.tenant_id, a.alert_id, f.body AS fired_body, r.body AS resolved_body,
                p.external_number AS follows_number,
                (SELECT count(*) FROM (SELECT FROM ticket_alerts m WHERE m.ticket_id = c.ticket_id LIMIT $7) few) AS alerts,
                a.firing,
                EXISTS (SELECT FROM ticket_alerts m JOIN alerts o USING (alert_key)
                        WHERE m.ticket_id = c.ticket_id AND o.firing AND NOT o.never_resolves
                          AND o.alert_key <> c.shown_alert) AS another_may_resolve,
                NOT a.firing AND coalesce(a.resolved_notification = $8, false) AS auto_resolved
         FROM claimed c
         JOIN due USING (ticket_id)
         JOIN alerts a ON a.alert_key = c.shown_alert
         LEFT JOIN notifications f ON f.notification_id = a.fired_notification
         LEFT JOIN notifications r ON r.notification_id = a.resolved_notification
         LEFT JOIN tickets p ON p.ticket_id = c.follows",
    )
    .bind(target)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(milliseconds(terms.lease))
    .bind(terms.worker)
    .bind(milliseconds(terms.takeover_wait))
    .bind(milliseconds(terms.double_check_after))
    .bind(MOST_COUNTED)
    .bind(NO_NOTIFICATION)
    .fetch_all(&mut *transaction)
    .await?;
    let mut claims: Vec<Claim> = rows.into_iter().map(Row::claim).collect::<Result<_, _>>()?;
    for claim in &mut claims {
        if let Some(storm) = &mut claim.storm {
            storms::tell(&mut transaction, claim.ticket_id, storm).await?;
        }
    }
    transaction.commit().await?;
    Ok(claims)
}

impl Row {
    fn claim(self) -> Result<Claim, sqlx::Error> {
        let state = match self.synced.as_str() {
            "none" => None,
            "open" => Some(WorkItemState::Open),
            "resolved" => Some(WorkItemState::Resolved),
            "closed" => Some(WorkItemState::Closed),
            other => return Err(sqlx::Error::Decode(format!("a ticket cannot be `{other}`").into())),
        };
        let item = state.zip(self.external_id).map(|(state, id)| Item {
            id,
            number: self.external_number.unwrap_or_default(),
            state,
            told_through: self.told_through.map_or(Timestamp::UNIX_EPOCH, SqlTimestamp::to_jiff),
        });
        let name = self.ci_name.unwrap_or_default();
        let ci = match (self.ci_id, self.ci_missing) {
            (Some(id), None) => Some(Ci::Bound { id, name }),
            (Some(id), Some(reason)) => Some(Ci::Refused { id, name, reason }),
            (None, Some(reason)) => Some(Ci::Missing(reason)),
            (None, None) => None,
        };
        let duration = |value: i64| Duration::from_millis(value.try_into().unwrap_or(0));
        Ok(Claim {
            ticket_id: self.ticket_id,
            lease_number: self.lease_number,
            version: self.version,
            correlation_id: self.correlation_id,
            route: self.route,
            wants: wants(&self.wants)?,
            fired_at: self.fired_at.to_jiff(),
            create_attempted: self.attempted,
            create_fired_at: self.create_fired_at.map(SqlTimestamp::to_jiff),
            write_unsure: self.write_unsure,
            double_check_due: self.double_check_due,
            look_due: self.look_due,
            left_alone: self.left_alone,
            brought_back: self.brought_back.unsigned_abs(),
            ended: self.ended,
            item,
            ci,
            storm: self.storm_since.map(|since| {
                Storm::since(since.to_jiff(), u32::try_from(self.told_alerts).unwrap_or(u32::MAX))
            }),
            flapping_since: self.flapping_since.map(SqlTimestamp::to_jiff),
            failing_for: duration(self.failing_ms),
            last_wait: duration(self.retry_ms),
            source: Source {
                tenant_id: self.tenant_id,
                alert_id: self.alert_id,
                fired: self.fired_body,
                resolved: self.resolved_body,
                follows: self.follows_number,
                alerts: u32::try_from(self.alerts).unwrap_or(u32::MAX),
                firing: self.firing,
                another_may_resolve: self.another_may_resolve,
                auto_resolved: self.auto_resolved,
            },
        })
    }
}
