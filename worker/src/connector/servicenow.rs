//! ServiceNow incidents through the Table API (vendor documentation: "Table API", `c_TableAPI`).
//!
//! The instance answers a search for a column that it does not have with every row there is, so no record is
//! believed before its own columns say that it is the one that was looked for.

use async_trait::async_trait;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::settings::SettingsError;
use tracing::warn;
use url::Url;

pub use self::settings::{AuthSettings, CiSettings, OAuthSettings, ServiceNowSettings};

use self::query::{Identifier, Query, QueryValue, SysId, record_url, search_url, table_url};
use self::record::{Row, WORK_ITEM, WRITTEN};
use self::settings::Instance;
use super::http::{Body, Call, HttpClient, Purpose};
use super::{
    CallSettings, Change, CiCandidate, CiHits, CiWay, Connector, ConnectorError, Draft, Finding, Occasion,
    Presets, WorkItem, WorkItemState, text,
};

mod ci;
mod payload;
mod query;
mod record;
mod self_test;
mod settings;

const CORRELATION_ID: Identifier = Identifier::known("correlation_id");
/// More than one ticket of a correlation id is one too many; a few show that something is wrong.
const MAX_TICKETS: u8 = 10;
/// States are small numbers.
const MAX_STATE_CHARS: usize = 40;

/// One instance and the user that we are there.
pub struct ServiceNow {
    http: HttpClient,
    instance: Instance,
}

impl ServiceNow {
    /// The instance that `settings` describe; `name` is their path.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names its key under `name`.
    pub fn new(
        name: &str,
        settings: ServiceNowSettings,
        calls: &CallSettings,
    ) -> Result<Self, SettingsError> {
        let (instance, credentials) = settings.check(name)?;
        Ok(Self { http: HttpClient::new(credentials, calls, record::explain)?, instance })
    }

    /// At most `limit` rows of a table, which need not match: the caller verifies them.
    async fn search(
        &self,
        table: &Identifier,
        query: &Query,
        columns: &[&str],
        limit: u8,
    ) -> Result<Vec<Row>, ConnectorError> {
        let url = search_url(&self.instance.base_url, table, query, columns, limit);
        self.call(Purpose::Search, Method::GET, url, None).await
    }

    /// Every ticket with the correlation id, oldest first. Times are of whole seconds, numbers tell those of one apart.
    async fn tickets(&self, correlation_id: &QueryValue) -> Result<Vec<Row>, ConnectorError> {
        let query = Query::default()
            .any(&[CORRELATION_ID], std::slice::from_ref(correlation_id))
            .and("ORDERBYsys_created_on")
            .and("ORDERBYnumber");
        let rows = self.search(&self.instance.table, &query, WORK_ITEM, MAX_TICKETS).await?;
        if rows.iter().any(|row| row.text("correlation_id") != correlation_id.as_str()) {
            return Err(ConnectorError::Rejected(format!(
                "table {} ignores a condition on correlation_id: let the user read that column, and check the name \
                 of the table",
                self.instance.table.as_str()
            )));
        }
        Ok(rows)
    }

    /// Writes to a ticket and returns what it is now.
    async fn change(&self, id: &str, body: Value) -> Result<Row, ConnectorError> {
        let url = record_url(&self.instance.base_url, &self.instance.table, &sys_id(id)?, WRITTEN);
        self.call(Purpose::Change, Method::PATCH, url, Some(body)).await
    }

    async fn resolved(&self, id: &str, body: Value) -> Result<Row, ConnectorError> {
        let row = self.change(id, body).await?;
        match record::state(row.text("state")) {
            WorkItemState::Resolved | WorkItemState::Closed => Ok(row),
            WorkItemState::Open => Err(kept_its_state(&row)),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        method: Method,
        url: Url,
        body: Option<Value>,
    ) -> Result<T, ConnectorError> {
        let answer = self.http.act().call(&Call { purpose, method, url, body: body.map(Body::Json) }).await?;
        // Whoever sent a page or an error in the guise of success may have carried the write out before:
        // to look costs a call, to guess wrong costs a second incident.
        record::result(&answer).map_err(|reason| purpose.unanswered(reason))
    }
}

#[async_trait]
impl Connector for ServiceNow {
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        self.self_test().await
    }

    async fn check_presets(&self, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        self.test_presets(presets).await
    }

