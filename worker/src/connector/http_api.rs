//! Any ITSM product with a JSON interface, described by configuration: requests as templates, answers by JSON pointers.
//!
//! What an alert says fills values in, each in one place of a body, a query or a path; it never becomes another field,
//! another part of a path or, where values stand among other text, syntax.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::settings::SettingsError;
use tracing::{error, warn};
use uuid::Uuid;

pub use self::settings::{
    AnswerSettings, AuthSettings, BearerSettings, CiLookUpSettings, CiSettings, HeaderSettings,
    HttpApiSettings, ItemSettings, OAuthSettings, RequestSettings,
};

use self::interface::Interface;
use self::own_fields::OwnFields;
use self::request::{Id, Request};
use self::template::Values;
use super::http::{Act, Call, HttpClient, Purpose};
use super::{
    CallSettings, Change, CiCandidate, CiHits, CiWay, Connector, ConnectorError, Draft, Finding, Occasion,
    Presets, Verdict, WorkItem, WorkItemState, text,
};

mod answer;
mod ci;
mod interface;
mod own_fields;
mod presets;
mod request;
mod settings;
mod template;

/// States in which nobody works on a work item any more.
const OVER: [WorkItemState; 2] = [WorkItemState::Resolved, WorkItemState::Closed];

/// One described product and the user that we are there.
pub struct HttpApi {
    http: HttpClient,
    interface: Interface,
    own_fields: OwnFields,
    /// Whether a work item was seen to have the key that it was made with: a product drops a field that it does not know,
    /// or that the user may not set, without a word.
    keeps_the_key: AtomicBool,
}

impl HttpApi {
    /// The product that `settings` describe; `name` is their path.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names its key under `name`.
    pub fn new(name: &str, settings: HttpApiSettings, calls: &CallSettings) -> Result<Self, SettingsError> {
        let (interface, credentials) = settings.check(name)?;
        let http = HttpClient::new(credentials, calls, interface.verdicts.clone())?
            .with_headers(interface.headers.clone());
        let own_fields = OwnFields::of(&interface);
        Ok(Self { http, interface, own_fields, keeps_the_key: AtomicBool::new(false) })
    }

    fn call(
        &self,
        purpose: Purpose,
        request: &Request,
        values: &Values,
        fields: &BTreeMap<String, String>,
    ) -> Result<Call, ConnectorError> {
        request.call(&self.interface.base_url, purpose, values, fields).map_err(ConnectorError::Rejected)
    }

    /// The body of a success.
    async fn send(&self, act: &Act<'_>, call: &Call) -> Result<Value, ConnectorError> {
        let answer = act.call(call).await?;
        self.interface.verdicts.judge(call.purpose, &answer)
    }

    /// Sends a request that only asks, and returns the part of its answer that it points to.
    async fn ask(
        &self,
        act: &Act<'_>,
        purpose: Purpose,
        request: &Request,
        values: &Values,
    ) -> Result<Value, ConnectorError> {
        let call = self.call(purpose, request, values, &BTreeMap::new())?;
        let answer = self.send(act, &call).await?;
        part(request, answer).map_err(|reason| purpose.unanswered(reason))
    }

    /// Every work item with the key, oldest first.
    async fn items(&self, key: &str) -> Result<Vec<WorkItem>, ConnectorError> {
        let (act, shape) = (self.http.act(), &self.interface.shape);
        let list =
            self.ask(&act, Purpose::Search, &self.interface.find, &values(json!({"key": key}))).await?;
        let items = records(list).map_err(ConnectorError::Unavailable)?;
        if items.iter().any(|item| !shape.has(item, key)) {
            return Err(ConnectorError::Rejected(format!(
                "`find` also finds work items that do not have the key at {:?}: does the product ignore the \
                 condition, or not show the field?",
                shape.key.as_str()
            )));
        }
        // To leave one out would be to make it a second time.
        items.iter().map(|item| shape.item(item).map_err(ConnectorError::Rejected)).collect()
    }

    /// The work item at an address of its own, as the answer shows it.
    async fn record(&self, act: &Act<'_>, id: &Id) -> Result<Value, ConnectorError> {
        self.ask(act, Purpose::Read, &self.interface.read, &values(json!({"id": id.as_str()}))).await
    }

