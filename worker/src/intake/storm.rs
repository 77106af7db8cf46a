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
use crate::store::tickets::{self, Wanted};

/// Sends what is over the limits to the tickets of the storms. An alert that joins a ticket that is there asks for none;
/// alerts of one key ask for one.
///
/// # Errors
/// When the database fails.
pub async fn collect(
    connection: &mut PgConnection,
    policy: &Policy,
    wanted: &mut [Wanted],
) -> Result<(), sqlx::Error> {
    let limits: BTreeMap<Place, Limit> = wanted
        .iter()
        .filter_map(|one| policy.route(&one.route).storm.map(|limit| (place(one), limit)))
        .collect();
    if limits.is_empty() {
        return Ok(());
    }
    let (mut rates, now) = storms::lock(connection, limits.keys()).await?;
    let limited = |one: &Wanted| limits.get(&place(one)).copied();
    let slots = wanted.iter().filter(|one| limited(one).is_some()).map(slot).collect();
    let standing: BTreeMap<_, Stored> = locked::of_keys(connection, &slots)
        .await?
        .into_iter()
        .map(|stored| ((stored.target.clone(), stored.correlation_key.clone()), stored))
        .collect();
    let mut decided: BTreeMap<(String, String), Option<Timestamp>> = BTreeMap::new();
    let mut over: BTreeSet<Place> = BTreeSet::new();
    for one in wanted {
        let Some(limit) = limited(one) else { continue };
        let (slot, place) = (slot(one), place(one));
        let since = match (decided.get(&slot), standing.get(&slot)) {
            (Some(since), _) => *since,
            (None, Some(stored)) if goes_on(policy, stored, one).is_ok() => None,
            (None, stored) => {
                let rate = Rate::after(rates.get(&place).copied(), now, limit);
                rates.insert(place.clone(), rate);
                if let (None, Some(stored)) = (rate.exceeded_since, stored)
                    && let Err(reason) = goes_on(policy, stored, one)
                {
                    // It is not counted once more when its successor is made.
                    tickets::end(connection, stored.id, reason).await?;
                }
                rate.exceeded_since
            }
        };
        decided.insert(slot, since);
        if let Some(since) = since {
            one.correlation_key = correlate::storm_key(one.tenant_id, &one.target, &one.route, since);
            one.storm_since = Some(since);
            if since == now && over.insert(place) {
                tracing::warn!(
                    target_name = one.target, route = one.route, %since,
                    "more alerts of {} than its storm.limit: one ticket in {} takes the rest", one.route, one.target
                );
            }
        }
    }
    storms::keep(connection, &rates).await
}

/// Whether the alert can join a ticket that is there, or why another one must take its place.
fn goes_on(policy: &Policy, stored: &Stored, one: &Wanted) -> Result<(), &'static str> {
    let members = Members::remembered(&stored.ticket, false).and(&one.ticket);
    match decide(&stored.ticket, &members, policy.route(&stored.route).reopen_window) {
        Decision::Keep | Decision::Change(_) => Ok(()),
        Decision::Replace(cause) => Err(cause.reason()),
    }
}

fn place(one: &Wanted) -> Place {
    Place { target: one.target.clone(), route: one.route.clone(), tenant_id: one.tenant_id }
}

fn slot(one: &Wanted) -> (String, String) {
    (one.target.clone(), one.correlation_key.clone())
}
