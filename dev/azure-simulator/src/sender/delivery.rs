//! One notification, delivered with Azure's headers and Azure's patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};

use super::TokenSource;

/// How long the receiver may take for one attempt.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of an answer is kept, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Delivers notifications to one webhook.
#[derive(Debug)]
pub struct Sender {
    http: Client,
    url: Url,
    tokens: TokenSource,
    retries: Retries,
}

/// The pauses before the second attempt and the following ones. There are no further attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries(pub Vec<Duration>);

/// What became of a notification.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub outcome: Outcome,
    /// Requests made; none when there was no token.
    pub attempts: u32,
    /// The body of the last answer, cut at 64 KiB.
    pub answer: Bytes,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A status of the 2xx class.
    Accepted(u16),
    /// Any other status, at once where Azure does not retry it, or after the last retry.
    Refused(u16),
    /// No answer, even after the last retry.
    Unreachable,
    /// The token endpoint gave no token.
    NoToken,
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("'{url}' is no URL of a webhook: write it like http://127.0.0.1:8080/v1/alerts")]
    Url { url: String },
    #[error("cannot build an HTTP client: check this machine's TLS set-up")]
    Client(#[from] reqwest::Error),
}

impl Retries {
    /// The pauses that Azure documents: 5, 20, 5, 40 and 5 seconds.
    pub fn azure() -> Self {
        Self([5, 20, 5, 40, 5].map(Duration::from_secs).to_vec())
    }

    /// A single attempt.
    pub fn none() -> Self {
        Self(Vec::new())
    }
}

impl Sender {
    /// A sender to `url` with its own connections, kept alive between deliveries.
    ///
    /// # Errors
    /// When `url` is none.
    pub fn new(url: &str, tokens: TokenSource, retries: Retries) -> Result<Self, SenderError> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| SenderError::Url { url: url.to_owned() })?;
        let http = Client::builder()
            .user_agent("IcMBroadcaster/1.0")
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(DEADLINE)
            .build()?;
        Ok(Self { http, url, tokens, retries })
    }

    /// Delivers one body: up to its acceptance, a refusal that Azure does not retry, or the last retry.
    pub async fn deliver(&self, body: Bytes) -> Delivery {
        let mut delivery = self.attempt(body.clone()).await;
        for pause in &self.retries.0 {
            if !is_retried(delivery.outcome) {
                break;
            }
            tokio::time::sleep(*pause).await;
            let attempts = delivery.attempts;
            delivery = self.attempt(body.clone()).await;
            delivery.attempts += attempts;
        }
        delivery
    }

    async fn attempt(&self, body: Bytes) -> Delivery {
        let Ok(bearer) = self.tokens.bearer().await else {
            return Delivery { outcome: Outcome::NoToken, attempts: 0, answer: Bytes::new() };
        };
        let request = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
            .body(body);
        let answered = match request.send().await {
            Ok(answer) => read(answer).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok((status, answer)) if status.is_success() => {
                Delivery { outcome: Outcome::Accepted(status.as_u16()), attempts: 1, answer }
            }
            Ok((status, answer)) => {
                Delivery { outcome: Outcome::Refused(status.as_u16()), attempts: 1, answer }
            }
            Err(_no_answer) => Delivery { outcome: Outcome::Unreachable, attempts: 1, answer: Bytes::new() },
        }
    }
}

/// Azure retries these, and nothing else. A token that is missing is asked for again likewise.
fn is_retried(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Accepted(_) => false,
        Outcome::Refused(status) => matches!(status, 408 | 429 | 503 | 504),
        Outcome::Unreachable | Outcome::NoToken => true,
    }
}

/// Reads the answer to its end, so that the connection can be used again, and keeps the beginning.
async fn read(mut answer: Response) -> Result<(StatusCode, Bytes), reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = LARGEST_ANSWER.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    Ok((answer.status(), body.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_gives_up_at_once_on_every_other_refusal() {
        let retried: Vec<_> = (200..600).filter(|&status| is_retried(Outcome::Refused(status))).collect();
        assert_eq!(retried, [408, 429, 503, 504]);
    }
}
