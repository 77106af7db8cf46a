//! One pass, as the ledger takes it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Done, Ending};
use crate::config::RetrySettings;
use crate::connector::{ConnectorError, WorkItemState};
use crate::store::claims::Ci;
use crate::store::outcomes::{Attempt, Outcome};
use crate::store::{detail, storable};
use crate::sync::plan::Settlement;
use crate::sync::retry::{self, Failing, Verdict};

/// What the ledger is to remember of a pass that ended now.
pub(super) fn outcome(done: &Done, settings: &RetrySettings, now: Timestamp) -> Outcome {
    let claim = &done.claim;
    let (verdict, error) = match &done.ending {
        Ending::Settled(Settlement::Held(until)) => (Some(Verdict::Retry(wait(now, *until))), None),
        Ending::Settled(_) | Ending::NotLooked(_) => (None, None),
        Ending::OutOfTime => (Some(Verdict::Retry(settings.min)), Some("the lease ended".to_owned())),
        Ending::Failed(error) => {
            let failing = Failing { since: claim.failing_for, last_wait: claim.last_wait };
            let verdict = match (retry::ticket(error, failing, settings, rand::random()), error) {
                (Verdict::Retry(wait), ConnectorError::Ambiguous(_)) => {
                    Verdict::Retry(wait.max(retry::before_look_up(settings, rand::random())))
                }
                (verdict, _) => verdict,
            };
            (Some(verdict), Some(error.to_string()))
        }
    };
    let (ci_id, ci_name, ci_missing) = match &claim.ci {
        Some(Ci::Bound { id, name }) => (Some(id.clone()), Some(name.clone()), None),
        Some(Ci::Missing(reason)) => (None, None, Some(reason.clone())),
        Some(Ci::Refused { id, name, reason }) => {
            (Some(id.clone()), Some(name.clone()), Some(reason.clone()))
        }
        None => (None, None, None),
    };
    Outcome {
        ticket_id: claim.ticket_id,
        lease_number: claim.lease_number,
        version: claim.version,
        external_id: claim.item.as_ref().map(|item| storable(item.id.clone())),
        external_number: claim.item.as_ref().map(|item| storable(item.number.clone())),
        synced: claim.item.as_ref().map_or("none", |item| match item.state {
            WorkItemState::Open => "open",
            WorkItemState::Resolved => "resolved",
            WorkItemState::Closed => "closed",
        }),
        told_through: claim.item.as_ref().map(|item| item.told_through),
        told_alerts: claim.storm.as_ref().map_or(0, |storm| storm.told),
        wrote: wrote(&done.attempts),
        ci_id: ci_id.map(storable),
        ci_name: ci_name.map(storable),
        ci_missing: ci_missing.as_deref().map(detail),
        create_unsure: done.create_unsure,
        write_unsure: match &done.ending {
            Ending::Settled(_) => false,
            Ending::Failed(ConnectorError::Ambiguous(_)) => true,
            // Nothing has told yet what became of an earlier one.
            Ending::Failed(_) | Ending::NotLooked(_) | Ending::OutOfTime => claim.write_unsure,
        },
        double_checked: done.double_checked,
        looked: match &done.ending {
            Ending::Settled(_) => claim.look_due || !done.attempts.is_empty(),
            Ending::NotLooked(_) => true,
            Ending::Failed(_) | Ending::OutOfTime => false,
        },
        left_alone: claim.left_alone,
        brought_back: claim.brought_back,
        retry_ms: match verdict {
            Some(Verdict::Retry(wait)) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            Some(Verdict::Park) | None => None,
        },
        park: verdict == Some(Verdict::Park),
        error: error.as_deref().map(detail),
        settled_reason: done.settled_reason(),
    }
}

/// Whether people were told anything about the alerts, or may have been. A state that was only seen is no news to them.
fn wrote(attempts: &[Attempt]) -> bool {
    attempts.iter().any(|attempt| {
        matches!(attempt.action, "create" | "note" | "resolve" | "reopen")
            && matches!(attempt.outcome, "ok" | "ambiguous")
    })
}

/// A little longer than to the end: whoever comes before it waits again.
fn wait(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().saturating_add(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn people_are_told_by_what_is_written_and_not_by_what_is_seen() {
        let wrote = |action, outcome| {
            let call = |action, outcome| Attempt {
                ticket_id: Uuid::nil(),
                lease_number: 1,
                worker: String::new(),
                started_at: Timestamp::UNIX_EPOCH,
                duration_ms: 1,
                action,
                outcome,
                detail: None,
            };
            wrote(&[call("read", "ok"), call(action, outcome)])
        };
        for action in ["create", "note", "resolve", "reopen"] {
            assert!(wrote(action, "ok") && wrote(action, "ambiguous"), "{action}");
            assert!(!wrote(action, "rejected") && !wrote(action, "unavailable"), "{action}");
        }
        for action in ["look_up", "read", "bind", "close_double"] {
            assert!(!wrote(action, "ok"), "{action}");
        }
    }
}
