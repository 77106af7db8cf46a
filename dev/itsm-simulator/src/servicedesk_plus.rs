//! ManageEngine ServiceDesk Plus on a customer's own machine: requests and assets, as API v3 shows them.
//!
//! Read from <https://www.manageengine.com/products/service-desk/sdpop-v3-api/requests/request.html>, not
//! from a running one. What is said to be unverified is a guess of ours.

mod listing;
mod request;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderName};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ending::Manner;
use crate::help_desk::Refusal;
use crate::help_desk::dialect::{Dialect, Route, Visit, Words};
use crate::request::{header, pairs};

/// Without it the product takes the caller for a browser.
const MEDIA_TYPE: &str = "application/vnd.manageengine.sdp.v3+json";
const LOGIN: &str = "<!DOCTYPE html><html><head><title>ManageEngine ServiceDesk Plus</title></head></html>";
/// The status of every success inside the body.
const SUCCESS: u16 = 2000;
const NOT_ALLOWED: u16 = 4002;
const NO_SUCH_RECORD: u16 = 4007;
const MISSING: u16 = 4012;
const NOT_USABLE: u16 = 4001;

pub(crate) const SERVICEDESK_PLUS: Dialect = Dialect {
    name: "servicedesk_plus",
    prefix: "/servicedesk_plus/api/v3",
    words: Words {
        statuses: &["Open", "On Hold", "In Progress", "Resolved", "Closed", "Cancelled"],
        in_work: "In Progress",
        resolved: "Resolved",
        closed: "Closed",
        done: &["Resolved", "Closed", "Cancelled"],
        // That a merged request is gone is unverified.
        merged: None,
        fields: &["udf_sline_301", "udf_sline_302"],
        title_limit: 250,
        arm_id: Some("udf_sline_401"),
    },
    manner: Manner { page: LOGIN, failure: plain_failure },
    admit,
    route,
};

fn admit(request: &HttpRequest, token: Option<&str>) -> Result<(), Answer> {
    if !header(request, &ACCEPT).is_some_and(|accepted| accepted.contains(MEDIA_TYPE)) {
        return Err(Answer::html(StatusCode::OK, LOGIN));
    }
    let proof = header(request, &HeaderName::from_static("authtoken"));
    let refusal = || plain_failure(StatusCode::UNAUTHORIZED, "UNAUTHORISED");
    proof.filter(|sent| token == Some(*sent)).map(|_| ()).ok_or_else(refusal)
}

fn route(method: &str, parts: &[&str]) -> Route {
    let (operation, act): (_, fn(&mut Visit<'_>) -> _) = match (method, parts) {
        ("POST", ["requests"]) => ("create", request::create),
        ("GET", ["requests"]) => ("search", listing::requests),
        ("GET", ["requests", _]) => ("read", request::read),
        ("PUT", ["requests", _]) => ("update", request::update),
        ("POST", ["requests", _, "notes"]) => ("note", request::note),
        ("POST", ["requests", _, "link_requests"]) => ("link", request::link),
        ("GET", ["assets"]) => ("list_assets", listing::assets),
        _ => ("other", |_| Err(plain_failure(StatusCode::NOT_FOUND, "Invalid URL"))),
    };
    Route { operation, act }
}

/// The form field `input_data`: of the query string of a `GET`, else of the body.
fn input(visit: &Visit<'_>) -> Result<Map<String, Value>, Answer> {
    let form = std::str::from_utf8(visit.body).ok().and_then(pairs).unwrap_or_default();
    let in_form = form.iter().find(|(name, _)| name == "input_data").map(|(_, value)| value.as_str());
    let text = if visit.body.is_empty() { visit.parameter("input_data") } else { in_form };
    serde_json::from_str(text.unwrap_or("{}"))
        .map_err(|_| plain_failure(StatusCode::BAD_REQUEST, "Invalid input_data"))
}

fn success(mut body: Map<String, Value>) -> Answer {
    body.insert("response_status".to_owned(), json!({ "status_code": SUCCESS, "status": "success" }));
    Answer::json(StatusCode::OK, Value::Object(body))
}

/// A refusal for the content of what was sent: with some of them only the body tells.
fn refused(visit: &Visit<'_>, refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoSuchTicket(_) => not_found(),
        Refusal::NoSuchStatus(_) => content_refused(visit, NOT_USABLE, "status", "Invalid value for status"),
        Refusal::NoSuchGroup(_) => content_refused(visit, NOT_USABLE, "group", "Invalid value for group"),
        Refusal::Mandatory(name) => {
            content_refused(visit, MISSING, &name, "Value for mandatory-field is not provided")
        }
        // The code is unverified.
        Refusal::TitleTooLong(_) => content_refused(visit, NOT_USABLE, "subject", "Subject is too long"),
        other @ (Refusal::MergedIntoItself(_) | Refusal::Full { .. } | Refusal::NoConfigurationItems(_)) => {
            plain_failure(StatusCode::INSUFFICIENT_STORAGE, &other.to_string())
        }
    }
}

fn content_refused(visit: &Visit<'_>, code: u16, field: &str, message: &str) -> Answer {
    let is_hidden = visit.desk.settings.switches.refuses_with_200;
    let status = if is_hidden { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    failure(status, json!({ "status_code": code, "type": "failed", "fields": [field], "message": message }))
}

fn not_found() -> Answer {
    let message =
        json!({ "status_code": NO_SUCH_RECORD, "type": "failed", "message": "Invalid URL or resource" });
    failure(StatusCode::NOT_FOUND, message)
}

fn forbidden() -> Answer {
    // The code is unverified.
    let message = json!({ "status_code": NOT_ALLOWED, "type": "failed", "message": "Permission denied" });
    failure(StatusCode::FORBIDDEN, message)
}

fn plain_failure(status: StatusCode, message: &str) -> Answer {
    failure(status, json!({ "status_code": 4000, "type": "failed", "message": message }))
}

fn failure(status: StatusCode, message: Value) -> Answer {
    let says = json!({ "status_code": 4000, "messages": [message], "status": "failed" });
    Answer::json(status, json!({ "response_status": says }))
}
