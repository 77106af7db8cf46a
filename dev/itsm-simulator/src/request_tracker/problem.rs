//! Every refusal of REST 2.0 in one table: status and message.

use actix_web::http::StatusCode;
use serde_json::json;

use super::desk::WriteError;
use crate::answer::Answer;
use crate::ending::Manner;

#[derive(Debug)]
pub(super) enum Problem {
    BadRequest(String),
    Unauthorized,
    Forbidden,
    /// The queue does not exist or may not be used: the product does not say which.
    QueueRefused(String),
    NotFound,
    /// A `PUT` to what does not exist.
    NothingToUpdate,
    /// Also what a comment on an unknown ticket gets.
    CommentRefused,
    MethodNotAllowed,
    UnsupportedMediaType,
    Write(WriteError),
}

/// How the product fails when a fault says so.
pub(super) const MANNER: Manner = Manner {
    page: "<!DOCTYPE html><html><head><title>Login</title></head><body>Login to RT</body></html>",
    failure,
};

impl Problem {
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::BadRequest(message) => failure(StatusCode::BAD_REQUEST, &message),
            Self::Unauthorized => failure(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Forbidden => failure(StatusCode::FORBIDDEN, "Forbidden"),
            Self::QueueRefused(queue) => {
                let message = format!("No permission to create tickets in the queue '{queue}'");
                failure(StatusCode::FORBIDDEN, &message)
            }
            Self::NotFound => failure(StatusCode::NOT_FOUND, "Not Found"),
            Self::NothingToUpdate => {
                failure(StatusCode::NOT_FOUND, "Resource does not exist; use POST to create")
            }
            Self::CommentRefused => failure(StatusCode::BAD_REQUEST, "Permission Denied"),
            Self::MethodNotAllowed => failure(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
            Self::UnsupportedMediaType => {
                failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
            }
            Self::Write(error) => failure(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
        }
    }
}

fn failure(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, json!({ "message": message }))
}
