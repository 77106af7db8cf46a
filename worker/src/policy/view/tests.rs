use azure_simulator::alerts::{AlertRule, Kind as Sent};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn view(essentials: Value, context: Value) -> AlertView {
    let body = json!({"data": {"essentials": essentials, "alertContext": context}}).to_string();
    read(body.as_bytes())
}

fn read(body: &[u8]) -> AlertView {
    AlertView::new(Uuid::nil(), &Notification::parse(body).unwrap())
}

fn metric() -> AlertView {
    view(
        json!({"alertId": "/alerts/1", "monitorCondition": "Fired", "severity": "Sev1", "alertRule": "cpu-high",
            "description": "CPU is high", "firedDateTime": "2026-03-22T13:58:24.3713213Z",
            "alertTargetIDs": ["/subscriptions/S/resourcegroups/prod-rg/providers/microsoft.compute/virtualmachines/web-01"]}),
        json!({"condition": {"allOf": [{"metricName": "Percentage CPU", "operator": "GreaterThan", "threshold": "90",
            "metricValue": 97.5, "dimensions": [{"name": "core", "value": 3}]}]}}),
    )
}

#[test]
fn a_metric_alert_reads_as_a_person_would_tell_it() {
    let view = metric();
    assert_eq!(view.title, "[Sev1] cpu-high on web-01: Percentage CPU 97.5 > 90");
    insta::assert_snapshot!(view.text, @r"
    CPU is high

    Severity: Sev1
    Rule: cpu-high
    Resource: /subscriptions/S/resourcegroups/prod-rg/providers/microsoft.compute/virtualmachines/web-01
    Fired at: 2026-03-22T13:58:24.371321Z
    Condition: Percentage CPU > 90
    Measured: 97.5
    core: 3
    Alert: /alerts/1
    Resource in the portal: https://portal.azure.com/#@00000000-0000-0000-0000-000000000000/resource/subscriptions/S/resourcegroups/prod-rg/providers/microsoft.compute/virtualmachines/web-01
    ");
}

#[test]
fn a_title_is_one_line_whatever_the_rule_is_called() {
    let essentials =
        json!({"alertId": "/a", "monitorCondition": "Fired", "alertRule": "one\n- two\u{2028}three"});
    assert_eq!(view(essentials, Value::Null).title, "one - two three");
}

#[test]
fn half_a_character_in_the_context_costs_nothing_else() {
    let body = br#"{"data": {"essentials": {"alertId": "/a", "monitorCondition": "Fired"},
        "alertContext": {"labels": {"pod": "web\ud83d"}}}}"#;
    let dimensions = read(body).dimensions;
    assert_eq!(dimensions, [Dimension { name: "pod".to_owned(), value: "web\u{fffd}".to_owned() }]);
}

#[test]
fn an_alert_of_almost_nothing_still_has_a_title_and_a_text() {
    let view = view(json!({"alertId": "/alerts/1", "monitorCondition": "Fired"}), Value::Null);
    assert_eq!(view.title, "Azure Monitor alert");
    assert_eq!(view.text, "Alert: /alerts/1\n");
}

#[test]
fn another_firing_of_the_same_series_has_the_same_series() {
    let mut again = metric();
    again.id = "/alerts/2".into();
    assert_eq!(again.series, metric().series);
}

#[test]
fn another_dimension_is_another_series() {
    let with = |core: u8| {
        view(
            json!({"alertId": "/a", "monitorCondition": "Fired", "alertRule": "r", "alertTargetIDs": ["/t"]}),
            json!({"condition": {"allOf": [{"dimensions": [{"name": "core", "value": core}]}]}}),
        )
        .series
    };
    assert_ne!(with(1), with(2));
}

#[test]
fn alerts_whose_dimensions_cannot_be_read_do_not_share_a_series() {
    let with = |id: &str| {
        let body = format!(
            r#"{{"data":{{"essentials":{{"alertId":"{id}","monitorCondition":"Fired","alertRule":"r","alertTargetIDs":["/t"]}},"alertContext":{{"value":1e999}}}}}}"#
        );
        AlertView::new(Uuid::nil(), &Notification::parse(body.as_bytes()).unwrap()).series
    };
    assert_ne!(with("/a"), with("/b"));
}

