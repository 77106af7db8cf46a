//! What the settings want that the description may lack, found without a call.

use std::collections::BTreeMap;

use super::super::{Change, ConnectorError, Draft, Finding, Occasion, Presets, Verdict};
use super::HttpApi;
use super::interface::CIS;
use super::request::{Id, Request};

impl HttpApi {
    /// The ways in which configuration items are looked for and that are not described.
    pub(super) fn missing_ways(&self, presets: &Presets) -> Vec<Finding> {
        let missing = presets.ways.iter().filter(|way| self.interface.look_up(**way).is_none());
        let finding = missing.map(|way| Finding {
            subject: format!("strategy {:?}", way.name()),
            verdict: Verdict::Limited(format!(
                "there is no section connector.http_api.ci.{}: describe it, or take it out of the target's \
                 ci.strategies",
                way.name()
            )),
        });
        finding.collect()
    }

    /// Why a field of the route has no place in the requests of an occasion, with a configuration item or without one.
    pub(super) fn refusal(&self, occasion: Occasion, field: &str) -> Option<String> {
        let fields = BTreeMap::from([(field.to_owned(), "x".to_owned())]);
        let interface = &self.interface;
        let attempt = |ci: Option<&str>| {
            let ci = ci.map(str::to_owned);
            match occasion {
                Occasion::Create => self.try_creation(ci, fields.clone()),
                Occasion::Note => self.try_change(&interface.note, ci, &fields),
                Occasion::Resolve => self.try_change(&interface.resolve, ci, &fields),
                // What is never reopened needs no place.
                Occasion::Reopen if interface.reopen.is_empty() => Ok(()),
                Occasion::Reopen => self.try_change(&interface.reopen, ci, &fields),
            }
        };
        CIS.into_iter().find_map(|ci| match attempt(ci) {
            Err(ConnectorError::Rejected(reason)) => Some(reason),
            Ok(()) => None,
            Err(other) => Some(other.to_string()),
        })
    }

    fn try_creation(
        &self,
        ci: Option<String>,
        fields: BTreeMap<String, String>,
    ) -> Result<(), ConnectorError> {
        let draft = Draft {
            correlation_id: "self-test".to_owned(),
            summary: "x".to_owned(),
            description: "x".to_owned(),
            note: "x".to_owned(),
            impact: 1,
            urgency: 1,
            ci,
            fields,
        };
        self.creation(&draft).map(drop)
    }

    fn try_change(
        &self,
        requests: &[Request],
        ci: Option<String>,
        fields: &BTreeMap<String, String>,
    ) -> Result<(), ConnectorError> {
        let change = Change { note: "x".to_owned(), ci, ..Change::default() };
        let values = self.changed(&Id::parse("1")?, &change);
        self.calls(requests, &values, fields).map(drop)
    }
}
