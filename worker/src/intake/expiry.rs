//! Alerts that count as resolved, since they have not fired anew for as long as their rules give them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::alert::identity::AlertKey;
use sqlx::{Connection, PgConnection};

use super::batch::{BatchError, Ended, update_tickets};
use crate::policy::rules::Policy;
use crate::reconcile::alert::{AlertState, NO_NOTIFICATION};
use crate::store::{alerts, tickets};

/// Alerts of one transaction, at most; the intake waits for those of them that it hears of.
const PER_BATCH: u32 = 250;

/// How far one batch went.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// Alerts that count as resolved now.
    pub alerts: u64,
    pub more: More,
}

/// Whether the time of further alerts may have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    Perhaps,
    No,
}

/// Takes alerts whose time has come for resolved, and brings their tickets in line: one transaction, like a batch of the
/// intake.
///
/// # Errors
/// When it was not committed; trying again is safe.
pub async fn expire(
    connection: &mut PgConnection,
    policy: &Policy,
    now: Timestamp,
) -> Result<Expired, BatchError> {
    let mut transaction = connection.begin().await?;
    let connection: &mut PgConnection = &mut transaction;
    let due = alerts::take_expired(connection, PER_BATCH).await?;
    if due.is_empty() {
        return Ok(Expired { alerts: 0, more: More::No });
    }
    let more = if due.len() < PER_BATCH as usize { More::No } else { More::Perhaps };
    // One that was resolved meanwhile stays as it is: only its time is taken from it.
    let (firing, over): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, state)| state.firing());
    let expired: Vec<(AlertKey, AlertState)> =
        firing.iter().map(|(alert, state)| (*alert, state.expire())).collect();
    alerts::update(connection, &[expired.as_slice(), over.as_slice()].concat()).await?;
    if !expired.is_empty() {
        let changed: Vec<_> =
            expired.iter().map(|(alert, state)| (*alert, resolved_by(*state, now))).collect();
        // No alert fires by it, so no ticket ends whose alerts do.
        match update_tickets(connection, policy, &changed, &BTreeMap::new()).await? {
            Ended::None => {}
            Ended::Some => return Err(BatchError::Raced),
        }
        for target in policy.targets() {
            tickets::announce(connection, target).await?;
        }
    }
    transaction.commit().await?;
    Ok(Expired { alerts: u64::try_from(expired.len()).unwrap_or(u64::MAX), more })
}

/// The alert as its tickets see it: the time in which they are reopened begins now, not at the firing that is over.
fn resolved_by(state: AlertState, now: Timestamp) -> AlertState {
    AlertState { resolved: state.resolved.max(Some((now, NO_NOTIFICATION))), ..state }
}
