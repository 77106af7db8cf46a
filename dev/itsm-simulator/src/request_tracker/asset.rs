//! Assets, which only the control plane writes.

use serde::{Deserialize, Serialize};

/// The custom field in which an asset keeps its ARM id.
pub(super) const ARM_ID: &str = "ARM Resource Id";

/// A configuration item to put into a catalog.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CiSeed {
    /// Host or resource name.
    pub name: String,
    /// Value of the custom field `ARM Resource Id`.
    pub arm_id: String,
    /// The catalog's name.
    pub catalog: String,
    /// Such as `in-use`, or `deleted`.
    pub status: String,
}

impl Default for CiSeed {
    fn default() -> Self {
        Self {
            name: String::new(),
            arm_id: String::new(),
            catalog: "Azure CIs".to_owned(),
            status: "new".to_owned(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Asset {
    pub(super) id: u64,
    pub(super) seed: CiSeed,
}
