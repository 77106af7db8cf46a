//! What demo and bench look at: the simulated ServiceNow from behind, and what the workers count.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;
use stack::{Description, ServiceNow, http_client};

/// Incidents that one look asks for; the demo has a handful.
const PAGE: usize = 100;

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

pub(crate) struct Desk {
    http: reqwest::Client,
    instance: ServiceNow,
    control: String,
}

/// Notifications that the workers have brought into the ledger since they started.
pub(crate) async fn heard(description: &Description) -> anyhow::Result<f64> {
    const COUNTER: &str = "secure_export_intake_notifications_total";
    let (http, mut heard) = (http_client()?, 0.0);
    for admin in &description.worker_admin_urls {
        let text = http.get(format!("{admin}/metrics")).send().await?.error_for_status()?.text().await?;
        let value: Option<f64> =
            text.lines().find_map(|line| line.strip_prefix(COUNTER)?.trim().parse().ok());
        heard += value.with_context(|| format!("{admin}/metrics has no {COUNTER}"))?;
    }
    Ok(heard)
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

    pub(crate) async fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        #[derive(Deserialize)]
        struct Page {
            tickets: Vec<Incident>,
        }
        let page: Page = self.get(&format!("servicenow/tickets?limit={PAGE}")).await?;
        Ok(page.tickets)
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
