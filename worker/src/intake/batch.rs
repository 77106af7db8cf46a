//! One batch of readings, one transaction.

use jiff::Timestamp;
use shared::alert::identity::AlertKey;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use super::reading::{Reading, group, needs_ticket, view};
use super::storm::Storms;
use crate::connector::text;
use crate::metrics::IntakeMetrics;
use crate::policy::rules::{Choice, Dropped, Policy};
use crate::policy::view::AlertView;
use crate::policy::{Route, expiry};
use crate::reconcile::alert::AlertState;
use crate::reconcile::ticket::{Decision, Members, RESOLVED_BEFORE_TICKET, decide, first};
use crate::reconcile::timing::{self, StandsFor};
use crate::store::alerts::{self, Heard, Identity};
use crate::store::locked::{self, Stored};
use crate::store::storms::Place;
use crate::store::tickets::{self, Serving, Wanted, Wish};
use crate::store::waiting;

/// An alert may get a ticket that cannot be opened again, which ends; then one of a storm, which may have to end as well;
/// then another one.
const MOST_ROUNDS: u32 = 4;
/// Of the title by which an alert is listed among those of a storm: 50 of them, and what is said before, fit into the
/// shortest text that a product takes.
pub(crate) const MAX_TITLE_CHARS: usize = 68;

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

