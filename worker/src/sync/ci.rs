//! Which configuration item a ticket hangs on, asked of the CMDB once and remembered for a while.
//!
//! A ticket never waits for its configuration item: whatever goes wrong is remembered as the reason why it has none.

use std::time::Duration;

use moka::Expiry;
use moka::future::Cache;

use crate::config::CiCacheSettings;
use crate::connector::{CiCandidate, CiMatch, Connector, ConnectorError};
use crate::store::claims::Ci;

/// Answers of one target's CMDB.
pub struct CiFinder {
    cache: Cache<Vec<CiCandidate>, CiMatch>,
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

impl Expiry<Vec<CiCandidate>, CiMatch> for ByMatch {
    fn expire_after_create(
        &self,
        _candidates: &Vec<CiCandidate>,
        found: &CiMatch,
        _at: std::time::Instant,
    ) -> Option<Duration> {
        Some(match found {
            CiMatch::Found { .. } => self.found,
            CiMatch::Ambiguous(_) | CiMatch::NotFound => self.missing,
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
    pub async fn find(
        &self,
        connector: &dyn Connector,
        candidates: &[CiCandidate],
    ) -> Result<Finding, ConnectorError> {
        if candidates.is_empty() {
            let ci = Ci::Missing("the alert names no resource".to_owned());
            return Ok(Finding { ci, result: "no_candidate", asked: false });
        }
        let mut asked = false;
        let loading = async {
            asked = true;
            connector.find_ci(candidates).await
        };
        match self.cache.try_get_with(candidates.to_vec(), loading).await {
            Ok(found) => Ok(Finding { asked, ..Finding::from(found) }),
            Err(error) => match &*error {
                ConnectorError::Throttled { .. } | ConnectorError::Unauthorized(_) => Err((*error).clone()),
                ConnectorError::Unavailable(_)
                | ConnectorError::Ambiguous(_)
                | ConnectorError::Rejected(_)
                | ConnectorError::Gone(_) => {
                    let ci = Ci::Missing(format!("the CMDB could not be asked: {error}"));
                    Ok(Finding { ci, result: "error", asked })
                }
            },
        }
    }
}

impl From<CiMatch> for Finding {
    fn from(found: CiMatch) -> Self {
        let (ci, result) = match found {
            CiMatch::Found { id, name } => (Ci::Bound { id, name }, "found"),
            CiMatch::Ambiguous(which) => (Ci::Missing(format!("several fit: {which}")), "ambiguous"),
            CiMatch::NotFound => (Ci::Missing("the CMDB has none that fits".to_owned()), "not_found"),
        };
        Self { ci, result, asked: false }
    }
}
