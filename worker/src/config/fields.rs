//! Further fields that a target refuses: a rule that sets one would park each of its tickets.

use std::collections::BTreeMap;

use shared::settings::SettingsError;

use super::Target;
use crate::connector::Occasion;
use crate::policy::rules::Policy;
use crate::policy::template::{Template, Transition};
use crate::policy::{Route, WhenResolved};

/// Refuses rules that set a field which one of their targets does not take. Targets that are not there are no matter of
/// this check.
pub(crate) fn check(policy: &Policy, targets: &BTreeMap<String, Target>) -> Result<(), SettingsError> {
    for route in policy.routes() {
        let known = route.targets.iter().filter_map(|name| Some((name, targets.get(name)?)));
        for (name, target) in known {
            for (transition, field) in route.templates.field_names() {
                let Some(occasion) = occasion(route, transition) else { continue };
                if let Some(reason) = target.connector.refuses(occasion, field) {
                    let key = Template::Field(transition, field.to_owned()).key();
                    return Err(SettingsError::Invalid(format!(
                        "{}: {key} cannot be set in target {name:?}: {reason}",
                        route.name
                    )));
                }
            }
        }
    }
    Ok(())
}

/// When the fields of a transition are written; never, if the end of tickets is left to people.
fn occasion(route: &Route, transition: Transition) -> Option<Occasion> {
    match (transition, route.when_resolved) {
        (Transition::Open, _) => Some(Occasion::Create),
        (Transition::Update, _) | (Transition::Resolve, WhenResolved::Note) => Some(Occasion::Note),
        (Transition::Resolve, WhenResolved::Resolve) => Some(Occasion::Resolve),
        (Transition::Resolve, WhenResolved::Leave) => None,
        (Transition::Reopen, _) => Some(Occasion::Reopen),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NEEDED, load_text, refusal};

    /// Has a place for fields in new work items alone, where it sets `key` itself, and `server` if it knows it.
    const DESCRIBED: &str = r#"
        [targets.other.connector.http_api]
        base_url = "https://example.com"
        auth.bearer.value = "t"
        item = { id = "/id", key = "/key", state = "/state", resolved = ["done"] }
        create = { method = "POST", path = "items", json = { key = "{{ key }}", server = "{{ ci }}" }, fields_at = "", item = "" }
        find = { method = "GET", path = "items", query = { key = "{{ key }}" }, item = "" }
        read = { method = "GET", path = "items/{{ id }}", item = "" }
        note = [{ method = "POST", path = "items/{{ id }}/notes", json = { text = "{{ note }}" } }]
        resolve = [{ method = "POST", path = "items/{{ id }}/end" }]
        close_double = [{ method = "POST", path = "items/{{ id }}/double" }]
    "#;

    fn with(lines: &str) -> String {
        format!("{lines}\n{NEEDED}\n{DESCRIBED}")
    }

    #[test]
    fn a_field_that_the_connector_sets_itself_is_refused_for_every_transition() {
        for transition in ["open", "update", "resolve", "reopen"] {
            for field in ["correlation_id", "state", "sys_domain"] {
                let error = refusal(&with(&format!("route.{transition}.fields.{field} = 'x'")));
                let expected = format!(
                    "route: route.{transition}.fields.{field} cannot be set in target \"snow\": the route sets field \
                     `{field}`, which the connector sets itself: remove it from the route"
                );
                assert_eq!(error, expected);
            }
        }
        assert!(load_text(&with("route.open.fields = { category = 'x', cmdb_ci = 'y' }")).is_ok());
    }

    #[test]
    fn each_rule_is_held_against_each_of_its_targets() {
        let rule = |changes: &str| with(&format!("routes = [{{ name = 'copy', {changes} }}]"));
        for field in ["key", "server", "Key", "id"] {
            let error = refusal(&rule(&format!("target = ['snow', 'other'], open.fields.{field} = 'x'")));
            let expected = format!("copy: route.open.fields.{field} cannot be set in target \"other\": ");
            assert!(error.starts_with(&expected), "{error}");
        }
        let error = refusal(&rule("target = 'other', update.fields = { team = 'x' }"));
        assert!(error.contains("`team`, for which no request has a place"), "{error}");
        let taken = [
            "target = 'other', open.fields = { team = 'x' }",
            "target = 'snow', open.fields = { key = 'x' }",
            // It is never reopened.
            "target = 'other', reopen.fields = { team = 'x' }",
            "target = 'other', resolve = { action = 'leave', fields = { team = 'x' } }",
        ];
        for changes in taken {
            let outcome = load_text(&rule(changes)).map(drop);
            assert!(outcome.is_ok(), "{changes}: {}", outcome.unwrap_err());
        }
    }
}
