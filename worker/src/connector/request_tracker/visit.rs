//! What is asked of Request Tracker and written to it in one act.

use reqwest::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use url::Url;

use super::super::http::{Act, Body, Call, Purpose};
use super::super::{Change, ConnectorError, WorkItem, WorkItemState};
use super::payload;
use super::query::{self, Id};
use super::record::{self, Page, Queue, Record};
use super::settings::Desk;

/// More than one ticket of a correlation id is one too many; a few show that something is wrong.
const MAX_TICKETS: u8 = 10;

pub(super) struct Visit<'a> {
    pub(super) act: Act<'a>,
    pub(super) desk: &'a Desk,
}

impl Visit<'_> {
    pub(super) async fn queue(&self) -> Result<Queue, ConnectorError> {
        let url = self.address(&["queue", &self.desk.queue]);
        self.call(Purpose::Search, Method::GET, url, None).await
    }

    /// Whether the catalog is there and may be seen: a search in one that is not finds nothing, without a word.
    pub(super) async fn catalog(&self, name: &str) -> Result<(), ConnectorError> {
        let url = self.address(&["catalog", name]);
        self.call::<IgnoredAny>(Purpose::Search, Method::GET, url, None).await.map(drop)
    }

    pub(super) async fn asset(&self, id: &Id) -> Result<Record, ConnectorError> {
        self.call(Purpose::Read, Method::GET, self.address(&["asset", id.as_str()]), None).await
    }

    /// Every ticket with the correlation id, oldest first, but for those that were deleted or merged into others.
    pub(super) async fn tickets(&self, correlation_id: &str) -> Result<Vec<Record>, ConnectorError> {
        let field = &self.desk.key_field;
        let url =
            query::tickets(&self.desk.base_url, field, correlation_id, MAX_TICKETS).ok_or_else(|| {
                ConnectorError::Rejected(format!("{correlation_id:?} cannot stand in a search"))
            })?;
        let page: Page = self.call(Purpose::Search, Method::GET, url, None).await?;
        if page.items.iter().any(|ticket| !ticket.has(field, correlation_id)) {
            return Err(ConnectorError::Rejected(format!(
                "a search for custom field {:?} finds tickets that do not have the value: grant SeeCustomField on it",
                field.as_str()
            )));
        }
        Ok(page.items)
    }

    /// The assets at an address of a search.
    pub(super) async fn assets(&self, url: Url) -> Result<Vec<Record>, ConnectorError> {
        let page: Page = self.call(Purpose::Search, Method::GET, url, None).await?;
        Ok(page.items)
    }

    pub(super) async fn record(&self, id: &Id) -> Result<Record, ConnectorError> {
        self.call(Purpose::Read, Method::GET, self.address(&["ticket", id.as_str()]), None).await
    }

    /// The ticket as it is now. People merge tickets: one that has become part of another is not ours to write to.
    pub(super) async fn item(&self, id: &str) -> Result<WorkItem, ConnectorError> {
        let item = self.record(&Id::parse(id)?).await?.work_item(self.desk);
        if item.id == id {
            return Ok(item);
        }
        let (number, state) = (record::number(id), WorkItemState::Closed);
        Ok(WorkItem { id: id.to_owned(), number, state, resolution: None })
    }

    pub(super) async fn create(&self, body: Value) -> Result<Id, ConnectorError> {
        #[derive(Deserialize)]
        struct Made {
            id: String,
        }
        let made: Made =
            self.call(Purpose::Create, Method::POST, self.address(&["ticket"]), Some(body)).await?;
        Id::parse(&made.id).map_err(|error| ConnectorError::Ambiguous(error.to_string()))
    }

    /// Comments, and with it sets the status; returns what Request Tracker says that it did.
    pub(super) async fn comment(
        &self,
        id: &str,
        note: &str,
        status: Option<&str>,
    ) -> Result<String, ConnectorError> {
        let url = self.address(&["ticket", Id::parse(id)?.as_str(), "comment"]);
        let body = payload::comment(note, status);
        let said: Vec<String> = self.call(Purpose::Change, Method::POST, url, Some(body)).await?;
        Ok(record::sentences(&said))
    }

    pub(super) async fn update(&self, id: &str, body: Map<String, Value>) -> Result<(), ConnectorError> {
        let url = self.address(&["ticket", Id::parse(id)?.as_str()]);
        let said: Vec<String> =
            self.call(Purpose::Change, Method::PUT, url, Some(Value::Object(body))).await?;
        tracing::debug!(ticket.number = record::number(id), "updated: {}", record::sentences(&said));
        Ok(())
    }

    /// Writes what is to be written and reads back whether the ticket is in one of the states now.
    pub(super) async fn change(
        &self,
        id: &str,
        change: &Change,
        status: &str,
        wanted: &[WorkItemState],
    ) -> Result<(), ConnectorError> {
        self.set_fields(id, change).await?;
        let said = self.comment(id, &change.note, Some(status)).await?;
        let item = self.item(id).await.map_err(ConnectorError::after_a_write)?;
        if wanted.contains(&item.state) {
            return Ok(());
        }
        Err(ConnectorError::Rejected(format!(
            "{} did not become {status:?}, look for a scrip, a right or the life cycle of the queue: {said}",
            item.number
        )))
    }

    pub(super) async fn set_fields(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let mut fields = payload::fields(self.desk, &change.fields)?;
        if let Some(ci) = &change.ci {
            fields.insert("AddRefersTo".to_owned(), payload::asset(ci).into());
        }
        if !fields.is_empty() {
            self.update(id, fields).await?;
        }
        match &change.ci {
            Some(ci) => self.check_link(id, ci).await,
            None => Ok(()),
        }
    }

    /// Reads back whether a link to an asset was made: where it is refused, the update is called a success all the same.
    async fn check_link(&self, id: &str, asset: &str) -> Result<(), ConnectorError> {
        let record = self.record(&Id::parse(id)?).await.map_err(ConnectorError::after_a_write)?;
        if record.refers_to_asset(asset) {
            return Ok(());
        }
        Err(ConnectorError::Rejected(format!(
            "{} does not refer to asset {asset}: grant ShowAsset on its catalog, and the right to link to it",
            record::number(id)
        )))
    }

    fn address(&self, segments: &[&str]) -> Url {
        query::address(&self.desk.base_url, segments)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        method: Method,
        url: Url,
        body: Option<Value>,
    ) -> Result<T, ConnectorError> {
        let answer = self.act.call(&Call { purpose, method, url, body: body.map(Body::Json) }).await?;
        record::read(&answer).map_err(|reason| purpose.unanswered(reason))
    }
}
