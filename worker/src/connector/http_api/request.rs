//! One request of the interface: from texts and values to a call. Pure.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use super::super::http::{Body, Call, Purpose};
use super::super::{ConnectorError, text};
use super::answer::{Pointer, plain};
use super::template::{Text, Tree, Values, holds};

/// Longer texts are no ids.
pub(super) const MAX_ID_CHARS: usize = 128;
/// So much of what is refused stands in the message.
const SHOWN_CHARS: usize = 60;

/// An id of the product, as it stands in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id(String);

impl Id {
    /// Nothing that could lead to another address.
    pub(super) fn parse(id: &str) -> Result<Self, ConnectorError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = id.chars().all(legal)
            && id.chars().count() <= MAX_ID_CHARS
            && id.starts_with(|c: char| c.is_ascii_alphanumeric());
        fits.then(|| Self(id.to_owned())).ok_or_else(|| {
            let shown = text::line(id, SHOWN_CHARS);
            ConnectorError::Rejected(format!("{shown:?} is no id of a work item"))
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that an operator has written.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Each a part of the path, so that no value can become two.
    pub(super) path: Vec<Text>,
    pub(super) query: Vec<(String, Tree)>,
    pub(super) body: Option<Content>,
    /// It is sent only if this holds, or if it has a place for fields and there are some.
    pub(super) when: Option<String>,
    /// Where in the body the fields of the route stand.
    pub(super) fields_at: Option<Pointer>,
    /// Where in the answer the work item stands, or the list of them.
    pub(super) item: Option<Pointer>,
}

#[derive(Debug)]
pub(super) enum Content {
    Json(Tree),
    /// Fields of a form; what is no text is written as JSON.
    Form(Tree),
}

impl Request {
    /// Whether it is sent at all.
    ///
    /// # Errors
    /// When its condition cannot be judged.
    pub(super) fn is_due(&self, values: &Values, fields: &BTreeMap<String, String>) -> Result<bool, String> {
        let carries_fields = self.fields_at.is_some() && !fields.is_empty();
        match &self.when {
            Some(condition) if !carries_fields => holds(condition, values),
            Some(_) | None => Ok(true),
        }
    }

    /// The call that it makes of these values.
    ///
    /// # Errors
    /// When a text cannot be rendered, or a field of the route has no place.
    pub(super) fn call(
        &self,
        base: &Url,
        purpose: Purpose,
        values: &Values,
        fields: &BTreeMap<String, String>,
    ) -> Result<Call, String> {
        let mut url = base.clone();
        let path = self.path.iter().map(|text| text.render(values));
        let path = path.collect::<Result<Vec<_>, _>>()?;
        if path.iter().any(Value::is_null) {
            return Err("a part of the path is none".to_owned());
        }
        let path: Vec<String> = path.iter().map(plain).collect();
        if let Some(wrong) = path.iter().find(|part| !is_part_of_a_path(part)) {
            return Err(format!("{:?} cannot be a part of the path", text::line(wrong, SHOWN_CHARS)));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&path);
        }
        for (name, tree) in &self.query {
            if let Some(value) = tree.render(values)? {
                url.query_pairs_mut().append_pair(name, &plain(&value));
            }
        }
        let body = self.body.as_ref().map(|content| content.render(values)).transpose()?;
        let body = body.map(|body| self.with_fields(body, fields)).transpose()?;
        let body = body.map(|body| match &self.body {
            Some(Content::Form(_)) => Body::Form(pairs(body)),
            Some(Content::Json(_)) | None => Body::Json(body),
        });
        Ok(Call { purpose, method: self.method.clone(), url, body })
    }

    /// Whether the value of this name is made part of a text, where it could be taken for syntax.
    pub(super) fn embeds(&self, name: &str) -> bool {
        let body = match &self.body {
            Some(Content::Json(tree) | Content::Form(tree)) => tree.embeds(name),
            None => false,
        };
        body || self.path.iter().any(|part| part.embeds(name))
            || self.query.iter().any(|(_, tree)| tree.embeds(name))
    }

    /// The names of what it sets itself at a place of its body, with any of these values.
    pub(super) fn names_at(&self, at: &Pointer, samples: &[Value]) -> BTreeSet<String> {
        let rendered =
            samples.iter().filter_map(|sample| self.body.as_ref()?.render(sample.as_object()?).ok());
        let names = |body: Value| -> BTreeSet<String> {
            at.of(&body).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
        };
        rendered.flat_map(names).collect()
    }

    /// The names of fields that lead to the value of this name in its body.
    pub(super) fn ways_to(&self, name: &str) -> Vec<&str> {
        match &self.body {
            Some(Content::Json(tree) | Content::Form(tree)) => tree.ways_to(name),
            None => Vec::new(),
        }
    }

    fn with_fields(&self, mut body: Value, fields: &BTreeMap<String, String>) -> Result<Value, String> {
        let Some(at) = &self.fields_at else { return Ok(body) };
        if fields.is_empty() {
            return Ok(body);
        }
        let place = made(&mut body, at)
            .ok_or_else(|| format!("fields_at = {:?} is no object of the body", at.as_str()))?;
        for (name, value) in fields {
            if place.contains_key(name) {
                return Err(format!(
                    "the route sets field `{name}`, which the request sets itself: remove one"
                ));
            }
            place.insert(name.clone(), Value::String(value.clone()));
        }
        Ok(body)
    }
}

impl Content {
    fn render(&self, values: &Values) -> Result<Value, String> {
        match self {
            Self::Json(tree) | Self::Form(tree) => {
                Ok(tree.render(values)?.unwrap_or_else(|| Value::Object(Map::new())))
            }
        }
    }
}

/// Whether a text stands in a path as one part of it. Addresses lose tabs and line breaks, so what has some could become
/// one that leads elsewhere.
pub(super) fn is_part_of_a_path(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(char::is_control)
}

/// The object at a place, made with all that lead to it where they are missing.
fn made<'a>(body: &'a mut Value, at: &Pointer) -> Option<&'a mut Map<String, Value>> {
    let mut place = body;
    for name in at.parts() {
        place = place.as_object_mut()?.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    place.as_object_mut()
}