/// Brings the ledger up to date with a batch, and answers how many of its alerts each rule has dropped.
///
/// # Errors
/// When it was not committed; trying again is safe.
pub async fn reconcile(
    connection: &mut PgConnection,
    policy: &Policy,
    readings: &[Reading],
    metrics: &IntakeMetrics,
) -> Result<BTreeMap<String, u64>, BatchError> {
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
    let mut dropped = BTreeMap::new();
    if !changed.is_empty() {
        alerts::update(connection, &changed).await?;
        let verdicts = judge(policy, &heard, &changed)?;
        let expiring: Vec<(AlertKey, Duration)> = verdicts
            .iter()
            .filter_map(|(alert, judged)| judged.expires_after().map(|after| (*alert, after)))
            .collect();
        if !expiring.is_empty() {
            alerts::expire_after(connection, &expiring).await?;
        }
        let endless: Vec<AlertKey> = verdicts
            .iter()
            .filter(|(_, judged)| judged.view.never_resolves)
            .map(|(alert, _)| *alert)
            .collect();
        if !endless.is_empty() {
            alerts::never_resolve(connection, &endless).await?;
        }
        let mut storms = Storms::lock(connection, policy, verdicts.values().flat_map(Judged::places)).await?;
        let mut rounds = 0..MOST_ROUNDS;
        loop {
            let wanted = give_tickets(connection, policy, &changed, &verdicts, &mut storms, metrics).await?;
            let ended = update_tickets(connection, policy, &changed, &verdicts).await?;
            waiting::bring_forward(connection, &wanted).await?;
            // Where a ticket ends because its alert has fired again too late, the alert needs another one.
            match ended {
                Ended::None => break,
                Ended::Some if rounds.next().is_none() => return Err(BatchError::Raced),
                Ended::Some => {}
            }
        }
        for Dropped { rule, .. } in verdicts.values().filter_map(|verdict| verdict.dropped.as_ref()) {
            let count: &mut u64 = dropped.entry(rule.clone()).or_default();
            *count = count.saturating_add(1);
        }
        for target in policy.targets() {
            tickets::announce(connection, target).await?;
        }
    }
    transaction.commit().await?;
    Ok(dropped)
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

/// What the policy has for a changed alert.
pub(super) struct Judged {
    view: AlertView,
    tenant_id: Uuid,
    state: AlertState,
    /// Each gives the alert a ticket in each of its targets; none where it needs no ticket.
    routes: Vec<Arc<Route>>,
    dropped: Option<Dropped>,
}

/// Asks the policy about every changed alert that may need a ticket.
fn judge(
    policy: &Policy,
    heard: &Batch<'_>,
    changed: &[(AlertKey, AlertState)],
) -> Result<BTreeMap<AlertKey, Judged>, BatchError> {
    let mut verdicts = BTreeMap::new();
    for (alert, state) in changed.iter().filter(|(_, state)| state.firing() || policy.records_resolved()) {
        let Some(reading) = heard.shown(*alert, state) else { continue };
        let view = view(reading)?;
        let Choice { mut routes, dropped } = policy.choose(&view);
        let dropped = dropped.filter(|_| routes.is_empty());
        routes.retain(|route| needs_ticket(route, state));
        let tenant_id = reading.identity.tenant_id;
        verdicts.insert(*alert, Judged { view, tenant_id, state: *state, routes, dropped });
    }
    Ok(verdicts)
}

impl Judged {
    /// After how long the alert counts as resolved, if it fires now.
    fn expires_after(&self) -> Option<Duration> {
        if self.state.firing() { expiry::expires_after(&self.routes, &self.view) } else { None }
    }

    /// The targets in which the alert has no ticket by a route yet. One that another rule made, before the rules changed,
    /// serves its target on.
    fn unserved<'a>(
        &'a self,
        alert: AlertKey,
        served: &'a BTreeSet<Serving>,
    ) -> impl Iterator<Item = (&'a Route, &'a String)> {
        let is_by_the_rules = |name: &str| self.routes.iter().any(|route| route.name == name);
        let pairs =
            self.routes.iter().flat_map(|route| route.targets.iter().map(move |target| (&**route, target)));
        pairs.filter(move |(route, target)| {
            let in_target = || served.iter().filter(|one| one.alert == alert && one.target == **target);
            // Two rules may give it the same ticket.
            let shares = || {
                let key = group(route, self.tenant_id, &self.view).correlation_key(target);
                in_target().any(|one| one.correlation_key == key)
            };
            let serves = |one: &Serving| one.route == route.name || !is_by_the_rules(&one.route);
            in_target().next().is_none() || !in_target().any(serves) && !shares()
        })
    }

    /// Where its tickets are counted.
    fn places(&self) -> impl Iterator<Item = Place> {
        let place = |route: &Route, target: &String| Place {
            target: target.clone(),
            route: route.name.clone(),
            tenant_id: self.tenant_id,
        };
        self.routes.iter().flat_map(move |route| route.targets.iter().map(move |target| place(route, target)))
    }

    /// The tickets that the alert has not yet.
    fn wanted(
        &self,
        alert: AlertKey,
        policy: &Policy,
        served: &BTreeSet<Serving>,
        metrics: &IntakeMetrics,
    ) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (route, target) in self.unserved(alert, served) {
            let group = group(route, self.tenant_id, &self.view);
            if let Some(failure) = &group.fallback {
                metrics.template_failed(failure);
            }
            wanted.push(Wanted {
                alert,
                tenant_id: self.tenant_id,
                target: target.clone(),
                route: route.name.clone(),
                correlation_key: group.correlation_key(target),
                title: text::line(&self.view.title, MAX_TITLE_CHARS),
                storm_since: None,
                // By this worker's clock, unlike all that is counted from now. Whoever claims the ticket asks again by its
                // own, so a wrong clock shifts the end of a window by its error and no more.
                wait: policy.wait(route, Timestamp::now(), &self.view),
                ticket: first(alert, &self.state),
            });
        }
        wanted
    }
}

