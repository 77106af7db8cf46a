//! What can be used and what is refused, with the words of the refusal.

use std::io::Write;

use super::*;
use crate::policy::view::AlertView;

pub(crate) const NEEDED: &str = r#"
    amqp.url = "amqp://localhost"
    database.url = "postgres://localhost/x"
    route.target = "snow"
    [targets.snow.connector.servicenow]
    base_url = "https://example.service-now.com"
    auth.basic = { username = "u", password = "p" }
"#;

pub(super) fn load_text(text: &str) -> Result<Config, SettingsError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(Some(file.path()))
}

pub(super) fn refusal(text: &str) -> String {
    match load_text(text) {
        Ok(_) => panic!("should be refused: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_has_no_default_is_enough() {
    let config = load_text(NEEDED).unwrap();
    assert_eq!(config.targets.keys().collect::<Vec<_>>(), ["snow"]);
    assert_eq!(config.policy.route("route").weight(None), crate::policy::Weight { impact: 3, urgency: 3 });
}

#[test]
fn a_target_is_one_product_and_what_it_lacks_is_named_whole() {
    let with = |line: &str| refusal(&format!("{NEEDED}\n{line}"));
    let error = with("[targets.rt.connector.request_tracker]\nbase_url = \"https://rt.example.com\"");
    assert!(error.contains("targets.rt.connector.request_tracker.auth"), "{error}");
    for (line, missing) in [
        ("[targets.rt.connector]", "targets.rt.connector: give one of"),
        ("[targets.rt.connector.nonsuch]", "nonsuch"),
    ] {
        assert!(with(line).contains(missing), "{}", with(line));
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let cases = [
        ("nonsense = 1", "nonsense"),
        ("routes = [{ name = \"x\", target = \"nowhere\" }]", "x: target = \"nowhere\" is not a section"),
        ("routes = [{ name = \"x\", match = { sevrity = \"Sev1\" } }]", "sevrity"),
        ("intake.bach = 1", "bach"),
        ("route.reopen_window = \"soon\"", "reopen_window"),
        ("sync.lease = \"3s\"", "sync.lease"),
        ("intake.batch = 0", "intake.batch"),
        ("route.severity.sev9.impact = 1", "unknown field `sev9`"),
        ("route.severity.Sev1 = { impact = 1, urgency = 1 }", "unknown field `Sev1`"),
        ("route.severity.sev1 = { impact = 0, urgency = 1 }", "route.severity.sev1"),
        ("route.open.summary = \"{{ alert.\"", "route.open.summary"),
        (
            "route.already_resolved = 'yes'",
            "unknown choice, expected `skip` or `record` for key `route.already_resolved`",
        ),
        (
            "route.minimum_severity = 'high'",
            "expected one of `Sev0`, `Sev1`, `Sev2`, `Sev3`, `Sev4` for key `route.minimum_severity`",
        ),
        (
            "routes = [{ name = 'x', resolve.action = 'no' }]",
            "routes[0] (x): unknown choice, expected one of `resolve`, `note`, `leave` for key `resolve.action`",
        ),
        ("log.format = 'xml'", "unknown choice, expected `json` or `text` for key `log.format`"),
        (
            "routes = [{ name = 'x', match = { test = true } }]",
            "a list of such for key `routes[0].match.test`",
        ),
        ("routes = [{ name = 'x', match = { custom.tier = [1] } }]", "key `routes[0].match.custom.tier[0]`"),
        ("amqp.prefix = \"a b\"", "amqp.prefix"),
        ("sync.retry.min = \"1h\"", "sync.retry.min"),
        ("log.filter = \"worker=dbug\"", "log.filter"),
        ("dead_letters.max_waiting = 0", "dead_letters.max_waiting"),
        ("targets.snow.ci.strategies = [\"host\"]", "targets.snow.ci.strategies"),
        ("route.correlation_key = \" \"", "route.correlation_key"),
        (
            "maintenance_windows = [{ name = \"x\", start = \"0 1 * * *\" }]",
            "maintenance_windows[0] (x): give start",
        ),
        ("targets.snow.tls.ca_file = \"/nowhere\"", "targets.snow.tls.ca_file: /nowhere: cannot be read"),
    ];
    for (line, key) in cases {
        let error = refusal(&format!("{line}\n{NEEDED}"));
        assert!(error.contains(key), "{line}: {error}");
    }
}

#[test]
fn a_mistake_in_the_default_is_not_told_of_a_rule_that_inherits_it() {
    for line in
        ["open.summary = '{{ alert.'", "correlation_key = ''", "storm = { limit = 1, interval = '0s' }"]
    {
        let error = refusal(&format!("route.{line}\nroutes = [{{ name = 'x' }}]\n{NEEDED}"));
        assert!(error.starts_with("route."), "{line}: {error}");
    }
}

#[test]
fn a_secret_at_the_wrong_place_is_not_told() {
    let target = "[targets.other.connector.http_api]\nbase_url = \"https://example.com\"";
    for text in [
        "amqp = \"amqp://u:S3CRET@h\"".to_owned(),
        "database = \"postgres://u:S3CRET@h/x\"".to_owned(),
        format!("{NEEDED}\n{target}\nauth.bearer = \"S3CRET\""),
        format!("{NEEDED}\n{target}\nauth = \"S3CRET\""),
        "database.url = \"postgres://u:S3CRET@h/x".to_owned(),
    ] {
        let error = refusal(&text);
        assert!(!error.contains("S3CRET"), "{error}");
    }
}

#[test]
fn the_name_of_a_target_is_plain_and_short() {
    let named = |name: &str| NEEDED.replace("snow", name).replace(".service-now", ".now");
    assert!(load_text(&named("snow_2-eu")).is_ok());
    for name in ["t\\u001b[31m", "", "a b", "ü", &"x".repeat(65)] {
        let error = refusal(&NEEDED.replace("targets.snow", &format!("targets.\"{name}\"")));
        assert!(error.contains("name of a target") && !error.contains('\u{1b}'), "{name}: {error}");
    }
}

#[test]
fn a_route_to_nowhere_lists_the_targets() {
    let error = refusal(&NEEDED.replace("route.target = \"snow\"", "route.target = \"prod\""));
    assert!(error.contains("prod") && error.contains("there are: snow"), "{error}");
}

#[test]
fn the_policies_of_the_documentation_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/policies");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let policy = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let needed = "amqp.url = \"amqp://localhost\"\ndatabase.url = \"postgres://localhost/x\"";
        let config = load_text(&format!("{needed}\n{policy}")).map_err(|error| error.to_string()).unwrap();
        assert!(config.policy.routes().count() > 1 && config.policy.unreachable().next().is_none());
        checked += 1;
    }
    assert_eq!(checked, 3);
}

#[test]
fn at_night_the_small_team_of_the_documentation_has_new_tickets_wait_that_are_not_urgent() {
    let policy = include_str!("../../../docs/examples/policies/small-team.toml");
    let needed = "amqp.url = \"amqp://localhost\"\ndatabase.url = \"postgres://localhost/x\"";
    let policy = load_text(&format!("{needed}\n{policy}")).map_err(|error| error.to_string()).unwrap().policy;
    let held = |at: &str, severity: &str| {
        let signal_type = if severity == "Sev4" { "Activity Log" } else { "Metric" }.to_owned();
        let alert = AlertView { severity: severity.to_owned(), signal_type, ..AlertView::default() };
        policy.hold(at.parse().unwrap(), &alert).map(|hold| (hold.until.to_string(), hold.window.to_owned()))
    };
    let until = |until: &str, window: &str| Some((until.to_owned(), window.to_owned()));
    assert_eq!(held("2026-11-25T22:00:00Z", "Sev2"), until("2026-11-26T07:00:00Z", "night"));
    assert_eq!(held("2026-11-25T22:00:00Z", "Sev1"), None);
    assert_eq!(held("2026-11-25T22:00:00Z", "Sev4"), None, "it may be an outage of Azure");
    assert_eq!(held("2026-11-25T12:00:00Z", "Sev2"), None);
    // A Friday in summer.
    assert_eq!(held("2026-07-03T18:00:00Z", "Sev3"), until("2026-07-06T06:00:00Z", "weekend"));
    assert_eq!(held("2026-12-06T00:00:00Z", "Sev0"), until("2026-12-06T05:00:00Z", "new storage"));
}

#[test]
fn a_url_of_another_database_is_refused() {
    for url in ["mysql://localhost/x", "postgres://localhost:port/x"] {
        let error = refusal(&NEEDED.replace("postgres://localhost/x", url));
        assert!(error.contains("database.url is not postgres://"), "{error}");
    }
}

#[test]
fn a_missing_secret_says_how_to_give_it() {
    let error = refusal(&NEEDED.replace("database.url = \"postgres://localhost/x\"", ""));
    assert!(error.contains("database.url") && error.contains("database.url_file"), "{error}");
}
