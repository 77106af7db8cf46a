//! Finding the configuration item that an alert is about.

use serde_json::{Value, json};

use super::super::http::Purpose;
use super::super::{CiCandidate, CiHits, CiWay, ConnectorError, text};
use super::answer::{Pointer, name};
use super::interface::CiLookUp;
use super::request::{MAX_ID_CHARS, is_part_of_a_path};
use super::{HttpApi, records, values};

/// More of an item's name tells nobody anything.
const MAX_NAME_CHARS: usize = 200;

impl HttpApi {
    pub(super) async fn look_up(
        &self,
        way: CiWay,
        candidate: &CiCandidate,
    ) -> Result<CiHits, ConnectorError> {
        let value = match (way, candidate) {
            (CiWay::ArmId | CiWay::Tag, CiCandidate::ArmId(value))
            | (CiWay::Name, CiCandidate::Name(value)) => value,
            (CiWay::ArmId | CiWay::Tag, CiCandidate::Name(_)) | (CiWay::Name, CiCandidate::ArmId(_)) => {
                return Ok(CiHits::new());
            }
        };
        let Some(look_up) = self.interface.look_up(way) else { return Ok(CiHits::new()) };
        // No item is called so, and as a part of a path it would lead elsewhere.
        if !is_part_of_a_path(value) || (look_up.plain_values_only && !is_plain(value)) {
            return Ok(CiHits::new());
        }
        let values = values(json!({"value": value}));
        let list = self.ask(&self.http.act(), Purpose::Search, &look_up.request, &values).await?;
        look_up.hits(value, &records(list).map_err(ConnectorError::Unavailable)?)
    }
}

impl CiLookUp {
    /// The items that have the value, if the answer can be believed (pure).
    fn hits(&self, value: &str, items: &[Value]) -> Result<CiHits, ConnectorError> {
        let at = |pointer: &Pointer, item: &Value| pointer.of(item).and_then(name);
        let (having, others): (Vec<_>, Vec<_>) = items.iter().partition(|item| {
            at(&self.value, item).is_some_and(|held| held.to_lowercase() == value.to_lowercase())
        });
        if self.partial_limit.is_none() && !others.is_empty() {
            return Err(ConnectorError::Rejected(format!(
                "the search also finds items that have another value at {:?}, or none: does the product ignore the \
                 condition? If it looks for a part of the value, set `partial_limit`",
                self.value.as_str()
            )));
        }
        let hit = |item: &Value| {
            let id = at(&self.id, item).ok_or_else(|| {
                ConnectorError::Rejected(format!(
                    "an item came without its id at {:?}: let the user read it",
                    self.id.as_str()
                ))
            })?;
            if id.chars().count() > MAX_ID_CHARS {
                return Err(ConnectorError::Rejected(format!(
                    "the text at {:?} is too long for the id of an item: point to its id",
                    self.id.as_str()
                )));
            }
            Ok((id, text::line(&at(&self.name, item).unwrap_or_default(), MAX_NAME_CHARS)))
        };
        let hits: CiHits = having.into_iter().map(hit).collect::<Result<_, ConnectorError>>()?;
        Ok(match self.partial_limit {
            Some(limit) if items.len() >= limit.get() => hits.incomplete(format!(
                "{limit} items or more have {value:?} as a part, and one that has it may be among the rest"
            )),
            Some(_) | None => hits,
        })
    }
}

/// Letters, digits and signs that no query language gives a meaning inside a word; resource ids seldom have others. Some
/// give one to a sign at the beginning, so there it is only the slash of a resource id.
fn is_plain(value: &str) -> bool {
    let is_resource_id = value.to_ascii_lowercase().starts_with("/subscriptions/");
    let begins_plainly = is_resource_id || value.starts_with(char::is_alphanumeric);
    begins_plainly && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::super::request::Request;
    use super::*;

    fn look_up(partial_limit: Option<usize>) -> CiLookUp {
        let at = |pointer: &str| Pointer::parse(pointer).unwrap();
        let request = Request {
            method: Method::GET,
            path: Vec::new(),
            query: Vec::new(),
            body: None,
            when: None,
            fields_at: None,
            item: Some(at("")),
        };
        CiLookUp {
            request,
            id: at("/id"),
            name: at("/name"),
            value: at("/name"),
            plain_values_only: false,
            partial_limit: partial_limit.map(|limit| limit.try_into().unwrap()),
        }
    }

    fn refusal(look_up: &CiLookUp, items: &[Value]) -> String {
        match look_up.hits("web-07", items) {
            Err(ConnectorError::Rejected(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_search_that_ignores_its_condition_is_not_believed() {
        let (it, other) = (json!({"id": 7, "name": "WEB-07"}), json!({"id": 8, "name": "web-071"}));
        let found = look_up(None).hits("web-07", std::slice::from_ref(&it)).unwrap();
        assert_eq!(found, CiHits::from_iter([("7".to_owned(), "WEB-07".to_owned())]));
        for stray in [other.clone(), json!({"id": 8}), json!({"id": 8, "name": null})] {
            let reason = refusal(&look_up(None), &[it.clone(), stray]);
            assert!(reason.contains("partial_limit"), "{reason}");
        }
        assert_eq!(look_up(Some(3)).hits("web-07", &[it.clone(), other.clone()]).unwrap(), found);
        let uncertain = look_up(Some(2)).hits("web-07", &[it, other]).unwrap();
        assert!(uncertain != found && uncertain.has("7"), "{uncertain:?}");
    }

    #[test]
    fn an_item_without_an_id_is_no_hit() {
        for id in [json!(null), json!(""), json!({"link": "x"}), json!(true)] {
            let reason = refusal(&look_up(None), &[json!({"id": id, "name": "web-07"})]);
            assert!(reason.contains("without its id"), "{reason}");
        }
        refusal(&look_up(None), &[json!({"name": "web-07"})]);
    }

    #[test]
    fn an_item_brings_no_endless_text() {
        let reason = refusal(&look_up(None), &[json!({"id": "7".repeat(129), "name": "web-07"})]);
        assert!(reason.contains("too long") && reason.len() < 200, "{reason}");
        let by_tag = CiLookUp { value: Pointer::parse("/tag").unwrap(), ..look_up(None) };
        let item = json!({"id": "7".repeat(128), "tag": "web-07", "name": "n".repeat(1_000)});
        let found = by_tag.hits("web-07", &[item]).unwrap();
        assert_eq!(found.only().unwrap().1.chars().count(), MAX_NAME_CHARS);
    }

    #[test]
    fn no_sign_stands_where_a_language_could_give_it_a_meaning() {
        for value in ["web-07", "a_b.c", "/subscriptions/a1/x", "/Subscriptions/A1", "ä"] {
            assert!(is_plain(value), "{value}");
        }
        for value in ["", "-web", "/etc", "/x/", "_x", "a'b", "a b", "a*", "a:b", "/subscriptions/a'b"] {
            assert!(!is_plain(value), "{value}");
        }
    }
}
