//! The texts of requests, as an operator writes them: plain, or with expressions of Jinja. Pure.

use std::collections::HashSet;
use std::iter;
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};
use serde_json::{Map, Value};
use shared::causes::told;

use super::super::{markup, text};

/// Instructions that one text may take.
const FUEL: u64 = 100_000;
/// So much of a text stands in a message about it.
const SHOWN_CHARS: usize = 200;
/// Filters that leave a value all of the text that it stands in.
const LETTER_CASE: [&str; 2] = ["lower", "upper"];

static JINJA: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    markup::add_texts(&mut environment);
    markup::add_documents(&mut environment);
    environment.set_formatter(|out, state, value| {
        if value.is_none() {
            return Err(Error::new(ErrorKind::InvalidOperation, "a value is none").with_source(NoValue));
        }
        escape_formatter(out, state, value)
    });
    environment
});

/// What the texts of one act can name.
pub(super) type Values = Map<String, Value>;

/// Why a text has no value: one that stands in it has none.
#[derive(Debug, thiserror::Error)]
#[error("it has nothing to stand there")]
struct NoValue;

/// One text. It is compiled when it is used, which costs microseconds beside a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Plain(String),
    /// A single expression keeps its type: a number stays one, and what is none is left out.
    Expression(String),
    /// It is left out as a whole where a value that it would show is none.
    Mixed(String),
}

/// JSON whose strings are texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Fixed(Value),
    Text(Text),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Text {
    pub(super) fn parse(text: &str) -> Self {
        let sole = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match sole {
            Some(expression) if JINJA.compile_expression(expression).is_ok() => {
                // Blanks make no other address of it.
                Self::Expression(expression.trim().to_owned())
            }
            Some(_) | None if ["{{", "{%", "{#"].iter().any(|sign| text.contains(sign)) => {
                Self::Mixed(text.to_owned())
            }
            Some(_) | None => Self::Plain(text.to_owned()),
        }
    }

    /// Its value; null where it has none.
    pub(super) fn render(&self, values: &Values) -> Result<Value, String> {
        match self {
            Self::Plain(text) => Ok(Value::String(text.clone())),
            Self::Expression(text) => {
                let value = JINJA
                    .compile_expression(text)
                    .and_then(|expression| expression.eval(Serde(values)))
                    .map_err(|error| wrong(text, &error))?;
                if value.is_undefined() {
                    return Err(unknown(text));
                }
                serde_json::to_value(value).map_err(|error| wrong(text, &error))
            }
            Self::Mixed(text) => match JINJA.render_str(text, Serde(values)) {
                Ok(text) => Ok(Value::String(text)),
                Err(error) if lacks_a_value(&error) => Ok(Value::Null),
                Err(error) => Err(wrong(text, &error)),
            },
        }
    }

    /// Whether it is the value of this name and nothing else.
    fn is_value(&self, name: &str) -> bool {
        let Self::Expression(text) = self else { return false };
        let mut steps = text.split('|').map(str::trim);
        steps.next() == Some(name) && steps.all(|step| LETTER_CASE.contains(&step))
    }

    /// Whether the value of this name is made part of a text, where it could be taken for syntax.
    pub(super) fn embeds(&self, name: &str) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Expression(text) => {
                !self.is_value(name) && names(text).is_ok_and(|names| names.contains(name))
            }
            Self::Mixed(text) => JINJA
                .template_from_str(text)
                .is_ok_and(|template| template.undeclared_variables(false).contains(name)),
        }
    }
}

impl Tree {
    pub(super) fn parse(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Text::parse(&text)),
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect()),
            Value::Object(items) => {
                Self::Map(items.into_iter().map(|(key, value)| (key, Self::parse(value))).collect())
            }
            fixed @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Self::Fixed(fixed),
        }
    }

    /// Its value. What is none is left out, and so is a list or an object of which nothing is left.
    pub(super) fn render(&self, values: &Values) -> Result<Option<Value>, String> {
        match self {
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Text(text) => text.render(values).map(|value| Some(value).filter(|value| !value.is_null())),
            Self::List(items) => {
                let mut list = Vec::new();
                for item in items {
                    list.extend(item.render(values)?);
                }
                Ok((!list.is_empty() || items.is_empty()).then_some(Value::Array(list)))
            }
            Self::Map(items) => {
                let mut map = Map::new();
                for (key, item) in items {
                    if let Some(value) = item.render(values)? {
                        map.insert(key.clone(), value);
                    }
                }
                Ok((!map.is_empty() || items.is_empty()).then_some(Value::Object(map)))
            }
        }
    }

    pub(super) fn embeds(&self, name: &str) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(text) => text.embeds(name),
            Self::List(items) => items.iter().any(|item| item.embeds(name)),
            Self::Map(items) => items.iter().any(|(_, item)| item.embeds(name)),
        }
    }

    /// The names of fields that lead to the value of this name.
    pub(super) fn ways_to(&self, name: &str) -> Vec<&str> {
        match self {
            Self::Fixed(_) | Self::Text(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(|item| item.ways_to(name)).collect(),
            Self::Map(items) => {
                let leading = items.iter().filter(|(_, item)| item.holds_value(name));
                leading.flat_map(|(key, item)| iter::once(key.as_str()).chain(item.ways_to(name))).collect()
            }
        }
    }

    fn holds_value(&self, name: &str) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(text) => text.is_value(name),
            Self::List(items) => items.iter().any(|item| item.holds_value(name)),
            Self::Map(items) => items.iter().any(|(_, item)| item.holds_value(name)),
        }
    }
}

