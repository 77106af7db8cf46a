//! A rule as an operator writes it, and what makes it one that can be followed.

use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use shared::settings::{self, SettingsError};

use super::super::matching::MatchSettings;
use super::super::{Route, RouteSettings};
use super::{DEFAULT, Outcome, Rule};

const MAX_NAME_CHARS: usize = 100;
const MAX_REASON_CHARS: usize = 200;

/// One of `[[routes]]`, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(transform = inherits)]
pub struct RuleSettings {
    /// How tickets, logs and metrics name it; no other rule may.
    #[serde(deserialize_with = "settings::text")]
    pub name: String,
    /// Which alerts it is for; without any condition, all.
    #[serde(default, rename = "match")]
    pub conditions: MatchSettings,
    /// Makes no ticket, for this reason.
    #[serde(default, deserialize_with = "reason")]
    pub drop: Option<String>,
    /// Whether the rules after it are asked, too. Default `false`.
    #[serde(default, rename = "continue", deserialize_with = "settings::truth")]
    pub goes_on: bool,
    /// Keys of `[route]` that differ for these alerts.
    #[serde(flatten)]
    #[schemars(with = "RouteSettings")]
    pub changes: Map<String, Value>,
}

impl RuleSettings {
    pub(super) fn check(self, index: usize, base: &Value) -> Result<Rule, SettingsError> {
        let Self { name, conditions, drop, goes_on, changes } = self;
        let path = format!("routes[{index}] ({name})");
        let invalid = |what: &dyn std::fmt::Display| SettingsError::Invalid(format!("{path}: {what}"));
        check_name(&name).map_err(|what| invalid(&what))?;
        if name == DEFAULT {
            return Err(invalid(&"this is the name of the default: choose another"));
        }
        let matcher = conditions.check(&format!("{path}.match"))?;
        let outcome = match drop {
            Some(_) if goes_on || !changes.is_empty() => {
                return Err(invalid(&"drop makes no ticket: remove its other keys, or drop"));
            }
            Some(reason) if reason.trim().is_empty() => {
                return Err(invalid(&"drop is empty: say why these alerts get no ticket"));
            }
            Some(reason)
                if reason.chars().any(char::is_control) || reason.chars().count() > MAX_REASON_CHARS =>
            {
                return Err(invalid(&format!("drop is one line of {MAX_REASON_CHARS} characters at most")));
            }
            Some(reason) => Outcome::Drop(reason),
            None => {
                let settings: RouteSettings = settings::reread(merged(base.clone(), Value::Object(changes)))
                    .map_err(|error| invalid(&error))?;
                Outcome::Tickets(Arc::new(Route::new(&name, settings).map_err(|error| invalid(&error))?))
            }
        };
        Ok(Rule { name, matcher, outcome, goes_on })
    }
}

/// Checks the name of a rule or a window, which stands in tickets, logs and metrics.
pub(in crate::policy) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    if (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && name.chars().all(legal) {
        return Ok(());
    }
    Err(format!(
        "a name has 1 to {MAX_NAME_CHARS} characters: letters, digits, dashes, underscores, dots and blanks"
    ))
}

/// `drop = false` would be the reason `false`, so the message says more than how to write a text.
fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    settings::text(deserializer).map_err(|_| {
        D::Error::custom("remove it, or say in quotes why these alerts get no ticket: there is no text")
    })
}

/// A rule has a name, and any keys of `[route]` that it does not inherit.
fn inherits(schema: &mut Schema) {
    settings::inheriting(schema);
    schema.insert("required".to_owned(), json!(["name"]));
    schema.remove("unevaluatedProperties");
    schema.insert("additionalProperties".to_owned(), json!(false));
}

/// Tables key by key, everything else as a whole.
pub(in crate::policy) fn merged(base: Value, changes: Value) -> Value {
    match (base, changes) {
        (Value::Object(mut base), Value::Object(changes)) => {
            for (key, change) in changes {
                let before = base.remove(&key).unwrap_or(Value::Null);
                base.insert(key, merged(before, change));
            }
            Value::Object(base)
        }
        (_, change) => change,
    }
}
