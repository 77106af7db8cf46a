//! `POST /v1/alerts`: read, recognise, publish, 202.

use std::time::Duration;

use actix_web::http::header::{ALLOW, CONTENT_LENGTH};
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::alert::{Notification, Schema, ShapeError};
use shared::amqp::{PublishError, Publisher};
use shared::message::Message;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::arrival::Arrival;
use crate::auth::AuthorizedCaller;
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::reminder::Reminders;
use crate::spool::Spool;

/// Where notifications go in, and how large they may be.
pub struct Inbox {
    pub publisher: Publisher,
    /// Takes what the broker does not.
    pub spool: Option<Spool>,
    pub metrics: Metrics,
    pub reminders: Reminders,
    pub max_body_bytes: usize,
}

/// Where a message belongs.
enum Place {
    Inbound,
    /// It is JSON, but no alert, for this reason: an operator looks at it.
    DeadLetters(ShapeError),
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
/// notification on disk, or the spool. So does the 400 for JSON that is no alert: what Azure sends is not lost for its
/// shape.
async fn receive(
    caller: AuthorizedCaller,
    arrival: Arrival,
    request: HttpRequest,
    body: Payload,
    inbox: Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let body = read(&request, body, inbox.max_body_bytes, arrival.deadline).await?;
    let (message, place) = recognise(&inbox, &caller, arrival.traceparent, body)?;
    keep(&inbox, &message, &place, arrival.deadline).await?;
    match place {
        Place::Inbound => Ok(HttpResponse::Accepted().json(Receipt { id: message.id })),
        Place::DeadLetters(error) => {
            tracing::warn!("a body went to the dead letters: {error}");
            let detail = format!("{error}; the body is kept among the dead letters");
            Err(Problem::because(Code::NotAnAlert, detail))
        }
    }
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

fn recognise(
    inbox: &Inbox,
    caller: &AuthorizedCaller,
    traceparent: String,
    body: Bytes,
) -> Result<(Message, Place), Problem> {
    let tenant_id = caller.tenant_id();
    let (id, allowed, place) = match Notification::parse(&body) {
        Ok(notification) => {
            let allowed = caller.may_report_on(notification.essentials.subscriptions());
            if allowed && notification.schema == Schema::Legacy {
                inbox.metrics.legacy_notifications.inc();
                inbox.reminders.remind(tenant_id, &notification.essentials, Instant::now());
            }
            (notification.id(tenant_id), allowed, Place::Inbound)
        }
        // Azure takes a 400 for final, so it is logged with its reason as the loss that it is.
        Err(error @ (ShapeError::NotUtf8 | ShapeError::NotJson(_))) => {
            tracing::warn!(code = Code::NotJson.name(), "body refused: {error}");
            return Err(Problem::because(Code::NotJson, error.to_string()));
        }
        Err(error @ (ShapeError::Unknown | ShapeError::Missing(_) | ShapeError::UnknownCondition)) => {
            let allowed = caller.may_report_on(std::iter::empty());
            (id_of_unknown(tenant_id, &body), allowed, Place::DeadLetters(error))
        }
    };
    if !allowed {
        tracing::warn!(%tenant_id, "alert refused: trust.NAME.subscriptions does not list what it names");
        return Err(Code::SubscriptionNotAllowed.into());
    }
    let now = Timestamp::now();
    let message = Message {
        id,
        tenant_id,
        received_at: Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now),
        traceparent: Some(traceparent),
        body,
    };
    Ok((message, place))
}

/// The same for the same body, so that what Azure sends again is one dead letter.
fn id_of_unknown(tenant_id: Uuid, body: &[u8]) -> Uuid {
    let digest: [u8; 32] =
        Sha256::new().chain_update(tenant_id.as_bytes()).chain_update(body).finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(digest.split_at(16).0);
    Uuid::new_v8(id)
}

async fn keep(inbox: &Inbox, message: &Message, place: &Place, deadline: Instant) -> Result<(), Problem> {
    let started = Instant::now();
    let patience = inbox.spool.as_ref().and_then(Spool::patience);
    let direct = patience.map_or(deadline, |patience| direct_until(started, patience, deadline));
    let outcome = match place {
        Place::Inbound => inbox.publisher.publish(message, direct).await,
        Place::DeadLetters(error) => {
            let reason = format!("not taken by ingest: {error}");
            inbox.publisher.dead_letter(&message.properties(), &message.body, &reason, direct).await
        }
    };
    inbox.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    let Err(error) = outcome else { return Ok(()) };
    let notification_id = message.id;
    let Some(spool) = inbox.spool.as_ref().filter(|_| place.has_detour(&error)) else {
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

impl Place {
    /// Whether what could not be published may go through the spool. It ends in `alerts.inbound`, from where a worker
    /// moves what is no alert to the dead letters; where these are full, it would only wait in the alerts' way.
    fn has_detour(&self, error: &PublishError) -> bool {
        match (self, error) {
            (Self::DeadLetters(_), PublishError::Refused | PublishError::Unroutable) => false,
            (Self::Inbound, _)
            | (
                Self::DeadLetters(_),
                PublishError::NotConnected
                | PublishError::Blocked
                | PublishError::Busy
                | PublishError::TimedOut
                | PublishError::Lost(_),
            ) => true,
        }
    }
}

/// Until when the broker is waited for, so that as much of the request's time is left for the disk.
fn direct_until(now: Instant, patience: Duration, deadline: Instant) -> Instant {
    now + patience.min(deadline.saturating_duration_since(now) / 2)
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
