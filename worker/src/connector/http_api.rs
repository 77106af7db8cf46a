//! Any ITSM product with a JSON interface, described by configuration: requests as templates, answers by JSON pointers.
//!
//! What an alert says fills values in, each in one place of a body, a query or a path; it never becomes another field,
//! another part of a path or, where values stand among other text, syntax.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::settings::SettingsError;
use uuid::Uuid;

pub use self::settings::{
    AnswerSettings, AuthSettings, BearerSettings, CiLookUpSettings, CiSettings, HeaderSettings,
    HttpApiSettings, ItemSettings, OAuthSettings, RequestSettings,
};

use self::answer::plain;
use self::interface::{CiLookUp, Interface};
use self::request::{Id, Request};
use self::template::Values;
use super::http::{Act, HttpClient, Purpose};
use super::{
    CallSettings, Change, CiCandidate, CiHits, CiWay, Connector, ConnectorError, Draft, Finding, Verdict,
    WorkItem, WorkItemState, text,
};

mod answer;
mod interface;
mod request;
mod settings;
mod template;

/// One described product and the user that we are there.
pub struct HttpApi {
    http: HttpClient,
    interface: Arc<Interface>,
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
        Ok(Self { http, interface: Arc::new(interface) })
    }

    /// Sends one request and returns the body of its success; nothing if its condition does not hold.
    async fn send(
        &self,
        act: &Act<'_>,
        purpose: Purpose,
        request: &Request,
        values: &Values,
        fields: &BTreeMap<String, String>,
    ) -> Result<Option<Value>, ConnectorError> {
        let call = request.call(&self.interface.base_url, purpose, values, fields);
        let Some(call) = call.map_err(ConnectorError::Rejected)? else { return Ok(None) };
        let answer = act.call(&call).await?;
        self.interface.verdicts.judge(purpose, &answer).map(Some)
    }

    /// Sends a request that only asks, and returns the part of its answer that it points to.
    async fn ask(
        &self,
        act: &Act<'_>,
        purpose: Purpose,
        request: &Request,
        values: &Values,
    ) -> Result<Value, ConnectorError> {
        let answer = self.send(act, purpose, request, values, &BTreeMap::new()).await?.unwrap_or_default();
        part(request, &answer).map_err(|reason| purpose.unanswered(reason))
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

    async fn read_in(&self, act: &Act<'_>, id: &Id) -> Result<WorkItem, ConnectorError> {
        let values = values(json!({"id": id.as_str()}));
        let item = self.ask(act, Purpose::Read, &self.interface.read, &values).await?;
        let item = self.interface.shape.item(&item).map_err(ConnectorError::Unavailable)?;
        if item.id == id.as_str() {
            return Ok(item);
        }
        // What leads to another record is no longer a work item of its own.
        Ok(WorkItem { id: id.as_str().to_owned(), state: WorkItemState::Closed, ..item })
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
        self.has_place_for(requests, fields)?;
        let (act, mut seen) = (self.http.act(), None);
        for request in requests {
            let Some(answer) = self.send(&act, Purpose::Change, request, values, fields).await? else {
                continue;
            };
            if request.item.is_some() {
                let item = part(request, &answer).and_then(|item| self.interface.shape.item(&item));
                seen = Some(item.map_err(ConnectorError::Ambiguous)?);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let item = match seen {
            Some(item) => item,
            None => self.read_in(&act, id).await.map_err(ConnectorError::after_a_write)?,
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

    /// A field of the route that no request takes would be lost without a word.
    fn has_place_for(
        &self,
        requests: &[Request],
        fields: &BTreeMap<String, String>,
    ) -> Result<(), ConnectorError> {
        match fields.keys().next() {
            Some(field) if requests.iter().all(|request| request.fields_at.is_none()) => {
                Err(ConnectorError::Rejected(format!(
                    "the route sets field `{field}`, for which no request has a place: give one a `fields_at`"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn prose(&self, text: &str) -> String {
        text::block(text, self.interface.text_chars)
    }

    fn changed(&self, id: &Id, change: &Change) -> Values {
        values(json!({"id": id.as_str(), "note": self.prose(&change.note), "ci": change.ci}))
    }

    fn fields(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        given.iter().map(|(name, value)| (name.clone(), self.prose(value))).collect()
    }

    async fn look_up(&self, look_up: &CiLookUp, value: &str) -> Result<CiHits, ConnectorError> {
        if look_up.plain_values_only && !is_plain(value) {
            return Ok(CiHits::new());
        }
        let values = values(json!({"value": value}));
        let list = self.ask(&self.http.act(), Purpose::Search, &look_up.request, &values).await?;
        let mut hits = CiHits::new();
        for item in records(list).map_err(ConnectorError::Unavailable)? {
            let at = |pointer: &answer::Pointer| pointer.of(&item).map(plain).unwrap_or_default();
            // A search for a part of it also finds others.
            if at(&look_up.value).to_lowercase() == value.to_lowercase() {
                hits.insert(at(&look_up.id), at(&look_up.name));
            }
        }
        Ok(hits)
    }
}

#[async_trait]
impl Connector for HttpApi {
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        // Any work item that is found has another key, and that is a refusal.
        let found = self.items(&format!("self-test-{}", Uuid::now_v7())).await;
        Ok(vec![Finding::of("search by key", found, Verdict::Unusable)?])
    }

    async fn find(&self, correlation_id: &str) -> Result<Vec<WorkItem>, ConnectorError> {
        self.items(correlation_id).await
    }

    async fn read(&self, id: &str) -> Result<WorkItem, ConnectorError> {
        self.read_in(&self.http.act(), &Id::parse(id)?).await
    }

    async fn create(&self, draft: &Draft) -> Result<WorkItem, ConnectorError> {
        let (interface, request) = (&self.interface, &self.interface.create);
        let fields = self.fields(&draft.fields);
        self.has_place_for(std::slice::from_ref(request), &fields)?;
        let values = values(json!({
            "key": draft.correlation_id,
            "summary": text::line(&draft.summary, interface.summary_chars),
            "description": self.prose(&draft.description),
            "note": self.prose(&draft.note),
            "impact": draft.impact,
            "urgency": draft.urgency,
            "ci": draft.ci,
        }));
        let answer = self.send(&self.http.act(), Purpose::Create, request, &values, &fields).await?;
        let item = part(request, &answer.unwrap_or_default()).and_then(|item| interface.shape.item(&item));
        item.map_err(ConnectorError::Ambiguous)
    }

    async fn note(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let id = Id::parse(id)?;
        let (values, fields) = (self.changed(&id, change), self.fields(&change.fields));
        self.change(&self.interface.note, &id, &values, &fields, &[]).await
    }

    async fn resolve(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let id = Id::parse(id)?;
        let (values, fields) = (self.changed(&id, change), self.fields(&change.fields));
        let over = [WorkItemState::Resolved, WorkItemState::Closed];
        self.change(&self.interface.resolve, &id, &values, &fields, &over).await
    }

    async fn reopen(&self, id: &str, change: &Change) -> Result<(), ConnectorError> {
        let id = Id::parse(id)?;
        let (values, fields) = (self.changed(&id, change), self.fields(&change.fields));
        self.change(&self.interface.reopen, &id, &values, &fields, &[WorkItemState::Open]).await
    }

    async fn close_double(&self, id: &str, original: &WorkItem) -> Result<(), ConnectorError> {
        let (id, original_id) = (Id::parse(id)?, Id::parse(&original.id)?);
        let values = values(json!({
            "id": id.as_str(),
            "original": {"id": original_id.as_str(), "number": original.number},
            "note": text::duplicate_of(original),
        }));
        let over = [WorkItemState::Resolved, WorkItemState::Closed];
        self.change(&self.interface.close_double, &id, &values, &BTreeMap::new(), &over).await
    }

    async fn find_cis(&self, way: CiWay, candidate: &CiCandidate) -> Result<CiHits, ConnectorError> {
        let interface = &self.interface;
        let (look_up, value) = match (way, candidate) {
            (CiWay::ArmId, CiCandidate::ArmId(id)) => (&interface.arm_id, id),
            (CiWay::Name, CiCandidate::Name(name)) => (&interface.name, name),
            (CiWay::Tag, CiCandidate::ArmId(id)) => (&interface.tag, id),
            (CiWay::ArmId | CiWay::Tag, CiCandidate::Name(_)) | (CiWay::Name, CiCandidate::ArmId(_)) => {
                return Ok(CiHits::new());
            }
        };
        match look_up {
            Some(look_up) => self.look_up(look_up, value).await,
            None => Ok(CiHits::new()),
        }
    }
}

/// The part of an answer that the request points to.
fn part(request: &Request, answer: &Value) -> Result<Value, String> {
    let Some(at) = &request.item else { return Ok(answer.clone()) };
    at.of(answer).cloned().ok_or_else(|| format!("the answer has nothing at {:?}", at.as_str()))
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

/// Letters, digits and signs that no query language gives a meaning inside a word; resource ids seldom have others.
fn is_plain(value: &str) -> bool {
    value.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'))
}
