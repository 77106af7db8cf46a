//! Which configuration item a ticket hangs on, asked of the CMDB once and remembered for a while.
//!
//! A ticket never waits for its configuration item: whatever goes wrong is remembered as the reason why it has none.

use std::time::Duration;

use moka::Expiry;
use moka::future::Cache;

use super::binding::{self, CiMatch};
use crate::config::{CiCacheSettings, Target};
use crate::connector::{CiCandidate, ConnectorError};
use crate::store::claims::Ci;

/// Answers of one target's CMDB.
pub struct CiFinder {
    cache: Cache<Vec<CiCandidate>, Answer>,
}

/// What the CMDB said, in a form that is worth remembering.
#[derive(Debug, Clone)]
enum Answer {
    Match(CiMatch),
    /// It refuses the question, or has no answer in time: asking again at once would end likewise.
    Unanswered(String),
}

/// What was found, and how to count it.
pub struct Finding {
    pub ci: Ci,
    pub result: &'static str,
    /// Whether the CMDB was asked.
    pub asked: bool,
}

struct ByMatch {
    found: Duration,
    missing: Duration,
}

impl Expiry<Vec<CiCandidate>, Answer> for ByMatch {
    fn expire_after_create(
        &self,
        _candidates: &Vec<CiCandidate>,
        answer: &Answer,
        _at: std::time::Instant,
    ) -> Option<Duration> {
        Some(match answer {
            Answer::Match(CiMatch::Found { .. }) => self.found,
            Answer::Match(CiMatch::Default { .. } | CiMatch::Ambiguous(_) | CiMatch::NotFound)
            | Answer::Unanswered(_) => self.missing,
        })
    }
}

impl CiFinder {
    #[must_use]
    pub fn new(settings: &CiCacheSettings) -> Self {
        let expiry = ByMatch { found: settings.found, missing: settings.missing };
        Self { cache: Cache::builder().max_capacity(settings.capacity).expire_after(expiry).build() }
    }

    /// The configuration item for these candidates, within the deadline of one call. One question at a time for the same
    /// candidates.
    ///
    /// # Errors
    /// When the target must be left alone or refuses our credentials; the ticket is tried again later then.
    pub async fn find(&self, target: &Target, candidates: &[CiCandidate]) -> Result<Finding, ConnectorError> {
        let mut asked = false;
        let asking = async {
            asked = true;
            let bound = binding::bind(target.connector.as_ref(), &target.ci, candidates);
            match tokio::time::timeout(target.request_deadline, bound).await {
                Err(_) => Ok(Answer::Unanswered("it did not answer in time".to_owned())),
                Ok(Ok(found)) => Ok(Answer::Match(found)),
                Ok(Err(ConnectorError::Rejected(reason))) => Ok(Answer::Unanswered(reason)),
                Ok(Err(error @ (ConnectorError::Throttled { .. } | ConnectorError::Unauthorized(_)))) => {
                    Err(error)
                }
                Ok(Err(
                    error @ (ConnectorError::Unavailable(_)
                    | ConnectorError::Ambiguous(_)
                    | ConnectorError::Gone(_)),
                )) => Ok(Answer::Unanswered(error.to_string())),
            }
        };
        let answer = self.cache.try_get_with(candidates.to_vec(), asking).await;
        let answer = answer.map_err(|error| (*error).clone())?;
        let (ci, result) = judge(answer, candidates);
        Ok(Finding { ci, result, asked })
    }
}

fn judge(answer: Answer, candidates: &[CiCandidate]) -> (Ci, &'static str) {
    match answer {
        Answer::Match(CiMatch::Found { id, name }) => (Ci::Bound { id, name }, "found"),
        Answer::Match(CiMatch::Default { id }) => (Ci::Bound { id, name: "the default".to_owned() }, "found"),
        Answer::Match(CiMatch::Ambiguous(which)) => {
            (Ci::Missing(format!("none is certain: {which}")), "ambiguous")
        }
        Answer::Match(CiMatch::NotFound) if candidates.is_empty() => {
            (Ci::Missing("the alert names no resource".to_owned()), "no_candidate")
        }
        Answer::Match(CiMatch::NotFound) => {
            (Ci::Missing("the CMDB has none that fits".to_owned()), "not_found")
        }
        Answer::Unanswered(reason) => {
            (Ci::Missing(format!("the CMDB could not be asked: {reason}")), "error")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_item_that_the_cmdb_has_is_remembered_for_long() {
        let (found, missing) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let (id, name) = ("1".to_owned(), "web-07".to_owned());
        let answers = [
            (Answer::Match(CiMatch::Found { id: id.clone(), name }), found),
            (Answer::Match(CiMatch::Default { id }), missing),
            (Answer::Match(CiMatch::Ambiguous("two".to_owned())), missing),
            (Answer::Match(CiMatch::NotFound), missing),
            (Answer::Unanswered("it did not answer in time".to_owned()), missing),
        ];
        for (answer, expected) in answers {
            let expiry = ByMatch { found, missing };
            let life = expiry.expire_after_create(&Vec::new(), &answer, std::time::Instant::now());
            assert_eq!(life, Some(expected), "{answer:?}");
        }
    }
}
