//! The Request Tracker of this test run, and what its administrator does to it behind a connector's back.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;

use super::TestError;
use crate::{
    process,
    request_tracker::{Access, CATALOG, RESOURCE_FIELD},
};

/// RT's own maximum for a page.
const PAGE: &str = "100";

/// The base URL of a Request Tracker that `stack with --request-tracker` has started.
pub const REQUEST_TRACKER_URL: &str = "SECURE_EXPORT_TEST_REQUEST_TRACKER_URL";
/// The token of the connector's user there.
pub const REQUEST_TRACKER_TOKEN: &str = "SECURE_EXPORT_TEST_REQUEST_TRACKER_TOKEN";
/// The token of a user with too few rights.
pub const REQUEST_TRACKER_LIMITED_TOKEN: &str = "SECURE_EXPORT_TEST_REQUEST_TRACKER_LIMITED_TOKEN";
/// The token of an administrator.
pub const REQUEST_TRACKER_ADMIN_TOKEN: &str = "SECURE_EXPORT_TEST_REQUEST_TRACKER_ADMIN_TOKEN";

/// The Request Tracker that the tests of a run share; its names are in [`crate::request_tracker`].
///
/// What it does, it does as an administrator, and it believes no answer: RT also answers 200 when it refuses a
/// change, so each change is read back.
#[derive(Clone, Debug)]
pub struct TestRequestTracker {
    access: Access,
    http: Client,
}

impl TestRequestTracker {
    /// The Request Tracker that the environment names.
    ///
    /// # Errors
    /// When a variable is not set; the message says how to run the tests.
    pub fn from_env() -> Result<Self, TestError> {
        let read = |name| std::env::var(name).map_err(|_unset| TestError::NoRequestTracker(name));
        Self::new(Access {
            base_url: read(REQUEST_TRACKER_URL)?,
            token: read(REQUEST_TRACKER_TOKEN)?,
            limited_token: read(REQUEST_TRACKER_LIMITED_TOKEN)?,
            admin_token: read(REQUEST_TRACKER_ADMIN_TOKEN)?,
        })
    }

