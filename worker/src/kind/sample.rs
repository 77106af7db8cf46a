//! The samples that the *Test action group* button of the portal sends (pure).
//!
//! Only that of service health says of itself that it is one; the others are known by their made-up ids, of which
//! the page below shows other values than the button sends. The names of their rules (`test-…`) prove nothing:
//! anybody may call a rule so.
//!
//! <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples>

use serde_json::Value;
use shared::alert::{Essentials, arm};

const SUBSCRIPTIONS: [&str; 2] =
    ["11111111-1111-1111-1111-111111111111", "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"];
const ALERTS: [&str; 2] = ["12345678-1234-1234-1234-1234567890ab", "eeeeeeee-4444-5555-6666-ffffffffffff"];

/// Whether somebody pressed the button, and nothing is wrong.
#[must_use]
pub fn is_test(essentials: &Essentials<'_>, context: &Value) -> bool {
    let synthetic = match context.pointer("/properties/IsSynthetic") {
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        Some(Value::Bool(synthetic)) => *synthetic,
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    synthetic || has_sample_id(essentials)
}

/// The same, as far as it can be told without the context.
#[must_use]
pub(crate) fn has_sample_id(essentials: &Essentials<'_>) -> bool {
    let alert = arm::name(&essentials.alert_id);
    ALERTS.iter().any(|sample| sample.eq_ignore_ascii_case(alert))
        || essentials.subscriptions().any(|id| SUBSCRIPTIONS.contains(&id.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::alert::Notification;

    use super::*;

    fn tests(alert_id: &str, rule: &str, context: &Value) -> bool {
        let essentials = json!({"alertId": alert_id, "monitorCondition": "Fired", "alertRule": rule});
        let body = json!({"data": {"essentials": essentials}}).to_string();
        is_test(&Notification::parse(body.as_bytes()).unwrap().essentials, context)
    }

    #[test]
    fn a_sample_is_known_by_its_ids_or_by_its_own_word() {
        let alerts = "/subscriptions/0/providers/Microsoft.AlertsManagement/alerts";
        assert!(tests(&format!("{alerts}/12345678-1234-1234-1234-1234567890AB"), "r", &Value::Null));
        let sample = "/subscriptions/11111111-1111-1111-1111-111111111111/providers/x/alerts/Test_Alert";
        assert!(tests(sample, "r", &Value::Null));
        assert!(tests("/a", "r", &json!({"properties": {"IsSynthetic": "True"}})));
        assert!(tests("/a", "r", &json!({"properties": {"IsSynthetic": true}})));
    }

    #[test]
    fn a_rule_that_is_called_a_test_is_none() {
        assert!(!tests("/subscriptions/0/x", "test-metricAlertRule", &Value::Null));
        assert!(!tests("/a", "r", &json!({"properties": {"IsSynthetic": "False"}})));
    }
}
