//! When the work item of each alert was first seen at a desk, by looking at it often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load;
use crate::desk::{Desk, Tally};

/// How exact the moments are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks at one desk until it is dropped.
#[derive(Debug)]
pub(crate) struct Sightings {
    desk: Desk,
    seen: Arc<Mutex<Seen>>,
    _looking: JoinSet<()>,
}

/// Every alert with a work item, by number, and when each of its work items was first seen.
type Seen = BTreeMap<u64, Vec<Instant>>;

impl Sightings {
    /// Starts to look.
    pub(crate) fn start(desk: Desk) -> Self {
        let seen = Arc::default();
        let mut looking = JoinSet::new();
        looking.spawn(look(desk.clone(), Arc::clone(&seen)));
        Self { desk, seen, _looking: looking }
    }

    /// When the alert's first work item was seen.
    pub(crate) fn first(&self, number: u64) -> Option<Instant> {
        self.lock().get(&number)?.first().copied()
    }

    /// Alerts with several work items.
    pub(crate) fn doubled(&self) -> Vec<u64> {
        self.lock().iter().filter(|(_, seen)| seen.len() > 1).map(|(number, _)| *number).collect()
    }

    /// What the simulator counts now.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn tally(&self) -> anyhow::Result<Tally> {
        self.desk.tally().await
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work items keep their place, so what was not seen yet comes after what was.
async fn look(desk: Desk, seen: Arc<Mutex<Seen>>) {
    let mut offset = 0;
    loop {
        // The simulator may be busy; what it does not tell now it tells the next time.
        if let Ok(page) = desk.after(offset).await
            && !page.is_empty()
        {
            offset += page.len();
            let now = Instant::now();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for shown in page {
                if let Some(number) = load::number(&shown.title) {
                    seen.entry(number).or_default().push(now);
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
