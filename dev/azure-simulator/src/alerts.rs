//! The alerts that Azure Monitor delivers, in the common alert schema.
//!
//! A rule watches a resource ([`AlertRule`]); each time it fires there is an alert ([`Alert`]) with an id of its own,
//! which its fired and its resolved notification share. Everything but the time follows from kind, seed and number,
//! so that a test can say beforehand what it will send.
//!
//! Source: <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema>.

use std::fmt::Write;

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

mod document;
mod kind;
mod shape;

pub use self::kind::Kind;
use self::{document::Document, shape::Fill};

/// What all alerts of one service issue share.
const TRACKING_ID: &str = "/data/alertContext/properties/trackingId";

/// Where a resource lives: its Azure Resource Manager id is made of this and of the kind's resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A GUID.
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

/// A rule that watches one resource.
#[derive(Debug, Clone)]
pub struct AlertRule {
    kind: Kind,
    seed: u64,
    number: u64,
    target: Target,
}

/// One time that a rule fired.
#[derive(Debug, Clone)]
pub struct Alert {
    rule: AlertRule,
    /// Its ids follow from this.
    first_fired_at: Timestamp,
    fired_at: Timestamp,
}

impl AlertRule {
    /// The rule with this number. Its name and its resource differ from those of every other number; the seed tells
    /// the ids of one run from those of another.
    ///
    /// The resource lives in subscription `00000000-0000-0000-0000-000000000001`, group `prod-rg`, and is called
    /// like `web-01`, where the stem depends on the kind.
    pub fn new(kind: Kind, seed: u64, number: u64) -> Self {
        let target = Target {
            subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
            resource_group: "prod-rg".to_owned(),
            name: format!("{}{number:02}", kind.shape().resource),
        };
        Self { kind, seed, number, target }
    }

    /// The same rule, watching another resource.
    #[must_use]
    pub fn on(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// The resource that the rule watches.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The kind of the rule's alerts.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The rule's name.
    pub fn name(&self) -> String {
        format!("{}-{:02}", self.kind.shape().rule, self.number)
    }

    /// A new alert of this rule.
    pub fn fire(&self, at: Timestamp) -> Alert {
        Alert { rule: self.clone(), first_fired_at: at, fired_at: at }
    }
}

impl Alert {
    /// The `alertId` of its notifications.
    pub fn alert_id(&self) -> String {
        self.text(self.rule.kind.shape().alert_id)
    }

    /// The same alert, which fires anew after it was resolved: `alertId` stays, `firedDateTime` is newer.
    #[must_use]
    pub fn again(&self, at: Timestamp) -> Self {
        Self { fired_at: at, ..self.clone() }
    }

    /// The rule that fired.
    pub fn rule(&self) -> &AlertRule {
        &self.rule
    }

    /// When it fired.
    pub fn fired_at(&self) -> Timestamp {
        self.fired_at
    }

    /// The notification that it fired.
    pub fn fired(&self) -> Bytes {
        self.document().to_json()
    }

    /// The notification that it is resolved; none for kinds of which Azure never says so.
    pub fn resolved(&self, at: Timestamp) -> Option<Bytes> {
        let changes = self.rule.kind.shape().when_resolved?;
        let mut document = self.document();
        document.replace("/data/essentials/monitorCondition", "Resolved");
        document.insert_after("/data/essentials", "firedDateTime", "resolvedDateTime", &instant(at));
        for (pointer, value) in changes {
            document.replace(pointer, *value);
        }
        Some(document.to_json())
    }

    /// The alert, another one and fired as well, which says that the incident of this one is over; none for kinds that
    /// have no incidents.
    pub fn over(&self, at: Timestamp) -> Option<Bytes> {
        let changes = self.rule.kind.shape().when_over?;
        let mut document = self.rule.fire(at).document();
        for (pointer, value) in changes {
            document.replace(pointer, *value);
        }
        if let Some(tracking_id) = self.document().at_mut(TRACKING_ID) {
            document.replace(TRACKING_ID, tracking_id.clone());
        }
        Some(document.to_json())
    }