fn pairs(form: Value) -> Vec<(String, String)> {
    match form {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(&value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(path: &[&str], body: Option<Content>) -> Request {
        Request {
            method: Method::POST,
            path: path.iter().map(|part| Text::parse(part)).collect(),
            query: vec![("q".to_owned(), Tree::parse(json!({"is": "{{ key }}"})))],
            body,
            when: None,
            fields_at: Pointer::parse("/data/more"),
            item: None,
        }
    }

    fn call(request: &Request, values: Value, fields: &[(&str, &str)]) -> Result<Option<Call>, String> {
        let base = "https://itsm.example.com/app/".parse().unwrap();
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let values = values.as_object().unwrap();
        let is_due = request.is_due(values, &fields)?;
        is_due.then(|| request.call(&base, Purpose::Change, values, &fields)).transpose()
    }

    #[test]
    fn path_query_and_body_are_filled_in_and_the_route_adds_its_fields() {
        let json = Content::Json(Tree::parse(json!({"data": {"title": "{{ summary }}"}})));
        let request = request(&["tickets", "n{{ id }}"], Some(json));
        let values = json!({"id": "7", "key": "a&b", "summary": "x\"}"});
        let call = call(&request, values, &[("team", "ops")]).unwrap().unwrap();
        assert_eq!(
            call.url.as_str(),
            "https://itsm.example.com/app/tickets/n7?q=%7B%22is%22%3A%22a%26b%22%7D"
        );
        let Some(Body::Json(body)) = call.body else { panic!("{:?}", call.body) };
        assert_eq!(body, json!({"data": {"title": "x\"}", "more": {"team": "ops"}}}));
    }

    #[test]
    fn a_form_has_json_in_its_fields() {
        let form = Content::Form(Tree::parse(json!({"data": {"request": {"id": "{{ id }}"}}, "x": "y"})));
        let call = call(&request(&["a"], Some(form)), json!({"id": "7", "key": ""}), &[]).unwrap().unwrap();
        let Some(Body::Form(pairs)) = call.body else { panic!("{:?}", call.body) };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("data", r#"{"request":{"id":"7"}}"#), pair("x", "y")]);
    }

    #[test]
    fn a_value_stays_one_part_of_the_path() {
        let request = request(&["tickets", "{{ id }}"], None);
        let url = |id: &str| call(&request, json!({"id": id, "key": ""}), &[]).map(|call| call.unwrap().url);
        assert_eq!(url("a/../b?c#d").unwrap().path(), "/app/tickets/a%2F..%2Fb%3Fc%23d");
        for elsewhere in ["..", ".", "", ".\t.", "\t.\t", ".\r.", ".\n./x", "\u{0}"] {
            assert!(url(elsewhere).is_err(), "{elsewhere:?}");
        }
        assert!(call(&request, json!({"id": null, "key": ""}), &[]).is_err());
    }

    #[test]
    fn a_value_that_is_made_part_of_a_path_a_query_or_a_body_is_noticed() {
        let of = |path: &str, body: Value| request(&["cis", path], Some(Content::Json(Tree::parse(body))));
        assert!(of("cis(Name='{{ value }}')", json!({})).embeds("value"));
        assert!(of("x", json!({"q": "name:{{ value }}"})).embeds("value"));
        let query = Request {
            query: vec![("q".to_owned(), Tree::parse(json!("a{{ value }}")))],
            ..of("x", json!({}))
        };
        assert!(query.embeds("value"));
        assert!(!of("{{ value }}", json!("{{ value }}")).embeds("value"));
    }

    #[test]
    fn a_field_that_the_request_sets_itself_is_refused() {
        let json = Content::Json(Tree::parse(json!({"data": {"more": {"state": "open"}}})));
        let request = request(&["a"], Some(json));
        let error = call(&request, json!({"key": ""}), &[("state", "closed")]).unwrap_err();
        assert!(error.contains("`state`"), "{error}");
        let text = self::request(&["a"], Some(Content::Json(Tree::parse(json!({"data": "text"})))));
        assert!(call(&text, json!({"key": ""}), &[("a", "b")]).unwrap_err().contains("/data/more"));
    }

    #[test]
    fn a_request_whose_condition_does_not_hold_is_not_sent() {
        let request = Request { when: Some("note".to_owned()), ..request(&["a"], None) };
        assert!(call(&request, json!({"note": "", "key": ""}), &[]).unwrap().is_none());
        assert!(call(&request, json!({"note": "x", "key": ""}), &[]).unwrap().is_some());
        let fields = Request { body: Some(Content::Json(Tree::parse(json!({})))), ..request };
        let sent = call(&fields, json!({"note": "", "key": ""}), &[("team", "ops")]).unwrap();
        assert!(sent.is_some(), "the route's fields would be lost");
    }

    #[test]
    fn an_id_leads_to_no_other_address() {
        for id in ["", ".", "..", "../x", "a/b", "a?b", "a b", "ä", &"x".repeat(129)] {
            assert!(Id::parse(id).is_err(), "{id:?}");
        }
        let endless = Id::parse(&"x".repeat(1_000_000)).unwrap_err().to_string();
        assert!(endless.len() < 200, "{}", endless.len());
        for id in ["42", "INC-7_a.b", "9f8e"] {
            assert_eq!(Id::parse(id).unwrap().as_str(), id);
        }
    }
}
