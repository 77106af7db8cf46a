//! What every payload must be, checked for every kind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{AlertRule, Document, Kind, Target, Timestamp};

fn at(second: i64) -> Timestamp {
    Timestamp::new(second, 371_321_300).unwrap()
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn essentials(body: &[u8]) -> Value {
    parsed(body)["data"]["essentials"].clone()
}

#[test]
fn every_template_keeps_its_order_through_a_round_trip() {
    for &kind in Kind::all() {
        let template: Document = serde_json::from_str(kind.shape().template).unwrap();
        let blanks_removed: String =
            kind.shape().template.lines().map(str::trim_start).collect::<String>().replace("\": ", "\":");
        assert_eq!(String::from_utf8(template.to_json().into()).unwrap(), blanks_removed, "{}", kind.name());
    }
}

#[test]
fn every_place_to_fill_exists_and_is_filled() {
    for &kind in Kind::all() {
        let shape = kind.shape();
        let mut template = kind.template().clone();
        let resolution = shape.when_resolved.unwrap_or_default().iter().map(|(pointer, _)| *pointer);
        let end = shape.when_over.unwrap_or_default().iter().map(|(pointer, _)| *pointer);
        for pointer in shape.fills.iter().map(|(pointer, _)| *pointer).chain(resolution).chain(end) {
            assert!(template.at_mut(pointer).is_some(), "{} has no {pointer}", kind.name());
        }
        let body = parsed(&AlertRule::new(kind, 1, 1).fire(at(0)).fired());
        // Azure itself leaves the sub-status of an event empty.
        let text = body.to_string().replace(r#""subStatus":"""#, "");
        assert!(!text.contains(r#":"""#) && !text.contains(r#"[""]"#), "{} has a blank: {text}", kind.name());
    }
}

#[test]
fn fired_and_resolved_tell_of_the_same_alert() {
    for kind in Kind::all().iter().copied().filter(|kind| kind.resolves()) {
        let alert = AlertRule::new(kind, 1, 1).fire(at(1_000));
        let fired = essentials(&alert.fired());
        let resolved = essentials(&alert.resolved(at(1_300)).unwrap());
        for shared in ["alertId", "originAlertId", "firedDateTime", "alertRule", "alertTargetIDs"] {
            assert_eq!(fired[shared], resolved[shared], "{} {shared}", kind.name());
        }
        assert_eq!(fired["alertId"], json!(alert.alert_id()));
        assert_eq!(
            (&fired["monitorCondition"], &resolved["monitorCondition"]),
            (&json!("Fired"), &json!("Resolved"))
        );
        assert_eq!(fired["firedDateTime"], "1970-01-01T00:16:40.3713213Z");
        assert_eq!(fired["resolvedDateTime"], Value::Null);
        assert_eq!(resolved["resolvedDateTime"], "1970-01-01T00:21:40.3713213Z");
    }
}

#[test]
fn kinds_that_azure_never_resolves_have_no_resolved_notification() {
    let stateless: Vec<_> =
        Kind::all().iter().filter(|kind| !kind.resolves()).map(|kind| kind.name()).collect();
    assert_eq!(
        stateless,
        [
            "simple-log",
            "activity-administrative",
            "activity-security",
            "resource-health",
            "service-health",
            "smart-detection",
            "cost-budget",
            "log-v1",
            "application-insights-v1",
            "activity-policy",
            "activity-autoscale",
            "activity-recommendation",
            "azure-backup"
        ]
    );
    assert_eq!(AlertRule::new(Kind::ServiceHealth, 1, 1).fire(at(0)).resolved(at(9)), None);
}

#[test]
fn every_firing_is_another_alert_of_the_same_series() {
    let rule = AlertRule::new(Kind::MetricStatic, 1, 1);
    let [first, again] = [essentials(&rule.fire(at(0)).fired()), essentials(&rule.fire(at(600)).fired())];
    assert_ne!(first["alertId"], again["alertId"]);
    assert_eq!(first["originAlertId"], again["originAlertId"]);
}

#[test]
fn alerts_differ_by_kind_seed_and_number_and_nothing_else() {
    let mut ids = BTreeSet::new();
    for &kind in Kind::all() {
        for (seed, number) in [(1, 1), (1, 2), (2, 1)] {
            let alert = AlertRule::new(kind, seed, number).fire(at(0));
            assert_eq!(alert.fired(), AlertRule::new(kind, seed, number).fire(at(0)).fired());
            ids.insert(alert.alert_id());
        }
    }
    assert_eq!(ids.len(), Kind::all().len() * 3);
}

#[test]
fn a_resource_elsewhere_is_named_wherever_the_payload_names_it() {
    let target = Target {
        subscription: "00000000-0000-0000-0000-0000000000aa".to_owned(),
        resource_group: "Elsewhere".to_owned(),
        name: "Host-7".to_owned(),
    };
    let body = AlertRule::new(Kind::MetricMultiResource, 1, 1).on(target).fire(at(0)).fired();
    let resource = "/subscriptions/00000000-0000-0000-0000-0000000000aa/resourceGroups/Elsewhere/providers/\
                    Microsoft.Compute/virtualMachines/Host-7";
    assert_eq!(essentials(&body)["alertTargetIDs"], json!([resource.to_lowercase()]));
    assert_eq!(essentials(&body)["configurationItems"], json!(["Host-7"]));
    assert_eq!(
        parsed(&body)["data"]["alertContext"]["condition"]["allOf"][0]["dimensions"][0]["value"],
        resource
    );
}

#[test]
fn a_resolved_log_alert_has_no_value_and_a_resolved_metric_alert_has_a_calm_one() {
    let value = |kind| {
        let body = AlertRule::new(kind, 1, 1).fire(at(0)).resolved(at(9)).unwrap();
        parsed(&body)["data"]["alertContext"]["condition"]["allOf"][0]["metricValue"].clone()
    };
    assert_eq!(value(Kind::LogV2), Value::Null);
    assert_eq!(value(Kind::MetricStatic), json!(41.5));
}

#[test]
fn an_alert_that_fires_anew_keeps_its_id_and_has_a_newer_instant() {
    let first = AlertRule::new(Kind::MetricStatic, 7, 1).fire(at(100));
    let again = first.again(at(200));
    assert_eq!(again.alert_id(), first.alert_id());
    assert_eq!(essentials(&again.fired())["firedDateTime"], "1970-01-01T00:03:20.3713213Z");
}

#[test]
fn the_end_of_an_incident_is_told_by_an_alert_of_its_own() {
    for kind in [Kind::ServiceHealth, Kind::ResourceHealth] {
        let alert = AlertRule::new(kind, 1, 1).fire(at(100));
        let (begins, ends) = (parsed(&alert.fired()), parsed(&alert.over(at(700)).unwrap()));
        let [begins, ends] = [begins, ends].map(|body| body["data"].clone());
        assert_ne!(begins["essentials"]["alertId"], ends["essentials"]["alertId"]);
        assert_eq!(ends["essentials"]["monitorCondition"], "Fired");
        assert_eq!(ends["essentials"]["firedDateTime"], "1970-01-01T00:11:40.3713213Z");
        assert_eq!(ends["alertContext"]["status"], "Resolved");
        let tracking_id = "/alertContext/properties/trackingId";
        assert_eq!(begins.pointer(tracking_id), ends.pointer(tracking_id));
    }
    assert_eq!(AlertRule::new(Kind::MetricStatic, 1, 1).fire(at(0)).over(at(9)), None);
}