#[test]
fn alerts_without_a_rule_do_not_share_a_series() {
    let cost = |id: &str| {
        view(
            json!({"alertId": id, "monitorCondition": "Fired", "alertRule": null, "alertTargetIDs": null}),
            Value::Null,
        )
        .series
    };
    assert_ne!(cost("/a"), cost("/b"));
}

#[test]
fn a_test_says_so_first_and_each_press_is_a_series_of_its_own() {
    let sample = |minute: usize| {
        let body = json!({"data": {"essentials": {
            "alertId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.AlertsManagement/alerts/12345678-1234-1234-1234-1234567890ab",
            "alertRule": "test-metricAlertRule", "severity": "Sev4", "monitorCondition": "Fired",
            "monitoringService": "Platform", "alertTargetIDs": ["/subscriptions/11111111-1111-1111-1111-111111111111/x"],
            "firedDateTime": format!("2026-07-01T10:{minute:02}:00Z")}}});
        read(body.to_string().as_bytes())
    };
    assert_eq!(sample(1).title, "[Test] [Sev4] test-metricAlertRule on x");
    assert!(sample(1).is_test && sample(1).never_resolves);
    assert!(sample(1).text.starts_with("This is a test"), "{}", sample(1).text);
    assert_eq!(sample(1).series, sample(1).series);
    assert_ne!(sample(1).series, sample(2).series);
}

#[test]
fn all_that_tells_of_one_incident_is_one_series_and_another_incident_another() {
    let series = |body: &[u8]| read(body).series;
    let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
    for kind in [Sent::ServiceHealth, Sent::ResourceHealth] {
        let alert = AlertRule::new(kind, 1, 1).fire(at(0));
        assert_eq!(series(&alert.fired()), series(&alert.over(at(9)).unwrap()), "{}", kind.name());
        let other = AlertRule::new(kind, 1, 2).fire(at(0));
        assert_ne!(series(&alert.fired()), series(&other.fired()), "{}", kind.name());
    }
}

#[test]
fn an_incident_that_is_over_is_resolved_though_azure_calls_it_fired() {
    let alert = AlertRule::new(Sent::ServiceHealth, 1, 1).fire(Timestamp::UNIX_EPOCH);
    let over = read(&alert.over("2026-07-01T10:12:00Z".parse().unwrap()).unwrap());
    assert_eq!((over.condition.as_str(), over.resolved_at.as_str()), ("Resolved", "2026-07-01T10:12:00Z"));
    assert_eq!(read(&alert.fired()).resolved_at, "");
}

fn any_part() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "PT-5M",
            "[{\"ServiceName\":7}]",
            "<p",
            "&#xfffffff;",
            "https://",
            "True",
            "Resolved"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop::sample::select(vec![
            "name",
            "value",
            "ServiceName",
            "ImpactedRegions",
            "metricValue",
            "trackingId",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// Every place of a document, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    for (name, inner) in value.as_object().into_iter().flatten() {
        places(inner, &format!("{at}/{}", escaped(name)), found);
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        places(inner, &format!("{at}/{index}"), found);
    }
}

proptest! {
    #[test]
    fn whatever_stands_at_any_place_of_an_alert_it_has_a_title_and_a_text(
        kind in prop::sample::select(Sent::all().to_vec()),
        parts in prop::collection::vec((any::<prop::sample::Index>(), any_part()), 0..4),
    ) {
        let body = AlertRule::new(kind, 1, 1).fire(Timestamp::UNIX_EPOCH).fired();
        let mut document: Value = serde_json::from_slice(&body).unwrap();
        for (index, part) in parts {
            let mut all = Vec::new();
            places(&document["data"], "", &mut all);
            all.retain(|place| !matches!(place.as_str(), "" | "/essentials"));
            let place: &String = index.get(&all);
            *document["data"].pointer_mut(place).unwrap() = part;
        }
        document["data"]["essentials"]["alertId"] = json!("/a");
        document["data"]["essentials"]["monitorCondition"] = json!("Fired");
        let view = read(document.to_string().as_bytes());
        prop_assert!(!view.title.is_empty() && !view.series.is_empty());
        prop_assert!(view.text.contains("Alert: /a\n"), "{}", view.text);
    }
}
