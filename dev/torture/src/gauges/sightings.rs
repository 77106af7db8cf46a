//! When the incident of each alert was first seen at a desk, by looking at it often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load;

/// How exact the moments are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks at one simulated ServiceNow until it is dropped.
#[derive(Debug)]
pub(crate) struct Sightings {
    control: String,
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
    _looking: JoinSet<()>,
}

/// Every alert with an incident, by number, and when each of its incidents was first seen.
type Seen = BTreeMap<u64, Vec<Instant>>;

/// Incidents counted by the simulator itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Tally {
    pub(crate) total: usize,
    /// By `state`; "1" is new.
    pub(crate) by_state: BTreeMap<String, usize>,
    /// Correlation ids that several incidents have, with their numbers.
    pub(crate) duplicates: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Page {
    tickets: Vec<Incident>,
}

#[derive(Debug, Deserialize)]
struct Incident {
    fields: BTreeMap<String, String>,
}

impl Sightings {
    /// Starts to look at the instance with this base URL, such as `http://127.0.0.1:8090/servicenow`.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub(crate) fn start(base_url: &str) -> anyhow::Result<Self> {
        let control = base_url.replace("/servicenow", "/_control");
        let (http, seen) = (stack::http_client()?, Arc::default());
        let mut looking = JoinSet::new();
        looking.spawn(look(http.clone(), format!("{control}/servicenow/tickets"), Arc::clone(&seen)));
        Ok(Self { control, http, seen, _looking: looking })
    }

    /// When the alert's first incident was seen.
    pub(crate) fn first(&self, number: u64) -> Option<Instant> {
        self.lock().get(&number)?.first().copied()
    }

    /// Alerts with several incidents.
    pub(crate) fn doubled(&self) -> Vec<u64> {
        self.lock().iter().filter(|(_, seen)| seen.len() > 1).map(|(number, _)| *number).collect()
    }

    /// What the simulator counts now.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn tally(&self) -> anyhow::Result<Tally> {
        #[derive(Deserialize)]
        struct Summary {
            servicenow: Tally,
        }
        let answer = self.http.get(format!("{}/summary", self.control)).send().await?;
        ensure!(answer.status().is_success(), "the simulator answers {}", answer.status());
        Ok(answer.json::<Summary>().await?.servicenow)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Incidents keep their place, so what was not seen yet comes after what was.
async fn look(http: reqwest::Client, tickets: String, seen: Arc<Mutex<Seen>>) {
    let mut offset = 0;
    loop {
        // The simulator may be busy; what it does not tell now it tells the next time.
        if let Ok(page) = next_page(&http, &tickets, offset).await
            && !page.is_empty()
        {
            offset += page.len();
            let now = Instant::now();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for incident in page {
                let title = incident.fields.get("short_description").map_or("", String::as_str);
                if let Some(number) = load::number(title) {
                    seen.entry(number).or_default().push(now);
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn next_page(http: &reqwest::Client, tickets: &str, offset: usize) -> reqwest::Result<Vec<Incident>> {
    let answer = http.get(format!("{tickets}?offset={offset}")).send().await?.error_for_status()?;
    Ok(answer.json::<Page>().await?.tickets)
}
