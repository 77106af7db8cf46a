//! Which rule decides, what is refused, and that the trace says the same as the choice.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::template::Transition;
use super::*;

pub(in crate::policy) fn settings() -> RouteSettings {
    #[derive(Deserialize)]
    struct Defaults {
        route: RouteSettings,
    }
    let defaults = include_str!("../../../config.default.toml");
    let defaults = defaults.replace("\n[route]\n", "\n[route]\ntarget = \"snow\"\n");
    shared::settings::load::<Defaults>(&defaults, None).map(|all| all.route).unwrap()
}

pub(in crate::policy) fn policy(rules: Value) -> Result<Policy, String> {
    let rules: Vec<RuleSettings> = serde_json::from_value(rules).map_err(|error| error.to_string())?;
    Policy::new(settings(), rules, Vec::new()).map_err(|error| error.to_string())
}

fn alert(severity: &str, group: &str) -> AlertView {
    let level = Severity::ALL.into_iter().find(|level| level.as_str() == severity);
    AlertView {
        severity: severity.to_owned(),
        level,
        resource_group: group.to_owned(),
        ..AlertView::default()
    }
}

fn chosen(policy: &Policy, alert: &AlertView) -> Vec<String> {
    policy.choose(alert).routes.iter().map(|route| route.name.clone()).collect()
}

#[test]
fn the_first_rule_that_is_for_it_decides_and_the_default_takes_the_rest() {
    let policy = policy(json!([
        {"name": "quiet", "match": {"severity": "Sev4"}, "drop": "nobody acts on it"},
        {"name": "copy", "match": {"resource_group": "prod-*"}, "continue": true, "target": "audit"},
        {"name": "prod", "match": {"resource_group": "prod-*"}, "target": ["snow", "pager"], "reopen_window": "1h"},
    ]))
    .unwrap();
    assert_eq!(chosen(&policy, &alert("Sev1", "dev")), [DEFAULT]);
    assert_eq!(chosen(&policy, &alert("Sev1", "prod-web")), ["copy", "prod"]);
    let dropped = policy.choose(&alert("Sev4", "prod-web"));
    assert!(dropped.routes.is_empty());
    assert_eq!(dropped.dropped.unwrap().reason, "nobody acts on it");
    assert_eq!(policy.targets().iter().collect::<Vec<_>>(), ["audit", "pager", "snow"]);
    assert_eq!(policy.route("prod").reopen_window.as_secs(), 3600);
    assert_eq!(policy.route("gone").name, DEFAULT);
}

#[test]
fn an_alert_less_severe_than_the_minimum_of_its_rule_gets_no_ticket_by_it() {
    let policy = policy(json!([
        {"name": "copy", "match": {"resource_group": "prod-*"}, "continue": true, "minimum_severity": "Sev1"},
        {"name": "prod", "match": {"resource_group": "prod-*"}, "minimum_severity": "Sev3"},
        {"name": "other copy", "match": {"resource_group": "dev-*"}, "continue": true, "minimum_severity": "Sev0"},
    ]))
    .unwrap();
    assert_eq!(chosen(&policy, &alert("Sev1", "prod-web")), ["copy", "prod"]);
    assert_eq!(chosen(&policy, &alert("Sev3", "prod-web")), ["prod"]);
    assert_eq!(chosen(&policy, &alert("", "prod-web")), ["copy", "prod"]);
    // The default takes what is left to it, and nothing else.
    assert_eq!(chosen(&policy, &alert("Sev4", "dev-web")), [DEFAULT]);
    let none = policy.choose(&alert("Sev4", "prod-web"));
    let reason = "less severe than its minimum_severity, Sev3".to_owned();
    assert!(none.routes.is_empty());
    assert_eq!(none.dropped, Some(Dropped { rule: "prod".to_owned(), reason }));
    let verdicts: Vec<_> =
        policy.trace(&alert("Sev4", "prod-web")).into_iter().map(|it| it.verdict).collect();
    let milder = |minimum, goes_on| Verdict::IsForMoreSevere { minimum, goes_on };
    assert_eq!(verdicts[..2], [milder(Severity::Sev1, true), milder(Severity::Sev3, false)]);
    assert_eq!(verdicts[3], Verdict::IsNotAsked);
}

