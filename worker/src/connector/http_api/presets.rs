//! What becomes of the fields of a route, tried without a call.

use std::collections::BTreeMap;

use super::super::{Change, ConnectorError, Draft, Finding, Presets, Verdict};
use super::HttpApi;
use super::request::{Id, Request};

impl HttpApi {
    /// Whether each field has a place. Which transition sets it is not told, so one that a single act refuses may be
    /// none of it.
    pub(super) fn test_presets(&self, presets: &Presets) -> Vec<Finding> {
        let verdicts = presets.fields.iter().map(|field| Finding {
            subject: format!("field {field:?} of the route"),
            verdict: self.verdict(field),
        });
        verdicts.collect()
    }

    fn verdict(&self, field: &str) -> Verdict {
        let outcomes = self.attempts(field);
        let acts = outcomes.len();
        let refusals: Vec<String> = outcomes
            .into_iter()
            .filter_map(|(act, outcome)| Some(format!("{act}: {}", outcome.err()?)))
            .collect();
        if refusals.is_empty() {
            Verdict::Fine
        } else if refusals.len() == acts {
            Verdict::Unusable(format!("it would park every ticket that gets it; {}", refusals.join("; ")))
        } else {
            Verdict::Limited(format!("it parks a ticket where the route sets it in {}", refusals.join("; ")))
        }
    }

    /// What each act makes of the field.
    fn attempts(&self, field: &str) -> Vec<(&'static str, Result<(), ConnectorError>)> {
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
        let mut outcomes = vec![("create", self.creation(&draft).map(drop))];
        for (act, requests) in
            [("note", &interface.note), ("resolve", &interface.resolve), ("reopen", &interface.reopen)]
        {
            // A product that cannot reopen has no requests for it.
            if !requests.is_empty() {
                outcomes.push((act, changed(requests)));
            }
        }
        outcomes
    }
}
