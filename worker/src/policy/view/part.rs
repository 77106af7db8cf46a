//! Parts of a context as text. Whatever is not there, or is of another type, is an empty text or no item.

use serde_json::Value;

/// A text, number or truth value.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What stands at a JSON pointer, without blanks around it. `921600.0` is a whole number.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(scalar).unwrap_or_default();
    let found = found.trim();
    let is_number = value.pointer(pointer).is_some_and(Value::is_number);
    found.strip_suffix(".0").filter(|_| is_number).unwrap_or(found).to_owned()
}

/// The first of several places at which something stands.
pub(super) fn first(value: &Value, pointers: &[&str]) -> String {
    pointers.iter().map(|pointer| text(value, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// A list, whether it stands there as one or as JSON within a text; the activity log does both.
pub(super) fn list(value: &Value, pointer: &str) -> Vec<Value> {
    match value.pointer(pointer) {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(embedded)) => serde_json::from_str(embedded).unwrap_or_default(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    }
}

/// `first joiner second`, or the one that there is.
pub(super) fn joined(first: &str, joiner: &str, second: &str) -> String {
    let glue = if first.is_empty() || second.is_empty() { "" } else { joiner };
    format!("{first}{glue}{second}")
}

/// A duration such as `PT5M` as `5m`.
pub(super) fn duration(text: &str) -> String {
    text.parse::<jiff::Span>().map_or_else(|_| text.to_owned(), |span| format!("{span:#}"))
}

/// An operator as it is written in a formula; one that is not known stays as it is.
pub(super) fn operator(text: &str) -> String {
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    let sign = match letters.to_ascii_lowercase().as_str() {
        "greaterthan" => ">",
        "lessthan" | "lowerthan" => "<",
        "greaterthanorequal" | "greaterorequal" => ">=",
        "lessthanorequal" | "lessorequal" => "<=",
        "equal" | "equals" => "=",
        "greaterorlessthan" => "outside",
        _ => text,
    };
    sign.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_there_is_empty() {
        let context = json!({"a": {"b": null, "c": [1]}, "n": 921_600.0, "text": " 5.0 "});
        assert_eq!(text(&context, "/a/b"), "");
        assert_eq!(text(&context, "/a/c"), "");
        assert_eq!(text(&context, "/nowhere/at/all"), "");
        assert_eq!(first(&context, &["/a/b", "/n"]), "921600");
        assert_eq!(text(&context, "/text"), "5.0");
    }

    #[test]
    fn a_list_is_read_in_either_form() {
        let expected = [json!({"x": 1})];
        assert_eq!(list(&json!({"l": [{"x": 1}]}), "/l"), expected);
        assert_eq!(list(&json!({"l": "[{\"x\":1}]"}), "/l"), expected);
        assert!(list(&json!({"l": "<not JSON>"}), "/l").is_empty());
        assert!(list(&json!({"l": {"x": 1}}), "/l").is_empty());
    }

    #[test]
    fn durations_and_operators_read_as_people_write_them() {
        assert_eq!(["PT5M", "P1D", "PT1H30M", "soon"].map(duration), ["5m", "1d", "1h 30m", "soon"]);
        assert_eq!(
            ["GreaterThan", "Less Than", "LowerThan", "GreaterOrLessThan", "Near"].map(operator),
            [">", "<", "<", "outside", "Near"]
        );
    }
}
