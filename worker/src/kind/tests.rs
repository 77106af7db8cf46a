use serde_json::json;
use shared::alert::Notification;

use super::*;

fn of(service: &str, context: &Value) -> Kind {
    let essentials = json!({"alertId": "/a", "monitorCondition": "Fired", "monitoringService": service});
    let body = json!({"data": {"essentials": essentials}}).to_string();
    Kind::recognise(&Notification::parse(body.as_bytes()).unwrap().essentials, context)
}

fn metric_context(condition: &str, criterion: &Value) -> Value {
    json!({"conditionType": condition, "condition": {"allOf": [criterion]}})
}

#[test]
fn a_service_that_is_known_decides_however_it_is_spelt() {
    let cases = [
        ("Log Alerts V2", Kind::LogV2),
        ("Simple Log Alert", Kind::SimpleLog),
        ("Log Analytics", Kind::LogV1),
        ("Application Insights", Kind::ApplicationInsightsV1),
        ("Activity Log - Administrative", Kind::ActivityAdministrative),
        ("ActivityLog Administrative", Kind::ActivityAdministrative),
        ("Activity Log - Policy", Kind::ActivityPolicy),
        ("Activity Log - Autoscale", Kind::ActivityAutoscale),
        ("Activity Log - Security", Kind::ActivitySecurity),
        ("Activity Log - Recommendation", Kind::ActivityRecommendation),
        ("ServiceHealth", Kind::ServiceHealth),
        ("Resource Health", Kind::ResourceHealth),
        ("ResourceHealth", Kind::ResourceHealth),
        ("SmartDetector", Kind::SmartDetection),
        ("Smart Detector", Kind::SmartDetection),
        ("Prometheus", Kind::Prometheus),
        ("CostAlerts", Kind::CostBudget),
        ("Azure Backup", Kind::AzureBackup),
        ("Platform", Kind::MetricStatic),
    ];
    for (service, kind) in cases {
        assert_eq!(of(service, &Value::Null), kind, "{service}");
    }
}

#[test]
fn metric_alerts_are_told_apart_by_their_condition() {
    let platform = json!({"metricName": "m", "metricNamespace": "Microsoft.Compute/virtualMachines"});
    let cases = [
        ("SingleResourceMultipleMetricCriteria", Kind::MetricStatic),
        ("MultipleResourceMultipleMetricCriteria", Kind::MetricMultiResource),
        ("DynamicThresholdCriteria", Kind::MetricDynamic),
        ("WebtestLocationAvailabilityCriteria", Kind::WebTest),
        ("SomeFutureCriteria", Kind::MetricStatic),
    ];
    for (condition, kind) in cases {
        assert_eq!(of("Platform", &metric_context(condition, &platform)), kind, "{condition}");
    }
    let custom = json!({"metricName": "m", "metricNamespace": "Azure.VM.Windows.GuestMetrics"});
    let single = metric_context("SingleResourceMultipleMetricCriteria", &custom);
    assert_eq!(of("Platform", &single), Kind::MetricCustom);
    let elsewhere = metric_context("SingleResourceMultipleMetricCriteria", &platform);
    assert_eq!(of("Azure.ApplicationInsights", &elsewhere), Kind::MetricCustom);
}

#[test]
fn without_a_service_the_shape_decides() {
    let cases = [
        (json!({"condition": {"allOf": [{"searchQuery": "q"}]}}), Kind::LogV2),
        (json!({"condition": {"allOf": [{"searchQuery": "q", "event": [[]]}]}}), Kind::SimpleLog),
        (json!({"condition": {"allOf": [{"metricName": "m"}]}}), Kind::MetricStatic),
        (json!({"SearchQuery": "q", "WorkspaceId": "w"}), Kind::LogV1),
        (json!({"SearchQuery": "q", "ApplicationId": "a"}), Kind::ApplicationInsightsV1),
        (json!({"expression": "up", "labels": {}}), Kind::Prometheus),
        (json!({"AlertData": {"BudgetName": "b"}}), Kind::CostBudget),
        (json!({"SmartDetectorId": "s"}), Kind::SmartDetection),
        (json!({"operationName": "Microsoft.ServiceHealth/incident/action"}), Kind::ServiceHealth),
        (json!({"operationName": "Microsoft.Resourcehealth/healthevent/x"}), Kind::ResourceHealth),
        (json!({"operationName": "x", "eventSource": "Policy"}), Kind::ActivityPolicy),
        (json!({"operationName": "x", "eventSource": 2}), Kind::Other),
        (json!("nothing"), Kind::Other),
    ];
    for (context, kind) in cases {
        assert_eq!(of("", &context), kind, "{context}");
    }
}

#[test]
fn a_service_of_the_future_is_another_kind() {
    assert_eq!(of("Quantum Monitor", &json!({"qubits": 3})), Kind::Other);
}

#[test]
fn each_kind_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
}
