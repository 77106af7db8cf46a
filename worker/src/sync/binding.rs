//! Which configuration item an alert is about: one order and one judgement for every product.
//!
//! A connector says what its CMDB has for one candidate in one way; what is certain is decided here.

use schemars::JsonSchema;
use serde::Deserialize;
use shared::settings::SettingsError;

use crate::connector::{CiCandidate, CiHits, CiWay, Connector, ConnectorError};

/// Section `[targets.NAME.ci]`, as written: how the configuration item of a ticket is found.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CiSettings {
    /// Ways to look for it, the surest first: of `arm_id`, `name`, `tag`. None binds none. Default all, in this order.
    #[serde(deserialize_with = "shared::settings::list")]
    pub strategies: Vec<String>,
    /// The product's id of the item of a ticket for which none is found; empty for none. Default empty.
    pub default: String,
}

impl Default for CiSettings {
    fn default() -> Self {
        Self { strategies: CiWay::ALL.map(|way| way.name().to_owned()).to_vec(), default: String::new() }
    }
}

/// [`CiSettings`], checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategies {
    pub ways: Vec<CiWay>,
    pub default: Option<String>,
}

impl CiSettings {
    /// `name` is the path of these settings, for messages.
    ///
    /// # Errors
    /// When a strategy is unknown or stands twice, or the default cannot be an id.
    pub fn check(self, name: &str) -> Result<Strategies, SettingsError> {
        let mut ways = Vec::new();
        for given in &self.strategies {
            let way = CiWay::ALL.into_iter().find(|way| way.name() == given);
            let Some(way) = way.filter(|way| !ways.contains(way)) else {
                return Err(SettingsError::Invalid(format!(
                    "{name}.strategies: {given:?} is unknown or stands twice, give some of {}",
                    CiWay::ALL.map(CiWay::name).join(", ")
                )));
            };
            ways.push(way);
        }
        if self.default.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(SettingsError::Invalid(format!("{name}.default {:?} cannot be an id", self.default)));
        }
        Ok(Strategies { ways, default: Some(self.default).filter(|id| !id.is_empty()) })
    }
}

/// What the CMDB came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiMatch {
    Found {
        id: String,
        name: String,
    },
    /// None is known, and the operator has said what to take then.
    Default {
        id: String,
    },
    /// Several fit equally well: none is taken. The text says which candidate and which items.
    Ambiguous(String),
    NotFound,
}

/// The first certain item, by one strategy after the other with all candidates.
///
/// # Errors
/// When the product cannot be asked now, or refuses every look-up that could have told.
pub async fn bind(
    connector: &dyn Connector,
    strategies: &Strategies,
    candidates: &[CiCandidate],
) -> Result<CiMatch, ConnectorError> {
    let mut inquiry = Inquiry::default();
    for way in &strategies.ways {
        for candidate in candidates {
            if let Some(found) = inquiry.hear(candidate, connector.find_cis(*way, candidate).await)? {
                return Ok(found);
            }
        }
    }
    inquiry.end(strategies.default.as_deref())
}

/// What the look-ups so far have come to (pure).
#[derive(Debug, Default)]
struct Inquiry {
    /// What fits several items, and which.
    uncertain: Option<(String, CiHits)>,
    misconfigured: Option<ConnectorError>,
}

impl Inquiry {
    /// Takes one answer in. A look-up that the product refuses does not keep the others from finding the item. Where
    /// several fit, a later look-up may tell which of them it is, but its weaker evidence makes no other item certain.
    fn hear(
        &mut self,
        candidate: &CiCandidate,
        answer: Result<CiHits, ConnectorError>,
    ) -> Result<Option<CiMatch>, ConnectorError> {
        let hits = match answer {
            Ok(hits) => hits,
            Err(error @ (ConnectorError::Rejected(_) | ConnectorError::Gone(_))) => {
                self.misconfigured.get_or_insert(error);
                return Ok(None);
            }
            Err(
                error @ (ConnectorError::Unavailable(_)
                | ConnectorError::Throttled { .. }
                | ConnectorError::Ambiguous(_)
                | ConnectorError::Unauthorized(_)),
            ) => return Err(error),
        };
        match (&self.uncertain, hits.only()) {
            (Some((_, several)), Some((id, _))) if !several.has(id) => Ok(None),
            (_, Some((id, name))) => Ok(Some(CiMatch::Found { id: id.clone(), name: name.clone() })),
            (None, None) if !hits.is_empty() => {
                let (CiCandidate::ArmId(value) | CiCandidate::Name(value)) = candidate;
                self.uncertain = Some((format!("{value} {}", hits.doubt()), hits));
                Ok(None)
            }
            (Some(_) | None, None) => Ok(None),
        }
    }

