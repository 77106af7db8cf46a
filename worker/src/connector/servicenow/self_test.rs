//! What is tried before the first ticket: every question is asked with a value that no record has.

use reqwest::Method;
use uuid::Uuid;

use super::super::http::Purpose;
use super::super::{ConnectorError, Finding, Presets, Verdict};
use super::query::{Identifier, Query, QueryValue, record_url};
use super::record::{NEEDED, Row};
use super::{ServiceNow, correlation_id, sys_id};

const CHOICES: Identifier = Identifier::known("sys_choice");
const ITEMS: Identifier = Identifier::known("cmdb_ci");
/// Stock lists of resolution codes have ten entries.
const MAX_CHOICES: u8 = 200;

impl ServiceNow {
    pub(super) async fn self_test(&self) -> Result<Vec<Finding>, ConnectorError> {
        let unread = self.unread(NEEDED.iter().copied()).await.and_then(|unread| match &*unread {
            [] => Ok(()),
            columns => Err(ConnectorError::Rejected(format!(
                "let the user read the columns {}, and check the name of the table",
                columns.join(", ")
            ))),
        });
        let log_in = format!("log in and read {}", self.instance.table.as_str());
        let mut findings = vec![Finding::of(&log_in, unread, Verdict::Unusable)?];
        let nobody = correlation_id(&format!("self-test:{}", Uuid::now_v7()))?;
        // Any ticket that is found has another correlation id, and that is a refusal.
        let search = self.tickets(&nobody).await;
        findings.push(Finding::of("search by correlation id", search, Verdict::Unusable)?);
        findings.extend(self.check_close_codes().await?);
        Ok(findings)
    }

    pub(super) async fn test_presets(&self, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        let (mut findings, table) = (Vec::new(), self.instance.table.as_str());
        if !presets.fields.is_empty() {
            let unread = self.unread(presets.fields.iter().map(String::as_str)).await;
            let unread = unread.and_then(|unread| match &*unread {
                [] => Ok(()),
                columns => Err(ConnectorError::Rejected(format!(
                    "{table} has no columns {} that the user may read: what a route sets there is lost without a \
                     word, correct the names under `fields`",
                    columns.join(", ")
                ))),
            });
            findings.push(Finding::of("fields of the route", unread, Verdict::Limited)?);
        }
        if let Some(ci) = &presets.ci {
            let found = match sys_id(ci) {
                Ok(id) => {
                    let url = record_url(&self.instance.base_url, &ITEMS, &id, &["sys_id"]);
                    self.call::<Row>(Purpose::Read, Method::GET, url, None).await
                }
                Err(error) => Err(error),
            };
            let lost =
                |reason| Verdict::Limited(format!("set ci.default to the sys_id of an item: {reason}"));
            findings.push(Finding::of_extra("default configuration item", found, lost)?);
        }
        if !presets.wont_fix.is_empty() {
            findings.push(self.check_wont_fix(presets).await?);
        }
        Ok(findings)
    }

    /// Those of the columns that the table does not have or that may not be read. A table without a record tells
    /// nothing.
    async fn unread<'a>(
        &self,
        columns: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<&'a str>, ConnectorError> {
        let columns: Vec<&str> = columns.collect();
        let rows = self.search(&self.instance.table, &Query::default(), &columns, 1).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        Ok(columns.into_iter().filter(|column| !row.has(column)).collect())
    }

    /// The resolution codes of the instance; none if the list has no entries for this table.
    async fn close_codes(&self) -> Result<Vec<String>, ConnectorError> {
        let table = self.instance.table.as_str();
        let Some(name) = QueryValue::new(table) else { return Ok(Vec::new()) };
        let query = Query::default()
            .any(&[Identifier::known("name")], &[name])
            .and("element=close_code^inactive=false");
        let rows = self.search(&CHOICES, &query, &["name", "element", "value"], MAX_CHOICES).await?;
        let of_this_list = |row: &&Row| row.text("name") == table && row.text("element") == "close_code";
        let mut codes: Vec<String> =
            rows.iter().filter(of_this_list).map(|row| row.text("value").to_owned()).collect();
        codes.sort_unstable();
        codes.dedup();
        Ok(codes)
    }

    /// Whether the codes of people can be seen, and are codes. What is no code here may be one of another target.
    async fn check_wont_fix(&self, presets: &Presets) -> Result<Finding, ConnectorError> {
        let unread = self.unread(std::iter::once("close_code")).await?;
        let known = self.close_codes().await.unwrap_or_default();
        let is_unknown =
            |code: &&String| !known.iter().any(|known| known.to_lowercase() == code.to_lowercase());
        let unknown: Vec<&str> = presets.wont_fix.iter().filter(is_unknown).map(String::as_str).collect();
        let verdict = match () {
            () if !unread.is_empty() => {
                Verdict::Limited("it has no effect: let the user read the column close_code".to_owned())
            }
            () if !known.is_empty() && !unknown.is_empty() => Verdict::Limited(format!(
                "{} are none of this instance's codes: {}",
                unknown.join(", "),
                known.join(", ")
            )),
            () => Verdict::Fine,
        };
        Ok(Finding { subject: "route.people.wont_fix".to_owned(), verdict })
    }

    /// A list that may not be read, or that has no entries, is no obstacle.
    async fn check_close_codes(&self) -> Result<Vec<Finding>, ConnectorError> {
        let listed = self.close_codes().await;
        let Ok(allowed) = listed else {
            let unread = |reason| {
                Verdict::Limited(format!(
                    "let the user read sys_choice, or check close_code by hand: {reason}"
                ))
            };
            return Ok(vec![Finding::of("resolution codes", listed, unread)?]);
        };
        let check = |key: &str, code: &str, unknown: fn(String) -> Verdict| {
            let verdict = if allowed.is_empty() || allowed.iter().any(|allowed| allowed == code) {
                Verdict::Fine
            } else {
                let allowed = allowed.join(", ");
                unknown(format!(
                    "{code:?} is not one of this instance's codes, set {key} to one of: {allowed}"
                ))
            };
            Finding { subject: key.to_owned(), verdict }
        };
        Ok(vec![
            check("close_code", &self.instance.close_code, Verdict::Unusable),
            check("duplicate_close_code", &self.instance.duplicate_close_code, Verdict::Limited),
        ])
    }
}
