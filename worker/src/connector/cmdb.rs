//! Which configuration item an alert is about: one order and one judgement for every product.
//!
//! A connector says what its CMDB has for one candidate in one way; what is certain is decided here.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{CiCandidate, CiMatch, ConnectorError};

/// What one look-up found: name by id.
pub(super) type Hits = BTreeMap<String, String>;

/// How a candidate is looked up, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ArmId,
    Name,
    Tag,
}

/// A product's list of configuration items.
#[async_trait]
pub(super) trait Cmdb: Sync {
    /// The items that the candidate names in this way, verified in the returned records; none if this CMDB does not
    /// know the way, or the candidate is not of its kind.
    async fn look_up(&self, way: Way, candidate: &CiCandidate) -> Result<Hits, ConnectorError>;

    /// The id of the item of a ticket for which none is found.
    fn default_item(&self) -> Option<&str>;
}

/// The first certain item: by Azure id, then by name, then by tag.
///
/// A look-up that this product refuses or ignores does not keep the others from finding the item;
/// it is reported only when they find none.
pub(super) async fn bind(cmdb: &dyn Cmdb, candidates: &[CiCandidate]) -> Result<CiMatch, ConnectorError> {
    let mut uncertain = None;
    let mut misconfigured = None;
    for way in [Way::ArmId, Way::Name, Way::Tag] {
        for candidate in candidates {
            match cmdb.look_up(way, candidate).await.map(|hits| certain(candidate, hits)) {
                Ok(CiMatch::NotFound) => {}
                Ok(CiMatch::Ambiguous(reason)) => uncertain = uncertain.or(Some(reason)),
                Ok(found @ CiMatch::Found { .. }) => return Ok(found),
                Err(error @ (ConnectorError::Rejected(_) | ConnectorError::Gone(_))) => {
                    misconfigured = misconfigured.or(Some(error));
                }
                Err(
                    error @ (ConnectorError::Unavailable(_)
                    | ConnectorError::Throttled { .. }
                    | ConnectorError::Ambiguous(_)
                    | ConnectorError::Unauthorized(_)),
                ) => return Err(error),
            }
        }
    }
    match (uncertain, cmdb.default_item(), misconfigured) {
        (Some(reason), _, _) => Ok(CiMatch::Ambiguous(reason)),
        (None, Some(id), _) => Ok(CiMatch::Found { id: id.to_owned(), name: "the default".to_owned() }),
        (None, None, Some(error)) => Err(error),
        (None, None, None) => Ok(CiMatch::NotFound),
    }
}

fn certain(candidate: &CiCandidate, hits: Hits) -> CiMatch {
    let (CiCandidate::ArmId(value) | CiCandidate::Name(value)) = candidate;
    let ids: Vec<String> = hits.keys().cloned().collect();
    let mut hits = hits.into_iter();
    match (hits.next(), hits.next()) {
        (None, _) => CiMatch::NotFound,
        (Some((id, name)), None) => CiMatch::Found { id, name },
        (Some(_), Some(_)) => CiMatch::Ambiguous(format!("{value} fits several items: {}", ids.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = Result<Vec<&'static str>, ConnectorError>;

    /// Answers by the way and the text of the candidate.
    struct Shelf {
        answers: Vec<(Way, &'static str, Answer)>,
        default_item: Option<&'static str>,
    }

    #[async_trait]
    impl Cmdb for Shelf {
        async fn look_up(&self, way: Way, candidate: &CiCandidate) -> Result<Hits, ConnectorError> {
            let (CiCandidate::ArmId(text) | CiCandidate::Name(text)) = candidate;
            let answer = self.answers.iter().find(|(of, value, _)| *of == way && value == text);
            let ids = answer.map_or(Ok(Vec::new()), |(_, _, answer)| answer.clone())?;
            Ok(ids.into_iter().map(|id| (id.to_owned(), format!("name of {id}"))).collect())
        }

        fn default_item(&self) -> Option<&str> {
            self.default_item
        }
    }

    async fn found(shelf: &Shelf) -> Result<CiMatch, ConnectorError> {
        bind(shelf, &[CiCandidate::ArmId("/a".to_owned()), CiCandidate::Name("a".to_owned())]).await
    }

    fn item(id: &str) -> CiMatch {
        CiMatch::Found { id: id.to_owned(), name: format!("name of {id}") }
    }

    #[tokio::test]
    async fn the_surest_way_with_a_single_item_wins() {
        let both = [(Way::Name, "a", Ok(vec!["2"])), (Way::ArmId, "/a", Ok(vec!["1"]))];
        let shelf = Shelf { answers: both.into(), default_item: Some("9") };
        assert_eq!(found(&shelf).await.unwrap(), item("1"));
        let second = [(Way::ArmId, "/a", Ok(vec!["1", "3"])), (Way::Name, "a", Ok(vec!["2"]))];
        let shelf = Shelf { answers: second.into(), default_item: None };
        assert_eq!(found(&shelf).await.unwrap(), item("2"));
    }

    #[tokio::test]
    async fn of_several_items_none_is_taken_not_even_the_default() {
        let shelf = Shelf { answers: vec![(Way::ArmId, "/a", Ok(vec!["1", "3"]))], default_item: Some("9") };
        let expected = CiMatch::Ambiguous("/a fits several items: 1, 3".to_owned());
        assert_eq!(found(&shelf).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_way_that_is_refused_is_reported_only_when_nothing_else_helps() {
        let refused = || (Way::ArmId, "/a", Err(ConnectorError::Rejected("no".to_owned())));
        let shelf = Shelf { answers: vec![refused(), (Way::Name, "a", Ok(vec!["2"]))], default_item: None };
        assert_eq!(found(&shelf).await.unwrap(), item("2"));
        let shelf = Shelf { answers: vec![refused()], default_item: None };
        assert!(matches!(found(&shelf).await, Err(ConnectorError::Rejected(_))));
        let shelf = Shelf { answers: vec![refused()], default_item: Some("9") };
        assert!(matches!(found(&shelf).await, Ok(CiMatch::Found { id, .. }) if id == "9"));
    }

    #[tokio::test]
    async fn a_product_that_cannot_be_asked_now_is_asked_later() {
        let away = Err(ConnectorError::Unavailable("down".to_owned()));
        let shelf = Shelf {
            answers: vec![(Way::ArmId, "/a", away), (Way::Name, "a", Ok(vec!["2"]))],
            default_item: None,
        };
        assert!(matches!(found(&shelf).await, Err(ConnectorError::Unavailable(_))));
    }
}