    /// Another Request Tracker, for what would disturb the tests that share one.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(access: Access) -> Result<Self, TestError> {
        Ok(Self { access, http: process::http_client().map_err(TestError::RequestTracker)? })
    }

    /// Where it is, and the tokens of its users.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The ticket as RT describes it; that into which it was merged, if it was.
    ///
    /// # Errors
    /// When there is no such ticket.
    pub async fn ticket(&self, ticket: u64) -> Result<Value, TestError> {
        self.request(Method::GET, &format!("ticket/{ticket}"), &[], None).await
    }

    /// The tickets that a query in RT's language finds, at most a hundred.
    ///
    /// # Errors
    /// When RT does not understand the query.
    pub async fn find_tickets(&self, query: &str) -> Result<Vec<u64>, TestError> {
        let answer =
            self.request(Method::GET, "tickets", &[("query", query), ("per_page", PAGE)], None).await?;
        items(&answer).map(id_of).collect()
    }

    /// What was written into a ticket: its first text, comments and replies, oldest first, at most a hundred.
    ///
    /// # Errors
    /// When there is no such ticket.
    pub async fn texts(&self, ticket: u64) -> Result<Vec<String>, TestError> {
        let path = format!("ticket/{ticket}/history");
        let history =
            self.request(Method::GET, &path, &[("fields", "Type"), ("per_page", PAGE)], None).await?;
        let written = ["Create", "Comment", "Correspond"];
        let written: Vec<_> = items(&history)
            .filter(|entry| entry.get("Type").and_then(Value::as_str).is_some_and(|it| written.contains(&it)))
            .filter_map(|entry| entry.get("id"))
            .collect();

        let path = format!("ticket/{ticket}/attachments");
        let fields = [("fields", "Content,ContentType,TransactionId"), ("per_page", PAGE)];
        let attachments = self.request(Method::GET, &path, &fields, None).await?;
        let text = |attachment: &Value| {
            let is_text = attachment.get("ContentType").is_some_and(|kind| kind == "text/plain");
            let is_written = attachment.get("TransactionId").is_some_and(|entry| written.contains(&entry));
            let content = attachment.get("Content")?.as_str()?;
            (is_text && is_written).then(|| content.to_owned())
        };
        Ok(items(&attachments).filter_map(text).collect())
    }

    /// Creates a ticket from RT's own fields, `Queue` among them.
    ///
    /// # Errors
    /// When RT refuses.
    pub async fn create_ticket(&self, fields: Value) -> Result<u64, TestError> {
        id_of(&self.request(Method::POST, "ticket", &[], Some(fields)).await?)
    }

    /// Gives a ticket a status: `open`, `resolved`, `rejected`, `deleted`, …
    ///
    /// # Errors
    /// When the ticket then has another one.
    pub async fn set_status(&self, ticket: u64, status: &str) -> Result<(), TestError> {
        self.change(&format!("ticket/{ticket}"), json!({ "Status": status }), |ticket| {
            ticket.get("Status").is_some_and(|now| now == status)
        })
        .await
    }

    /// Moves a ticket to another queue.
    ///
    /// # Errors
    /// When the ticket then is elsewhere.
    pub async fn move_to(&self, ticket: u64, queue: &str) -> Result<(), TestError> {
        let target = id_of(&self.request(Method::GET, &format!("queue/{queue}"), &[], None).await?)?;
        self.change(&format!("ticket/{ticket}"), json!({ "Queue": queue }), |ticket| {
            ticket.get("Queue").and_then(|queue| id_of(queue).ok()) == Some(target)
        })
        .await
    }

    /// Merges a ticket into another one, which from then on answers for both.
    ///
    /// # Errors
    /// When the ticket's number then does not lead to the other.
    pub async fn merge(&self, ticket: u64, into: u64) -> Result<(), TestError> {
        self.change(&format!("ticket/{ticket}"), json!({ "MergeInto": into }), |ticket| {
            id_of(ticket).ok() == Some(into)
        })
        .await
    }

    /// Creates an asset for a resource in the catalog of the tests.
    ///
    /// # Errors
    /// When RT refuses.
    pub async fn create_asset(&self, name: &str, resource: &str) -> Result<u64, TestError> {
        let fields =
            json!({ "Catalog": CATALOG, "Name": name, "CustomFields": { (RESOURCE_FIELD): resource } });
        id_of(&self.request(Method::POST, "asset", &[], Some(fields)).await?)
    }

    /// Deletes an asset as RT does: it stays, with the status `deleted`.
    ///
    /// # Errors
    /// When the asset then has another status.
    pub async fn delete_asset(&self, asset: u64) -> Result<(), TestError> {
        self.change(&format!("asset/{asset}"), json!({ "Status": "deleted" }), |asset| {
            asset.get("Status").is_some_and(|now| now == "deleted")
        })
        .await
    }

    /// Sends any other request as the administrator; `path` is relative to `/REST/2.0/`.
    ///
    /// # Errors
    /// When the answer is not a success, with what RT says about it.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, TestError> {
        let url: Url = format!("{}/REST/2.0/{path}", self.access.base_url).parse()?;
        let mut request = self
            .http
            .request(method, url)
            .header("Authorization", format!("token {}", self.access.admin_token))
            .query(query);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(TestError::RequestTracker)?;
        let status = answer.status();
        let text = answer.text().await.map_err(TestError::RequestTracker)?;
        match serde_json::from_str(&text) {
            Ok(value) if status.is_success() => Ok(value),
            Ok(_) | Err(_) => Err(TestError::RequestTrackerRefused(format!("{path}: {status}: {text}"))),
        }
    }

    /// Changes a record and reads it back.
    async fn change(
        &self,
        path: &str,
        fields: Value,
        is_done: impl Fn(&Value) -> bool,
    ) -> Result<(), TestError> {
        let answer = self.request(Method::PUT, path, &[], Some(fields)).await?;
        if is_done(&self.request(Method::GET, path, &[], None).await?) {
            return Ok(());
        }
        Err(TestError::RequestTrackerRefused(format!("{path}: {answer}")))
    }
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// RT writes the same id as a number here and as a text there.
fn id_of(record: &Value) -> Result<u64, TestError> {
    let id = record.get("id");
    id.and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()))
        .ok_or_else(|| TestError::RequestTrackerRefused(format!("no id in {record}")))
}
