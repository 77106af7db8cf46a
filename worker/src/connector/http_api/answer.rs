//! What an answer says: whether it is a success, in the body too, and which work item or records it holds. Pure.

use serde_json::Value;

use super::super::http::{Explain, MAX_REASON_CHARS, Purpose};
use super::super::{ConnectorError, WorkItem, WorkItemState, text};
use super::request::Id;

/// A place in a JSON document, see <https://www.rfc-editor.org/rfc/rfc6901>; empty for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(String);

/// Values of which a place has to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) at: Pointer,
    pub(super) values: Vec<String>,
}

/// What a body tells of success and failure.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdicts {
    /// One of these places is there, and those that are there have one of their values. None: any JSON is a success.
    pub(super) success: Vec<Rule>,
    /// Something at one of these places is a failure.
    pub(super) failure: Vec<Pointer>,
    pub(super) rejected: Vec<Rule>,
    pub(super) gone: Vec<Rule>,
    pub(super) unauthorized: Vec<Rule>,
    pub(super) throttled: Vec<Rule>,
    /// Where the product says in its own words what is wrong.
    pub(super) words: Vec<Pointer>,
}

/// Where a work item says what it is.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) id: Pointer,
    pub(super) number: Pointer,
    pub(super) key: Pointer,
    pub(super) state: Pointer,
    /// Where it says with which resolution code it was ended, if it does.
    pub(super) resolution: Option<Pointer>,
    pub(super) resolved: Vec<String>,
    pub(super) closed: Vec<String>,
}

impl Pointer {
    pub(super) fn parse(text: &str) -> Option<Self> {
        (text.is_empty() || text.starts_with('/')).then(|| Self(text.to_owned()))
    }

    pub(super) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(&self.0)
    }

    /// The rest is dropped.
    pub(super) fn taken_from(&self, mut value: Value) -> Option<Value> {
        value.pointer_mut(&self.0).map(Value::take)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The names on the way to the place.
    pub(super) fn parts(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
    }
}

impl Rule {
    /// Whether the place has one of the values; none if it is not there.
    fn fits(&self, body: &Value) -> Option<bool> {
        self.at.of(body).map(|value| self.values.contains(&plain(value)))
    }
}

impl Explain for Verdicts {
    fn explain(&self, body: &[u8]) -> Option<String> {
        self.words_of(&serde_json::from_slice(body).ok()?)
    }

    fn verdict(&self, body: &[u8]) -> Option<ConnectorError> {
        // Most products need none of the lists, and a large body is read once then.
        if [&self.unauthorized, &self.throttled, &self.gone, &self.rejected]
            .iter()
            .all(|rules| rules.is_empty())
        {
            return None;
        }
        let body = serde_json::from_slice(body).ok()?;
        let is = |rules: &[Rule]| rules.iter().any(|rule| rule.fits(&body) == Some(true));
        let words = || self.words_or_none(&body);
        if is(&self.unauthorized) {
            Some(ConnectorError::Unauthorized(words()))
        } else if is(&self.throttled) {
            Some(ConnectorError::Throttled { retry_after: None, reason: words() })
        } else if is(&self.gone) {
            Some(ConnectorError::Gone(words()))
        } else if is(&self.rejected) {
            Some(ConnectorError::Rejected(words()))
        } else {
            None
        }
    }
}

impl Verdicts {
    /// The body of a success, which the client has found to be none of the failures that have a class.
    pub(super) fn judge(&self, purpose: Purpose, body: &[u8]) -> Result<Value, ConnectorError> {
        // Some products have nothing to say about a change that they made.
        if body.is_empty() && purpose == Purpose::Change && self.success.is_empty() {
            return Ok(Value::Null);
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Err(purpose.unanswered(
                "the answer is no JSON: does base_url lead to the interface of the product?".to_owned(),
            ));
        };
        let something = |at: &Pointer| at.of(&body).is_some_and(|value| !is_nothing(value));
        if self.failure.iter().any(something) {
            return Err(purpose.unanswered(self.words_or_none(&body)));
        }
        let verdicts: Vec<bool> = self.success.iter().filter_map(|rule| rule.fits(&body)).collect();
        if !self.success.is_empty() && (verdicts.is_empty() || verdicts.contains(&false)) {
            let words = self.words_or_none(&body);
            return Err(purpose.unanswered(format!("not what a success looks like: {words}")));
        }
        Ok(body)
    }

