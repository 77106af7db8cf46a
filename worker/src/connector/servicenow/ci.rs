//! Finding the configuration item that an alert is about.

use std::collections::BTreeSet;

use super::super::{CiCandidate, CiHits, CiWay, ConnectorError};
use super::ServiceNow;
use super::query::{Identifier, Query, QueryValue, SysId};
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
        hits(table, "sys_id", "name", &rows)
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
        let alive = |row: &Row| !matches!(row.text("configuration_item.install_status"), "7" | "100");
        let is_full = rows.len() >= usize::from(MAX_HITS);
        // A tag may have outlived its item.
        let is_orphan =
            |row: &Row| row.has("configuration_item") && row.text("configuration_item").is_empty();
        let of_items: Vec<Row> = rows.into_iter().filter(|row| alive(row) && !is_orphan(row)).collect();
        let found = hits(&TAGS, "configuration_item", "configuration_item.name", &of_items)?;
        let more = format!("{MAX_HITS} items or more have the tag, some of them retired");
        Ok(if is_full { found.incomplete(more) } else { found })
    }
}

/// What the rows found, by the column with the id and that with the name.
fn hits(table: &Identifier, id: &str, name: &str, rows: &[Row]) -> Result<CiHits, ConnectorError> {
    let hit = |row: &Row| match SysId::parse(row.text(id)) {
        Some(_) => Ok((row.text(id).to_owned(), row.text(name).to_owned())),
        None => Err(ConnectorError::Rejected(format!(
            "table {} shows an item without its {id}: let the user read that column",
            table.as_str()
        ))),
    };
    rows.iter().map(hit).collect()
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
    fn an_item_counts_only_with_an_id_that_can_be_one() {
        let hits = |value| hits(&Identifier::known("cmdb_ci"), "sys_id", "name", &rows(value));
        assert_eq!(hits(json!([{"sys_id": "c1", "name": "x"}])).unwrap().only().unwrap().0, "c1");
        for id in
            [json!({"name": "x"}), json!({"sys_id": ""}), json!({"sys_id": null}), json!({"sys_id": [1]})]
        {
            let error = hits(json!([{"sys_id": "c1"}, id])).unwrap_err().to_string();
            assert!(error.contains("cmdb_ci shows an item without its sys_id"), "{error}");
        }
    }

    #[test]
    fn a_value_is_spelled_as_given_and_in_lower_case() {
        let texts = |value| spellings(value).iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(texts("/A/b"), ["/A/b", "/a/b"]);
        assert_eq!(texts("/a/b"), ["/a/b"]);
        assert!(texts("a^b").is_empty());
    }
}
