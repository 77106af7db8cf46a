//! What was said, and the end that follows from it (pure).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// What a notification reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Condition {
    Fired,
    Resolved,
}

/// One notification that was sent, all its deliveries taken together.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) subject: u64,
    /// In lower case.
    pub(crate) alert_id: String,
    pub(crate) condition: Condition,
    /// When it fired, or through when it is resolved.
    pub(crate) at: Timestamp,
    pub(crate) acknowledged: bool,
    /// The ids that ingest gave it, once acknowledged.
    pub(crate) ids: BTreeSet<Uuid>,
}

/// How the ticket of a subject must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Open,
    Over,
    /// Only a report without an acknowledgement says which.
    Either,
}

/// The reports of each subject.
pub(crate) fn by_subject(said: &[Said]) -> BTreeMap<u64, Vec<&Said>> {
    let mut subjects: BTreeMap<u64, Vec<&Said>> = BTreeMap::new();
    for one in said {
        subjects.entry(one.subject).or_default().push(one);
    }
    subjects
}

/// The reports of each alert.
pub(super) fn by_alert(said: &[Said]) -> BTreeMap<&str, Vec<&Said>> {
    let mut alerts: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
    for one in said {
        alerts.entry(&one.alert_id).or_default().push(one);
    }
    alerts
}

/// How the ticket of a subject must end: open exactly while any of its alerts fires.
pub(crate) fn expected(said: &[&Said]) -> Expected {
    let mut alerts: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
    for one in said {
        alerts.entry(&one.alert_id).or_default().push(one);
    }
    let ends: Vec<Expected> = alerts.values().map(|said| end_of_alert(said)).collect();
    if ends.contains(&Expected::Open) {
        Expected::Open
    } else if ends.contains(&Expected::Either) {
        Expected::Either
    } else {
        Expected::Over
    }
}

/// An alert is resolved exactly when its newest firing is covered by its newest resolution.
pub(crate) fn end_of_alert(said: &[&Said]) -> Expected {
    let newest = |condition, all| {
        let counts = |one: &&&Said| one.condition == condition && (all || one.acknowledged);
        said.iter().filter(counts).map(|one| one.at).max()
    };
    let fires = |fired: Option<Timestamp>, resolved: Option<Timestamp>| match (fired, resolved) {
        (Some(fired), Some(resolved)) => fired > resolved,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let (fired, resolved) = (newest(Condition::Fired, false), newest(Condition::Resolved, false));
    let may_fire = fires(newest(Condition::Fired, true), resolved);
    let may_be_over = !fires(fired, newest(Condition::Resolved, true));
    match (may_fire, may_be_over) {
        (true, false) => Expected::Open,
        (false, _) => Expected::Over,
        (true, true) => Expected::Either,
    }
}
