//! The forms of values that serde alone would refuse in words that help nobody.

use std::fmt;

use config::ValueKind;
use serde::de::value::StringDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

/// One of the names of an enum; what is none of them is refused with all of them.
///
/// # Errors
/// When the value is no such name.
pub fn choice<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(StringDeserializer::<D::Error>::new(String::deserialize(deserializer)?))
}

/// A list of texts; the environment gives it as one text with commas.
///
/// # Errors
/// When the value is neither.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items = |text: &str| {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    deserializer.deserialize_any(Texts(items))
}

/// A list of texts, or one text as it stands, commas and all: for what the environment does not give.
///
/// # Errors
/// When the value is neither.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(Texts(|text| vec![text.to_owned()]))
}

/// With what is made of a text that is no list.
struct Texts(fn(&str) -> Vec<String>);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text in quotes such as \"true\" or \"1\", or a list of such")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok((self.0)(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(Item(text)) = items.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}

/// What stands in a list.
#[derive(serde::Deserialize)]
struct Item(#[serde(deserialize_with = "text")] String);

/// A text, or `None` where it need not stand. Nothing else is made a text of, since nobody knows which one it would be:
/// `1.0` or `1`.
///
/// # Errors
/// When the value is anything else.
pub fn text<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<T, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a text in quotes such as \"true\" or \"1\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_any(Text).map(T::from)
}

/// A truth value where the environment gives none, so that none has to be made of a text or a number.
///
/// # Errors
/// When the value is anything else.
pub fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Truth;
    impl Visitor<'_> for Truth {
        type Value = bool;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("true or false without quotes")
        }

        fn visit_bool<E: Error>(self, given: bool) -> Result<Self::Value, E> {
            Ok(given)
        }
    }
    deserializer.deserialize_any(Truth)
}

/// The same value where messages name its keys.
pub(super) fn raw(value: Value) -> config::Value {
    let kind = match value {
        Value::Null => ValueKind::Nil,
        Value::Bool(given) => ValueKind::Boolean(given),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ValueKind::I64(number),
            (None, Some(number)) => ValueKind::U64(number),
            (None, None) => ValueKind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => ValueKind::String(text),
        Value::Array(items) => ValueKind::Array(items.into_iter().map(raw).collect()),
        Value::Object(items) => {
            ValueKind::Table(items.into_iter().map(|(key, item)| (key, raw(item))).collect())
        }
    };
    config::Value::new(None, kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::reread;
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(deserialize_with = "choice")]
        colour: Colour,
        #[serde(deserialize_with = "list")]
        names: Vec<String>,
        #[serde(default, deserialize_with = "texts")]
        patterns: Vec<String>,
        counts: BTreeMap<String, (u64, i64, f64, Option<bool>)>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Strict {
        #[serde(deserialize_with = "text")]
        name: String,
        #[serde(default, deserialize_with = "text")]
        reason: Option<String>,
        #[serde(default, deserialize_with = "truth")]
        on: bool,
    }

    fn sample(colour: Value, names: Value) -> Result<Sample, String> {
        let counts = json!({"a.b": [u64::MAX, -1, 0.5, null]});
        let settings = json!({"colour": colour, "names": names, "counts": counts});
        reread(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_read_before_is_read_again_as_it_stands() {
        let read = sample(json!("green"), json!("a, b,")).unwrap();
        assert_eq!((read.colour, read.names), (Colour::Green, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read.counts, [("a.b".to_owned(), (u64::MAX, -1, 0.5, None))].into());
        assert_eq!(sample(json!("red"), json!(["a,b", ""])).unwrap().names, ["a,b", ""]);
    }

    #[test]
    fn a_text_that_the_environment_does_not_give_is_one_with_its_commas() {
        let read = |patterns: Value| {
            let settings = json!({"colour": "red", "names": [], "patterns": patterns, "counts": {}});
            reread::<Sample>(settings).unwrap().patterns
        };
        assert_eq!(read(json!("regex:^a{1,2}$")), ["regex:^a{1,2}$"]);
        assert_eq!(read(json!("")), [""]);
        assert_eq!(read(json!(["a, b", "c"])), ["a, b", "c"]);
    }

    #[test]
    fn what_is_none_of_the_choices_is_refused_with_them_and_its_key() {
        for wrong in [json!("S3CRET"), json!(7)] {
            let error = sample(wrong, json!([])).unwrap_err();
            assert_eq!(error, "unknown choice, expected `red` or `green` for key `colour`");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_how_to_write_it() {
        for (given, told) in [
            (
                json!(true),
                "invalid type: boolean, expected a text in quotes such as \"true\" or \"1\", or a list",
            ),
            (json!({}), "or a list of such for key `names`"),
            (
                json!(["a", 1]),
                "invalid type: integer, expected a text in quotes such as \"true\" or \"1\" for key",
            ),
            (json!(["a", [1.5]]), "for key `names[1]`"),
        ] {
            let error = sample(json!("red"), given).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_text_and_a_truth_value_are_made_of_nothing_else() {
        let strict = |settings| reread::<Strict>(settings).map_err(|error| error.to_string());
        let read = strict(json!({"name": "5", "reason": "false", "on": true})).unwrap();
        assert_eq!((&*read.name, read.reason.as_deref(), read.on), ("5", Some("false"), true));
        let read = strict(json!({"name": ""})).unwrap();
        assert_eq!((read.reason, read.on), (None, false));
        let text = "expected a text in quotes such as \"true\" or \"1\"";
        let truth = "expected true or false without quotes";
        for (given, told) in [
            (json!({"name": 5}), format!("invalid type: integer, {text} for key `name`")),
            (
                json!({"name": "a", "reason": false}),
                format!("invalid type: boolean, {text} for key `reason`"),
            ),
            (json!({"name": "a", "on": "yes"}), format!("invalid type: a text, {truth} for key `on`")),
            (json!({"name": "a", "on": 1}), format!("invalid type: integer, {truth} for key `on`")),
        ] {
            assert_eq!(strict(given).unwrap_err(), told);
        }
    }
}
