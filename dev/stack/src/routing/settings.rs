//! Routes of many teams, each with conditions of its own kind and a full set of templates.

use std::fmt::Write;

/// What `[[routes]]` has for so many teams. Only the last is for the alerts of the load: every other has conditions of
/// which the first hold and the last does not, as in an estate whose teams differ by names.
pub(super) fn routes(count: u32) -> String {
    let mut all = String::new();
    for team in 1..=count {
        let conditions = if team == count { "subscription = \"0000*\"".to_owned() } else { conditions(team) };
        // Writing into a text cannot fail.
        write!(all, "{}", route(team, &conditions)).ok();
    }
    all
}

fn conditions(team: u32) -> String {
    match team % 6 {
        0 => format!(r#"severity = "Sev?", resource_group = ["team-{team:04}-*", "*-app-{team:04}"]"#),
        1 => format!(r#"signal_type = "Metric", rule = "regex:^(team|app)-{team:04}-.*(cpu|memory)""#),
        2 => format!(r#"resource_type = "microsoft.compute/*", dimensions = {{ host = "web-{team:04}*" }}"#),
        3 => format!(r#"kind = "metric_*", custom = {{ team = ["team-{team:04}", "app-{team:04}"] }}"#),
        4 => format!(r#"subscription = "0000*", resource = "*/resourcegroups/team-{team:04}/*""#),
        _ => format!(r#"tenant = "*", rule = ["team-{team:04} *", "* of team {team:04}"]"#),
    }
}

fn route(team: u32, conditions: &str) -> String {
    format!(
        r#"
[[routes]]
name = "team-{team:04}"
match = {{ {conditions} }}
correlation_key = "{{{{ alert.series }}}} of team {team:04}"
open.summary = "Team {team:04}: {{{{ alert.title }}}}"
open.description = "For team {team:04}.\n\n{{{{ alert.text }}}}\n\n{{% for id in alert.targets %}}- {{{{ id }}}}\n{{% endfor %}}"
open.note = "Fired at {{{{ alert.fired_at }}}} for team {team:04}."
open.fields = {{ assignment_group = "Team {team:04}", category = "{{{{ alert.monitoring_service | lower }}}}" }}
update.note = "Fired again at {{{{ alert.fired_at }}}} for team {team:04}.\n\n{{{{ alert.text }}}}"
resolve.note = "Resolved at {{{{ alert.resolved_at }}}} for team {team:04}."
reopen.note = "Fired once more at {{{{ alert.fired_at }}}} for team {team:04}."
"#
    )
}
