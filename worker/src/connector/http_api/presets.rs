//! What the settings want that the description may lack, found without a call.

use std::collections::BTreeMap;

use super::super::{Change, ConnectorError, Draft, Finding, Presets, Verdict};
use super::HttpApi;
use super::request::{Id, Request};

/// Whether a field has a place.
type Outcome = Result<(), ConnectorError>;

impl HttpApi {
    /// Whether each field has a place, and each way in which configuration items are looked for is described.
    pub(super) fn test_presets(&self, presets: &Presets) -> Vec<Finding> {
        let fields = presets.fields().into_iter().map(|field| Finding {
            verdict: self.verdict(presets, &field),
            subject: format!("field {field:?} of the route"),
        });
        let unknown = presets.ways.iter().filter(|way| self.interface.look_up(**way).is_none());
        let unknown = unknown.map(|way| Finding {
            subject: format!("strategy {:?}", way.name()),
            verdict: Verdict::Limited(format!(
                "there is no section connector.http_api.ci.{}: describe it, or take it out of the target's \
                 ci.strategies",
                way.name()
            )),
        });
        fields.chain(unknown).collect()
    }

    /// One that new work items refuse parks every ticket.
    fn verdict(&self, presets: &Presets, field: &str) -> Verdict {
        let (create, changes) = self.attempts(field);
        let refusals: Vec<String> = changes
            .into_iter()
            .filter(|_| presets.changed.contains(field))
            .filter_map(|(act, outcome)| Some(format!("{act}: {}", outcome.err()?)))
            .collect();
        match create {
            Err(error) if presets.created.contains(field) => {
                Verdict::Unusable(format!("no ticket would be made, for create: {error}"))
            }
            Ok(()) | Err(_) if refusals.is_empty() => Verdict::Fine,
            Ok(()) | Err(_) => Verdict::Limited(format!(
                "it parks a ticket where the route sets it in {}",
                refusals.join("; ")
            )),
        }
    }

    /// What each act makes of the field.
    fn attempts(&self, field: &str) -> (Outcome, Vec<(&'static str, Outcome)>) {
        let fields = BTreeMap::from([(field.to_owned(), "x".to_owned())]);
        let draft = Draft {
            correlation_id: "self-test".to_owned(),
            summary: "x".to_owned(),
            description: "x".to_owned(),
            note: "x".to_owned(),
            impact: 1,
            urgency: 1,
            ci: None,
            fields: fields.clone(),
        };
        let change = Change { note: "x".to_owned(), ..Change::default() };
        let changed = |requests: &[Request]| {
            let values = self.changed(&Id::parse("1")?, &change);
            self.calls(requests, &values, &fields).map(drop)
        };
        let interface = &self.interface;
        let create = self.creation(&draft).map(drop);
        let mut changes = Vec::new();
        for (act, requests) in
            [("note", &interface.note), ("resolve", &interface.resolve), ("reopen", &interface.reopen)]
        {
            // A product that cannot reopen has no requests for it.
            if !requests.is_empty() {
                changes.push((act, changed(requests)));
            }
        }
        (create, changes)
    }
}
