//! What demo and measurements look at: the simulated ServiceNow from behind, and what the workers count.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use stack::{Description, ServiceNow, http_client};

/// Incidents that one look asks for; the demo has a handful.
const PAGE: usize = 100;
/// The most that the simulator shows at once.
const LARGEST_PAGE: usize = 1000;

/// An incident as the simulator tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Incident {
    pub(crate) number: String,
    fields: Value,
}

/// Calls by operation, and the simulator's own CPU time in milliseconds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Calls {
    pub(crate) operations: BTreeMap<String, u64>,
    pub(crate) cpu_ms: u64,
}

/// Some of the incidents, and how many there are.
#[derive(Deserialize)]
struct Page {
    total: usize,
    tickets: Vec<Incident>,
}

pub(crate) struct Desk {
    http: reqwest::Client,
    instance: ServiceNow,
    control: String,
}

/// Notifications that the workers have brought into the ledger since they started.
pub(crate) async fn heard(description: &Description) -> anyhow::Result<f64> {
    let mut heard = 0.0;
    for admin in &description.worker_admin_urls {
        heard += heard_by(admin).await?;
    }
    Ok(heard)
}

/// The same of one worker.
pub(crate) async fn heard_by(admin: &str) -> anyhow::Result<f64> {
    const COUNTER: &str = "secure_export_intake_notifications_total";
    let answer = http_client()?.get(format!("{admin}/metrics")).send().await?;
    let text = answer.error_for_status()?.text().await?;
    let value = text.lines().find_map(|line| line.strip_prefix(COUNTER)?.trim().parse().ok());
    value.with_context(|| format!("{admin}/metrics has no {COUNTER}"))
}

impl Desk {
    pub(crate) fn new(description: &Description) -> anyhow::Result<Self> {
        let instance = description.itsm.servicenow.clone();
        let control = instance.base_url.replace("/servicenow", "/_control");
        Ok(Self { http: http_client()?, instance, control })
    }

    pub(crate) async fn seed(&self, cis: &[Value]) -> anyhow::Result<()> {
        let answer = self.http.post(format!("{}/servicenow/cis", self.control)).json(cis).send().await?;
        ensure!(answer.status().is_success(), "the CMDB cannot be seeded: {}", answer.text().await?);
        Ok(())
    }

    /// Makes every call take so long.
    pub(crate) async fn delay(&self, by: Duration) -> anyhow::Result<()> {
        let fault = json!([{"effect": {"kind": "delay", "ms": by.as_millis()}}]);
        let answer =
            self.http.post(format!("{}/servicenow/faults", self.control)).json(&fault).send().await?;
        ensure!(answer.status().is_success(), "calls cannot be delayed: {}", answer.text().await?);
        Ok(())
    }

    /// Sets the instance's rate rule, by the minute and not by the hour, so that a run ends before people go home.
    pub(crate) async fn allow_per_minute(&self, calls: u64) -> anyhow::Result<()> {
        let switches = json!({"rate_limit": calls, "rate_limit_window_s": 60});
        let answer =
            self.http.put(format!("{}/servicenow/settings", self.control)).json(&switches).send().await?;
        ensure!(answer.status().is_success(), "the rate cannot be limited: {}", answer.text().await?);
        Ok(())
    }

    pub(crate) async fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        Ok(self.page(0, PAGE).await?.tickets)
    }

    /// All of them, however many.
    pub(crate) async fn every_incident(&self) -> anyhow::Result<Vec<Incident>> {
        let mut all = Vec::new();
        loop {
            let page = self.page(all.len(), LARGEST_PAGE).await?;
            let is_last = page.tickets.is_empty();
            all.extend(page.tickets);
            if is_last {
                return Ok(all);
            }
        }
    }

    pub(crate) async fn incident_count(&self) -> anyhow::Result<usize> {
        Ok(self.page(0, 0).await?.total)
    }

    async fn page(&self, offset: usize, limit: usize) -> anyhow::Result<Page> {
        self.get(&format!("servicenow/tickets?offset={offset}&limit={limit}")).await
    }

    pub(crate) async fn calls(&self) -> anyhow::Result<Calls> {
        self.get("servicenow/calls").await
    }

    /// The name of the configuration item that an incident hangs on.
    pub(crate) async fn ci_name(&self, incident: &Incident) -> anyhow::Result<Option<String>> {
        let sys_id = incident.text("cmdb_ci");
        if sys_id.is_empty() {
            return Ok(None);
        }
        let ServiceNow { base_url, username, password, .. } = &self.instance;
        let request = self.http.get(format!("{base_url}/api/now/table/cmdb_ci/{sys_id}"));
        let answer = request.basic_auth(username, Some(password)).header("accept", "application/json");
        let record: Value = answer.send().await?.error_for_status()?.json().await?;
        Ok(record.pointer("/result/name").and_then(Value::as_str).map(str::to_owned))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        Ok(self.http.get(format!("{}/{path}", self.control)).send().await?.error_for_status()?.json().await?)
    }
}

impl Incident {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}
