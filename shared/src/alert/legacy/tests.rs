use std::path::Path;

use azure_simulator::legacy::Legacy;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::ADVICE;
use crate::alert::{Condition, Notification, Schema, Severity};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

fn payload(name: &str) -> &'static str {
    Legacy::ALL.iter().find(|shape| shape.name == name).unwrap().fired
}

fn read(body: &str) -> Notification<'_> {
    Notification::parse(body.as_bytes()).unwrap()
}

/// The payload with the member behind the pointer changed, or gone.
fn changed(name: &str, pointer: &str, value: Option<Value>) -> String {
    let mut body: Value = serde_json::from_str(payload(name)).unwrap();
    match value {
        Some(value) => *body.pointer_mut(pointer).unwrap() = value,
        None => {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
        }
    }
    body.to_string()
}

fn id_with(name: &str, pointer: &str, value: Option<Value>) -> String {
    read(&changed(name, pointer, value)).essentials.alert_id.into_owned()
}

#[test]
fn every_shape_is_read_as_an_alert_and_says_what_to_change() {
    for shape in Legacy::ALL {
        let read = read(shape.fired);
        let essentials = &read.essentials;
        assert_eq!((read.schema, essentials.condition), (Schema::Legacy, Condition::Fired), "{}", shape.name);
        assert!(essentials.alert_rule.is_some() && essentials.monitoring_service.is_some(), "{}", shape.name);
        assert!(essentials.description.as_deref().unwrap().ends_with(ADVICE), "{}", shape.name);
        assert_eq!(essentials.fired_at.is_none(), shape.name == "cost-budget", "{}", shape.name);
        assert!(!essentials.target_ids.is_empty(), "{}", shape.name);
        assert!(essentials.subscriptions().all(|id| id == SUBSCRIPTION), "{}", shape.name);
        assert_eq!(essentials.subscriptions().count(), 2, "{}: in its id and in its target", shape.name);
    }
}

#[test]
fn the_parts_of_each_shape_become_those_of_the_common_schema() {
    let cases = [
        ("classic-metric", "Platform", "requests-high", None, "shop-01"),
        ("metric", "Platform", "transactions-high", Some(Severity::Sev1), "files01"),
        ("log-analytics", "Log Analytics", "heartbeat-lost", Some(Severity::Sev2), "logs-01"),
        (
            "log-application-insights",
            "Application Insights",
            "shop-errors",
            Some(Severity::Sev3),
            SUBSCRIPTION,
        ),
        (
            "activity-administrative",
            "Activity Log - Administrative",
            "Microsoft.Compute/virtualMachines/restart/action",
            Some(Severity::Sev4),
            "web-01",
        ),
        (
            "activity-security",
            "Activity Log - Security",
            "Microsoft.Security/locations/alerts/activate/action",
            Some(Severity::Sev4),
            "Sec-0001",
        ),
        (
            "service-health",
            "ServiceHealth",
            "Virtual Machines - West Europe",
            Some(Severity::Sev4),
            SUBSCRIPTION,
        ),
        ("resource-health", "Resource Health", "Machine unavailable", Some(Severity::Sev4), "web-01"),
        ("cost-budget", "CostAlerts", "prod-monthly", None, "prod-rg"),
    ];
    for (name, service, rule, severity, target) in cases {
        let read = read(payload(name)).essentials;
        assert_eq!(read.monitoring_service.as_deref(), Some(service));
        assert_eq!(read.alert_rule.as_deref(), Some(rule));
        assert_eq!(read.severity, severity, "{name}");
        assert_eq!(crate::alert::arm::name(read.target_ids.first().unwrap()), target, "{name}");
    }
    let budget = read(payload("cost-budget")).essentials.description.unwrap();
    assert!(budget.starts_with("812.40 of 1000 EUR are spent"), "{budget}");
    let log = read(payload("log-analytics"));
    assert_eq!(log.essentials.configuration_items, ["web-01"]);
    assert!(log.context.unwrap().get().contains("\"Dimensions\""));
    assert!(read(payload("metric")).custom_properties.unwrap().get().contains("storage"));
}

#[test]
fn fired_and_resolved_of_one_alert_have_the_same_id() {
    let mut pairs = 0;
    for shape in Legacy::ALL {
        let Some(body) = shape.resolved() else { continue };
        let (fired, resolved) = (read(shape.fired).essentials, read(&body).essentials);
        assert_eq!(resolved.condition, Condition::Resolved, "{}", shape.name);
        assert_eq!(resolved.alert_id, fired.alert_id, "{}", shape.name);
        assert!(resolved.resolved_at.unwrap() > fired.fired_at.unwrap(), "{}", shape.name);
        pairs += 1;
    }
    assert_eq!(pairs, 2);
}

#[test]
fn what_says_how_an_alert_stands_is_no_part_of_its_id() {
    let id = |name| read(payload(name)).essentials.alert_id.into_owned();
    let criterion = "/data/context/condition/allOf/0";
    let dimensions =
        json!([{"name": "ApiName", "value": "GetBlob"}, {"name": "GeoType", "value": "primary"}]);
    let parts = [
        ("/data/context/timestamp", json!("2026-04-01T00:00:00Z")),
        (&format!("{criterion}/metricValue"), Value::Null),
        (&format!("{criterion}/threshold"), json!("9")),
        (&format!("{criterion}/dimensions"), dimensions),
        ("/data/context/severity", json!("0")),
    ];
    for (pointer, value) in parts {
        assert_eq!(id_with("metric", pointer, Some(value)), id("metric"), "{pointer}");
    }
}

