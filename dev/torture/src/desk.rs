//! The simulated ITSM from behind: its incidents, its faults, and what people do there.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// Incidents of one page, the most that the simulator gives.
const PAGE: usize = 1000;

#[derive(Debug, Clone)]
pub(crate) struct Desk {
    http: reqwest::Client,
    /// Where the product is controlled: `http://127.0.0.1:PORT/_control/servicenow`.
    control: String,
}

/// An incident with all that happened to it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Incident {
    pub(crate) number: String,
    pub(crate) sys_id: String,
    pub(crate) deleted: bool,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) writes: Vec<Write>,
}

/// A work note or comment.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) value: String,
}

/// One write.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Write {
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Page {
    total: usize,
    tickets: Vec<Incident>,
}

impl Desk {
    /// The desk of the product whose own API is at `base_url`, straight and not through a proxy.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub(crate) fn new(base_url: &str) -> anyhow::Result<Self> {
        let control = base_url.replace("/servicenow", "/_control/servicenow");
        Ok(Self { http: stack::http_client()?, control })
    }

    /// All incidents, oldest first, deleted ones included.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        let mut all = Vec::new();
        loop {
            let page = self.page(all.len(), PAGE).await?;
            let done = page.tickets.is_empty() || all.len() + page.tickets.len() >= page.total;
            all.extend(page.tickets);
            if done {
                return Ok(all);
            }
        }
    }

    /// The youngest incidents, at most so many.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn youngest(&self, count: usize) -> anyhow::Result<Vec<Incident>> {
        let total = self.page(0, 1).await?.total;
        Ok(self.page(total.saturating_sub(count), count).await?.tickets)
    }

    /// Puts fault rules in force, beside those that are.
    ///
    /// # Errors
    /// When the simulator refuses them.
    pub(crate) async fn inject(&self, faults: Value) -> anyhow::Result<()> {
        self.send(Method::POST, "faults", Some(faults)).await
    }

    /// Ends all faults.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn clear_faults(&self) -> anyhow::Result<()> {
        self.send(Method::DELETE, "faults", None).await
    }

    /// Changes an incident as a person.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub(crate) async fn change(&self, number: &str, change: Value) -> anyhow::Result<()> {
        self.send(Method::POST, &format!("tickets/{number}"), Some(change)).await
    }

    async fn page(&self, offset: usize, limit: usize) -> anyhow::Result<Page> {
        let url = format!("{}/tickets?offset={offset}&limit={limit}", self.control);
        let answer = self.http.get(url).send().await?.error_for_status()?;
        answer.json().await.context("the simulator lists its incidents otherwise than expected")
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<()> {
        let url = format!("{}/{path}", self.control);
        let answer = self.http.request(method, &url).json(&body.unwrap_or(json!(null))).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{url} answers {status}: {}", answer.text().await?);
        Ok(())
    }
}

impl Incident {
    /// A field's raw value, empty when it is not set.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Neither resolved, closed, canceled nor deleted.
    pub(crate) fn is_open(&self) -> bool {
        !self.deleted && !matches!(self.field("state"), "6" | "7" | "8")
    }
}
