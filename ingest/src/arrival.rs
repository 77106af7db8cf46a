//! What every request has from the moment it arrives: a deadline, a trace, a place in the count and in the log.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tracing::Instrument;

use self::held::Held;
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};

mod held;

const TRACEPARENT: &str = "traceparent";

/// One request, as far as every part of its handling must know it. As an extractor it fails where [`observe`] did
/// not see the request: without a deadline nothing may be awaited.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Nothing on behalf of the request is awaited beyond this.
    pub deadline: Instant,
    /// W3C trace context: the caller's if it sent a valid one, else made here.
    pub traceparent: String,
}

impl Arrival {
    /// The deadline alone.
    ///
    /// # Errors
    /// As the extractor.
    pub fn deadline(request: &HttpRequest) -> Result<Instant, Problem> {
        request.extensions().get().map(|arrival: &Self| arrival.deadline).ok_or_else(unobserved)
    }
}

impl FromRequest for Arrival {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get().cloned().ok_or_else(unobserved))
    }
}

/// Middleware: gives the request its [`Arrival`], counts it, and writes its line in the access log, which names
/// neither token nor body nor header.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    metrics: Metrics,
    time_limit: Duration,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let started = Instant::now();
    let _counted = InFlight::enter(&metrics.requests_in_flight);
    let traceparent = traceparent(&request);
    let span = tracing::info_span!("request", traceparent = %traceparent);
    request.extensions_mut().insert(Arrival { deadline: started + time_limit, traceparent });

    let (request, body) = Held::hold(request);
    let mut answer = next.call(request).instrument(span.clone()).await?;

    let status = answer.status().as_u16();
    let problem = answer.response().error().and_then(|error| error.as_error::<Problem>());
    let refused = problem.map(|problem| problem.code);
    match refused {
        Some(code) => metrics.request_refused(code),
        None => metrics.request_accepted(),
    }
    if refused.is_some() {
        // Only who has brought an alert may bring another one this way: actix bounds the time of the first head of a
        // connection, but not of a later one.
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let method = answer.request().method().as_str();
    let route = answer.request().match_pattern();
    let route = route.as_deref().unwrap_or("unknown");
    span.in_scope(|| {
        tracing::info!(
            http.method = method,
            http.route = route,
            http.status = status,
            code = refused.map_or("accepted", Code::name),
            duration_ms,
            "answered {status}"
        );
    });
    Ok(body.until_sent(answer))
}

fn unobserved() -> Problem {
    Code::NotDurable.into()
}

/// Counts a request for as long as it lives, also when its connection goes away before the answer.
struct InFlight(Gauge);

impl InFlight {
    fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn traceparent(request: &ServiceRequest) -> String {
    let given = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    match given {
        Some(given) if is_traceparent(given) => given.to_owned(),
        Some(_) | None => new_traceparent(),
    }
}

/// Whether the text is a trace context of version 00: <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = text.split('-');
    let (Some("00"), Some(trace), Some(parent), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let says_something = |part: &str| part.bytes().any(|b| b != b'0');
    hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && says_something(trace) && says_something(parent)
}

/// A trace that begins here and is not sampled.
fn new_traceparent() -> String {
    // Zero would not be valid.
    let trace = rand::random::<u128>().max(1);
    let parent = rand::random::<u64>().max(1);
    format!("00-{trace:032x}-{parent:016x}-00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_taken_over_only_when_it_is_valid() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert!(is_traceparent(&format!("00-{trace}-b7ad6b7169203331-01")));
        for bad in [
            String::new(),
            format!("00-{trace}-b7ad6b7169203331"),
            format!("00-{trace}-b7ad6b7169203331-01-x"),
            format!("01-{trace}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-b7ad6b716920333\u{e4}-01"),
        ] {
            assert!(!is_traceparent(&bad), "{bad}");
        }
    }

    #[test]
    fn a_trace_context_made_here_is_valid() {
        assert!(is_traceparent(&new_traceparent()));
    }
}