#[test]
fn what_tells_an_alert_from_another_is_part_of_its_id() {
    let other = || json!("other");
    let event = "/data/context/activityLog";
    let parts = [
        ("metric", "/data/context/id"),
        ("metric", "/data/context/resourceId"),
        ("metric", "/data/context/condition/allOf/0/dimensions/0/value"),
        ("classic-metric", "/context/id"),
        ("classic-metric", "/context/resourceId"),
        ("activity-security", &format!("{event}/eventDataId")),
        ("activity-security", &format!("{event}/operationName")),
        ("service-health", &format!("{event}/subscriptionId")),
        ("log-analytics", "/AlertRuleName"),
        ("log-analytics", "/SubscriptionId"),
        ("log-analytics", "/WorkspaceId"),
        ("log-analytics", "/Dimensions/0/value"),
        ("log-analytics", "/SearchIntervalEndtimeUtc"),
        ("log-application-insights", "/data/ApplicationId"),
        ("cost-budget", "/data/BudgetName"),
        ("cost-budget", "/data/NotificationThresholdAmount"),
        ("cost-budget", "/data/SpendingAmount"),
    ];
    for (name, pointer) in parts {
        let id = read(payload(name)).essentials.alert_id.into_owned();
        assert_ne!(id_with(name, pointer, Some(other())), id, "{name}: {pointer}");
    }
}

#[test]
fn an_amount_without_quotes_tells_two_budget_alerts_apart_as_well() {
    let id = |amount: f64| id_with("cost-budget", "/data/SpendingAmount", Some(json!(amount)));
    assert_eq!(id(812.4), id_with("cost-budget", "/data/SpendingAmount", Some(json!("812.40"))));
    assert_ne!(id(812.4), id(812.41));
}

#[test]
fn without_an_identity_or_a_state_it_is_no_alert() {
    let event = "/data/context/activityLog";
    let cases = [
        ("metric", "/data/status", None),
        ("metric", "/data/status", Some(json!("Maybe"))),
        ("metric", "/data/context", None),
        ("metric", "/data/context/id", None),
        ("classic-metric", "/context/id", Some(json!(7))),
        ("activity-security", &format!("{event}/eventDataId"), Some(json!(" "))),
        ("activity-security", &format!("{event}/subscriptionId"), None),
        ("log-analytics", "/AlertRuleName", None),
        ("log-analytics", "/SubscriptionId", None),
        ("cost-budget", "/data/BudgetName", None),
    ];
    for (name, pointer, value) in cases {
        let body = changed(name, pointer, value);
        let error = Notification::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("Enable the common alert schema"), "{name} without {pointer}: {error}");
    }
}

#[test]
fn a_member_of_an_unexpected_type_counts_as_absent() {
    for (pointer, value) in [
        ("/data/context/condition", json!([1])),
        ("/data/context/condition/allOf", json!({"0": 1})),
        ("/data/context/condition/allOf/0/dimensions", json!(["x", null, {"name": 1, "value": []}])),
        ("/data/context/resourceId", json!({})),
        ("/data/context/timestamp", json!("yesterday")),
        ("/data/context/severity", json!("extreme")),
    ] {
        assert_eq!(read(&changed("metric", pointer, Some(value))).schema, Schema::Legacy, "{pointer}");
    }
}

/// Real payloads, where the runner has a folder of them.
#[test]
fn every_older_payload_of_the_corpus_is_an_alert_if_there_is_one() {
    let Some(corpus) = std::env::var_os("SECURE_EXPORT_CORPUS") else { return };
    let mut ids = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(&corpus).join("legacy")).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let read = Notification::parse(&body).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(read.schema, Schema::Legacy, "{}", path.display());
        assert!(ids.insert(read.essentials.alert_id.into_owned()), "{}", path.display());
    }
    assert!(!ids.is_empty());
}

/// JSON whose members have names that the reader looks for.
fn familiar_json() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 14] = [
        "data",
        "status",
        "context",
        "activityLog",
        "id",
        "condition",
        "allOf",
        "dimensions",
        "name",
        "value",
        "AlertRuleName",
        "SubscriptionId",
        "BudgetName",
        "eventDataId",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["Activated", "Deactivated", "/subscriptions/s/x", ""])
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let member = (prop::sample::select(&NAMES[..]), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_breaks_the_reader_and_the_same_one_has_the_same_id(body in familiar_json()) {
        let body = body.to_string();
        let read = || Notification::parse(body.as_bytes()).ok().map(|read| read.essentials.alert_id);
        prop_assert_eq!(read(), read());
        if let Some(id) = read() {
            prop_assert!(!id.trim().is_empty());
        }
    }

    #[test]
    fn however_a_metric_alert_is_named_its_two_notifications_agree(
        rule in "[^\0]{1,20}", resource in "[^\0]{0,20}", series in prop::collection::vec(("\\PC{1,8}", "\\PC{1,8}"), 0..4),
    ) {
        prop_assume!(!rule.trim().is_empty());
        let body = |status: &str, series: Vec<&(String, String)>| {
            let series: Vec<_> = series.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"data": {"status": status, "context": {
                "id": rule, "resourceId": resource, "condition": {"allOf": [{"dimensions": series}]}}}})
            .to_string()
        };
        let (fired, resolved) =
            (body("Activated", series.iter().collect()), body("Deactivated", series.iter().rev().collect()));
        let (fired, resolved) = (read(&fired).essentials, read(&resolved).essentials);
        prop_assert_eq!(fired.alert_id, resolved.alert_id);
        prop_assert_eq!((fired.condition, resolved.condition), (Condition::Fired, Condition::Resolved));
    }
}
