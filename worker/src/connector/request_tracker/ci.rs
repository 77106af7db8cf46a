//! Finding the asset that an alert is about.

use url::Url;

use super::super::{CiCandidate, CiHits, CiWay, ConnectorError};
use super::record::Record;
use super::{RequestTracker, query};

/// Two would tell certain from uncertain; the rest is for the operator who has to tidy up.
const MAX_HITS: u8 = 5;
/// A search for a name also finds longer ones; this is as many as a page holds.
const MAX_NAMESAKES: u8 = 100;

impl RequestTracker {
    pub(super) async fn look_up(
        &self,
        way: CiWay,
        candidate: &CiCandidate,
    ) -> Result<CiHits, ConnectorError> {
        let assets = &self.desk.assets;
        let Some(catalog) = &assets.catalog else { return Ok(CiHits::new()) };
        let base = &self.desk.base_url;
        match (way, candidate) {
            (CiWay::ArmId, CiCandidate::ArmId(id)) => {
                let field = &assets.arm_id_field;
                let url = query::assets_by_field(base, catalog, field, id, MAX_HITS);
                let found = self.assets(url).await?;
                if let Some(other) = found.iter().find(|asset| !asset.has(field, id)) {
                    return Err(ConnectorError::Rejected(format!(
                        "a search for custom field {:?} also finds asset {}, which does not have the value: grant \
                         SeeCustomField on it",
                        field.as_str(),
                        other.id()
                    )));
                }
                Ok(hits(&found))
            }
            (CiWay::Name, CiCandidate::Name(name)) => {
                let mut found =
                    self.assets(query::assets_by_name(base, catalog, name, MAX_NAMESAKES)).await?;
                let all_seen = found.len() < usize::from(MAX_NAMESAKES);
                found.retain(|asset| asset.name.to_lowercase() == name.to_lowercase());
                // Another one of this name may be on the next page.
                let more = format!("{MAX_NAMESAKES} assets or more have a name like it");
                Ok(if all_seen { hits(&found) } else { hits(&found).incomplete(more) })
            }
            // Assets have no tags.
            (CiWay::Tag, _) | (CiWay::ArmId, CiCandidate::Name(_)) | (CiWay::Name, CiCandidate::ArmId(_)) => {
                Ok(CiHits::new())
            }
        }
    }

    /// No address is a value that cannot be asked for, which no asset has.
    async fn assets(&self, url: Option<Url>) -> Result<Vec<Record>, ConnectorError> {
        match url {
            Some(url) => self.visit().assets(url).await,
            None => Ok(Vec::new()),
        }
    }
}

fn hits(assets: &[Record]) -> CiHits {
    assets.iter().map(|asset| (asset.id(), asset.name.clone())).collect()
}
