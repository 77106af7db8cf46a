//! Alerts over a route's limit of new tickets share one ticket.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::PgConnection;

use crate::policy::correlate;
use crate::policy::rules::Policy;
use crate::reconcile::rate::{Limit, Rate};
use crate::reconcile::ticket::{Decision, Members, decide};
use crate::store::locked::{self, Stored};
use crate::store::storms::{self, Place};
use crate::store::tickets::Wanted;

/// The new tickets of one transaction, counted.
pub struct Storms {
    limits: BTreeMap<Place, Limit>,
    rates: BTreeMap<Place, Rate>,
    now: Timestamp,
    /// Since when the storm is that takes a key, or none: each asks for one ticket, however often it is asked about.
    decided: BTreeMap<(Place, String), Option<Timestamp>>,
}

impl Storms {
    /// Reads the rates of those places that have a limit. Nobody else counts there until the transaction ends, so this
    /// comes before any ticket is locked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock(
        connection: &mut PgConnection,
        policy: &Policy,
        places: impl Iterator<Item = Place>,
    ) -> Result<Self, sqlx::Error> {
        let limits: BTreeMap<Place, Limit> =
            places.filter_map(|place| policy.route(&place.route).storm.map(|limit| (place, limit))).collect();
        let (rates, now) = if limits.is_empty() {
            (BTreeMap::new(), Timestamp::UNIX_EPOCH)
        } else {
            storms::lock(connection, limits.keys()).await?
        };
        Ok(Self { limits, rates, now, decided: BTreeMap::new() })
    }

    /// Sends what is over the limits to the tickets of the storms. An alert that joins a ticket that is there asks for
    /// none; alerts of one key ask for one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn collect(
        &mut self,
        connection: &mut PgConnection,
        policy: &Policy,
        wanted: &mut [Wanted],
    ) -> Result<(), sqlx::Error> {
        let mut keys: BTreeSet<(String, String)> = wanted
            .iter()
            .filter(|one| self.limits.contains_key(&place(one)))
            .map(|one| (one.target.clone(), one.correlation_key.clone()))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        keys.extend(self.rates.iter().filter_map(|(place, rate)| key_of_storm(place, rate)));
        let standing: BTreeMap<_, Stored> = locked::look_at(connection, &keys)
            .await?
            .into_iter()
            .map(|stored| ((stored.target.clone(), stored.correlation_key.clone()), stored))
            .collect();
        self.end_parked(&standing);
        for one in wanted {
            let place = place(one);
            let Some(limit) = self.limits.get(&place).copied() else { continue };
            let stored = standing.get(&(one.target.clone(), one.correlation_key.clone()));
            let goes_on = stored.is_some_and(|stored| goes_on(policy, stored, one));
            let Some(since) = self.since(&place, limit, goes_on, &one.correlation_key) else { continue };
            one.correlation_key = storm_key(&place, since);
            one.storm_since = Some(since);
        }
        storms::keep(connection, &self.rates).await
    }

    /// Ends the storms whose tickets wait for an operator, each with its interval: in the next one people see new tickets
    /// again, no more of them than the limit.
    fn end_parked(&mut self, standing: &BTreeMap<(String, String), Stored>) {
        for (place, rate) in &mut self.rates {
            let Some(limit) = self.limits.get(place).copied() else { continue };
            // One that has ended by itself takes no more anyway.
            let ticket = key_of_storm(place, &rate.at(self.now, limit)).and_then(|key| standing.get(&key));
            let Some(ticket) = ticket.filter(|ticket| ticket.parked && rate.window_is_over(self.now, limit))
            else {
                continue;
            };
            let (ticket_id, Place { target, route, .. }) = (ticket.id, place);
            tracing::warn!(
                %ticket_id, target_name = target, route,
                "the storm's ticket {ticket_id} is parked, so it takes no more alerts of {route} in {target}"
            );
            rate.exceeded_since = None;
        }
    }

    /// Since when the storm is that takes the alerts of this key, if one does.
    fn since(&mut self, place: &Place, limit: Limit, goes_on: bool, key: &str) -> Option<Timestamp> {
        let slot = (place.clone(), key.to_owned());
        if let Some(since) = self.decided.get(&slot) {
            return *since;
        }
        if goes_on {
            self.decided.insert(slot, None);
            return None;
        }
        let Place { target, route, .. } = place;
        let rate = Rate::after(self.rates.get(place).copied(), self.now, limit);
        if rate.exceeded_since == Some(self.now) && rate.events == limit.most.saturating_add(1) {
            tracing::warn!(
                target_name = target,
                route,
                "more alerts of {route} than its storm.limit: one ticket in {target} takes the rest"
            );
        }
        self.rates.insert(place.clone(), rate);
        self.decided.insert(slot, rate.exceeded_since);
        rate.exceeded_since
    }
}

/// Whether the alert can join a ticket that is there; otherwise another one takes its place.
fn goes_on(policy: &Policy, stored: &Stored, one: &Wanted) -> bool {
    let members = Members::remembered(&stored.ticket, false).and(&one.ticket);
    match decide(&stored.ticket, &members, policy.route(&stored.route).reopen_window) {
        Decision::Keep | Decision::Change(_) => true,
        Decision::Replace(_) => false,
    }
}

/// Where the ticket of a storm is found, if there is a storm.
fn key_of_storm(place: &Place, rate: &Rate) -> Option<(String, String)> {
    rate.exceeded_since.map(|since| (place.target.clone(), storm_key(place, since)))
}

fn storm_key(place: &Place, since: Timestamp) -> String {
    correlate::storm_key(place.tenant_id, &place.target, &place.route, since)
}

fn place(one: &Wanted) -> Place {
    Place { target: one.target.clone(), route: one.route.clone(), tenant_id: one.tenant_id }
}