/// Makes tickets for changed alerts that need one and have none; answers which those wanted.
async fn give_tickets(
    connection: &mut PgConnection,
    policy: &Policy,
    changed: &[(AlertKey, AlertState)],
    verdicts: &BTreeMap<AlertKey, Judged>,
    storms: &mut Storms,
    metrics: &IntakeMetrics,
) -> Result<Vec<Wanted>, BatchError> {
    let keys: Vec<AlertKey> = changed.iter().map(|(alert, _)| *alert).collect();
    let served = tickets::served(connection, &keys).await?;
    let has_any = |alert: &AlertKey| served.iter().any(|serving| serving.alert == *alert);
    let (mut reasons, mut over): (BTreeMap<String, Vec<AlertKey>>, _) = (BTreeMap::new(), Vec::new());
    for (alert, _) in changed.iter().filter(|(alert, _)| !has_any(alert)) {
        match verdicts.get(alert) {
            Some(Judged { dropped: Some(Dropped { rule, reason }), .. }) => {
                reasons.entry(format!("dropped by the rule {rule}: {reason}")).or_default().push(*alert);
            }
            Some(Judged { routes, .. }) if !routes.is_empty() => {}
            Some(_) | None => over.push(*alert),
        }
    }
    for (reason, alerts) in &reasons {
        alerts::explain_no_ticket(connection, alerts, reason).await?;
    }
    if !over.is_empty() {
        alerts::explain_no_ticket_once(connection, &over, RESOLVED_BEFORE_TICKET).await?;
    }
    let mut wanted: Vec<Wanted> =
        verdicts.iter().flat_map(|(alert, judged)| judged.wanted(*alert, policy, &served, metrics)).collect();
    if wanted.is_empty() {
        return Ok(wanted);
    }
    storms.collect(connection, policy, &mut wanted).await?;
    let mut first_of_key: BTreeMap<(&str, &str), &Wanted> = BTreeMap::new();
    for one in &wanted {
        first_of_key.entry((&one.target, &one.correlation_key)).or_insert(one);
    }
    tickets::ensure(connection, &first_of_key.into_values().collect::<Vec<_>>()).await?;
    if tickets::join(connection, &wanted).await? {
        return Ok(wanted);
    }
    Err(BatchError::Raced)
}

/// Whether tickets have ended whose alerts fire.
#[must_use]
pub(super) enum Ended {
    None,
    Some,
}

/// Brings the tickets of changed alerts in line with all their alerts. One that cannot be opened again ends.
pub(super) async fn update_tickets(
    connection: &mut PgConnection,
    policy: &Policy,
    changed: &[(AlertKey, AlertState)],
    verdicts: &BTreeMap<AlertKey, Judged>,
) -> Result<Ended, BatchError> {
    let keys: Vec<AlertKey> = changed.iter().map(|(alert, _)| *alert).collect();
    let stored = locked::of_alerts(connection, &keys).await?;
    // A ticket that ended between the look at it and the lock on it left its firing alerts without one.
    let firing: Vec<AlertKey> =
        changed.iter().filter(|(_, state)| state.firing()).map(|(alert, _)| *alert).collect();
    if !firing.is_empty() {
        let served = tickets::served(connection, &firing).await?;
        let is_served = |alert: &AlertKey| {
            verdicts.get(alert).is_none_or(|judged| judged.unserved(*alert, &served).next().is_none())
        };
        if !firing.iter().all(is_served) {
            return Err(BatchError::Raced);
        }
    }
    let ids: Vec<Uuid> = stored.iter().map(|stored| stored.id).collect();
    let any_firing = tickets::firing(connection, &ids).await?;
    let states: BTreeMap<AlertKey, AlertState> = changed.iter().copied().collect();
    let mut members: BTreeMap<Uuid, Members> = stored
        .iter()
        .map(|Stored { id, ticket, .. }| (*id, Members::remembered(ticket, any_firing.contains(id))))
        .collect();
    let mut fires: BTreeSet<Uuid> = BTreeSet::new();
    for (ticket_id, alert) in tickets::memberships(connection, &ids, &keys).await? {
        if let (Some(known), Some(state)) = (members.get_mut(&ticket_id), states.get(&alert)) {
            *known = known.with(alert, state);
            if state.firing() {
                fires.insert(ticket_id);
            }
        }
    }
    let (mut wishes, mut ended) = (Vec::new(), Ended::None);
    for Stored { id, route, ticket, past, now, .. } in &stored {
        let (Some(members), route) = (members.get(id), policy.route(route)) else { continue };
        // The ticket of a storm tells how many they are, also when none fired later than those before.
        let joined = past.stands_for == StandsFor::Storm && fires.contains(id);
        let wanted = match decide(ticket, members, route.reopen_window) {
            Decision::Keep if joined => *ticket,
            Decision::Keep => continue,
            Decision::Change(wanted) => wanted,
            Decision::Replace(cause) => {
                tickets::end(connection, *id, cause.reason()).await?;
                ended = Ended::Some;
                continue;
            }
        };
        let (due, returns) = timing::due(ticket, &wanted, past, &route.pace, *now);
        wishes.push(Wish { id: *id, ticket: wanted, due, returns });
    }
    if !wishes.is_empty() {
        tickets::change(connection, &wishes).await?;
    }
    Ok(ended)
}
