//! The shapes from before the common alert schema, read as the same model. Azure sends them where an action was saved
//! without *Enable the common alert schema*, which is how the portal saves it if nobody says otherwise.
//!
//! Two of them have no `schemaId`, so their members decide. None has an id of the alert: it is made from what tells
//! the alert from others, so that every notification of it gets the same.
//!
//! | shape, by its members | identity | state |
//! | --- | --- | --- |
//! | metric (`status`, `context`), also the classic one without `schemaId` | rule, resource, dimensions | `status` |
//! | activity log, service and resource health (`context.activityLog`) | subscription, `operationName`, `eventDataId` | `status` |
//! | log search (`AlertRuleName`), also without `schemaId` | subscription, rule, workspace or application, dimensions, end of the interval | always fired |
//! | cost budget (`BudgetName`) | subscription, resource group, budget, its start, threshold, amount spent | always fired |
//!
//! Documented, but seen in no real delivery: that a metric alert is resolved with the status `Deactivated` and the
//! same dimensions. One that comes with others resolves nothing, and its ticket waits for a person. Two activity log
//! rules that one event sets off are one alert here, since the payload does not name the rule.
//!
//! Shapes: <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-non-common-schema-definitions>

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Condition, Essentials, Notification, Schema, Severity, Text, instant, text};

mod shapes;
#[cfg(test)]
mod tests;

/// What the operator should change. It ends the description of every such alert, and so is on its ticket.
pub const ADVICE: &str = "This alert came in a legacy format: set \"Enable the common alert schema\" to Yes on this \
     action of the action group.";

/// With what the ids begin that are made here.
const ID_PREFIX: &str = "legacy";

/// `None` for what is none of these shapes, or has no identity or no state.
pub(super) fn read(json: &str) -> Option<Notification<'_>> {
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    let [data] = members(whole, ["data"])?;
    let payload = data.unwrap_or(whole);
    let [status, context, custom_properties] = members(payload, ["status", "context", "properties"])?;
    let (essentials, context) = match context {
        Some(context) => {
            let condition = condition(status)?;
            let [event] = members(context, ["activityLog"])?;
            match event {
                Some(event) => (shapes::activity_log(event, condition)?, event),
                None => (shapes::metric(context, condition)?, context),
            }
        }
        None => (shapes::log(payload).or_else(|| shapes::budget(payload))?, payload),
    };
    Some(Notification { essentials, context: Some(context), custom_properties, schema: Schema::Legacy })
}

/// The members of an object with these names, the last of each; `None` for what is no object.
fn members<'a, const N: usize>(object: &'a RawValue, names: [&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    serde_json::Deserializer::from_str(object.get()).deserialize_map(Members { names }).ok()
}

struct Members<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if let Some((_, place)) = self.names.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
                *place = Some(value);
            }
        }
        Ok(found)
    }
}

/// The id of an alert that Azure gave none. `scope` is the ARM id of its rule or subscription, from which the
/// subscription is read as from any alert id. Like all ids it does not depend on case.
fn alert_id<'p>(shape: &str, scope: &str, parts: impl IntoIterator<Item = &'p str>) -> Cow<'static, str> {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.to_lowercase();
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut number = [0; 16];
    number.copy_from_slice(digest.split_at(16).0);
    let (scope, number) = (scope.trim_matches('/'), u128::from_be_bytes(number));
    Cow::Owned(format!("{ID_PREFIX}/{shape}/{scope}/{number:032x}"))
}

/// An alert of which no more is known yet, at the instant that its notification names.
fn essentials<'a>(
    alert_id: Cow<'a, str>,
    condition: Condition,
    at: Option<Timestamp>,
    description: Option<Cow<'_, str>>,
) -> Essentials<'a> {
    let (fired_at, resolved_at) = match condition {
        Condition::Fired => (at, None),
        Condition::Resolved => (None, at),
    };
    let description = description.map_or_else(|| ADVICE.to_owned(), |own| format!("{own}\n\n{ADVICE}"));
    Essentials {
        alert_id,
        condition,
        alert_rule: None,
        alert_rule_id: None,
        severity: None,
        signal_type: None,
        monitoring_service: None,
        target_ids: Vec::new(),
        configuration_items: Vec::new(),
        origin_alert_id: None,
        fired_at,
        resolved_at,
        description: Some(description.into()),
        investigation_link: None,
    }
}

fn condition(status: Option<&RawValue>) -> Option<Condition> {
    match text(status)?.trim().to_ascii_lowercase().as_str() {
        "activated" | "fired" => Some(Condition::Fired),
        "deactivated" | "resolved" => Some(Condition::Resolved),
        _ => None,
    }
}

/// A severity as a digit, or by the name that the portal gives it today.
fn severity(raw: Option<&RawValue>) -> Option<Severity> {
    const NAMES: [&str; 5] = ["Critical", "Error", "Warning", "Informational", "Verbose"];
    const DIGITS: [&str; 5] = ["0", "1", "2", "3", "4"];
    let given = text(raw)?;
    let given = given.trim();
    let named = Severity::ALL.into_iter().zip(NAMES.into_iter().zip(DIGITS));
    let found =
        named.into_iter().find(|(_, (name, digit))| given.eq_ignore_ascii_case(name) || given == *digit);
    found.map(|(severity, _)| severity).or_else(|| Severity::parse(given))
}

fn at(raw: Option<&RawValue>) -> Option<Timestamp> {
    text(raw).as_deref().and_then(instant)
}
