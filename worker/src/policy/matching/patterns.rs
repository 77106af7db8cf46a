//! The patterns of a condition, as written: one, or a list of some.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use shared::settings::texts;

/// Taken for no condition, they would open the rule to every alert; taken for one, to none.
const NONE: &str = "give a pattern or remove the condition: there is none";

/// A pattern as it stands, with its commas, or a list of patterns.
// There is none only where the condition is not given.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(transparent)]
pub struct Patterns(#[schemars(length(min = 1))] pub(super) Vec<String>);

/// The patterns of conditions with names.
// There is none only where no such condition is given.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(transparent, transform = not_empty)]
pub struct NamedPatterns(pub(super) BTreeMap<String, Patterns>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = texts(deserializer)?;
        if patterns.is_empty() { Err(D::Error::custom(NONE)) } else { Ok(Self(patterns)) }
    }
}

impl<'de> Deserialize<'de> for NamedPatterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = BTreeMap::deserialize(deserializer)?;
        if patterns.is_empty() { Err(D::Error::custom(NONE)) } else { Ok(Self(patterns)) }
    }
}

fn not_empty(schema: &mut Schema) {
    schema.insert("minProperties".to_owned(), json!(1));
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::settings::reread;

    use super::super::MatchSettings;
    use super::*;

    #[test]
    fn a_text_is_one_pattern_and_a_list_has_several() {
        let read = |rule: Value| reread::<MatchSettings>(json!({"rule": rule})).unwrap().rule.0;
        assert_eq!(read(json!("cpu, *")), ["cpu, *"]);
        assert_eq!(read(json!("")), [""]);
        assert_eq!(read(json!(["cpu", "regex:^a{1,2}$"])), ["cpu", "regex:^a{1,2}$"]);
        let custom = reread::<MatchSettings>(json!({"custom": {"team": "a, b"}})).unwrap().custom;
        assert_eq!(custom.0["team"].0, ["a, b"]);
    }

    #[test]
    fn a_condition_without_a_pattern_is_refused_by_its_key() {
        for (settings, key) in [
            (json!({"resource_group": []}), "resource_group"),
            (json!({"custom": {}}), "custom"),
            (json!({"custom": {"team": []}}), "custom.team"),
            (json!({"dimensions": {"host": []}}), "dimensions.host"),
        ] {
            let error = reread::<MatchSettings>(settings).unwrap_err().to_string();
            assert_eq!(error, format!("{NONE} for key `{key}`"));
        }
    }
}
