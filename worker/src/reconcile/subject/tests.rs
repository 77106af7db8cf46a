use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::reconcile::alert::{AlertState, Report};

const TENANT: Uuid = Uuid::from_u128(1);

/// One notification of a story: what it is about and what it says, as the intake takes it.
fn heard(body: &Value) -> (AlertKey, Report) {
    let body = json!({ "data": body }).to_string();
    let notification = Notification::parse(body.as_bytes()).unwrap();
    let subject = Subject::read(&notification);
    let id = subject.notification_id(notification.id(TENANT));
    (subject.key(TENANT), Report::new(id, subject.condition, &notification.essentials))
}

fn read(body: &Value) -> Subject {
    let body = json!({ "data": body }).to_string();
    Subject::read(&Notification::parse(body.as_bytes()).unwrap())
}

fn fired_at(minute: usize) -> String {
    format!("2026-03-22T13:{minute:02}:00Z")
}

fn service_health(alert: usize, tracking_id: &str, stage: &str, status: &str) -> Value {
    json!({
        "essentials": {"alertId": format!("/alerts/{alert}"), "monitorCondition": "Fired",
            "monitoringService": "ServiceHealth", "alertRule": format!("rule-{}", alert % 2),
            "alertTargetIDs": ["/subscriptions/S-1"], "firedDateTime": fired_at(alert)},
        "alertContext": {"status": status, "properties": {"trackingId": tracking_id, "stage": stage}},
    })
}

fn resource_health(alert: usize, now: &str, status: &str) -> Value {
    // Azure does not keep to one spelling of an id.
    let group = if alert.is_multiple_of(2) { "resourcegroups" } else { "resourceGroups" };
    let machine = format!("/subscriptions/s/{group}/g/providers/Microsoft.Compute/virtualMachines/Web-01");
    json!({
        "essentials": {"alertId": format!("/alerts/{alert}"), "monitorCondition": "Fired",
            "monitoringService": "Resource Health", "alertTargetIDs": [machine], "firedDateTime": fired_at(alert)},
        "alertContext": {"status": status, "properties": {"currentHealthStatus": now}},
    })
}

/// Every notification of these tests was first received after all their instants.
fn state(story: &[(AlertKey, Report)]) -> AlertState {
    let received_at: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
    story.iter().fold(AlertState::default(), |state, (_, report)| state.hear(report, received_at))
}

#[test]
fn what_an_ordinary_alert_is_about_is_the_alert() {
    let body = json!({"essentials": {"alertId": "/Alerts/1", "monitorCondition": "Resolved",
        "monitoringService": "Platform"}, "alertContext": {"status": "Resolved"}});
    let subject = read(&body);
    assert_eq!((subject.scope, subject.condition), (Scope::Alert, Condition::Resolved));
    assert_eq!(subject.key(TENANT), AlertKey::new(TENANT, "/alerts/1"));
}

#[test]
fn a_service_issue_is_known_by_subscription_and_tracking_id_and_over_at_its_last_stages() {
    let first = read(&service_health(1, "ABCD-123", "Active", "Active"));
    assert_eq!(first.id, "/subscriptions/s-1/providers/microsoft.resourcehealth/events/abcd-123");
    assert_eq!((first.scope, first.condition), (Scope::Incident, Condition::Fired));
    for (stage, status) in [
        ("Resolved", "Active"),
        ("Active", "Resolved"),
        ("RCA", "Active"),
        ("Complete", ""),
        ("Canceled", ""),
    ] {
        let last = read(&service_health(2, "abcd-123", stage, status));
        assert_eq!((&last.id, last.condition), (&first.id, Condition::Resolved), "{stage} {status}");
    }
    for stage in ["Planned", "InProgress", "Rescheduled", "SomethingNew", ""] {
        let goes_on = read(&service_health(2, "ABCD-123", stage, "Active"));
        assert_eq!(goes_on.condition, Condition::Fired, "{stage}");
    }
    assert_ne!(read(&service_health(1, "ABCD-124", "Active", "Active")).id, first.id);
}

#[test]
fn the_health_of_a_resource_is_known_by_the_resource_and_over_when_it_is_well() {
    let down = read(&resource_health(1, "Unavailable", "Active"));
    assert_eq!((down.scope, down.condition), (Scope::Incident, Condition::Fired));
    assert_eq!(read(&resource_health(2, "Degraded", "Resolved")).condition, Condition::Fired);
    for (now, status) in
        [("Available", "Active"), ("Available", "Resolved"), ("Unknown", "Resolved"), ("", "Resolved")]
    {
        let well = read(&resource_health(2, now, status));
        assert_eq!((&well.id, well.condition), (&down.id, Condition::Resolved), "{now} {status}");
    }
}

