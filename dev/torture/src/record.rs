//! The independent record: what was sent and what was answered, in memory and line by line in a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use azure_simulator::sender::{Delivery, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::judge::Said;
use crate::notice::Notice;

/// Appends to a file whatever happens, and knows nothing of the system that is judged by it.
#[derive(Debug)]
pub(crate) struct Record {
    state: Mutex<State>,
}

/// One delivery of a notification.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) notice: Notice,
    pub(crate) sent_at: Timestamp,
    pub(crate) ended: Option<Ended>,
}

/// How a delivery ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) end: End,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// 202, with the id that the notification was given.
    Acknowledged(Option<Uuid>),
    /// Azure gives up: the last status, none when there was no answer.
    GivenUp(Option<u16>),
}

/// How many notifications were sent and how their deliveries ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Notifications, each once.
    pub(crate) notifications: usize,
    /// Deliveries, repetitions included.
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    /// By last status; 0 stands for no answer.
    pub(crate) given_up: BTreeMap<u16, usize>,
}

#[derive(Debug)]
struct State {
    file: File,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Sent {
        delivery: usize,
        at: Timestamp,
        subject: u64,
        alert_id: String,
        condition: &'static str,
        instant: Timestamp,
    },
    Ended {
        delivery: usize,
        #[serde(flatten)]
        ended: &'a Ended,
    },
}

impl Record {
    /// An empty record in a new file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self { state: Mutex::new(State { file, entries: Vec::new() }) })
    }

    /// Notes that a delivery begins; answers its number.
    ///
    /// # Errors
    /// When the file cannot be written: without a record there is no run.
    pub(crate) fn sent(&self, notice: &Notice) -> io::Result<usize> {
        let mut state = self.state();
        let (delivery, at) = (state.entries.len(), Timestamp::now());
        state.write(&Line::Sent {
            delivery,
            at,
            subject: notice.subject,
            alert_id: notice.alert_id(),
            condition: notice.condition_name(),
            instant: notice.at,
        })?;
        state.entries.push(Entry { notice: notice.clone(), sent_at: at, ended: None });
        Ok(delivery)
    }

    /// Notes how a delivery ended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn ended(&self, delivery: usize, outcome: &Delivery) -> io::Result<()> {
        let end = match outcome.outcome {
            Outcome::Accepted(_) => End::Acknowledged(id(&outcome.answer)),
            Outcome::Refused(status) => End::GivenUp(Some(status)),
            Outcome::Unreachable | Outcome::NoToken => End::GivenUp(None),
        };
        let ended = Ended { at: Timestamp::now(), attempts: outcome.attempts, end };
        let mut state = self.state();
        state.write(&Line::Ended { delivery, ended: &ended })?;
        if let Some(entry) = state.entries.get_mut(delivery) {
            entry.ended = Some(ended);
        }
        Ok(())
    }

    /// All deliveries up to now.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

impl Entry {
    fn acknowledged(&self) -> Option<Option<Uuid>> {
        match self.ended.as_ref()?.end {
            End::Acknowledged(id) => Some(id),
            End::GivenUp(_) => None,
        }
    }
}

/// The notifications of a record, each with all its deliveries taken together.
pub(crate) fn said(entries: &[Entry]) -> Vec<Said> {
    let mut all: BTreeMap<(u64, String, bool, Timestamp), Said> = BTreeMap::new();
    for entry in entries {
        let notice = &entry.notice;
        let alert_id = notice.alert_id();
        let resolves = notice.condition == crate::judge::Condition::Resolved;
        let key = (notice.subject, alert_id.clone(), resolves, notice.at);
        let said = all.entry(key).or_insert_with(|| Said {
            subject: notice.subject,
            alert_id,
            condition: notice.condition,
            at: notice.at,
            acknowledged: false,
            ids: BTreeSet::new(),
        });
        if let Some(id) = entry.acknowledged() {
            said.acknowledged = true;
            said.ids.extend(id);
        }
    }
    all.into_values().collect()
}

/// Counts a record.
pub(crate) fn counts(entries: &[Entry]) -> Counts {
    let mut counts = Counts { notifications: said(entries).len(), sent: entries.len(), ..Counts::default() };
    for ended in entries.iter().filter_map(|entry| entry.ended.as_ref()) {
        match ended.end {
            End::Acknowledged(_) => counts.acknowledged += 1,
            End::GivenUp(status) => *counts.given_up.entry(status.unwrap_or(0)).or_default() += 1,
        }
    }
    counts
}

/// The id in the answer to a notification.
fn id(answer: &[u8]) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Answer {
        id: Uuid,
    }
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| answer.id)
}

#[cfg(test)]
mod tests {
    use azure_simulator::alerts::{AlertRule, Kind};
    use bytes::Bytes;

    use super::*;
    use crate::judge::Condition;

    fn notice() -> Notice {
        let at = Timestamp::from_second(100).unwrap();
        let alert = AlertRule::new(Kind::MetricStatic, 1, 1_000_000).fire(at);
        Notice { subject: 1_000_000, alert, condition: Condition::Fired, at }
    }

    fn delivery(outcome: Outcome) -> Delivery {
        let answer = Bytes::from(format!("{{\"id\":\"{}\"}}", Uuid::from_u128(5)));
        Delivery { outcome, attempts: 1, answer }
    }

    #[test]
    fn a_notification_is_owed_when_any_of_its_deliveries_was_acknowledged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let record = Record::create(file.path()).unwrap();
        for outcome in [Outcome::Accepted(202), Outcome::Unreachable, Outcome::Refused(503)] {
            let delivery = delivery(outcome);
            record.ended(record.sent(&notice()).unwrap(), &delivery).unwrap();
        }
        record.sent(&notice()).unwrap();
        let entries = record.entries();
        let said = said(&entries);
        assert_eq!(said.len(), 1);
        assert!(said[0].acknowledged);
        assert_eq!(said[0].ids, [Uuid::from_u128(5)].into());
        let counts = counts(&entries);
        assert_eq!((counts.notifications, counts.sent, counts.acknowledged), (1, 4, 1));
        assert_eq!(counts.given_up, [(0, 1), (503, 1)].into());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap().lines().count(), 7);
    }
}