    async fn read_in(&self, act: &Act<'_>, id: &Id) -> Result<WorkItem, ConnectorError> {
        let item = self.record(act, id).await?;
        let item = self.interface.shape.item(&item).map_err(ConnectorError::Unavailable)?;
        if item.id == id.as_str() {
            return Ok(item);
        }
        // What leads to another record is no longer a work item of its own.
        Ok(WorkItem { id: id.as_str().to_owned(), state: WorkItemState::Closed, ..item })
    }

    /// The calls of a change. Each is made before the first is sent, so what cannot be made leaves nothing half done.
    fn calls<'a>(
        &self,
        requests: &'a [Request],
        values: &Values,
        fields: &BTreeMap<String, String>,
    ) -> Result<Vec<(&'a Request, Call)>, ConnectorError> {
        let mut calls = Vec::new();
        for request in requests {
            if request.is_due(values, fields).map_err(ConnectorError::Rejected)? {
                calls.push((request, self.call(Purpose::Change, request, values, fields)?));
            }
        }
        Ok(calls)
    }

    /// Makes a change by its requests, and reads back whether the work item is in one of the states now.
    async fn change(
        &self,
        requests: &[Request],
        id: &Id,
        values: &Values,
        fields: &BTreeMap<String, String>,
        wanted: &[WorkItemState],
    ) -> Result<(), ConnectorError> {
        let calls = self.calls(requests, values, fields)?;
        let (act, mut accepted, mut seen) = (self.http.act(), 0, None);
        for (request, call) in &calls {
            let answer = self.send(&act, call).await.map_err(|error| since(accepted, error))?;
            accepted += 1;
            if request.item.is_some() {
                let item = part(request, answer).and_then(|item| self.interface.shape.item(&item));
                seen = Some(item.map_err(ConnectorError::Ambiguous)?);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let item = match seen {
            Some(item) => item,
            None => self.read_in(&act, id).await.map_err(|error| since(accepted, error))?,
        };
        if wanted.contains(&item.state) {
            return Ok(());
        }
        Err(ConnectorError::Rejected(format!(
            "the product accepted the change but left {} in another state: look for a rule of the product, or a \
             state that `item.resolved` or `item.closed` does not name",
            item.number
        )))
    }

    /// Whether new work items keep their id and their key, as the first ones show that are read back. Without its key one
    /// is ours all the same: the ledger knows its id.
    async fn check_key(&self, act: &Act<'_>, item: &WorkItem, key: &str) {
        if self.keeps_the_key.load(Ordering::Relaxed) {
            return;
        }
        let (shape, number) = (&self.interface.shape, &item.number);
        let read = match Id::parse(&item.id) {
            Ok(id) => self.record(act, &id).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(record) if shape.item(&record).is_ok_and(|read| read.id != item.id) => error!(
                ticket.number = number,
                "{number} is {:?} when it is made and another one when it is read, so it counts as merged into that: \
                 let `read` and `item.id` lead to the id that `create` gives",
                item.id
            ),
            Ok(record) if shape.has(&record, key) => self.keeps_the_key.store(true, Ordering::Relaxed),
            Ok(_) => error!(
                ticket.number = number,
                "{number} was made without its key at {:?}, so it is not found again after a lost answer: let the \
                 product keep and show that field",
                shape.key.as_str()
            ),
            Err(error) => {
                warn!(ticket.number = number, %error, "cannot read new work item {number} back: {error}");
            }
        }
    }

    fn prose(&self, text: &str) -> String {
        text::block(text, self.interface.text_chars)
    }

    /// The request that makes a work item, and its call.
    fn creation(&self, draft: &Draft) -> Result<(&Request, Call), ConnectorError> {
        let (interface, request) = (&self.interface, &self.interface.create);
        let fields = self.fields(Occasion::Create, &draft.fields)?;
        let values = values(json!({
            "key": draft.correlation_id,
            "summary": text::line(&draft.summary, interface.summary_chars),
            "description": self.prose(&draft.description),
            "note": self.prose(&draft.note),
            "impact": draft.impact,
            "urgency": draft.urgency,
            "ci": draft.ci,
        }));
        let call = self.call(Purpose::Create, request, &values, &fields)?;
        Ok((request, call))
    }

    /// Writes a change by its requests.
    async fn write(
        &self,
        occasion: Occasion,
        id: &str,
        change: &Change,
        wanted: &[WorkItemState],
    ) -> Result<(), ConnectorError> {
        let id = Id::parse(id)?;
        let fields = self.fields(occasion, &change.fields)?;
        let values = values(json!({"id": id.as_str(), "note": self.prose(&change.note), "ci": change.ci}));
        self.change(self.interface.requests(occasion), &id, &values, &fields, wanted).await
    }

    /// What the route wants on this occasion; settings in which it wants what is refused here are refused themselves.
    fn fields(
        &self,
        occasion: Occasion,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ConnectorError> {
        match given.keys().find_map(|name| self.refusal(occasion, name)) {
            Some(reason) => Err(ConnectorError::Rejected(reason)),
            None => Ok(given.iter().map(|(name, value)| (name.clone(), self.prose(value))).collect()),
        }
    }
}

#[async_trait]
impl Connector for HttpApi {
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        // Any work item that is found has another key, and that is a refusal.
        let found = self.items(&format!("self-test-{}", Uuid::now_v7())).await;
        Ok(vec![Finding::of("search by correlation id", found, Verdict::Unusable)?])
    }

    async fn check_presets(&self, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        Ok(self.missing_ways(presets))
    }

    fn refuses(&self, occasion: Occasion, field: &str) -> Option<String> {
        self.refusal(occasion, field)
    }

    fn gives_resolutions(&self) -> bool {
        self.interface.shape.resolution.is_some()
    }

    async fn find(&self, correlation_id: &str) -> Result<Vec<WorkItem>, ConnectorError> {
        self.items(correlation_id).await
    }

    async fn read(&self, id: &str) -> Result<WorkItem, ConnectorError> {
        self.read_in(&self.http.act(), &Id::parse(id)?).await
    }

    async fn create(&self, draft: &Draft) -> Result<WorkItem, ConnectorError> {
        let (request, call) = self.creation(draft)?;
        let act = self.http.act();
        let answer = self.send(&act, &call).await?;
        // Nothing of the answer, which can be large, is held while the key is looked for.
        let item = part(request, answer).and_then(|made| self.interface.shape.item(&made));
        let item = item.map_err(ConnectorError::Ambiguous)?;
        self.check_key(&act, &item, &draft.correlation_id).await;
        Ok(item)
    }

    async fn note(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        self.write(Occasion::Note, id, change, &[]).await
    }

    async fn resolve(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        self.write(Occasion::Resolve, id, change, &OVER).await
    }

    async fn reopen(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        self.write(Occasion::Reopen, id, change, &[WorkItemState::Open]).await
    }

    async fn close_double(&self, id: &str, original: &WorkItem) -> Result<(), ConnectorError> {
        let (id, original_id) = (Id::parse(id)?, Id::parse(&original.id)?);
        let values = values(json!({
            "id": id.as_str(),
            "original": {"id": original_id.as_str(), "number": original.number},
            "note": text::duplicate_of(original),
        }));
        self.change(&self.interface.close_double, &id, &values, &BTreeMap::new(), &OVER).await
    }

    async fn find_cis(&self, way: CiWay, candidate: &CiCandidate) -> Result<CiHits, ConnectorError> {
        self.look_up(way, candidate).await
    }
}

/// The part of an answer that the request points to, without a copy of it.
fn part(request: &Request, answer: Value) -> Result<Value, String> {
    let Some(at) = &request.item else { return Ok(answer) };
    at.taken_from(answer).ok_or_else(|| format!("the answer has nothing at {:?}", at.as_str()))
}

fn records(list: Value) -> Result<Vec<Value>, String> {
    match list {
        Value::Array(records) => Ok(records),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err("the answer of a search has no list where `item` points to".to_owned())
        }
    }
}

fn values(object: Value) -> Values {
    match object {
        Value::Object(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Values::new(),
    }
}

/// What an error means after so many accepted requests of a change: what was accepted stands, so nobody may believe that
/// nothing was done.
fn since(accepted: usize, error: ConnectorError) -> ConnectorError {
    match (accepted, error) {
        (0, error) | (_, error @ ConnectorError::Ambiguous(_)) => error,
        (_, error) => ConnectorError::Ambiguous(format!(
            "{accepted} requests of the change were accepted, then: {error}"
        )),
    }
}

#[cfg(test)]
mod tests;
