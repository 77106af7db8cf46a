//! What every product reads from a request.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use actix_web::web::Query;

pub(crate) type Pairs = Vec<(String, String)>;

/// The pairs of a query string or of a form.
pub(crate) fn pairs(encoded: &str) -> Option<Pairs> {
    Query::<Pairs>::from_query(encoded).ok().map(Query::into_inner)
}

pub(crate) fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
