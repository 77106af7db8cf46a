//! Configuration items, which only the control plane writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::instance::{Instance, WriteError};

/// Azure allows no more on one resource.
const MAX_TAGS: usize = 50;

/// A configuration item to put into the CMDB.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CiSeed {
    /// `sys_class_name`; `cmdb_ci_vm_instance` when empty.
    pub class: String,
    /// Host or resource name.
    pub name: String,
    /// The ARM id.
    pub object_id: String,
    /// Fully qualified domain name.
    pub fqdn: String,
    /// Rows of `cmdb_key_value`.
    pub tags: BTreeMap<String, String>,
    /// Any other column of the class.
    pub fields: BTreeMap<String, String>,
}

impl Instance {
    /// Adds a configuration item with its tags and returns its `sys_id`.
    pub(super) fn seed_ci(&mut self, seed: CiSeed, now: Timestamp) -> Result<String, WriteError> {
        let class = if seed.class.is_empty() { "cmdb_ci_vm_instance" } else { &seed.class };
        let known = self.database.schema.name_of(class).filter(|class| class.starts_with("cmdb_ci"));
        let Some(class) = known else { return Err(WriteError::UnknownClass { class: class.to_owned() }) };
        let limit = self.settings.switches.max_cis;
        if self.database.len("cmdb_ci") >= limit {
            return Err(WriteError::Full { table: "cmdb_ci", limit, setting: "max_cis" });
        }
        if let Some(column) =
            seed.fields.keys().find(|name| self.database.schema.column(class, name).is_none())
        {
            return Err(WriteError::UnknownColumn { class, column: column.clone() });
        }
        if seed.tags.len() > MAX_TAGS {
            return Err(WriteError::TooManyTags { name: seed.name, limit: MAX_TAGS });
        }
        let mut columns: Vec<(&str, &str)> = vec![
            ("sys_class_name", class),
            ("install_status", "1"),
            ("operational_status", "1"),
            ("name", &seed.name),
            ("object_id", &seed.object_id),
            ("fqdn", &seed.fqdn),
        ];
        columns.extend(seed.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let sys_id = self.add("cmdb_ci", &columns, now);
        for (key, value) in &seed.tags {
            let tag = [("configuration_item", sys_id.as_str()), ("key", key), ("value", value)];
            self.add("cmdb_key_value", &tag, now);
        }
        Ok(sys_id)
    }
}
