//! What is tried before the first ticket: every search is for a value that no ticket has.

use uuid::Uuid;

use super::super::{ConnectorError, Finding, Presets, Verdict};
use super::RequestTracker;
use super::payload::CUSTOM;
use super::query::{FieldName, Id};
use super::record::Queue;

impl RequestTracker {
    pub(super) async fn self_test(&self) -> Result<Vec<Finding>, ConnectorError> {
        let visit = self.visit();
        let (name, queue) = (format!("log in and see queue {:?}", self.desk.queue), visit.queue().await);
        let unseen = |reason| Verdict::Unusable(format!("make it, or grant SeeQueue on it: {reason}"));
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => return Ok(vec![Finding::of::<()>(&name, Err(error), unseen)?]),
        };
        let mut findings = vec![Finding { subject: name, verdict: Verdict::Fine }];
        findings.extend(self.check_queue(&queue));
        // Any ticket that is found has another key, and that is a refusal.
        let search = visit.tickets(&format!("self-test:{}", Uuid::now_v7())).await;
        findings.push(Finding::of("search by correlation id", search, Verdict::Unusable)?);
        if let Some(catalog) = &self.desk.assets.catalog {
            let seen = visit.catalog(catalog).await;
            let unseen = |reason| {
                Verdict::Limited(format!("correct ci.catalog, or grant ShowCatalog on it: {reason}"))
            };
            findings.push(Finding::of_extra(&format!("catalog {catalog:?}"), seen, unseen)?);
        }
        Ok(findings)
    }

    fn check_queue(&self, queue: &Queue) -> Vec<Finding> {
        let judged = |subject: String, holds: bool, otherwise: &str| {
            let verdict = if holds { Verdict::Fine } else { Verdict::Unusable(otherwise.to_owned()) };
            Finding { subject, verdict }
        };
        let key_field = &self.desk.key_field;
        let mut findings = vec![
            judged(
                format!("custom field {:?}", key_field.as_str()),
                queue.takes(key_field),
                "the queue has no such field that the user sees: apply it to the queue, and grant SeeCustomField \
                 and ModifyCustomField",
            ),
            judged("make tickets".to_owned(), queue.offers_creation(), "grant CreateTicket on the queue"),
        ];
        if let Some(field) = &self.desk.resolution_field {
            let unseen =
                "route.people.wont_fix has no effect: apply the field to the queue, and grant SeeCustomField";
            let verdict =
                if queue.takes(field) { Verdict::Fine } else { Verdict::Limited(unseen.to_owned()) };
            findings.push(Finding { subject: format!("custom field {:?}", field.as_str()), verdict });
        }
        findings
    }

    pub(super) async fn test_presets(&self, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        let (mut findings, visit) = (Vec::new(), self.visit());
        let custom: Vec<&str> = presets.fields.iter().filter_map(|name| name.strip_prefix(CUSTOM)).collect();
        if !custom.is_empty() {
            let lacks =
                |queue: &Queue, name: &str| !FieldName::parse(name).is_some_and(|name| queue.takes(&name));
            let known = visit.queue().await.and_then(|queue| {
                let unknown: Vec<&str> = custom.into_iter().filter(|name| lacks(&queue, name)).collect();
                if unknown.is_empty() {
                    return Ok(());
                }
                Err(ConnectorError::Rejected(format!(
                    "the queue has no custom fields {} that the user sees: what a route sets there is lost without \
                     a word, correct the names under `fields` or apply them to the queue",
                    unknown.join(", ")
                )))
            });
            findings.push(Finding::of("custom fields of the route", known, Verdict::Limited)?);
        }
        if let Some(ci) = &presets.ci {
            let found = match Id::parse(ci) {
                Ok(id) => visit.asset(&id).await,
                Err(error) => Err(error),
            };
            let lost = |reason| {
                Verdict::Limited(format!("set ci.default to the id of an asset that the user sees: {reason}"))
            };
            findings.push(Finding::of_extra("default configuration item", found, lost)?);
        }
        Ok(findings)
    }
}