    fn refuses(&self, _occasion: Occasion, field: &str) -> Option<String> {
        payload::refuses(field)
    }

    fn gives_resolutions(&self) -> bool {
        true
    }

    async fn find(&self, id: &str) -> Result<Vec<WorkItem>, ConnectorError> {
        let rows = self.tickets(&correlation_id(id)?).await?;
        // To leave one out would be to make it a second time.
        record::work_items(&rows).ok_or_else(|| {
            ConnectorError::Rejected(format!(
                "a ticket with correlation id {id} came without a sys_id: let the user read that column"
            ))
        })
    }

    async fn read(&self, id: &str) -> Result<WorkItem, ConnectorError> {
        let url = record_url(&self.instance.base_url, &self.instance.table, &sys_id(id)?, WORK_ITEM);
        let row: Row = self.call(Purpose::Read, Method::GET, url, None).await?;
        row.work_item().filter(|item| item.id == id).ok_or_else(|| {
            ConnectorError::Rejected("the record came without its sys_id: let the user read it".to_owned())
        })
    }

    async fn create(&self, draft: &Draft) -> Result<WorkItem, ConnectorError> {
        // A longer one would be cut by the instance, and the ticket never be found again.
        let correlation_id = correlation_id(&draft.correlation_id)?;
        let body = payload::create(draft, &self.instance.correlation_display)?;
        let url = table_url(&self.instance.base_url, &self.instance.table, WORK_ITEM);
        let row: Row = self.call(Purpose::Create, Method::POST, url, Some(body)).await?;
        let item = row.work_item().ok_or_else(|| {
            ConnectorError::Ambiguous(
                "the new record came without its sys_id: let the user read it".to_owned(),
            )
        })?;
        if row.text("correlation_id") != correlation_id.as_str() {
            warn!(
                ticket.number = item.number,
                "{} was made with another correlation id than was sent: is there a business rule?",
                item.number
            );
        }
        Ok(item)
    }

    async fn note(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        match payload::note(change)? {
            Some(body) => took_ci(&self.change(id, body).await?, change),
            None => Ok(()),
        }
    }

    async fn resolve(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let row = self.resolved(id, payload::resolve(change, &self.instance.close_code)?).await?;
        took_ci(&row, change)
    }

    async fn reopen(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let row = self.change(id, payload::reopen(change)?).await?;
        match record::state(row.text("state")) {
            WorkItemState::Open => took_ci(&row, change),
            WorkItemState::Resolved | WorkItemState::Closed => Err(kept_its_state(&row)),
        }
    }

    async fn close_double(&self, id: &str, original: &WorkItem) -> Result<(), ConnectorError> {
        let body = payload::close_double(original, &self.instance.duplicate_close_code);
        self.resolved(id, body).await.map(drop)
    }

    async fn find_cis(&self, way: CiWay, candidate: &CiCandidate) -> Result<CiHits, ConnectorError> {
        self.look_up(way, candidate).await
    }
}

/// A correlation id that the column holds as it is.
fn correlation_id(id: &str) -> Result<QueryValue, ConnectorError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-');
    QueryValue::new(id)
        .filter(|_| id.len() <= payload::CORRELATION_CHARS && id.chars().all(legal))
        .ok_or_else(|| {
            ConnectorError::Rejected(format!("{id:?} is no correlation id of at most 100 characters"))
        })
}

fn sys_id(id: &str) -> Result<SysId, ConnectorError> {
    SysId::parse(id).ok_or_else(|| ConnectorError::Rejected(format!("{id:?} is no sys_id")))
}

/// A configuration item that was written is there only if the record says so. What the route sets in its place is the
/// route's.
fn took_ci(row: &Row, change: &Change) -> Result<(), ConnectorError> {
    let by_route = change.fields.get("cmdb_ci").is_some_and(|value| !value.is_empty());
    match &change.ci {
        Some(ci) if !by_route && row.text("cmdb_ci") != ci => Err(ConnectorError::Rejected(format!(
            "the instance accepted the change but {} does not show configuration item {ci}: let the user read and \
             write cmdb_ci, or look for a business rule",
            row.number()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The write was accepted, and a business rule of the instance took it back.
fn kept_its_state(row: &Row) -> ConnectorError {
    ConnectorError::Rejected(format!(
        "the instance accepted the change but left {} in state {:?}: look for a business rule",
        row.number(),
        text::line(row.text("state"), MAX_STATE_CHARS)
    ))
}
