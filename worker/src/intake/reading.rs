//! A delivery, read: what it reports about which alert.

use jiff::Timestamp;
use lapin::BasicProperties;
use shared::alert::{Notification, ShapeError};
use shared::message::{Message, MessageError};
use uuid::Uuid;

use crate::policy::view::AlertView;
use crate::policy::{AlreadyResolved, Route, correlate, template};
use crate::reconcile::alert::{AlertState, Report};
use crate::reconcile::subject::Subject;
use crate::store::alerts::{Heard, Identity};

/// What one delivery says.
#[derive(Debug, Clone)]
pub struct Reading {
    pub identity: Identity,
    pub report: Report,
    pub heard: Heard,
}

/// Why a delivery is nothing that can be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// What the route groups an alert by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    tenant_id: Uuid,
    /// What the template of the key gives.
    pub text: String,
    /// What was wrong with the template of the key, if the plain key was taken.
    pub fallback: Option<String>,
}

impl Group {
    /// The key of the group's ticket in a target.
    #[must_use]
    pub fn correlation_key(&self, target: &str) -> String {
        correlate::key(self.tenant_id, target, &self.text)
    }
}

/// Reads a delivery.
///
/// # Errors
/// When it is not a message of `ingest`, or its body is no alert.
pub fn read(properties: &BasicProperties, body: &[u8]) -> Result<Reading, Poison> {
    let message = Message::decode(properties, bytes::Bytes::copy_from_slice(body))?;
    let notification = Notification::parse(&message.body)?;
    let essentials = &notification.essentials;
    let subject = Subject::read(&notification);
    let key = subject.key(message.tenant_id);
    // What the message says of its id is not needed: two alerts must never share one.
    let notification_id = subject.notification_id(notification.id(message.tenant_id));
    let received_at =
        Timestamp::from_microsecond(message.received_at.as_microsecond()).unwrap_or(message.received_at);
    let identity = Identity {
        key,
        tenant_id: message.tenant_id,
        alert_id: subject.id,
        alert_rule: essentials.alert_rule.as_deref().map(str::to_owned),
    };
    let heard = Heard {
        notification_id,
        alert: key,
        condition: subject.condition.as_str(),
        received_at,
        traceparent: message.traceparent.clone(),
        deliveries: 1,
        body: String::from_utf8_lossy(&message.body).into_owned(),
    };
    Ok(Reading { identity, report: Report::new(notification_id, subject.condition, essentials), heard })
}

/// The alert as the policy sees it.
///
/// # Errors
/// When the body is no alert; it was one when it was read.
pub fn view(reading: &Reading) -> Result<AlertView, ShapeError> {
    let notification = Notification::parse(reading.heard.body.as_bytes())?;
    Ok(AlertView::new(reading.identity.tenant_id, &notification))
}

/// The group that the route puts an alert into.
#[must_use]
pub fn group(route: &Route, tenant_id: Uuid, view: &AlertView) -> Group {
    let rendered =
        route.templates.render(&template::Template::CorrelationKey, view, &template::TicketView::default());
    Group { tenant_id, text: rendered.text, fallback: rendered.fallback }
}

/// Whether an alert in this state gets a ticket when it has none.
#[must_use]
pub fn needs_ticket(route: &Route, alert: &AlertState) -> bool {
    alert.firing()
        || match route.already_resolved {
            AlreadyResolved::Skip => false,
            AlreadyResolved::Record => true,
        }
}
