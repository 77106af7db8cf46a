//! What a product answers, and the one way to give no answer at all.

use std::io;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use futures_util::{future, stream};
use serde_json::Value;

/// An answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Html(String),
    /// The socket is closed instead of an answer.
    Hangup,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    pub(crate) fn html(status: StatusCode, page: &str) -> Self {
        Self { status, headers: Vec::new(), body: Body::Html(page.to_owned()) }
    }

    pub(crate) fn hangup() -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Hangup }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in self.headers {
            response.append_header((name, value));
        }
        match self.body {
            Body::Empty => response.finish(),
            Body::Json(body) => {
                response.content_type("application/json;charset=UTF-8").body(body.to_string())
            }
            Body::Html(page) => response.content_type("text/html;charset=UTF-8").body(page),
            Body::Hangup => {
                // A body that fails before its first byte makes actix drop the connection with the
                // head of the answer still unsent.
                let refusal = io::Error::from(io::ErrorKind::ConnectionReset);
                response.streaming(stream::once(future::ready(Err::<Bytes, _>(refusal))))
            }
        }
    }
}
