//! `worker check-config` as an operator runs it: it calls nobody.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::io::Write;
use std::process::Command;

const NEEDED: &str = r#"
    amqp.url = "amqp://localhost"
    database.url = "postgres://localhost/x"
    route.target = "snow"
    [targets.snow.connector.servicenow]
    base_url = "https://example.service-now.com"
    auth.basic = { username = "u", password = "p" }
"#;

/// Whether the settings can be used, what is said on standard output, and what on standard error.
fn check_config(before: &str, after: &str) -> (bool, String, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{before}\n{NEEDED}\n{after}").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    let output = command.arg("--config").arg(file.path()).arg("check-config").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn settings_with_nothing_odd_get_one_line() {
    let (usable, said, complaint) = check_config("", "");
    assert!(usable, "{complaint}");
    assert_eq!(said, "the settings can be used: alerts go to snow (targets: snow)\n");
}

#[test]
fn a_misspelt_variable_is_an_error_and_named_with_its_rule_and_key() {
    let (usable, said, complaint) = check_config(
        r#"
        route.resolve.note = "{{ alert.resolvd_at }}"
        routes = [{ name = "databases", open.fields = { team = "{{ alert.custom.crew }}", group = "{{ alert.sumary }}" } }]
        "#,
        "",
    );
    assert!(!usable);
    for line in [
        "error: databases: route.open.fields.group fails on every alert: it names alert.sumary, which nothing has",
        "error: route: route.resolve.note fails on every alert: it names alert.resolvd_at",
        "warning: databases: route.open.fields.team fails on every alert that lacks",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    assert!(!said.contains("can be used"), "{said}");
    assert!(complaint.contains("templates that fail on every alert: 2"), "{complaint}");
}

#[test]
fn no_template_ends_the_process_however_deep_it_is() {
    let nested = "{% set ns = namespace(x=1) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}";
    let sum = format!("{{{{ 1{} }}}}", "+1".repeat(8_000));
    for template in [nested, &sum] {
        let (_, said, complaint) = check_config(&format!("route.open.summary = '{template}'"), "");
        assert!(
            said.contains("can be used") || said.contains("error: route: route.open.summary"),
            "{complaint}"
        );
    }
    let (usable, _, complaint) = check_config(&format!("route.open.summary = '{}'", "x".repeat(20_000)), "");
    assert!(!usable && complaint.contains("route.open.summary has more than 16384 bytes"), "{complaint}");
}

#[test]
fn what_is_odd_is_a_warning_and_the_settings_can_be_used() {
    let (usable, said, complaint) = check_config(
        r#"
        routes = [
            { name = "logs", match = { kind = "logs_*" }, drop = "not ours" },
            { name = "all", open.summary = "{{ alert.context.AlertData.BudgetName }}" },
            { name = "rest" },
        ]
        "#,
        r#"
        [targets.spare.connector.servicenow]
        base_url = "https://spare.service-now.com"
        auth.basic = { username = "u", password = "p" }
        "#,
    );
    assert!(usable, "{complaint}");
    for line in [
        "the settings can be used: alerts go to snow (targets: snow, spare)",
        "warning: no alert reaches the rule \"rest\": one before it is for all alerts",
        "warning: no alert has the kind \"logs_*\" of the rule \"logs\"; there are: metric_static, ",
        "warning: no alert goes to the target \"spare\": no route names it",
        "warning: all: route.open.summary fails on activity_administrative, ",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
}