    fn document(&self) -> Document {
        let shape = self.rule.kind.shape();
        let mut document = self.rule.kind.template().clone();
        document.replace("/data/essentials/alertId", self.text(shape.alert_id).as_str());
        document.replace("/data/essentials/firedDateTime", instant(self.fired_at).as_str());
        for (pointer, fill) in shape.fills {
            document.replace(pointer, self.text(*fill).as_str());
        }
        document
    }

    fn text(&self, fill: Fill) -> String {
        let Target { subscription, resource_group, name } = &self.rule.target;
        let rule = self.rule.name();
        let subscription_id = format!("/subscriptions/{subscription}");
        let alerts = format!("{subscription_id}/providers/Microsoft.AlertsManagement/alerts");
        let group = format!("{subscription_id}/resourceGroups/{resource_group}/providers");
        match fill {
            Fill::AlertId => format!("{alerts}/{}", self.unique_guid("alert")),
            Fill::ServiceHealthAlertId => format!("{alerts}/{}", self.unique_hex(64, "alert")),
            Fill::CostAlertId => {
                let unique = self.unique_hex(8, "alert");
                format!("{subscription_id}/providers/Microsoft.CostManagement/alerts/{rule}-{unique}")
            }
            Fill::RuleName => rule,
            Fill::RuleId(provider) => format!("{group}/{provider}/{rule}"),
            Fill::PrometheusRuleName => format!("shop/{rule}"),
            // Deliveries name their targets in lower case, whatever the case of the resource.
            Fill::TargetId(provider) => format!("{group}/{provider}/{name}").to_lowercase(),
            Fill::ResourceId(provider) => format!("{group}/{provider}/{name}"),
            Fill::Neighbour(resource) => format!("{group}/{resource}").to_lowercase(),
            Fill::Subscription => subscription_id,
            Fill::BudgetId => format!("{subscription_id}/providers/Microsoft.Consumption/budgets/{rule}"),
            Fill::ResourceGroup => resource_group.clone(),
            Fill::ResourceName => name.clone(),
            // The same for every alert of a rule, as in Azure: it cannot identify an alert.
            Fill::MetricOriginId => {
                let [first, second, third, fourth, ..] = hash(&[&rule, name]);
                let series = i32::from_be_bytes([first, second, third, fourth]);
                format!("{subscription}_{resource_group}_microsoft.insights_metricAlerts_{rule}_{series}")
            }
            Fill::ActivityOriginId => {
                format!("{}_{}", self.unique_guid("event"), self.unique_hex(32, "origin"))
            }
            Fill::Guid(purpose) => self.unique_guid(purpose).to_string(),
            Fill::Hex64(purpose) => self.unique_hex(64, purpose),
            Fill::SecondsBefore(seconds) => instant(self.before(seconds)),
            Fill::EventTime(seconds) => instant(self.before(seconds)).replace('Z', "+00:00"),
            Fill::TrackingId => self.unique_hex(8, "tracking").to_uppercase(),
        }
    }

    fn before(&self, seconds: i64) -> Timestamp {
        self.fired_at.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(self.fired_at)
    }

    fn unique_guid(&self, purpose: &str) -> Uuid {
        let bytes = self.unique(purpose).first_chunk().copied().unwrap_or_default();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn unique_hex(&self, digits: usize, purpose: &str) -> String {
        let mut hex = self.unique(purpose).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
            hex
        });
        hex.truncate(digits);
        hex
    }

    /// A hash that no other alert has, nor this one for another purpose.
    fn unique(&self, purpose: &str) -> [u8; 32] {
        let AlertRule { kind, seed, number, target } = &self.rule;
        let fired_at = self.first_fired_at.as_nanosecond();
        hash(&[kind.name(), &target.name, &format!("{seed}/{number}/{fired_at}"), purpose])
    }
}

/// Azure writes seven digits after the second's point.
fn instant(at: Timestamp) -> String {
    format!("{at:.7}")
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, parts.join("\n").as_bytes());
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
