//! What a notification is about, and what it says of that (pure).
//!
//! Mostly an alert, in the condition that Azure states. Two things are not so simple:
//!
//! - Alerts of service health and resource health are always Fired. What happens to an incident arrives as one alert
//!   after the other, each with an id of its own, and the context of one of them says that it is over. So the incident
//!   takes the place of the alert: all that is heard of it is joined under its own id.
//! - All samples of the portal's test button have the same alert id. So each press takes the place of the alert, and
//!   what a sample says of its end is part of the sample: it would be resolved before anybody had seen its ticket.

use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::alert::identity::AlertKey;
use shared::alert::{Condition, Essentials, Notification, arm, json};
use uuid::Uuid;

use crate::kind::{self, Ending, Kind};

/// The stages of a service issue, an advisory or a maintenance after which Azure does nothing more about it. `RCA` is
/// the analysis that follows days after the end.
///
/// <https://learn.microsoft.com/azure/service-health/service-health-notifications-properties>
const LAST_STAGES: [&str; 5] = ["resolved", "rca", "complete", "completed", "canceled"];

/// What a notification is about, and in which condition that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub scope: Scope,
    /// Compared without case, as alert ids are. Of an incident and of a press, it is in lower case.
    pub id: String,
    pub condition: Condition,
}

/// What takes the place of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Alert,
    /// Of a service or a resource, whatever alert tells of it.
    Incident,
    /// One press of the portal's test button.
    Press,
}

impl Subject {
    /// Reads the subject out of a notification; its context is looked at only where it matters.
    #[must_use]
    pub fn read(notification: &Notification<'_>) -> Self {
        let essentials = &notification.essentials;
        if !Kind::may_be_health(essentials) && !kind::has_sample_id(essentials) {
            return Self::alert(essentials);
        }
        let context = notification.context.and_then(json::read).unwrap_or(Value::Null);
        let of_kind = Kind::recognise(essentials, &context);
        Self::new(essentials, of_kind, &context)
    }

    /// The subject of a notification whose kind and context are known.
    #[must_use]
    pub fn new(essentials: &Essentials<'_>, of_kind: Kind, context: &Value) -> Self {
        if kind::is_test(essentials, context) {
            return Self { scope: Scope::Press, id: press(essentials, context), ..Self::alert(essentials) };
        }
        let (incident, over) = if of_kind == Kind::ServiceHealth {
            (service_issue(essentials, context), service_issue_is_over(context))
        } else if of_kind == Kind::ResourceHealth {
            (resource_health(essentials), resource_is_well(context))
        } else {
            return Self::alert(essentials);
        };
        // An end without an incident that it could be the end of is a piece of news like any other.
        let Some(id) = incident else { return Self::alert(essentials) };
        let condition = if over { Condition::Resolved } else { essentials.condition };
        Self { scope: Scope::Incident, id, condition }
    }

    /// Under which the ledger joins what is heard.
    #[must_use]
    pub fn key(&self, tenant_id: Uuid) -> AlertKey {
        AlertKey::new(tenant_id, &self.id)
    }

    /// Whether nothing that Azure sends will ever resolve it. That a metric or log rule is stateless, no payload says.
    #[must_use]
    pub fn never_resolves(&self, of_kind: Kind) -> bool {
        match self.scope {
            Scope::Incident => false,
            Scope::Press => true,
            Scope::Alert => match of_kind.ending() {
                Ending::Notified => false,
                Ending::InsideFired | Ending::Never => true,
            },
        }
    }

    /// The id of a notification, given the one that its instants and its alert id make. Samples share both.
    #[must_use]
    pub fn notification_id(&self, id: Uuid) -> Uuid {
        match self.scope {
            Scope::Alert | Scope::Incident => id,
            Scope::Press => {
                let mut hash = Sha256::new();
                hash.update(id.as_bytes());
                hash.update(&self.id);
                let digest: [u8; 32] = hash.finalize().into();
                Uuid::new_v8(digest.first_chunk().copied().unwrap_or_default())
            }
        }
    }

    fn alert(essentials: &Essentials<'_>) -> Self {
        Self { scope: Scope::Alert, id: essentials.alert_id.to_string(), condition: essentials.condition }
    }
}

/// The same for every delivery of one press. One sample has a fixed `firedDateTime`, but not a fixed context.
fn press(essentials: &Essentials<'_>, context: &Value) -> String {
    let fired_at = essentials.fired_at.map(|at| at.to_string()).unwrap_or_default();
    let digest = Sha256::digest(context.to_string());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}#{fired_at}#{digits}", essentials.alert_id).to_lowercase()
}

/// The id of the incident in Azure Resource Manager.
fn service_issue(essentials: &Essentials<'_>, context: &Value) -> Option<String> {
    let tracking_id = word(context, "/properties/trackingId")?;
    let subscription = essentials.target_ids.iter().find_map(|id| arm::subscription(id));
    let subscription = subscription.or_else(|| arm::subscription(&essentials.alert_id))?;
    Some(format!("/subscriptions/{subscription}/providers/microsoft.resourcehealth/events/{tracking_id}"))
}

fn service_issue_is_over(context: &Value) -> bool {
    let stage = word(context, "/properties/stage");
    stage.is_some_and(|stage| LAST_STAGES.contains(&stage.as_str()))
        || word(context, "/status").as_deref() == Some("resolved")
}

/// The id of the resource's health in Azure Resource Manager.
fn resource_health(essentials: &Essentials<'_>) -> Option<String> {
    let resources = essentials.target_ids.iter().filter(|id| arm::is_resource(id));
    let first = resources.map(|id| id.trim_end_matches('/').to_lowercase()).min()?;
    Some(format!("{first}/providers/microsoft.resourcehealth/availabilitystatuses/current"))
}

/// What the resource is now counts more than what became of the event.
fn resource_is_well(context: &Value) -> bool {
    match word(context, "/properties/currentHealthStatus").as_deref() {
        Some("available") => true,
        Some("unavailable" | "degraded") => false,
        _ => word(context, "/status").as_deref() == Some("resolved"),
    }
}

fn word(context: &Value, pointer: &str) -> Option<String> {
    let text = context.pointer(pointer)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests;