#[test]
fn an_end_of_which_nobody_says_what_ended_is_an_alert_like_any_other() {
    let mut body = service_health(1, " ", "Resolved", "Resolved");
    assert_eq!(read(&body).scope, Scope::Alert);
    assert_eq!(read(&body).condition, Condition::Fired);
    body["alertContext"] = Value::Null;
    assert_eq!(read(&body).condition, Condition::Fired);
}

#[test]
fn each_press_of_the_test_button_is_something_of_its_own_and_its_repetition_is_not() {
    let sample = |minute: usize, summary: &str| {
        json!({"essentials": {
            "alertId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.AlertsManagement/alerts/12345678-1234-1234-1234-1234567890ab",
            "monitorCondition": "Fired", "monitoringService": "SmartDetector", "firedDateTime": fired_at(minute)},
            "alertContext": {"AnalysisTimestamp": summary}})
    };
    assert_eq!(heard(&sample(1, "a")), heard(&sample(1, "a")));
    // The sample of smart detection always fired on the same day of 2021.
    for other in [sample(2, "a"), sample(1, "b")] {
        let (key, report) = heard(&other);
        let (first_key, first_report) = heard(&sample(1, "a"));
        assert_ne!(key, first_key);
        assert_ne!(report.notification, first_report.notification);
    }
    assert!(read(&sample(1, "a")).never_resolves(Kind::MetricStatic));
}

#[test]
fn a_sample_that_says_that_it_is_over_gets_a_ticket_all_the_same() {
    let mut sample = service_health(1, "TEST-TTT", "Resolved", "Resolved");
    sample["alertContext"]["properties"]["IsSynthetic"] = json!("True");
    let subject = read(&sample);
    assert_eq!((subject.scope, subject.condition), (Scope::Press, Condition::Fired));
}

#[test]
fn an_alert_that_comes_through_two_action_groups_is_one_notification() {
    let through = |custom: &str| {
        json!({"essentials": {"alertId": "/Alerts/A", "monitorCondition": "Fired", "monitoringService": "Platform",
            "firedDateTime": fired_at(1)}, "customProperties": {"group": custom}})
    };
    assert_eq!(heard(&through("one")), heard(&through("two")));
}

fn any_story() -> impl Strategy<Value = Vec<(AlertKey, Report)>> {
    let service = prop::sample::select(vec![
        ("Active", "Active"),
        ("Planned", "Active"),
        ("Resolved", "Resolved"),
        ("RCA", "Resolved"),
    ]);
    let resource = prop::sample::select(vec![
        ("Unavailable", "Active"),
        ("Degraded", "InProgress"),
        ("Available", "Resolved"),
    ]);
    let services = prop::collection::vec((0..20_usize, service), 1..10).prop_map(|story| {
        let told =
            story.iter().map(|(alert, (stage, status))| service_health(*alert, "ABCD-123", stage, status));
        told.map(|body| heard(&body)).collect()
    });
    let resources = prop::collection::vec((0..20_usize, resource), 1..10).prop_map(|story| {
        story.iter().map(|(alert, (now, status))| heard(&resource_health(*alert, now, status))).collect()
    });
    prop_oneof![services, resources]
}

proptest! {
    #[test]
    fn all_that_is_heard_of_one_incident_ends_in_the_same_state_in_any_order_and_repetition(
        (story, shuffled) in any_story().prop_flat_map(|story| {
            let mut repeated = story.clone();
            repeated.extend(story.iter().copied());
            (Just(story), Just(repeated).prop_shuffle())
        })
    ) {
        prop_assert!(story.iter().all(|(key, _)| *key == story[0].0), "one incident, one key");
        prop_assert_eq!(state(&story), state(&shuffled));
    }

    #[test]
    fn an_incident_is_over_exactly_when_the_newest_word_of_it_says_so(story in any_story()) {
        let newest = story.iter().map(|(_, report)| report.at).max().unwrap();
        let over = story.iter().any(|(_, report)| report.at == newest && report.condition == Condition::Resolved);
        prop_assert_eq!(state(&story).firing(), !over);
    }
}