    /// Nothing was certain. Where several fit, the default would hide that somebody has to tidy up.
    fn end(self, default: Option<&str>) -> Result<CiMatch, ConnectorError> {
        match (self.uncertain, default, self.misconfigured) {
            (Some((reason, _)), _, _) => Ok(CiMatch::Ambiguous(reason)),
            (None, Some(id), _) => Ok(CiMatch::Default { id: id.to_owned() }),
            (None, None, Some(error)) => Err(error),
            (None, None, None) => Ok(CiMatch::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = Result<Vec<&'static str>, ConnectorError>;

    fn found(answers: &[Answer], default: Option<&str>) -> Result<CiMatch, ConnectorError> {
        let (mut inquiry, candidate) = (Inquiry::default(), CiCandidate::ArmId("/a".to_owned()));
        for answer in answers {
            let named = |id: &&str| ((*id).to_owned(), format!("name of {id}"));
            let answer = answer.clone().map(|ids| ids.iter().map(named).collect());
            if let Some(found) = inquiry.hear(&candidate, answer)? {
                return Ok(found);
            }
        }
        inquiry.end(default)
    }

    fn item(id: &str) -> CiMatch {
        CiMatch::Found { id: id.to_owned(), name: format!("name of {id}") }
    }

    fn refused() -> Answer {
        Err(ConnectorError::Rejected("no".to_owned()))
    }

    #[test]
    fn the_first_single_item_wins() {
        assert_eq!(found(&[Ok(vec!["1"]), Ok(vec!["2"])], Some("9")).unwrap(), item("1"));
        assert_eq!(found(&[Ok(vec![]), Ok(vec!["2"])], None).unwrap(), item("2"));
        assert_eq!(found(&[Ok(vec![])], None).unwrap(), CiMatch::NotFound);
    }

    #[test]
    fn weaker_evidence_may_choose_among_several_items_but_adds_none() {
        let several = || Ok(vec!["1", "3"]);
        assert_eq!(found(&[several(), Ok(vec!["3"])], None).unwrap(), item("3"));
        let expected = CiMatch::Ambiguous("/a fits several items: 1, 3".to_owned());
        assert_eq!(found(&[several(), Ok(vec!["2"])], Some("9")).unwrap(), expected);
        assert_eq!(found(&[several(), Ok(vec!["2"]), Ok(vec!["1"])], None).unwrap(), item("1"));
    }

    #[test]
    fn an_item_beside_which_there_may_be_others_is_not_taken_nor_the_default_in_its_place() {
        let candidate = CiCandidate::Name("web".to_owned());
        for shown in [vec![], vec!["1"]] {
            let shown = shown.iter().map(|id: &&str| ((*id).to_owned(), String::new()));
            let hits = shown.collect::<CiHits>().incomplete("100 have a name like it".to_owned());
            let mut inquiry = Inquiry::default();
            assert_eq!(inquiry.hear(&candidate, Ok(hits)).unwrap(), None);
            let expected = "web may fit several items: 100 have a name like it";
            assert_eq!(inquiry.end(Some("9")).unwrap(), CiMatch::Ambiguous(expected.to_owned()));
        }
    }

    #[test]
    fn of_several_items_none_is_taken_not_even_the_default() {
        let expected = CiMatch::Ambiguous("/a fits several items: 1, 3".to_owned());
        assert_eq!(found(&[Ok(vec!["1", "3"]), refused()], Some("9")).unwrap(), expected);
    }

    #[test]
    fn of_very_many_items_a_few_are_named() {
        let ids = (10..40).map(|id: u8| (id.to_string(), String::new()));
        let doubt = ids.collect::<CiHits>().doubt();
        assert_eq!(doubt, "fits several items: 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 20 more");
    }

    #[test]
    fn a_way_that_is_refused_is_reported_only_when_nothing_else_helps() {
        assert_eq!(found(&[refused(), Ok(vec!["2"])], None).unwrap(), item("2"));
        assert_eq!(found(&[refused()], None), Err(ConnectorError::Rejected("no".to_owned())));
        assert!(matches!(found(&[refused()], Some("9")), Ok(CiMatch::Default { id }) if id == "9"));
    }

    #[test]
    fn a_product_that_cannot_be_asked_now_is_asked_later() {
        let away = || Err(ConnectorError::Unavailable("down".to_owned()));
        assert!(matches!(found(&[away(), Ok(vec!["2"])], None), Err(ConnectorError::Unavailable(_))));
    }

    #[test]
    fn strategies_are_tried_in_the_order_that_the_operator_gives() {
        let check = |strategies: &[&str], default: &str| {
            let strategies = strategies.iter().map(ToString::to_string).collect();
            CiSettings { strategies, default: default.to_owned() }.check("targets.t.ci")
        };
        let given = check(&["name", "arm_id"], "c0ffee").unwrap();
        assert_eq!((given.ways, given.default.as_deref()), (vec![CiWay::Name, CiWay::ArmId], Some("c0ffee")));
        assert_eq!(CiSettings::default().check("t").unwrap().ways, CiWay::ALL);
        for (strategies, default, wrong) in
            [(&["host"][..], "", "\"host\""), (&["tag", "tag"], "", "twice"), (&[], "a b", "default")]
        {
            let error = check(strategies, default).unwrap_err().to_string();
            assert!(error.contains("targets.t.ci") && error.contains(wrong), "{error}");
        }
    }
}
