//! The settings as a JSON Schema, by which editors check and complete a file.
//!
//! What the derived schema cannot know is added here: the defaults file lies below every other, so whatever stands in
//! it is not required, and a list of texts may be given as one text.

use std::borrow::Cow;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserializer, Serializer};
use serde_json::{Map, Value, json};

use super::{SettingsError, defaults_of};

/// What to write in place of what is no duration.
const FORM: &str = "no duration, which is numbers with units in quotes, such as \"250ms\", \"5s\" or \"1h 30m\" (a week is \
                    \"168h\")";

/// For `#[serde(with = "shared::settings::duration")]`: reads `5s`, `1h 30m` or ISO 8601, and is a text in the schema.
#[expect(non_camel_case_types, reason = "serde takes it for a module, and schemars for a type")]
pub enum duration {}

impl duration {
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        required::serialize(duration, serializer)
    }

    /// # Errors
    /// When the value is no text, or the text no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        required::deserialize(deserializer).map_err(|_| D::Error::custom(FORM))
    }
}

impl JsonSchema for duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Only what nobody means is caught here; the program reads it for good.
        json_schema!({
            "type": "string",
            "pattern": "^\\s*(P|[0-9])",
            "examples": ["250ms", "5s", "1h 30m", "168h"]
        })
    }
}

/// The schema of a file with settings `T` that lies over `defaults` (TOML); `title` names it.
///
/// # Errors
/// When the defaults are no TOML.
pub fn schema<T: JsonSchema>(title: &str, defaults: &str) -> Result<Value, SettingsError> {
    // Draft 7 is what editors know. Without references, each place can have defaults of its own.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    tidied(&mut schema);
    give_defaults(&mut schema, &defaults_of(defaults)?);
    schema.insert("title".to_owned(), json!(title));
    Ok(schema.to_value())
}

/// For a table that lies over another: nothing must stand in it, and what does not is as it is there.
pub fn inheriting(schema: &mut Schema) {
    schema.remove("required");
    schema.remove("default");
    transform_subschemas(&mut inheriting, schema);
}

fn tidied(schema: &mut Schema) {
    // The names of Rust's types say nothing to whoever writes a file.
    schema.remove("title");
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
    // TOML has no null.
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    let texts = schema.get("items").is_some_and(|items| items.get("type") == Some(&json!("string")));
    if texts && schema.get("type") == Some(&json!("array")) {
        schema.insert("type".to_owned(), json!(["array", "string"]));
    }
    transform_subschemas(&mut tidied, schema);
}

/// What has a default says so, and need not be given.
fn give_defaults(schema: &mut Schema, defaults: &Value) {
    let (Some(object), Value::Object(defaults)) = (schema.as_object_mut(), defaults) else { return };
    if let Some(Value::Array(required)) = object.get_mut("required") {
        required.retain(|key| key.as_str().is_none_or(|key| !defaults.contains_key(key)));
        if required.is_empty() {
            object.remove("required");
        }
    }
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for (key, default) in defaults {
        let Some(Ok(property)) = properties.get_mut(key).map(<&mut Schema>::try_from) else { continue };
        if is_table(property) {
            give_defaults(property, default);
        } else {
            property.insert("default".to_owned(), default.clone());
        }
    }
}

fn is_table(schema: &Schema) -> bool {
    schema.get("properties").is_some_and(|properties: &Value| {
        properties.as_object().is_some_and(|all: &Map<_, _>| !all.is_empty())
    })
}
