//! `POST /v1/alerts`: read, recognise, publish, 202.

use std::time::Duration;

use actix_web::http::header::{ALLOW, CONTENT_LENGTH};
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use shared::alert::{Notification, ShapeError};
use shared::amqp::Publisher;
use shared::message::Message;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::arrival::Arrival;
use crate::auth::AuthorizedCaller;
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::spool::Spool;

/// Where notifications go in, and how large they may be.
pub struct Inbox {
    pub publisher: Publisher,
    /// Takes what the broker does not.
    pub spool: Option<Spool>,
    pub metrics: Metrics,
    pub max_body_bytes: usize,
}

/// The routes of the public listener.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/v1/alerts")
                .route(web::post().to(receive))
                .default_service(web::to(method_not_allowed)),
        )
        .default_service(web::to(not_found));
}

#[derive(Serialize)]
struct Receipt {
    id: Uuid,
}

/// The caller is proven before the first byte of the body is read. 202 means that the broker has the
/// notification on disk, or the spool.
async fn receive(
    caller: AuthorizedCaller,
    arrival: Arrival,
    request: HttpRequest,
    body: Payload,
    inbox: Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let body = read(&request, body, inbox.max_body_bytes, arrival.deadline).await?;
    let message = recognise(&caller, arrival.traceparent, body)?;
    publish(&inbox, &message, arrival.deadline).await?;
    Ok(HttpResponse::Accepted().json(Receipt { id: message.id }))
}

async fn read(
    request: &HttpRequest,
    body: Payload,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, Problem> {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(Code::BodyTooLarge.into());
    }
    match timeout_at(deadline, body.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Code::BodyIncomplete.into()),
        Ok(Err(_)) => Err(Code::BodyTooLarge.into()),
        Err(_) => Err(Code::BodyTooSlow.into()),
    }
}

fn recognise(caller: &AuthorizedCaller, traceparent: String, body: Bytes) -> Result<Message, Problem> {
    let tenant_id = caller.tenant_id();
    let notification = Notification::parse(&body).map_err(refused)?;
    if !caller.may_report_on(notification.essentials.subscriptions()) {
        tracing::warn!(%tenant_id, "alert refused: trust.NAME.subscriptions does not list what it names");
        return Err(Code::SubscriptionNotAllowed.into());
    }
    let now = Timestamp::now();
    Ok(Message {
        id: notification.id(tenant_id),
        tenant_id,
        received_at: Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now),
        traceparent: Some(traceparent),
        body,
    })
}

async fn publish(inbox: &Inbox, message: &Message, deadline: Instant) -> Result<(), Problem> {
    let started = Instant::now();
    let patience = inbox.spool.as_ref().and_then(Spool::patience);
    let direct = patience.map_or(deadline, |patience| direct_until(started, patience, deadline));
    let outcome = inbox.publisher.publish(message, direct).await;
    inbox.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    let Err(error) = outcome else { return Ok(()) };
    let notification_id = message.id;
    let Some(spool) = &inbox.spool else {
        tracing::warn!(%notification_id, %error, "notification {notification_id} is not durable: {error}");
        return Err(Code::NotDurable.into());
    };
    // The broker may have it all the same, where it was only silent: then it is published twice with one id.
    spool.keep(message, deadline).await.map_err(|refusal| {
        tracing::warn!(
            %notification_id, %error, %refusal,
            "notification {notification_id} is not durable: {error}, and {refusal}"
        );
        Code::NotDurable.into()
    })
}

/// Until when the broker is waited for, so that as much of the request's time is left for the disk.
fn direct_until(now: Instant, patience: Duration, deadline: Instant) -> Instant {
    now + patience.min(deadline.saturating_duration_since(now) / 2)
}

/// Azure takes a 400 for final, so it is logged with its reason as the loss that it is.
fn refused(error: ShapeError) -> Problem {
    let code = match error {
        ShapeError::NotUtf8 | ShapeError::NotJson(_) => Code::NotJson,
        ShapeError::NotCommonSchema | ShapeError::Missing(_) | ShapeError::UnknownCondition => {
            Code::NotAnAlert
        }
    };
    tracing::warn!(code = code.name(), "body refused: {error}");
    Problem::because(code, error.to_string())
}

async fn method_not_allowed() -> HttpResponse {
    let problem = Problem::from(Code::MethodNotAllowed);
    let mut answer = HttpResponse::from_error(problem);
    answer.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
    answer
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Code::NotFound.into())
}