    fn words_or_none(&self, body: &Value) -> String {
        self.words_of(body).unwrap_or_else(|| "the product gives no reason".to_owned())
    }

    /// The product's own words.
    fn words_of(&self, body: &Value) -> Option<String> {
        let said =
            self.words.iter().filter_map(|at| at.of(body).filter(|value| !is_nothing(value)).map(plain));
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| text::line(&said.join(" "), MAX_REASON_CHARS))
    }
}

impl Shape {
    /// The work item in this part of an answer.
    pub(super) fn item(&self, value: &Value) -> Result<WorkItem, String> {
        let lacks =
            |at: &Pointer| format!("a work item in the answer has no text or number at {:?}", at.as_str());
        let name = |at: &Pointer| at.of(value).and_then(name).ok_or_else(|| lacks(at));
        let id = Id::parse(&name(&self.id)?).map_err(|error| error.to_string())?;
        let (state, number) = (name(&self.state)?, name(&self.number)?);
        Ok(WorkItem {
            id: id.as_str().to_owned(),
            number: text::line(&number, MAX_REASON_CHARS),
            state: self.state_of(&state),
            resolution: self.resolution.as_ref().and_then(|at| at.of(value)).and_then(self::name),
        })
    }

    /// Whether the work item has this key, alone or in a list.
    pub(super) fn has(&self, value: &Value, key: &str) -> bool {
        match self.key.of(value) {
            Some(Value::Array(held)) => held.iter().any(|held| held.as_str() == Some(key)),
            Some(held) => held.as_str() == Some(key),
            None => false,
        }
    }

    /// A state that is not known, such as one that the customer added, is open.
    pub(super) fn state_of(&self, state: &str) -> WorkItemState {
        let among = |states: &[String]| states.iter().any(|one| one.eq_ignore_ascii_case(state));
        if among(&self.resolved) {
            WorkItemState::Resolved
        } else if among(&self.closed) {
            WorkItemState::Closed
        } else {
            WorkItemState::Open
        }
    }
}

/// A value as text, without the quotes of a string.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    }
}

