//! Request Tracker tickets through REST 2.0 (vendor documentation: "`RT::REST2`",
//! <https://docs.bestpractical.com/rt/5.0/RT/REST2.html>).
//!
//! An answer of 200 says that the request was read, not that it was done: what was refused stands in a sentence in
//! the user's language. So whatever matters is read back.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Map, json};
use shared::settings::SettingsError;
use tracing::{error, warn};

pub use self::settings::{AuthSettings, CiSettings, RequestTrackerSettings, TokenSettings};

use self::query::Id;
use self::settings::Desk;
use self::visit::Visit;
use super::http::HttpClient;
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
mod visit;

/// One Request Tracker and the user that we are there.
pub struct RequestTracker {
    http: HttpClient,
    desk: Desk,
    /// Whether a ticket was seen to have the correlation id that it was made with: a user without the right to fill
    /// the field in makes tickets without it, and is told that all went well.
    keeps_the_key: AtomicBool,
}

impl RequestTracker {
    /// The Request Tracker that `settings` describe; `name` is their path.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names its key under `name`.
    pub fn new(
        name: &str,
        settings: RequestTrackerSettings,
        calls: &CallSettings,
    ) -> Result<Self, SettingsError> {
        let (desk, credentials) = settings.check(name)?;
        let http = HttpClient::new(credentials, calls, record::explain)?;
        Ok(Self { http, desk, keeps_the_key: AtomicBool::new(false) })
    }

    /// Begins an act: all that is asked and written in it ends within one deadline.
    fn visit(&self) -> Visit<'_> {
        Visit { act: self.http.act(), desk: &self.desk }
    }

    /// Reads the first ticket back. Without its key it is ours all the same: the ledger knows its id.
    async fn check_key(&self, visit: &Visit<'_>, id: &Id, correlation_id: &str) {
        if self.keeps_the_key.load(Ordering::Relaxed) {
            return;
        }
        let (field, number) = (&self.desk.key_field, record::number(id.as_str()));
        match visit.record(id).await {
            Ok(record) if record.has(field, correlation_id) => {
                self.keeps_the_key.store(true, Ordering::Relaxed);
            }
            Ok(_) => error!(
                ticket.number = number,
                "ticket {number} was made without its key, so it is not found again after a lost answer: grant \
                 ModifyCustomField on {:?}",
                field.as_str()
            ),
            Err(error) => {
                warn!(ticket.number = number, %error, "cannot read new ticket {number} back: {error}");
            }
        }
    }
}

#[async_trait]
impl Connector for RequestTracker {
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        self.self_test().await
    }

    async fn check_presets(&self, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        self.test_presets(presets).await
    }

    fn refuses(&self, _occasion: Occasion, field: &str) -> Option<String> {
        payload::refuses(&self.desk, field)
    }

    fn gives_resolutions(&self) -> bool {
        self.desk.resolution_field.is_some()
    }

    async fn find(&self, correlation_id: &str) -> Result<Vec<WorkItem>, ConnectorError> {
        let tickets = self.visit().tickets(correlation_id).await?;
        Ok(tickets.iter().map(|ticket| ticket.work_item(&self.desk)).collect())
    }

    async fn read(&self, id: &str) -> Result<WorkItem, ConnectorError> {
        self.visit().item(id).await
    }

    async fn create(&self, draft: &Draft) -> Result<WorkItem, ConnectorError> {
        let body = payload::create(&self.desk, draft)?;
        let visit = self.visit();
        let id = visit.create(body).await?;
        self.check_key(&visit, &id, &draft.correlation_id).await;
        let (id, number) = (id.as_str().to_owned(), record::number(id.as_str()));
        Ok(WorkItem { id, number, state: WorkItemState::Open, resolution: None })
    }

    async fn note(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let visit = self.visit();
        visit.set_fields(id, change).await?;
        visit.comment(id, &change.note, None).await?;
        Ok(())
    }

    async fn resolve(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let over = [WorkItemState::Resolved, WorkItemState::Closed];
        self.visit().change(id, change, &self.desk.statuses.resolved, &over).await
    }

    async fn reopen(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        self.visit().change(id, change, &self.desk.statuses.open, &[WorkItemState::Open]).await
    }

    async fn close_double(&self, id: &str, original: &WorkItem) -> Result<(), ConnectorError> {
        let original_id = Id::parse(&original.id)?;
        let mut link = Map::new();
        link.insert("AddRefersTo".to_owned(), json!(original_id.as_str()));
        let visit = self.visit();
        visit.update(id, link).await?;
        let change = Change { note: text::duplicate_of(original), ..Change::default() };
        let over = [WorkItemState::Resolved, WorkItemState::Closed];
        visit.change(id, &change, &self.desk.statuses.duplicate, &over).await
    }

    async fn find_cis(&self, way: CiWay, candidate: &CiCandidate) -> Result<CiHits, ConnectorError> {
        self.look_up(way, candidate).await
    }
}
