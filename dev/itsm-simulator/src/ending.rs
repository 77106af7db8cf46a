//! What a fault makes of an answer, in the manner of the product that gives it.

use std::time::Duration;

use actix_web::http::StatusCode;
use serde_json::Value;

use crate::answer::Answer;
use crate::fault::{Blow, Ending};

/// How a product fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The page for people that comes instead of an answer.
    pub(crate) page: &'static str,
    /// The product's own error object.
    pub(crate) failure: fn(StatusCode, &str) -> Answer,
}

/// Waits as long as a fault says; the answer is the one that the client gets instead.
pub(crate) async fn suffer(blow: Blow, manner: Manner) -> Option<Answer> {
    if blow.delay > Duration::ZERO {
        tokio::time::sleep(blow.delay).await;
    }
    blow.ending.map(|ending| answer(ending, manner))
}

fn answer(ending: Ending, manner: Manner) -> Answer {
    match ending {
        Ending::Reset => Answer::hangup(),
        Ending::HtmlPage => Answer::html(StatusCode::OK, manner.page),
        Ending::ErrorInSuccess { message } => (manner.failure)(StatusCode::OK, &message),
        Ending::Answer { status, body, retry_after_s } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let answer = match body {
                Some(Value::String(page)) => Answer::html(status, &page),
                Some(body) => Answer::json(status, body),
                None => (manner.failure)(status, status.canonical_reason().unwrap_or("Failure")),
            };
            match retry_after_s {
                Some(seconds) => answer.with("Retry-After", seconds.to_string()),
                None => answer,
            }
        }
    }
}