/// A value that can be what something is called: a text or a number.
pub(super) fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What products put where they have nothing to report.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(pointer: &str) -> Pointer {
        Pointer::parse(pointer).unwrap()
    }

    fn rule(pointer: &str, values: &[&str]) -> Rule {
        Rule { at: at(pointer), values: values.iter().map(ToString::to_string).collect() }
    }

    fn verdicts() -> Verdicts {
        Verdicts {
            success: vec![rule("/status/code", &["2000"]), rule("/status/0/code", &["2000"])],
            failure: vec![at("/error")],
            rejected: vec![rule("/status/messages/0/code", &["4012"])],
            gone: vec![rule("/status/messages/0/code", &["4007"])],
            unauthorized: vec![rule("/status/messages/0/code", &["4002"])],
            throttled: vec![rule("/status/messages/0/code", &["4015"])],
            words: vec![at("/status/messages/0/message"), at("/error")],
        }
    }

    fn judged(purpose: Purpose, body: &Value) -> String {
        let (verdicts, body) = (verdicts(), body.to_string());
        let failed = verdicts.verdict(body.as_bytes());
        match failed.map_or_else(|| verdicts.judge(purpose, body.as_bytes()).map(drop), Err) {
            Ok(()) => "success".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_success_is_one_in_status_and_body() {
        let failed =
            |code: u32| json!({"status": {"code": 4000, "messages": [{"code": code, "message": "No"}]}});
        let cases = [
            (json!({"status": {"code": 2000}}), "success"),
            (json!({"status": [{"code": 2000}]}), "success"),
            (json!({"status": {"code": 2000}, "error": null}), "success"),
            (json!({"status": {"code": 2000}, "error": "late"}), "outcome unknown: late"),
            (json!({}), "outcome unknown: not what a success looks like: the product gives no reason"),
            (failed(4012), "rejected: No"),
            (failed(4007), "gone: No"),
            (failed(4002), "not authorised: No"),
            (failed(4015), "throttled: No"),
            (failed(1), "outcome unknown: not what a success looks like: No"),
        ];
        for (body, expected) in cases {
            assert_eq!(judged(Purpose::Change, &body), expected, "{body}");
        }
        assert_eq!(judged(Purpose::Read, &json!({"error": "x"})), "unavailable: x");
    }

    #[test]
    fn a_page_or_nothing_at_all_is_no_success() {
        for body in [&b"<html>"[..], b""] {
            let error = verdicts().judge(Purpose::Create, body).unwrap_err();
            assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
        }
        assert_eq!(Verdicts::default().judge(Purpose::Change, b""), Ok(Value::Null));
        assert!(Verdicts::default().judge(Purpose::Search, b"").is_err());
    }

    fn shape() -> Shape {
        Shape {
            id: at("/id"),
            number: at("/number"),
            key: at("/tags"),
            state: at("/status/name"),
            resolution: Some(at("/closure/code")),
            resolved: vec!["Resolved".to_owned()],
            closed: vec!["Closed".to_owned()],
        }
    }

    #[test]
    fn a_work_item_is_read_where_it_says_what_it_is() {
        let value =
            |status: &str| json!({"id": 7, "number": "#7", "status": {"name": status}, "tags": ["a", "b"]});
        for (status, state) in [
            ("resolved", WorkItemState::Resolved),
            ("Closed", WorkItemState::Closed),
            ("Waiting", WorkItemState::Open),
        ] {
            let item = shape().item(&value(status)).unwrap();
            assert_eq!((&*item.id, &*item.number, item.state), ("7", "#7", state));
        }
        let code = |code: Value| {
            let value =
                json!({"id": 7, "number": "#7", "status": {"name": "Closed"}, "closure": {"code": code}});
            shape().item(&value).unwrap().resolution
        };
        assert_eq!(code(json!("Won't fix")).as_deref(), Some("Won't fix"));
        assert_eq!([code(json!("")), code(Value::Null), code(json!([]))], [None, None, None]);
        assert!(shape().has(&value(""), "b") && !shape().has(&value(""), "c"));
        assert!(shape().has(&json!({"tags": "a"}), "a") && !shape().has(&json!({"tags": "ab"}), "a"));
    }

    #[test]
    fn a_part_is_taken_from_where_it_stands() {
        let answer = || json!({"data": [{"id": 7}]});
        assert_eq!(at("/data/0").taken_from(answer()), Some(json!({"id": 7})));
        assert_eq!(at("").taken_from(answer()), Some(answer()));
        assert_eq!(at("/data/1").taken_from(answer()), None);
    }

    #[test]
    fn what_a_work_item_lacks_is_named() {
        let error = shape().item(&json!({"id": "7"})).unwrap_err();
        assert!(error.contains("/status/name"), "{error}");
        assert!(shape().item(&json!({"id": "../x", "number": 1, "status": {"name": "x"}})).is_err());
    }

    #[test]
    fn what_is_no_text_or_number_is_no_id_no_number_and_no_state() {
        let whole = json!({"id": 7, "number": 1, "status": {"name": 3}});
        assert!(shape().item(&whole).is_ok());
        for nothing in [json!(null), json!(true), json!([]), json!({"a": 1}), json!("")] {
            for place in ["/id", "/number", "/status/name"] {
                let mut item = whole.clone();
                *item.pointer_mut(place).unwrap() = nothing.clone();
                let error = shape().item(&item).unwrap_err();
                assert!(error.contains(&format!("{place:?}")), "{nothing} at {place}: {error}");
            }
        }
    }
}
