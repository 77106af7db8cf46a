//! Every error that a caller can get, in one table, as RFC 9457 problem documents.
//!
//! Azure retries 408, 429, 503 and 504 and takes anything else for final, so whatever is not the caller's fault
//! is 503 here, never 500 or 502.
//! <https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook>

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

const MEDIA_TYPE: &str = "application/problem+json";
const RETRY_AFTER_SECONDS: &str = "5";

/// What is wrong with a request: stable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    NotJson,
    NotAnAlert,
    BodyIncomplete,
    Unauthenticated,
    Forbidden,
    SubscriptionNotAllowed,
    NotFound,
    MethodNotAllowed,
    BodyTooSlow,
    BodyTooLarge,
    KeysUnavailable,
    NotDurable,
}

/// An answer that is not 202.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    detail: Cow<'static, str>,
}

struct Row {
    status: StatusCode,
    name: &'static str,
    detail: &'static str,
}

impl Code {
    pub const ALL: [Self; 12] = [
        Self::NotJson,
        Self::NotAnAlert,
        Self::BodyIncomplete,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::SubscriptionNotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooSlow,
        Self::BodyTooLarge,
        Self::KeysUnavailable,
        Self::NotDurable,
    ];

    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The table: status, code, and what the caller reads. What a token lacks is for the operator's log only.
    fn row(self) -> Row {
        let row = |status, name, detail| Row { status, name, detail };
        match self {
            Self::NotJson => row(StatusCode::BAD_REQUEST, "not_json", "the body is not JSON"),
            Self::NotAnAlert => row(
                StatusCode::BAD_REQUEST,
                "not_an_alert",
                "the body is no alert; enable the common alert schema on this action of the action group",
            ),
            Self::BodyIncomplete => {
                row(StatusCode::BAD_REQUEST, "body_incomplete", "the body ended before its announced length")
            }
            Self::Unauthenticated => row(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "no valid token; use a secure webhook, and see the log of ingest for the reason",
            ),
            Self::Forbidden => row(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the token is valid, but may not deliver alerts; see the log of ingest for the reason",
            ),
            Self::SubscriptionNotAllowed => row(
                StatusCode::FORBIDDEN,
                "subscription_not_allowed",
                "the alert names a subscription, or none, that this receiver does not accept",
            ),
            Self::NotFound => row(StatusCode::NOT_FOUND, "not_found", "alerts are received at /v1/alerts"),
            Self::MethodNotAllowed => {
                row(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "alerts are received by POST")
            }
            Self::BodyTooSlow => row(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "the body did not arrive in time; send it again",
            ),
            Self::BodyTooLarge => row(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is larger than this receiver accepts; an alert of Azure Monitor is at most 256 KiB",
            ),
            Self::KeysUnavailable => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "keys_unavailable",
                "the token cannot be checked now; send the alert again",
            ),
            Self::NotDurable => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_durable",
                "the alert cannot be stored safely now; send it again",
            ),
        }
    }
}

impl Problem {
    /// The problem with more to say than the table does.
    #[must_use]
    pub fn because(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, detail: code.row().detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut answer = HttpResponse::build(status);
        match status {
            StatusCode::UNAUTHORIZED => answer.insert_header((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => answer.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)),
            _ => &mut answer,
        };
        answer.content_type(MEDIA_TYPE).json(Document {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code.name(),
            detail: &self.detail,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn no_answer_is_an_internal_error_or_a_bad_gateway() {
        for code in Code::ALL {
            assert!(![500, 502].contains(&code.status().as_u16()), "{code:?}");
        }
    }

    #[test]
    fn every_503_says_when_to_come_back_and_every_401_how_to_authenticate() {
        for code in Code::ALL {
            let answer = Problem::from(code).error_response();
            assert_eq!(answer.headers().contains_key(RETRY_AFTER), answer.status() == 503, "{code:?}");
            assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), answer.status() == 401, "{code:?}");
        }
    }
}
