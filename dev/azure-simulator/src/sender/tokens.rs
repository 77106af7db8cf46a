//! Tokens from the token endpoint, each used until shortly before it expires.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, header::HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use crate::identity::TokenRequest;

/// A token is replaced this long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// How long the token endpoint may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Who asks for a token, where, and for which API.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The v2 token endpoint.
    pub token_url: String,
    pub client_id: String,
    pub client_secret: String,
    /// The API's Application ID URI or client id.
    pub audience: String,
}

/// Fetches tokens and keeps the current one.
#[derive(Debug)]
pub struct TokenSource {
    http: Client,
    credentials: Credentials,
    current: Mutex<Option<Current>>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot reach the token endpoint {url}: check that the identity provider runs")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the token endpoint refuses with {status}: {description}")]
    Refused { status: u16, description: String },
    #[error("the token endpoint answers without a usable token: check its URL")]
    Malformed,
}

#[derive(Debug, Clone)]
struct Current {
    bearer: HeaderValue,
    renew_at: Instant,
}

/// Both versions of a good answer; v1 writes the number as a text.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Value,
}

impl TokenSource {
    /// A source that has no token yet.
    ///
    /// # Errors
    /// When an HTTP client cannot be built.
    pub fn new(credentials: Credentials) -> Result<Self, TokenError> {
        let http = Client::builder()
            .no_proxy()
            .timeout(DEADLINE)
            .build()
            .map_err(|source| TokenError::Unreachable { url: credentials.token_url.clone(), source })?;
        Ok(Self { http, credentials, current: Mutex::new(None) })
    }

    /// The value of the `Authorization` header. Two callers may renew at once; each gets a good token, and one of
    /// the two is kept.
    ///
    /// # Errors
    /// When a token is needed and the endpoint does not give one.
    pub async fn bearer(&self) -> Result<HeaderValue, TokenError> {
        let current = self.current().clone().filter(|current| Instant::now() < current.renew_at);
        if let Some(current) = current {
            return Ok(current.bearer);
        }
        let (token, valid_for) = self.fetch().await?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_not_a_header| TokenError::Malformed)?;
        bearer.set_sensitive(true);
        let renew_at = Instant::now() + valid_for.saturating_sub(RENEW_BEFORE);
        *self.current() = Some(Current { bearer: bearer.clone(), renew_at });
        Ok(bearer)
    }

    /// A token straight from the endpoint, and how long it is valid.
    ///
    /// # Errors
    /// When the endpoint does not give one.
    pub async fn fetch(&self) -> Result<(String, Duration), TokenError> {
        let Credentials { token_url, client_id, client_secret, audience } = &self.credentials;
        let request = TokenRequest {
            grant_type: Some("client_credentials".to_owned()),
            client_id: Some(client_id.clone()),
            client_secret: Some(client_secret.clone()),
            scope: Some(format!("{audience}/.default")),
            resource: None,
        };
        let unreachable = |source| TokenError::Unreachable { url: token_url.clone(), source };
        let answer = self.http.post(token_url).form(&request).send().await.map_err(unreachable)?;
        let status = answer.status();
        if !status.is_success() {
            let body: Value = answer.json().await.unwrap_or_default();
            let description =
                body.get("error_description").and_then(Value::as_str).unwrap_or("no reason given");
            return Err(TokenError::Refused { status: status.as_u16(), description: description.to_owned() });
        }
        let answer: Answer = answer.json().await.map_err(|_not_a_token| TokenError::Malformed)?;
        let written = answer.expires_in.as_str().and_then(|text| text.parse().ok());
        let seconds = written.or(answer.expires_in.as_u64()).ok_or(TokenError::Malformed)?;
        Ok((answer.access_token, Duration::from_secs(seconds)))
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("token_url", &self.token_url)
            .field("client_id", &self.client_id)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
