//! One batch of readings, one transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::alert::identity::AlertKey;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::reading::{Reading, group, needs_ticket};
use crate::metrics::IntakeMetrics;
use crate::policy::Route;
use crate::reconcile::alert::AlertState;
use crate::reconcile::ticket::{Decision, Members, RESOLVED_BEFORE_TICKET, decide, first};
use crate::store::alerts::{self, Heard, Identity};
use crate::store::tickets::{self, Wanted};

/// Why a batch was not committed. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("the ledger failed: {0}")]
    Ledger(#[from] sqlx::Error),
    #[error("a ticket ended, or an alert was forgotten, just now")]
    Raced,
    #[error("an alert cannot be read again: {0}")]
    Shape(#[from] shared::alert::ShapeError),
}

/// Brings the ledger up to date with a batch.
///
/// # Errors
/// When it was not committed; trying again is safe.
pub async fn reconcile(
    connection: &mut PgConnection,
    route: &Route,
    readings: &[Reading],
    metrics: &IntakeMetrics,
) -> Result<(), BatchError> {
    let heard = Batch::of(readings);
    let mut transaction = connection.begin().await?;
    let connection: &mut PgConnection = &mut transaction;

    alerts::ensure(connection, &heard.identities).await?;
    let before = alerts::lock(connection, &heard.identities).await?;
    if before.len() < heard.identities.len() {
        return Err(BatchError::Raced);
    }
    let received: BTreeMap<Uuid, Timestamp> =
        alerts::keep(connection, &heard.notifications).await?.into_iter().collect();
    let changed: Vec<(AlertKey, AlertState)> =
        before.iter().map(|(alert, state)| (*alert, heard.after(*alert, *state, &received))).collect();
    let changed: Vec<_> =
        changed.into_iter().zip(&before).filter(|(now, was)| now != *was).map(|(now, _)| now).collect();
    if !changed.is_empty() {
        alerts::update(connection, &changed).await?;
        give_tickets(connection, route, &heard, &changed, metrics).await?;
        update_tickets(connection, route, &changed).await?;
        for target in &route.targets {
            tickets::announce(connection, target).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// A batch, merged: each alert once, each notification once.
struct Batch<'a> {
    identities: Vec<Identity>,
    notifications: Vec<Heard>,
    readings: BTreeMap<AlertKey, Vec<&'a Reading>>,
}

impl<'a> Batch<'a> {
    fn of(readings: &'a [Reading]) -> Self {
        let mut by_alert: BTreeMap<AlertKey, Vec<&Reading>> = BTreeMap::new();
        let mut notifications: BTreeMap<Uuid, Heard> = BTreeMap::new();
        for reading in readings {
            by_alert.entry(reading.identity.key).or_default().push(reading);
            notifications
                .entry(reading.heard.notification_id)
                .and_modify(|heard| heard.deliveries = heard.deliveries.saturating_add(1))
                .or_insert_with(|| reading.heard.clone());
        }
        let identities = by_alert.values().filter_map(|group| group.first()).map(|one| one.identity.clone());
        Self {
            identities: identities.collect(),
            notifications: notifications.into_values().collect(),
            readings: by_alert,
        }
    }

    fn after(&self, alert: AlertKey, before: AlertState, received: &BTreeMap<Uuid, Timestamp>) -> AlertState {
        self.of_alert(alert).fold(before, |state, reading| {
            let now = reading.heard.received_at;
            let first_received_at = received.get(&reading.heard.notification_id).copied().unwrap_or(now);
            state.hear(&reading.report, first_received_at)
        })
    }

    fn of_alert(&self, alert: AlertKey) -> impl Iterator<Item = &'a Reading> + '_ {
        self.readings.get(&alert).into_iter().flatten().copied()
    }

    /// The reading that the text of a ticket would be taken from.
    fn shown(&self, alert: AlertKey, state: &AlertState) -> Option<&'a Reading> {
        let newest = state.fired.or(state.resolved).map(|(_, notification)| notification);
        let mut all = self.of_alert(alert);
        let last = self.of_alert(alert).last();
        all.find(|reading| Some(reading.report.notification) == newest).or(last)
    }
}

/// Makes tickets for changed alerts that need one and have none, in every target of the route.
async fn give_tickets(
    connection: &mut PgConnection,
    route: &Route,
    heard: &Batch<'_>,
    changed: &[(AlertKey, AlertState)],
    metrics: &IntakeMetrics,
) -> Result<(), BatchError> {
    let keys: Vec<AlertKey> = changed.iter().map(|(alert, _)| *alert).collect();
    let served = tickets::served(connection, &keys).await?;
    let has_any = |alert: &AlertKey| served.iter().any(|(served, _)| served == alert);
    let skipped: Vec<AlertKey> = changed
        .iter()
        .filter(|(alert, state)| !needs_ticket(route, state) && !has_any(alert))
        .map(|(alert, _)| *alert)
        .collect();
    if !skipped.is_empty() {
        alerts::explain_no_ticket(connection, &skipped, RESOLVED_BEFORE_TICKET).await?;
    }
    let mut wanted = Vec::new();
    for (alert, state) in changed.iter().filter(|(_, state)| needs_ticket(route, state)) {
        let Some(reading) = heard.shown(*alert, state) else { continue };
        let unserved: Vec<&String> =
            route.targets.iter().filter(|target| !served.contains(&(*alert, (*target).clone()))).collect();
        if unserved.is_empty() {
            continue;
        }
        let group = group(route, reading)?;
        if let Some(failure) = &group.fallback {
            metrics.template_failed(failure);
        }
        wanted.extend(unserved.into_iter().map(|target| Wanted {
            alert: *alert,
            target: target.clone(),
            route: route.name,
            correlation_key: group.correlation_key(target),
            ticket: first(*alert, state),
        }));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut first_of_key: BTreeMap<(&str, &str), &Wanted> = BTreeMap::new();
    for one in &wanted {
        first_of_key.entry((&one.target, &one.correlation_key)).or_insert(one);
    }
    tickets::ensure(connection, &first_of_key.into_values().collect::<Vec<_>>()).await?;
    let joined = tickets::join(connection, &wanted).await?;
    if joined < u64::try_from(wanted.len()).unwrap_or(u64::MAX) {
        return Err(BatchError::Raced);
    }
    Ok(())
}

/// Brings the tickets of changed alerts in line with all their alerts.
async fn update_tickets(
    connection: &mut PgConnection,
    route: &Route,
    changed: &[(AlertKey, AlertState)],
) -> Result<(), BatchError> {
    let keys: Vec<AlertKey> = changed.iter().map(|(alert, _)| *alert).collect();
    let stored = tickets::lock_of(connection, &keys).await?;
    // A ticket that ended between the look at it and the lock on it left its firing alerts without one.
    let firing: Vec<AlertKey> =
        changed.iter().filter(|(_, state)| state.firing()).map(|(alert, _)| *alert).collect();
    if !firing.is_empty() {
        let served = tickets::served(connection, &firing).await?;
        let is_served = |alert| route.targets.iter().all(|target| served.contains(&(alert, target.clone())));
        if !firing.into_iter().all(is_served) {
            return Err(BatchError::Raced);
        }
    }
    let ids: Vec<Uuid> = stored.iter().map(|(ticket, _)| *ticket).collect();
    let any_firing = tickets::firing(connection, &ids).await?;
    let states: BTreeMap<AlertKey, AlertState> = changed.iter().copied().collect();
    let mut members: BTreeMap<Uuid, Members> = stored
        .iter()
        .map(|(id, ticket)| (*id, Members::remembered(ticket, any_firing.contains(id))))
        .collect();
    for (ticket_id, alert) in tickets::memberships(connection, &ids, &keys).await? {
        if let (Some(known), Some(state)) = (members.get_mut(&ticket_id), states.get(&alert)) {
            *known = known.with(alert, state);
        }
    }
    let mut changes = Vec::new();
    for (ticket_id, ticket) in &stored {
        let Some(members) = members.get(ticket_id) else { continue };
        match decide(ticket, members, route.reopen_window) {
            Decision::Keep => {}
            Decision::Change(wanted) => changes.push((*ticket_id, wanted)),
            Decision::Replace(cause) => tickets::replace(connection, *ticket_id, cause.reason()).await?,
        }
    }
    if !changes.is_empty() {
        tickets::change(connection, &changes).await?;
    }
    Ok(())
}
