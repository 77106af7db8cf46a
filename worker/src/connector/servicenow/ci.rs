//! Finding the configuration item that an alert is about.

use std::collections::BTreeSet;

use super::super::{CiCandidate, CiHits, CiWay, ConnectorError};
use super::ServiceNow;
use super::query::{Identifier, Query, QueryValue};
use super::record::Row;
use super::settings::LookUp;

/// Two would tell certain from uncertain; the rest is for the operator who has to tidy up.
const MAX_HITS: u8 = 5;
/// 7 is retired, 100 absent: the item may have a namesake that is alive.
const ALIVE: &str = "install_status!=7^install_status!=100";
const TAGS: Identifier = Identifier::known("cmdb_key_value");
const TAG_KEY: Identifier = Identifier::known("key");
const TAG_VALUE: Identifier = Identifier::known("value");

impl ServiceNow {
    pub(super) async fn look_up(
        &self,
        way: CiWay,
        candidate: &CiCandidate,
    ) -> Result<CiHits, ConnectorError> {
        let rules = &self.instance.ci;
        match (way, candidate) {
            (CiWay::ArmId, CiCandidate::ArmId(id)) => self.first(&rules.arm_id, id).await,
            (CiWay::Name, CiCandidate::Name(name)) => self.first(&rules.name, name).await,
            (CiWay::Tag, CiCandidate::ArmId(id)) => self.tagged(&rules.tag_key, &spellings(id)).await,
            (CiWay::ArmId | CiWay::Tag, CiCandidate::Name(_)) | (CiWay::Name, CiCandidate::ArmId(_)) => {
                Ok(CiHits::new())
            }
        }
    }

    /// What the first table that knows the value has of it.
    async fn first(&self, look_up: &LookUp, value: &str) -> Result<CiHits, ConnectorError> {
        let mut refusals = Vec::new();
        for table in &look_up.tables {
            match self.items(table, &look_up.fields, &spellings(value)).await {
                Ok(hits) if hits.is_empty() => {}
                Ok(hits) => return Ok(hits),
                // A class that this instance does not have, for one, says nothing about the next.
                Err(ConnectorError::Rejected(reason)) => refusals.push(reason),
                Err(error) => return Err(error),
            }
        }
        if refusals.is_empty() {
            Ok(CiHits::new())
        } else {
            Err(ConnectorError::Rejected(refusals.join("; ")))
        }
    }

    /// The items of a class one of whose columns has one of the values.
    async fn items(
        &self,
        table: &Identifier,
        columns: &[Identifier],
        values: &[QueryValue],
    ) -> Result<CiHits, ConnectorError> {
        if values.is_empty() {
            return Ok(CiHits::new());
        }
        let query = Query::default().any(columns, values).and(ALIVE);
        let asked: BTreeSet<&str> =
            columns.iter().map(Identifier::as_str).chain(["sys_id", "name"]).collect();
        let rows = self.search(table, &query, &asked.into_iter().collect::<Vec<_>>(), MAX_HITS).await?;
        verify(table, columns, values, &rows)?;
        Ok(rows.iter().map(|row| (row.text("sys_id").to_owned(), row.text("name").to_owned())).collect())
    }

    /// The items that carry this tag with one of the values.
    async fn tagged(&self, key: &QueryValue, values: &[QueryValue]) -> Result<CiHits, ConnectorError> {
        if values.is_empty() {
            return Ok(CiHits::new());
        }
        let query = Query::default().any(&[TAG_KEY], std::slice::from_ref(key)).any(&[TAG_VALUE], values);
        let columns = [
            "key",
            "value",
            "configuration_item",
            "configuration_item.name",
            "configuration_item.install_status",
        ];
        let rows = self.search(&TAGS, &query, &columns, MAX_HITS).await?;
        verify(&TAGS, &[TAG_KEY], std::slice::from_ref(key), &rows)?;
        verify(&TAGS, &[TAG_VALUE], values, &rows)?;
        let alive = |row: &&Row| !matches!(row.text("configuration_item.install_status"), "7" | "100");
        let hit = |row: &Row| {
            (row.text("configuration_item").to_owned(), row.text("configuration_item.name").to_owned())
        };
        Ok(rows.iter().filter(alive).map(hit).filter(|(id, _)| !id.is_empty()).collect())
    }
}

/// The value as given and in lower case, since letter case counts on some databases; nothing if it
/// cannot stand in a query.
fn spellings(value: &str) -> Vec<QueryValue> {
    let lower = value.to_lowercase();
    let as_given = QueryValue::new(value);
    let other = if lower == value { None } else { QueryValue::new(&lower) };
    as_given.into_iter().chain(other).collect()
}

/// A condition on a column that does not exist is left out without a word, and every row matches.
fn verify(
    table: &Identifier,
    columns: &[Identifier],
    values: &[QueryValue],
    rows: &[Row],
) -> Result<(), ConnectorError> {
    let wanted: Vec<String> = values.iter().map(|value| value.as_str().to_lowercase()).collect();
    let fits =
        |row: &Row| columns.iter().any(|column| wanted.contains(&row.text(column.as_str()).to_lowercase()));
    if rows.iter().all(fits) {
        return Ok(());
    }
    let columns: Vec<&str> = columns.iter().map(Identifier::as_str).collect();
    Err(ConnectorError::Rejected(format!(
        "table {} ignores a condition on {}: a column does not exist there or may not be read",
        table.as_str(),
        columns.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(value: serde_json::Value) -> Vec<Row> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_row_counts_only_if_it_has_the_value_whatever_its_case() {
        let columns = [Identifier::known("name"), Identifier::known("fqdn")];
        let wanted = spellings("Web-07");
        let check = |value| verify(&Identifier::known("cmdb_ci"), &columns, &wanted, &rows(value));
        assert_eq!(check(json!([])), Ok(()));
        assert_eq!(check(json!([{"name": "WEB-07"}, {"name": "x", "fqdn": "web-07"}])), Ok(()));
        let error = check(json!([{"name": "web-07"}, {"name": "other"}])).unwrap_err();
        assert!(error.to_string().contains("cmdb_ci ignores a condition on name, fqdn"), "{error}");
    }

    #[test]
    fn a_value_is_spelled_as_given_and_in_lower_case() {
        let texts = |value| spellings(value).iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(texts("/A/b"), ["/A/b", "/a/b"]);
        assert_eq!(texts("/a/b"), ["/a/b"]);
        assert!(texts("a^b").is_empty());
    }
}
