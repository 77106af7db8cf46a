//! What the texts of a request may look like, before anything reads them as expressions. Pure.

use serde_json::Value;
use shared::settings::SettingsError;

use super::super::super::text;
use super::super::answer::Pointer;
use super::super::settings::RequestSettings;
use super::super::template::Text;

/// Longer texts are refused.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Texts with more operators are refused: expressions are read recursively, and one that is nested some hundred times
/// exhausts the stack of a thread, which ends the program.
const MAX_OPERATORS: usize = 256;
/// An index takes as much of the stack as this many other operators.
const WEIGHT_OF_AN_INDEX: usize = 4;
const OPERATOR_WORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];
/// More parts of a pointer are refused: objects are made for them in a body, and dropped recursively.
const MAX_POINTER_PARTS: usize = 64;
/// So much of what is refused stands in the message.
const SHOWN_CHARS: usize = 200;
/// Values that hold what an alert says, word for word.
const WORDS_OF_AN_ALERT: [&str; 4] = ["summary", "description", "note", "value"];

impl RequestSettings {
    pub(super) fn check_texts(&self) -> Result<(), String> {
        std::iter::once(&self.path).chain(&self.when).try_for_each(|text| check_size(text))?;
        let form = self.form.iter().flat_map(|form| form.values());
        self.query.values().chain(&self.json).chain(form).try_for_each(check_tree)
    }
}

fn check_tree(tree: &Value) -> Result<(), String> {
    match tree {
        Value::String(text) => check_size(text).and_then(|()| check_syntax(text)),
        Value::Array(items) => items.iter().try_for_each(check_tree),
        Value::Object(items) => items.values().try_for_each(check_tree),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_size(text: &str) -> Result<(), String> {
    let is_too_much = |what: &str| Err(format!("{:?} {what}: shorten it", text::line(text, SHOWN_CHARS)));
    if text.len() > MAX_TEXT_BYTES {
        return is_too_much(&format!("is longer than {MAX_TEXT_BYTES} bytes"));
    }
    if operators(text) > MAX_OPERATORS {
        return is_too_much(&format!("has more than {MAX_OPERATORS} signs that can be operators"));
    }
    Ok(())
}

/// Signs and words of which each can nest an expression by one more level.
fn operators(text: &str) -> usize {
    let signs = text.chars().filter(|c| c.is_ascii_punctuation() && !"\"'`,:;_".contains(*c)).count();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let indexes = text.matches('[').count().saturating_mul(WEIGHT_OF_AN_INDEX);
    signs + indexes + words.filter(|word| OPERATOR_WORDS.contains(word)).count()
}

/// JSON that is written as a text takes a quotation mark of an alert for its own, and what follows for further fields.
fn check_syntax(text: &str) -> Result<(), String> {
    if !is_json(text) || text.contains("tojson") {
        return Ok(());
    }
    let template = Text::parse(text);
    match WORDS_OF_AN_ALERT.into_iter().find(|name| template.embeds(name)) {
        Some(name) => Err(format!(
            "{:?} is JSON in which the {name} of an alert could become other fields: write it as a table, or use \
             {{{{ {name} | tojson }}}} without quotation marks around it",
            text::line(text, SHOWN_CHARS)
        )),
        None => Ok(()),
    }
}

/// Whether it begins as an object or a list of JSON does. A summary such as `[Azure] {{ summary }}` is none.
fn is_json(text: &str) -> bool {
    let begins_object =
        |text: &str| text.starts_with('{') && !["{{", "{%", "{#"].iter().any(|sign| text.starts_with(sign));
    let text = text.trim_start();
    begins_object(text)
        || text
            .strip_prefix('[')
            .map(str::trim_start)
            .is_some_and(|item| begins_object(item) || item.starts_with(['"', '[']))
}

pub(super) fn pointer(key: &str, text: &str) -> Result<Pointer, SettingsError> {
    let wrong =
        |what: &str| SettingsError::Invalid(format!("{key}: {:?} {what}", text::line(text, SHOWN_CHARS)));
    if text.matches('/').count() > MAX_POINTER_PARTS {
        return Err(wrong(&format!("has more than {MAX_POINTER_PARTS} parts: shorten it")));
    }
    Pointer::parse(text).ok_or_else(|| wrong("is no JSON pointer, which begins with / or is empty"))
}
