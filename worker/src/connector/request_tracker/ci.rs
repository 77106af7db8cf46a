//! Finding the asset that an alert is about.

use async_trait::async_trait;
use tracing::warn;
use url::Url;

use super::super::cmdb::{Cmdb, Hits, Way};
use super::super::{CiCandidate, ConnectorError};
use super::record::Record;
use super::{RequestTracker, query};

/// Two would tell certain from uncertain; the rest is for the operator who has to tidy up.
const MAX_HITS: u8 = 5;
/// A search for a name also finds longer ones; this is as many as a page holds.
const MAX_NAMESAKES: u8 = 100;

#[async_trait]
impl Cmdb for RequestTracker {
    async fn look_up(&self, way: Way, candidate: &CiCandidate) -> Result<Hits, ConnectorError> {
        let assets = &self.desk.assets;
        let Some(catalog) = &assets.catalog else { return Ok(Hits::new()) };
        let base = &self.desk.base_url;
        match (way, candidate) {
            (Way::ArmId, CiCandidate::ArmId(id)) => {
                let Some(field) = &assets.arm_id_field else { return Ok(Hits::new()) };
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
            (Way::Name, CiCandidate::Name(name)) if assets.by_name => {
                let mut found =
                    self.assets(query::assets_by_name(base, catalog, name, MAX_NAMESAKES)).await?;
                let all_seen = found.len() < usize::from(MAX_NAMESAKES);
                found.retain(|asset| asset.name.to_lowercase() == name.to_lowercase());
                if !all_seen {
                    // Another one of this name may be on the next page: nothing is certain.
                    warn!("{MAX_NAMESAKES} assets or more have a name like {name:?}, so none is taken by it");
                    found.clear();
                }
                Ok(hits(&found))
            }
            // Assets have no tags.
            (Way::Tag, _)
            | (Way::ArmId, CiCandidate::Name(_))
            | (Way::Name, CiCandidate::ArmId(_) | CiCandidate::Name(_)) => Ok(Hits::new()),
        }
    }

    fn default_item(&self) -> Option<&str> {
        self.desk.assets.default.as_ref().map(query::Id::as_str)
    }
}

impl RequestTracker {
    /// Tries the search with a value that no asset has, and says if it is of no use here.
    pub(super) async fn check_assets(&self, nobody: &str) {
        for (way, candidate) in [
            (Way::ArmId, CiCandidate::ArmId(nobody.to_owned())),
            (Way::Name, CiCandidate::Name(nobody.to_owned())),
        ] {
            match self.look_up(way, &candidate).await {
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "cannot look assets up: change `ci`, or grant ShowAsset: {error}")
                }
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

fn hits(assets: &[Record]) -> Hits {
    assets.iter().map(|asset| (asset.id(), asset.name.clone())).collect()
}
