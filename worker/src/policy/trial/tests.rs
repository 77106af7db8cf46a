use std::fmt::Write;

use azure_simulator::alerts::{AlertRule, Kind as Simulated};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::kind::{Ending, Kind};
use crate::policy::rules::merged;
use crate::policy::rules::tests::settings;

/// The findings for `[route]` with these changes, and rules.
fn found(route: Value, rules: Value) -> Vec<String> {
    let default = merged(serde_json::to_value(settings()).unwrap(), route);
    let rules = serde_json::from_value(rules).unwrap();
    let policy = Policy::new(serde_json::from_value(default).unwrap(), rules, Vec::new()).unwrap();
    findings(&policy, || false)
        .unwrap()
        .iter()
        .map(|finding| format!("{}: {finding}", finding.verdict.name()))
        .collect()
}

fn found_in_summary(summary: &str) -> Vec<String> {
    found(json!({"open": {"summary": summary}}), json!([]))
}

/// `UPDATE_SAMPLES=1` writes the file.
#[test]
fn the_samples_are_what_the_simulator_sends() {
    let at: Timestamp = "2026-03-22T13:58:24.371321Z".parse().unwrap();
    let end: Timestamp = "2026-03-22T14:12:20.371321Z".parse().unwrap();
    let mut lines = String::new();
    for kind in Simulated::all() {
        let alert = AlertRule::new(*kind, 1, 1).fire(at);
        for body in std::iter::once(alert.fired()).chain(alert.resolved(end).or(alert.over(end))) {
            writeln!(lines, "{}", str::from_utf8(&body).unwrap()).unwrap();
        }
    }
    // What is of no kind that we know may carry anything, or nothing.
    for condition in ["Fired", "Resolved"] {
        let essentials = json!({
            "alertId": "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.AlertsManagement/alerts/1",
            "monitorCondition": condition, "monitoringService": "Another Monitor", "firedDateTime": at.to_string()});
        writeln!(lines, "{}", json!({"data": {"essentials": essentials}})).unwrap();
    }
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/samples.jsonl");
        std::fs::write(file, &lines).unwrap();
    } else {
        assert!(lines == SAMPLES, "src/policy/samples.jsonl is old: run the test with UPDATE_SAMPLES=1");
    }
}

#[test]
fn there_is_a_sample_of_every_kind_and_of_its_end() {
    assert_eq!(SAMPLE_ALERTS.len(), SAMPLES.lines().count(), "each is an alert");
    for kind in Kind::ALL {
        let has = |condition| {
            SAMPLE_ALERTS
                .iter()
                .any(|sample| sample.alert.kind == kind.name() && sample.condition == condition)
        };
        assert!(has(Condition::Fired), "{kind:?}");
        // Whether Azure resolves alerts of a backup is not known, and none was seen.
        let ends = kind.ending() != Ending::Never && kind != Kind::AzureBackup;
        assert_eq!(has(Condition::Resolved), ends, "{kind:?}");
    }
}

#[test]
fn the_default_templates_are_fine() {
    assert_eq!(found(json!({}), json!([])), [""; 0]);
}

#[test]
fn a_template_that_no_alert_can_satisfy_is_an_error_with_its_route_and_key() {
    let cases = [
        ("{{ alert.sumary }}", "it names alert.sumary, which nothing has: undefined value"),
        ("{{ tikcet.number }}", "it names tikcet.number, which nothing has: undefined value"),
        ("{{ alert.links.portal }}", "it names alert.links.portal"),
        ("{{ alert.sumary }} {{ alert.custom.team }}", "it names alert.sumary"),
        ("{{ alert.title | uper }}", "unknown filter: filter uper is unknown"),
        ("{% for a in range(9000) %}{{ alert.text }}{% endfor %}", "renders to more than 262144 bytes"),
    ];
    for (summary, why) in cases {
        let findings = found_in_summary(summary);
        assert_eq!(findings.len(), 1, "{summary}: {findings:?}");
        assert!(
            findings[0].starts_with("error: route: route.open.summary fails on every alert"),
            "{findings:?}"
        );
        assert!(findings[0].contains(why), "{summary}: {findings:?}");
    }
    let empty = found(json!({"correlation_key": "{{ '' }}"}), json!([]));
    assert_eq!(empty, ["error: route: route.correlation_key fails on every alert: gives an empty text"]);
    let early = found(json!({"correlation_key": "{{ ticket.number }}"}), json!([]));
    assert_eq!(early, empty, "there is no ticket before its key");
}

