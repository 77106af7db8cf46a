//! What is tried before the first ticket: every search is for a value that no ticket has.

use uuid::Uuid;

use super::super::{ConnectorError, Finding, Verdict};
use super::RequestTracker;

impl RequestTracker {
    pub(super) async fn self_test(&self) -> Result<Vec<Finding>, ConnectorError> {
        let (name, visit) = (format!("queue {:?}", self.desk.queue), self.visit());
        let queue = match visit.queue().await {
            Ok(queue) => queue,
            Err(error) => {
                let unseen =
                    |reason| Verdict::Unusable(format!("make it, or grant SeeQueue on it: {reason}"));
                return Ok(vec![Finding::of::<()>(&name, Err(error), unseen)?]);
            }
        };
        let key_field = &self.desk.key_field;
        let field = if queue.takes(key_field) {
            Verdict::Fine
        } else {
            Verdict::Unusable(
                "the queue has no such field that the user sees: apply it to the queue, and grant SeeCustomField \
                 and ModifyCustomField"
                    .to_owned(),
            )
        };
        // Any ticket that is found has another key, and that is a refusal.
        let search = visit.tickets(&format!("self-test:{}", Uuid::now_v7())).await;
        Ok(vec![
            Finding { subject: name, verdict: Verdict::Fine },
            Finding { subject: format!("custom field {:?}", key_field.as_str()), verdict: field },
            Finding::of("search by correlation id", search, Verdict::Unusable)?,
        ])
    }
}