#[test]
fn a_minimum_severity_of_the_default_is_inherited() {
    let rules = json!([{"name": "quiet", "match": {"resource_group": "dev"}}, {"name": "all", "match": {"resource_group": "prod"}, "minimum_severity": "Sev4"}]);
    let default = RouteSettings { minimum_severity: Severity::Sev2, ..settings() };
    let policy = Policy::new(default, serde_json::from_value(rules).unwrap(), Vec::new()).unwrap();
    assert_eq!(chosen(&policy, &alert("Sev3", "prod")), ["all"]);
    for (group, name) in [("dev", "quiet"), ("elsewhere", DEFAULT)] {
        assert_eq!(policy.choose(&alert("Sev3", group)).dropped.unwrap().rule, name);
        assert_eq!(chosen(&policy, &alert("Sev2", group)), [name]);
    }
}

#[test]
fn a_rule_inherits_every_key_that_it_does_not_give() {
    let policy = policy(json!([
        {"name": "db", "open": {"fields": {"team": "db"}}, "severity": {"sev0": {"impact": 2, "urgency": 2}}},
    ]))
    .unwrap();
    let (db, default) = (policy.route("db"), policy.route(DEFAULT));
    assert_eq!((&db.targets, db.reopen_window), (&default.targets, default.reopen_window));
    assert_eq!(db.weight(None), default.weight(None));
    assert_ne!(
        db.weight(Some(shared::alert::Severity::Sev0)),
        default.weight(Some(shared::alert::Severity::Sev0))
    );
    assert_eq!(db.templates.field_names().collect::<Vec<_>>(), [(Transition::Open, "team")]);
}

