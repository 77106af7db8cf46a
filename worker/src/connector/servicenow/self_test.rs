//! What is tried before the first ticket: every question is asked with a value that no record has.

use uuid::Uuid;

use super::super::{ConnectorError, Finding, Verdict};
use super::query::{Identifier, Query, QueryValue};
use super::record::Row;
use super::{ServiceNow, correlation_id};

const CHOICES: Identifier = Identifier::known("sys_choice");
/// Stock lists of resolution codes have ten entries.
const MAX_CHOICES: u8 = 200;

impl ServiceNow {
    pub(super) async fn self_test(&self) -> Result<Vec<Finding>, ConnectorError> {
        let nobody = correlation_id(&format!("self-test:{}", Uuid::now_v7()))?;
        // Any ticket that is found has another correlation id, and that is a refusal.
        let search = self.tickets(&nobody).await;
        let mut findings = vec![Finding::of("search by correlation id", search, Verdict::Unusable)?];
        findings.extend(self.check_close_codes().await?);
        Ok(findings)
    }

    /// A list that may not be read, or that has no entries, is no obstacle.
    async fn check_close_codes(&self) -> Result<Vec<Finding>, ConnectorError> {
        let table = self.instance.table.as_str();
        let Some(name) = QueryValue::new(table) else { return Ok(Vec::new()) };
        let query = Query::default()
            .any(&[Identifier::known("name")], &[name])
            .and("element=close_code^inactive=false");
        let listed = self.search(&CHOICES, &query, &["name", "element", "value"], MAX_CHOICES).await;
        let Ok(rows) = listed else {
            let unread = |reason| {
                Verdict::Limited(format!(
                    "let the user read sys_choice, or check close_code by hand: {reason}"
                ))
            };
            return Ok(vec![Finding::of("resolution codes", listed, unread)?]);
        };
        let of_this_list = |row: &&Row| row.text("name") == table && row.text("element") == "close_code";
        let mut allowed: Vec<&str> = rows.iter().filter(of_this_list).map(|row| row.text("value")).collect();
        allowed.sort_unstable();
        allowed.dedup();
        let check = |key: &str, code: &str, unknown: fn(String) -> Verdict| {
            let verdict = if allowed.is_empty() || allowed.contains(&code) {
                Verdict::Fine
            } else {
                let allowed = allowed.join(", ");
                unknown(format!("{key} {code:?} is not one of this instance's, set it to one of: {allowed}"))
            };
            Finding { subject: key.to_owned(), verdict }
        };
        Ok(vec![
            check("close_code", &self.instance.close_code, Verdict::Unusable),
            check("duplicate_close_code", &self.instance.duplicate_close_code, Verdict::Limited),
        ])
    }
}
