//! The one HTTP client of all connectors: every call is bounded, authenticated and classified here.
//!
//! A connector says what a call is for ([`Purpose`]) and how its product explains a refusal ([`Explain`]);
//! it gets the body of a success, or the [`ConnectorError`] that follows from what was seen on the wire.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::Value;
use shared::settings::SettingsError;
use tokio::time::sleep_until;
use url::Url;

pub(crate) use self::address::base_url;
pub use self::credentials::BasicSettings;
pub(crate) use self::credentials::{ClientCredentials, Credentials, Fixed};
use self::deadline::Deadline;
pub(crate) use self::outcome::{MAX_REASON_CHARS, Purpose};
pub(crate) use self::secret::Secret;
pub use self::tls::{Authorities, TlsSettings};
use super::{ConnectorError, text};

mod address;
mod credentials;
mod deadline;
mod outcome;
mod redaction;
mod secret;
mod tls;

/// Larger than any answer that a connector asks for; the rest is somebody else's page.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// A host that does not accept a connection in this time is down, whatever the deadline of the call.
const MAX_CONNECT: Duration = Duration::from_secs(5);
/// Shorter than the keep-alive of common servers: a connection that closes under a create costs a look-up.
const POOL_IDLE: Duration = Duration::from_secs(4);
const POOL_MAX_IDLE: usize = 32;
const USER_AGENT: &str = concat!("secure-export/", env!("CARGO_PKG_VERSION"));

/// How a product explains itself in the bodies of its answers.
pub(crate) trait Explain: Send + Sync {
    /// What it says in the body of a refusal, if it is in its own words.
    fn explain(&self, body: &[u8]) -> Option<String>;

    /// What became of the call as far as the body tells, whatever the status; none if the status decides.
    fn verdict(&self, _body: &[u8]) -> Option<ConnectorError> {
        None
    }
}

impl<F: Fn(&[u8]) -> Option<String> + Send + Sync> Explain for F {
    fn explain(&self, body: &[u8]) -> Option<String> {
        self(body)
    }
}

/// How the calls of one target are made, whatever its product.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Each act ends within it, tokens and retries included.
    pub deadline: Duration,
    pub authorities: Authorities,
}

impl CallSettings {
    /// Calls that believe the authorities of this machine.
    #[must_use]
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, authorities: Authorities::default() }
    }
}

/// One request to a product's API.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) purpose: Purpose,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Body>,
}

#[derive(Debug)]
pub(crate) enum Body {
    Json(Value),
    /// Fields of a form.
    Form(Vec<(String, String)>),
}

/// Calls one instance of a product as one user.
pub(crate) struct HttpClient {
    wire: Wire,
    credentials: Credentials,
    headers: HeaderMap,
    deadline: Duration,
    explain: Box<dyn Explain>,
}

impl HttpClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub(crate) fn new(
        credentials: Credentials,
        calls: &CallSettings,
        explain: impl Explain + 'static,
    ) -> Result<Self, SettingsError> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let (wire, deadline) = (Wire::new(calls)?, calls.deadline);
        Ok(Self { wire, credentials, headers, deadline, explain: Box::new(explain) })
    }

    /// Sends these with every call, in place of others of their names.
    #[must_use]
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Begins an act of one or several calls.
    pub(crate) fn act(&self) -> Act<'_> {
        Act { client: self, deadline: Deadline::after(self.deadline) }
    }
}

/// Calls that are one act for the caller: they end within one deadline together, whatever became of this process
/// between two of them.
pub(crate) struct Act<'a> {
    client: &'a HttpClient,
    deadline: Deadline,
}