#[test]
fn a_rule_that_cannot_be_used_is_named() {
    let refuse = |rule: Value, expected: &str| {
        let error = policy(json!([{"name": "fine"}, rule])).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    refuse(json!({"name": "fine"}), "two [[routes]] are named \"fine\"");
    refuse(json!({"name": "route"}), "routes[1] (route): this is the name of the default");
    refuse(json!({"name": "x", "sumary": "y"}), "routes[1] (x): unknown field `sumary`");
    refuse(json!({"name": "x", "open": {"summary": "{{ alert."}}), "routes[1] (x): route.open.summary");
    refuse(json!({"name": "x", "match": {"rule": "regex:("}}), "routes[1] (x).match.rule");
    refuse(json!({"name": "x", "drop": " "}), "drop is empty");
    refuse(json!({"name": "x", "drop": "a\u{0}b"}), "drop is one line");
    refuse(json!({"name": "ü".repeat(101)}), "a name has 1 to 100 characters");
    refuse(json!({"name": "x", "drop": "y", "target": "snow"}), "remove its other keys");
    refuse(json!({"name": "x", "target": []}), "route.target");
    refuse(json!({"name": "x", "reopen_window": "soon"}), "for key `reopen_window`");
    refuse(
        json!({"name": "x", "minimum_severity": "low"}),
        "routes[1] (x): unknown choice, expected one of `Sev0`, `Sev1`",
    );
}

#[test]
fn what_a_rule_says_of_itself_is_made_of_nothing_that_it_is_not() {
    let refuse = |rule: Value, expected: &str| {
        let error = shared::settings::reread::<Vec<RuleSettings>>(json!([rule])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    for drop in [json!(true), json!(false), json!(1), json!(["a"])] {
        refuse(
            json!({"name": "x", "drop": drop}),
            "remove it, or say in quotes why these alerts get no ticket: there is no text for key `[0].drop`",
        );
    }
    for goes_on in [json!("yes"), json!("true"), json!(1)] {
        refuse(
            json!({"name": "x", "continue": goes_on}),
            "true or false without quotes for key `[0].continue`",
        );
    }
    refuse(json!({"name": 5}), "expected a text in quotes such as \"true\" or \"1\" for key `[0].name`");
}

#[test]
fn rules_after_one_for_every_alert_are_out_of_reach() {
    for all in [json!({}), json!({"rule": ["x", "*"], "custom": {"team": ["**"]}})] {
        let policy =
            policy(json!([{"name": "a", "continue": true}, {"name": "b", "match": all}, {"name": "c"}]))
                .unwrap();
        assert_eq!(policy.unreachable().collect::<Vec<_>>(), ["c"]);
    }
    for some in [json!({"rule": ["?*"]}), json!({"rule": [""]}), json!({"rule": ["*"], "tenant": ["a*"]})] {
        let policy = policy(json!([{"name": "b", "match": some}, {"name": "c"}])).unwrap();
        assert_eq!(policy.unreachable().count(), 0, "{some}");
    }
}

#[test]
fn rules_by_which_no_alert_gets_a_ticket_are_odd() {
    let odd = |first: Value| {
        let rules = json!([first, {"name": "all", "drop": "enough"}]);
        policy(rules).unwrap().oddities(Timestamp::now()).collect::<Vec<_>>()
    };
    let dev = json!({"name": "dev", "match": {"resource_group": "dev"}, "drop": "not ours"});
    assert_eq!(odd(dev), ["no alert gets a ticket: the rule \"all\" drops them all"]);
    assert_eq!(odd(json!({"name": "dev", "match": {"resource_group": "dev"}})), [""; 0]);
}

#[test]
fn a_pattern_that_no_alert_fits_is_odd() {
    let policy = policy(json!([
        {"name": "a", "match": {"kind": ["metric_*", "prometeus"], "severity": ["", "sev4"]}},
        {"name": "b", "match": {"severity": "regex:^[5-9]", "test": "true", "rule": "any"}},
    ]))
    .unwrap();
    let odd: Vec<_> = policy.oddities(Timestamp::UNIX_EPOCH).collect();
    assert_eq!(odd.len(), 2, "{odd:?}");
    let kinds = "the kind \"prometeus\" of the rule \"a\"; there are: metric_static, metric_dynamic";
    assert!(odd[0].contains(kinds), "{odd:?}");
    let severities =
        "the severity \"regex:^[5-9]\" of the rule \"b\"; there are: Sev0, Sev1, Sev2, Sev3, Sev4, \"\"";
    assert!(odd[1].ends_with(severities), "{odd:?}");
}

#[test]
fn times_of_less_than_a_second_are_odd_and_told_where_they_stand() {
    let rules = json!([
        {"name": "a", "open_after": "5ms", "reopen_window": "0s", "storm": {"interval": "1s"}},
        {"name": "b", "flapping": {"window": "999ms"}},
    ]);
    let default = RouteSettings { resolve_after: Duration::from_micros(1), ..settings() };
    let policy = Policy::new(default, serde_json::from_value(rules).unwrap(), Vec::new()).unwrap();
    let odd: Vec<_> = policy.oddities(Timestamp::UNIX_EPOCH).skip(1).collect();
    let expected = [
        "route.resolve_after is 1µs, less",
        "route.open_after of the rule \"a\" is 5ms, less than a second: minutes are written m",
        "route.flapping.window of the rule \"b\" is 999ms, less",
    ];
    assert_eq!(odd.len(), expected.len(), "{odd:?}");
    assert!(odd.iter().zip(expected).all(|(odd, expected)| odd.starts_with(expected)), "{odd:?}");
}

#[test]
fn the_trace_says_of_each_rule_why() {
    let policy = policy(json!([
        {"name": "dev", "match": {"resource_group": "dev"}},
        {"name": "prod", "match": {"severity": "Sev1"}},
    ]))
    .unwrap();
    let alert = alert("Sev1", "web");
    let trace = policy.trace(&alert);
    let mismatch = Mismatch { condition: "resource_group".to_owned(), has: vec!["web".to_owned()] };
    assert_eq!(trace[0].verdict, Verdict::IsNotForIt(mismatch));
    assert_eq!(trace[1].verdict, Verdict::Tickets { targets: vec!["snow".to_owned()], goes_on: false });
    assert_eq!((trace[2].rule, &trace[2].verdict), (DEFAULT, &Verdict::IsNotAsked));
}

proptest! {
    #[test]
    fn every_alert_gets_a_ticket_or_a_reason_and_the_trace_says_the_same(
        rules in prop::collection::vec((0..5_u8, any::<bool>(), any::<bool>(), 0..5_u8), 0..6), severity in 0..5_u8
    ) {
        let rules: Vec<Value> = rules.iter().enumerate().map(|(index, (severity, drops, goes_on, minimum))| {
            let conditions = json!({"severity": format!("Sev{severity}")});
            let name = format!("rule {index}");
            if *drops {
                json!({"name": name, "match": conditions, "drop": "why not"})
            } else {
                json!({"name": name, "match": conditions, "continue": goes_on, "minimum_severity": format!("Sev{minimum}")})
            }
        }).collect();
        let (policy, alert) = (policy(Value::Array(rules)).unwrap(), alert(&format!("Sev{severity}"), ""));
        let choice = policy.choose(&alert);
        prop_assert!(!choice.routes.is_empty() || choice.dropped.is_some());
        let trace = policy.trace(&alert);
        let makes = trace.iter().filter(|judged| matches!(judged.verdict, Verdict::Tickets { .. }));
        let makes: Vec<&str> = makes.map(|judged| judged.rule).collect();
        prop_assert_eq!(makes, choice.routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>());
        let makes_none = |verdict: &Verdict| matches!(verdict, Verdict::Drops { .. } | Verdict::IsForMoreSevere { .. });
        let drops = trace.iter().any(|judged| makes_none(&judged.verdict));
        prop_assert_eq!(drops, choice.dropped.is_some());
    }
}
