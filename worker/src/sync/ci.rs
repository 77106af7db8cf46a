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
    /// It refuses the question: asking again at once would be refused again.
    Refused(String),
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
            Answer::Match(CiMatch::Ambiguous(_) | CiMatch::NotFound) | Answer::Refused(_) => self.missing,
        })
    }
}

impl CiFinder {
    #[must_use]
    pub fn new(settings: &CiCacheSettings) -> Self {
        let expiry = ByMatch { found: settings.found, missing: settings.missing };
        Self { cache: Cache::builder().max_capacity(settings.capacity).expire_after(expiry).build() }
    }

    /// The configuration item for these candidates. One question at a time for the same candidates.
    ///
    /// # Errors
    /// When the target must be left alone or refuses our credentials; the ticket is tried again later then.
    pub async fn find(&self, target: &Target, candidates: &[CiCandidate]) -> Result<Finding, ConnectorError> {
        let mut asked = false;
        let asking = async {
            asked = true;
            match binding::bind(target.connector.as_ref(), &target.ci, candidates).await {
                Ok(found) => Ok(Answer::Match(found)),
                Err(ConnectorError::Rejected(reason)) => Ok(Answer::Refused(reason)),
                Err(error) => Err(error),
            }
        };
        let answer = match self.cache.try_get_with(candidates.to_vec(), asking).await {
            Ok(answer) => answer,
            Err(error) => match &*error {
                ConnectorError::Throttled { .. } | ConnectorError::Unauthorized(_) => {
                    return Err((*error).clone());
                }
                ConnectorError::Unavailable(_)
                | ConnectorError::Ambiguous(_)
                | ConnectorError::Rejected(_)
                | ConnectorError::Gone(_) => Answer::Refused(error.to_string()),
            },
        };
        let (ci, result) = judge(answer, candidates);
        Ok(Finding { ci, result, asked })
    }
}

impl Finding {
    /// Nothing was found in the time that there is for it.
    #[must_use]
    pub fn too_slow() -> Self {
        let ci = Ci::Missing("the CMDB did not answer in time".to_owned());
        Self { ci, result: "error", asked: true }
    }
}

fn judge(answer: Answer, candidates: &[CiCandidate]) -> (Ci, &'static str) {
    match answer {
        Answer::Match(CiMatch::Found { id, name }) => (Ci::Bound { id, name }, "found"),
        Answer::Match(CiMatch::Ambiguous(which)) => {
            (Ci::Missing(format!("several fit: {which}")), "ambiguous")
        }
        Answer::Match(CiMatch::NotFound) if candidates.is_empty() => {
            (Ci::Missing("the alert names no resource".to_owned()), "no_candidate")
        }
        Answer::Match(CiMatch::NotFound) => {
            (Ci::Missing("the CMDB has none that fits".to_owned()), "not_found")
        }
        Answer::Refused(reason) => (Ci::Missing(format!("the CMDB could not be asked: {reason}")), "error"),
    }
}