impl Act<'_> {
    /// The body of a successful answer. A refused token is renewed once, a refused secret read again, and the call,
    /// which was not carried out, is made again with the new one.
    ///
    /// # Errors
    /// Every failure, by what the caller can do about it; no text contains a credential.
    pub(crate) async fn call(&self, call: &Call) -> Result<Vec<u8>, ConnectorError> {
        let HttpClient { wire, credentials, .. } = self.client;
        let authorization = credentials.authorization(wire, self.deadline).await?;
        let outcome = self.attempt(call, &authorization).await;
        let Err(ConnectorError::Unauthorized(reason)) = outcome else { return outcome };
        if !credentials.discard(&authorization).await {
            return Err(ConnectorError::Unauthorized(reason));
        }
        let authorization = credentials.authorization(wire, self.deadline).await?;
        self.attempt(call, &authorization).await
    }

    async fn attempt(&self, call: &Call, authorization: &HeaderValue) -> Result<Vec<u8>, ConnectorError> {
        let HttpClient { wire, explain, credentials, headers, .. } = self.client;
        let mut request = wire
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(headers.clone())
            .header(credentials.header(), authorization);
        request = match &call.body {
            Some(Body::Json(body)) => request.json(body),
            Some(Body::Form(fields)) => request.form(fields),
            None => request,
        };
        let sent = wire.send(request, call.purpose, explain.as_ref(), self.deadline).await;
        sent.map_err(|error| credentials.hide(authorization, error))
    }
}

/// Requests on their way and answers on their way back, for whomever they are.
struct Wire {
    client: Client,
}

impl Wire {
    fn new(calls: &CallSettings) -> Result<Self, SettingsError> {
        // Without a cookie store: a session cookie would pin every worker to one node of the product.
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(MAX_CONNECT.min(calls.deadline / 2))
            .tls_certs_merge(calls.authorities.certificates())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .build()
            .map_err(|error| {
                SettingsError::Invalid(format!("cannot set up TLS for outgoing calls: {}", cause(&error)))
            })?;
        Ok(Self { client })
    }

    async fn send(
        &self,
        request: RequestBuilder,
        purpose: Purpose,
        explain: &dyn Explain,
        deadline: Deadline,
    ) -> Result<Vec<u8>, ConnectorError> {
        if deadline.is_over() {
            return Err(ConnectorError::Unavailable(
                "nothing was sent: this worker stood still until the time for the call was over".to_owned(),
            ));
        }
        let exchange = async {
            let mut response =
                request.send().await.map_err(|error| unanswered(purpose, &error.without_url()))?;
            let body = read(&mut response).await;
            let (status, headers, now) = (response.status(), response.headers(), Timestamp::now());
            if let Some(error) = body.as_ref().ok().and_then(|body| explain.verdict(body)) {
                return Err(outcome::told(error, headers, now));
            }
            if status.is_success() {
                return body.map_err(|reason| purpose.unanswered(reason));
            }
            // The status decides; a refusal whose text cannot be read is still a refusal.
            let words = explain.explain(&body.unwrap_or_default());
            Err(purpose.refused(status, headers, words, now))
        };
        // The timer first, so that a process that was stopped sends as little as can be helped when it wakes.
        tokio::select! {
            biased;
            () = sleep_until(deadline.timer()) => {
                Err(purpose.unanswered("no complete answer within the deadline".to_owned()))
            }
            outcome = exchange => outcome,
        }
    }
}

async fn read(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| format!("the answer broke off: {}", cause(&error.without_url())))?
    {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unanswered(purpose: Purpose, error: &reqwest::Error) -> ConnectorError {
    if error.is_connect() || error.is_builder() {
        // Name resolution, connection or handshake failed: not a byte of the request has left.
        let remedy = if tls::is_unknown_authority(error) {
            ": if its certificate is of an authority of your own, give that in tls.ca_file of the target"
        } else {
            ""
        };
        return ConnectorError::Unavailable(format!("{}{remedy}", cause(error)));
    }
    purpose.unanswered(cause(error))
}

/// The innermost reason: the outer ones only say that a request could not be sent.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    text::line(&innermost.to_string(), MAX_REASON_CHARS)
}

#[cfg(test)]
mod tests;
