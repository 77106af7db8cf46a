//! `worker explain` as an operator runs it: no broker, no ledger and no ITSM is there.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use azure_simulator::alerts::{Alert, AlertRule, Kind};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const SETTINGS: &str = r#"
    amqp.url = "amqp://localhost"
    database.url = "postgres://localhost/x"
    [route]
    target = "snow"
    open.fields = { "u_rule" = "{{ alert.rule }}" }
    auto_resolve.after = "72h"
    [[routes]]
    name = "logs"
    match = { kind = "log_*" }
    drop = "the logs have a team of their own"
    [[routes]]
    name = "costs"
    match = { kind = "cost_budget" }
    auto_resolve.after = "0s"
    [[routes]]
    name = "calls"
    match = { kind = "metric_*" }
    continue = true
    minimum_severity = "Sev1"
    [[routes]]
    name = "slow"
    match = { kind = "metric_*", severity = ["Sev2"] }
    open_after = "5m"
    portal_test.action = "answer"
    open.summary = "Slow: {{ alert.title }}"
    resolve.action = "leave"
    [[routes]]
    name = "again"
    match = { kind = "metric_*", severity = ["Sev1"] }
    [[maintenance_windows]]
    name = "the longest day"
    match = { severity = ["Sev0"] }
    from = "YESTERDAY"
    until = "TOMORROW"
    [targets.snow.connector.servicenow]
    base_url = "https://example.service-now.com"
    auth.basic = { username = "u", password = "p" }
"#;

fn alert(kind: Kind) -> Alert {
    AlertRule::new(kind, 1, 1).fire(Timestamp::UNIX_EPOCH)
}

fn tomorrow() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24)
}