#[test]
fn a_template_that_fails_on_some_kinds_is_a_warning_that_names_them() {
    let findings = found_in_summary("{{ alert.context.labels.alertname }}");
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("warning: route: route.open.summary fails on activity_"), "{findings:?}");
    assert!(findings[0].contains("more kinds: undefined value"), "{findings:?}");
    let one = found_in_summary("An alert{% if alert.kind == 'log_v2' %}{{ alert.nothing }}{% endif %}");
    let expected = "warning: route: route.open.summary fails on log_v2: undefined value";
    assert!(
        one[0].starts_with(expected) && one[0].ends_with("and names alert.nothing, which nothing has"),
        "{one:?}"
    );
    let key = found(json!({"correlation_key": "{{ alert.resource_group }}"}), json!([]));
    assert!(key[0].ends_with("other, service_health: gives an empty text"), "{key:?}");
}

#[test]
fn a_name_that_is_never_reached_is_a_warning() {
    for summary in
        ["{{ alert.sumary | default('x') }}", "x{% if alert.is_test %}{{ alert.sumary }}{% endif %}"]
    {
        let expected = "warning: route: route.open.summary names alert.sumary, which nothing has";
        assert_eq!(found_in_summary(summary), [expected]);
    }
}

#[test]
fn what_an_alert_rule_may_add_is_no_error() {
    for text in [
        "{{ alert.custom.team }}",
        "{{ alert.custom.a.b | int }}",
        "{{ alert.context.properties.mine | upper }}",
    ] {
        let findings = found(json!({"open": {"fields": {"team": text}}}), json!([]));
        assert_eq!(findings.len(), 1, "{text}");
        assert!(findings[0].starts_with("warning: route: route.open.fields.team fails on"), "{findings:?}");
    }
    assert_eq!(found_in_summary("{{ alert.custom.team | default('ops') }}"), [""; 0]);
    let names = "x{% for it in alert.dimensions %}{{ loop.index }} {{ it.name }}{% endfor %}{% set x = alert.rule %}{{ x }}";
    assert_eq!(found_in_summary(names), [""; 0]);
}

#[test]
fn a_rule_is_tried_on_the_kinds_that_it_may_be_for() {
    let labels = json!({"summary": "{{ alert.context.labels.alertname }}"});
    let rule = |kind: &str| json!([{"name": "k8s", "match": {"kind": kind}, "open": labels}]);
    assert_eq!(found(json!({}), rule("prometheus")), [""; 0]);
    assert!(
        found(json!({}), rule("log_*"))[0].starts_with("warning: k8s: route.open.summary fails on every")
    );
}

#[test]
fn a_resolution_is_tried_on_the_ends_of_alerts_alone() {
    let ended = "{% if alert.condition == 'Fired' %}{{ alert.never }}{% endif %}";
    let resolve = found(json!({"resolve": {"note": ended}}), json!([]));
    assert_eq!(resolve, ["warning: route: route.resolve.note names alert.never, which nothing has"]);
}

#[test]
fn a_text_that_rules_inherit_is_told_once_unless_it_is_worse_there() {
    let rules = json!([{"name": "a"}, {"name": "b", "match": {"kind": "service_health"}}]);
    let broken = found(json!({"resolve": {"note": "{{ alert.never }}"}}), rules.clone());
    assert_eq!(broken.len(), 1, "{broken:?}");
    let worse = found(json!({"correlation_key": "{{ alert.resource_group }}"}), rules);
    assert_eq!(worse.len(), 2, "{worse:?}");
    assert!(worse[0].starts_with("warning: route: ") && worse[1].starts_with("error: b: "), "{worse:?}");
}
