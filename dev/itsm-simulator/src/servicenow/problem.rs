//! Every refusal of the Table API in one table: status, message and detail of its error object.

use actix_web::http::StatusCode;
use serde_json::json;

use super::incident::Refusal;
use super::instance::WriteError;
use super::rate::Ruling;
use crate::answer::Answer;
use crate::ending::Manner;

#[derive(Debug)]
pub(super) enum Problem {
    InvalidTable(String),
    NoResource,
    BadRequest(&'static str),
    NotAuthenticated,
    /// Gone, or hidden by an access rule: the product does not say which.
    NoRecord,
    NoRights,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    UrlTooLong,
    RateLimited(Ruling),
    Write(WriteError),
}

impl Problem {
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::InvalidTable(table) => {
                failure(StatusCode::BAD_REQUEST, &format!("Invalid table {table}"), None)
            }
            Self::NoResource => {
                failure(StatusCode::BAD_REQUEST, "Requested URI does not represent any resource", None)
            }
            Self::BadRequest(detail) => {
                failure(StatusCode::BAD_REQUEST, "Exception while reading request", Some(detail))
            }
            Self::NotAuthenticated => failure(
                StatusCode::UNAUTHORIZED,
                "User Not Authenticated",
                Some("Required to provide Auth information"),
            )
            .with("WWW-Authenticate", "BEARER realm=\"Service-now\""),
            Self::NoRecord => failure(
                StatusCode::NOT_FOUND,
                "No Record found",
                Some("Record doesn't exist or ACL restricts the record retrieval"),
            ),
            Self::NoRights => failure(
                StatusCode::FORBIDDEN,
                "Insufficient rights to write the record",
                Some("Operation failed due to ACL"),
            ),
            Self::MethodNotAllowed => failure(StatusCode::METHOD_NOT_ALLOWED, "Method not supported", None),
            Self::NotAcceptable => failure(StatusCode::NOT_ACCEPTABLE, "Not acceptable", None),
            Self::UnsupportedMediaType => {
                failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", None)
            }
            Self::UrlTooLong => failure(StatusCode::URI_TOO_LONG, "URI too long", None),
            Self::RateLimited(ruling) => rate_limited(ruling),
            Self::Write(error) => not_written(&error),
        }
    }
}

/// How the instance fails when a fault says so.
pub(super) const MANNER: Manner = Manner {
    page: "<!DOCTYPE html><html><title>Hibernating Instance</title><body>The instance sleeps.</body></html>",
    failure: |status, message| failure(status, message, None),
};

fn rate_limited(ruling: Ruling) -> Answer {
    let detail = format!("Rate limit of {} requests per hour for Table API exceeded", ruling.limit);
    let wait = ruling.retry_after_s.unwrap_or(0).to_string();
    failure(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", Some(&detail)).with("Retry-After", wait)
}

fn not_written(error: &WriteError) -> Answer {
    let detail = error.to_string();
    match error {
        WriteError::Full { .. } => {
            failure(StatusCode::INSUFFICIENT_STORAGE, "Simulator is full", Some(&detail))
        }
        WriteError::NoSuchTicket(_)
        | WriteError::UnknownClass { .. }
        | WriteError::UnknownColumn { .. }
        | WriteError::TooManyTags { .. } => Problem::NoRecord.answer(),
        WriteError::Refused(rule) => match rule.refusal() {
            Refusal::Mandatory(_) | Refusal::UnknownCloseCode => {
                failure(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
            }
            Refusal::Closed => {
                failure(StatusCode::FORBIDDEN, "Insufficient rights to update the record", Some(&detail))
            }
        },
    }
}

fn failure(status: StatusCode, message: &str, detail: Option<&str>) -> Answer {
    Answer::json(status, json!({ "error": { "message": message, "detail": detail }, "status": "failure" }))
}