/// The command with this on its standard input.
fn explain(body: &[u8], arguments: &[&str]) -> Output {
    let mut settings = tempfile::NamedTempFile::new().unwrap();
    let day = SignedDuration::from_hours(24);
    let text = SETTINGS
        .replace("YESTERDAY", &(Timestamp::now() - day).to_string())
        .replace("TOMORROW", &tomorrow().to_string());
    settings.write_all(text.as_bytes()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.arg("--config").arg(settings.path()).args(["explain", "-"]).args(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // Whoever refuses a body need not read all of it.
    drop(child.stdin.take().unwrap().write_all(body));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn of_an_alert_that_nobody_ever_resolves_it_promises_no_resolution() {
    let said = text(&explain(&alert(Kind::CostBudget).fired(), &[]).stdout);
    assert!(
        said.contains("ends         Azure never says so, people end it (auto_resolve.after is 0s)"),
        "{said}"
    );
    assert!(!said.contains("in the end"), "{said}");
}

#[test]
fn of_a_resolution_it_says_that_none_is_made_for_it() {
    let over = alert(Kind::MetricStatic).resolved(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
    let said = text(&explain(&over.unwrap(), &[]).stdout);
    assert!(said.contains("if there is one; none is made otherwise (already_resolved)"), "{said}");
}

#[test]
fn it_says_rule_by_rule_why_and_what_the_ticket_would_say() {
    let output = explain(&alert(Kind::MetricStatic).fired(), &[]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in [
        "condition    Fired",
        "kind         metric_static",
        "group        ",
        "  logs   is not for it: kind is metric_static",
        "  calls  makes none: the alert is less severe than its minimum_severity, Sev1; the next are asked",
        "  slow   makes a ticket in snow",
        "  route  is not asked: rules before it have decided",
        "ticket in snow, by slow",
        "  grouped by   [\"/subscriptions/",
        "  waits        5m (open_after)",
        "  in the end   nothing is written, and people end it",
        "  summary      Slow: [Sev2] ",
        "  u_rule       cpu-high-01",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
}

#[test]
fn of_two_rules_that_give_it_the_same_ticket_it_tells_one_ticket() {
    let severe = text(&alert(Kind::MetricStatic).fired()).replace("\"Sev2\"", "\"Sev1\"");
    let said = text(&explain(severe.as_bytes(), &[]).stdout);
    assert_eq!(said.matches("\nticket in").count(), 1, "{said}");
    assert!(
        said.contains("ticket in snow, by calls\n  also by      again, which add nothing to it"),
        "{said}"
    );
}

#[test]
fn in_json_it_says_the_same_and_a_dropped_alert_has_no_ticket() {
    let output = explain(&alert(Kind::LogV2).fired(), &["--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["tickets"].as_array().unwrap().len(), 0);
    assert_eq!(said["rules"][0]["says"], "makes none: the logs have a team of their own");
    assert_eq!(said["rules"][3]["says"], "is not asked: rules before it have decided");
}

#[test]
fn an_alert_in_a_maintenance_window_is_told_until_when_its_ticket_waits_and_for_which() {
    let before = tomorrow();
    let severe = text(&alert(Kind::MetricStatic).fired()).replace("\"Sev2\"", "\"Sev0\"");
    let output = explain(severe.as_bytes(), &["--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let waits = said["tickets"][0]["waits"].as_str().unwrap();
    let rest = waits.strip_prefix("until ").unwrap();
    let until: Timestamp =
        rest.strip_suffix(" (maintenance window the longest day)").unwrap().parse().unwrap();
    assert!(before.duration_since(until) <= SignedDuration::from_secs(1) && until <= tomorrow(), "{waits}");
}

#[test]
fn at_another_instant_it_says_what_would_be_decided_then() {
    let severe = text(&alert(Kind::MetricStatic).fired()).replace("\"Sev2\"", "\"Sev0\"");
    let waits = |at: Timestamp| -> Value {
        let output = explain(severe.as_bytes(), &["--json", "--at", &at.to_string()]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        said["tickets"][0]["waits"].clone()
    };
    let hour = SignedDuration::from_hours(1);
    assert_eq!(waits(tomorrow() + hour), Value::Null);
    assert!(waits(tomorrow() - hour).as_str().unwrap().ends_with("(maintenance window the longest day)"));

    let output = explain(severe.as_bytes(), &["--at", "2026-12-24"]);
    assert!(!output.status.success() && text(&output.stderr).contains("--at <INSTANT>"), "{output:?}");
}

#[test]
fn a_resolved_notification_shows_the_texts_of_the_resolution() {
    let alert = alert(Kind::MetricStatic);
    let resolved = text(&alert.resolved(Timestamp::UNIX_EPOCH).unwrap());
    let said = |body: &str| -> Value {
        serde_json::from_slice(&explain(body.as_bytes(), &["--json"]).stdout).unwrap()
    };
    let by_default = said(&resolved.replace("\"Sev2\"", "\"Sev3\""));
    assert_eq!(by_default["condition"], "Resolved");
    assert!(by_default["tickets"][0]["note"].as_str().unwrap().contains("resolved"), "{by_default}");
    // The rule for slow metrics leaves the end to people.
    assert_eq!(said(&resolved)["tickets"][0]["note"], "");
}

#[test]
fn it_says_when_an_alert_counts_as_resolved_and_what_becomes_of_a_test_of_the_portal() {
    let said = text(&explain(&alert(Kind::ActivityAdministrative).fired(), &[]).stdout);
    let expected = "ends         counts as resolved after 72h without a new firing (auto_resolve.after)";
    assert!(said.contains(expected), "{said}");
    assert!(!text(&explain(&alert(Kind::MetricStatic).fired(), &[]).stdout).contains("counts as resolved"));

    let press = |kind: Kind| {
        let mut body: Value = serde_json::from_slice(&alert(kind).fired()).unwrap();
        body["data"]["essentials"]["alertId"] = "/x/12345678-1234-1234-1234-1234567890ab".into();
        text(&explain(body.to_string().as_bytes(), &[]).stdout)
    };
    let said = press(Kind::ActivityAdministrative);
    assert!(
        said.contains("counts as resolved after 1h without a new firing (portal_test.resolve_after)"),
        "{said}"
    );
    assert!(said.contains("[Test]"), "{said}");
    let said = press(Kind::MetricStatic);
    assert!(said.contains("slow   makes none: it is a test notification of the portal"), "{said}");
    assert!(said.contains("no ticket"), "{said}");
}

#[test]
fn an_incident_that_ends_inside_a_fired_shows_the_texts_of_the_resolution() {
    for kind in [Kind::ServiceHealth, Kind::ResourceHealth] {
        let alert = alert(kind);
        let note = |body: &[u8]| {
            let said: Value = serde_json::from_slice(&explain(body, &["--json"]).stdout).unwrap();
            said["tickets"][0]["note"].as_str().unwrap().to_owned()
        };
        let (begun, ended) = (note(&alert.fired()), note(&alert.over(Timestamp::UNIX_EPOCH).unwrap()));
        assert!(begun.starts_with("Azure Monitor alert fired"), "{begun}");
        assert!(ended.starts_with("Azure Monitor alert resolved"), "{ended}");
    }
}

#[test]
fn what_is_no_alert_is_refused_with_what_to_do() {
    for (body, expected) in
        [(&b"{}"[..], "common alert schema"), (b"[", "not JSON"), (&[b' '; 1_100_000], "larger")]
    {
        let output = explain(body, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

#[test]
fn an_alert_cannot_rewrite_the_screen() {
    let body =
        text(&alert(Kind::MetricStatic).fired()).replace("cpu-high-01", "cpu\\u001b[2J\\u009b\\r-high");
    let output = explain(body.as_bytes(), &[]);
    assert!(output.status.success(), "{output:?}");
    let rewrites = |c: char| c.is_control() && c != '\n';
    assert!(!text(&output.stdout).contains(rewrites));
}