/// Whether a condition holds.
pub(super) fn holds(condition: &str, values: &Values) -> Result<bool, String> {
    let held = JINJA.compile_expression(condition).and_then(|expression| expression.eval(Serde(values)));
    match held {
        Ok(value) if value.is_undefined() => Err(unknown(condition)),
        Ok(value) => Ok(value.is_true()),
        Err(error) => Err(wrong(condition, &error)),
    }
}

/// What an expression names.
pub(super) fn names(expression: &str) -> Result<HashSet<String>, String> {
    let compiled = JINJA.compile_expression(expression).map_err(|error| wrong(expression, &error))?;
    Ok(compiled.undeclared_variables(false))
}

fn lacks_a_value(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<NoValue>())
}

/// What is wrong with a text, and the text.
fn wrong(text: &str, error: &(dyn std::error::Error + 'static)) -> String {
    format!("{:?}: {}", text::line(text, SHOWN_CHARS), told(error))
}

fn unknown(text: &str) -> String {
    format!("{:?}: there is no such value", text::line(text, SHOWN_CHARS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(value: Value) -> Values {
        value.as_object().unwrap().clone()
    }

    fn rendered(tree: Value, of: Value) -> Option<Value> {
        Tree::parse(tree).render(&values(of)).unwrap()
    }

    #[test]
    fn a_single_expression_keeps_its_type_and_the_rest_is_text() {
        let of = json!({"urgency": 2, "ci": null, "summary": "CPU", "id": "7"});
        let cases = [
            (json!("{{ urgency }}"), Some(json!(2))),
            (json!("{{ ['', 'high', 'low'][urgency] }}"), Some(json!("low"))),
            (json!("P{{ urgency }}"), Some(json!("P2"))),
            (json!("{{ id }}{{ id }}"), Some(json!("77"))),
            (json!("plain"), Some(json!("plain"))),
            (json!(true), Some(json!(true))),
            (json!({"a": "{{ summary }}", "b": "{{ ci }}"}), Some(json!({"a": "CPU"}))),
            (json!({"assets": [{"id": "{{ ci }}"}], "x": 1}), Some(json!({"x": 1}))),
            (json!("{{ ci }}"), None),
            (json!(["asset:{{ ci }}"]), None),
            (json!("{{ summary }}{% if ci %} of {{ ci }}{% endif %}"), Some(json!("CPU"))),
            (json!("of {{ ci or 'unknown' }}"), Some(json!("of unknown"))),
            (json!([]), Some(json!([]))),
        ];
        for (tree, expected) in cases {
            assert_eq!(rendered(tree.clone(), of.clone()), expected, "{tree}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_shows_the_text() {
        for text in ["{{ summry }}", "x {{ summry }}", "{{ summary.x.y }}"] {
            let error = Text::parse(text).render(&values(json!({"summary": "s"}))).unwrap_err();
            assert!(error.contains("summ"), "{error}");
        }
        let endless = Text::parse(&format!("{}{{{{ summry }}}}", "x".repeat(10_000)));
        assert!(endless.render(&Values::new()).unwrap_err().len() < 400);
        for condition in ["nothing_of_this_name", "not nothing_of_this_name", "a b"] {
            assert!(holds(condition, &Values::new()).is_err(), "{condition}");
        }
    }

    #[test]
    fn a_filter_for_documents_gives_json_where_it_is_the_whole_text() {
        let tree = json!({"fields": {"description": "{{ (note ~ '\\n\\n' ~ summary) | adf }}"}});
        let document =
            &rendered(tree, json!({"note": "a", "summary": "\"}], \"marks\": ["})).unwrap()["fields"];
        let paragraphs = document["description"]["content"].as_array().unwrap();
        assert_eq!(paragraphs[1]["content"][0]["text"], "\"}], \"marks\": [");
    }

    #[test]
    fn a_condition_names_values_and_none_does_not_hold() {
        assert_eq!(names("ci and not original.id").unwrap(), ["ci", "original"].map(str::to_owned).into());
        assert_eq!(holds("ci", &values(json!({"ci": null}))), Ok(false));
        assert_eq!(holds("ci", &values(json!({"ci": "7"}))), Ok(true));
    }

    #[test]
    fn a_value_that_is_made_part_of_a_text_is_noticed() {
        let embeds = |text: &str| Tree::parse(json!({"q": [text]})).embeds("value");
        for text in [
            "name eq '{{ value }}'",
            "{{ value }}*",
            "{{ \"name eq '\" ~ value ~ \"'\" }}",
            "{{ 'name eq ' ~ value | upper }}",
            "{{ \"'%s'\" | format(value) }}",
            "{{ value | replace('a', \"'\") }}",
            "{% set it = value %}name eq '{{ it }}'",
        ] {
            assert!(embeds(text), "{text}");
        }
        for text in ["{{ value }}", " {{value}} ", "{{ value | upper }}", "x {{ key }}", "{{ key ~ 'x' }}"] {
            assert!(!embeds(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_alert_says_stays_one_string(text in any::<String>()) {
            let tree = json!({"a": "{{ note }}", "b": "x {{ note }} y", "w": "{{ note | wiki }}"});
            let rendered = rendered(tree, json!({"note": text})).unwrap();
            prop_assert_eq!(&rendered["a"], &json!(text.clone()));
            prop_assert_eq!(&rendered["b"], &json!(format!("x {text} y")));
            let has_markup = rendered["w"].as_str().unwrap().contains(['{', '[', '!', '|']);
            prop_assert!(!has_markup);
        }
    }
}
