//! A simulated ITSM from behind: its work items, its faults, and what people do there.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

mod request_tracker;
mod servicenow;

use crate::judge::{Item, ItemState};
use crate::product::{Deed, Product};

/// Work items of one page, the most that the simulator gives.
const PAGE: usize = 1000;

#[derive(Debug, Clone)]
pub(crate) struct Desk {
    http: reqwest::Client,
    product: Product,
    /// Where all products of the simulator are controlled: `http://127.0.0.1:PORT/_control`.
    control: String,
}

/// A work item with all that happened to it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) item: Item,
    /// What it is and every write, a line each, for people.
    pub(crate) account: Vec<String>,
}

/// Work items counted by the simulator itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) total: usize,
    /// Those that nobody has touched.
    pub(crate) new: usize,
    /// Correlation ids that several work items have.
    pub(crate) doubled: usize,
}

/// A work item as one product shows it.
trait Record: DeserializeOwned {
    fn title(&self) -> &str;
    /// What the judge looks at; `all` are the work items that it may double.
    fn item(&self, all: &[Self]) -> Item;
    fn account(&self) -> Vec<String>;
}

#[derive(Deserialize)]
struct Page {
    total: usize,
    tickets: Vec<Value>,
}

impl Desk {
    /// The desk of a product of the simulator at `base_url`, straight and not through a proxy.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub(crate) fn new(product: Product, base_url: &str) -> anyhow::Result<Self> {
        Ok(Self { http: stack::http_client()?, product, control: format!("{base_url}/_control") })
    }

    pub(crate) fn product(&self) -> Product {
        self.product
    }

    /// All work items, oldest first, deleted ones included.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn all(&self) -> anyhow::Result<Vec<Shown>> {
        let mut all = Vec::new();
        loop {
            let Page { total, tickets } = self.page(all.len(), PAGE).await?;
            let done = tickets.is_empty() || all.len() + tickets.len() >= total;
            all.extend(tickets);
            if done {
                return self.shown(all);
            }
        }
    }

    /// The youngest work items, at most so many.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn youngest(&self, count: usize) -> anyhow::Result<Vec<Shown>> {
        let total = self.page(0, 1).await?.total;
        self.after(total.saturating_sub(count)).await
    }

    /// A page of work items after the `offset` oldest: each keeps its place.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub(crate) async fn after(&self, offset: usize) -> anyhow::Result<Vec<Shown>> {
        self.shown(self.page(offset, PAGE).await?.tickets)
    }

    /// What the simulator counts now.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn tally(&self) -> anyhow::Result<Tally> {
        let answer = self.http.get(format!("{}/summary", self.control)).send().await?.error_for_status()?;
        let mut products: Value = answer.json().await?;
        let summary = products.get_mut(self.product.name()).map(Value::take);
        let summary = summary.with_context(|| format!("the simulator counts no {}", self.product))?;
        match self.product {
            Product::ServiceNow => servicenow::tally(summary),
            Product::RequestTracker => request_tracker::tally(summary),
        }
        .context("the simulator counts otherwise than expected")
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

    /// Does to one work item what a person does there; `next` is the one that it is merged into, if it is.
    ///
    /// # Errors
    /// When the simulator refuses it.
    pub(crate) async fn change(&self, deed: Deed, number: &str, next: &str) -> anyhow::Result<()> {
        let change = match self.product {
            Product::ServiceNow => servicenow::change(deed),
            Product::RequestTracker => request_tracker::change(deed, next),
        };
        let change = change.with_context(|| format!("nobody {} in {}", deed.name(), self.product))?;
        self.send(Method::POST, &format!("tickets/{number}"), Some(change)).await
    }

    fn shown(&self, tickets: Vec<Value>) -> anyhow::Result<Vec<Shown>> {
        match self.product {
            Product::ServiceNow => shown::<servicenow::Incident>(tickets),
            Product::RequestTracker => shown::<request_tracker::Ticket>(tickets),
        }
        .context("the simulator lists its work items otherwise than expected")
    }

    async fn page(&self, offset: usize, limit: usize) -> anyhow::Result<Page> {
        let url = self.url(&format!("tickets?offset={offset}&limit={limit}"));
        let answer = self.http.get(url).send().await?.error_for_status()?;
        answer.json().await.context("the simulator lists its work items otherwise than expected")
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<()> {
        let url = self.url(path);
        let answer = self.http.request(method, &url).json(&body.unwrap_or(json!(null))).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{url} answers {status}: {}", answer.text().await?);
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.control, self.product)
    }
}

impl Shown {
    /// Nobody is done with it.
    pub(crate) fn is_open(&self) -> bool {
        self.item.state == ItemState::Open
    }
}

fn shown<R: Record>(tickets: Vec<Value>) -> serde_json::Result<Vec<Shown>> {
    let records = tickets.into_iter().map(serde_json::from_value).collect::<serde_json::Result<Vec<R>>>()?;
    let show = |record: &R| Shown {
        title: record.title().to_owned(),
        item: record.item(&records),
        account: record.account(),
    };
    Ok(records.iter().map(show).collect())
}

/// The beginning of a text on one line, for an account.
fn brief(text: &str) -> String {
    text.chars().take(60).map(|character| if character == '\n' { ' ' } else { character }).collect()
}
