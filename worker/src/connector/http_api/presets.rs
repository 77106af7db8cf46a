//! What the settings want that the description may lack, found without a call.

use super::super::text::{folded, nameless, reserved};
use super::super::{Finding, Occasion, Presets, Verdict};
use super::HttpApi;

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

    /// Why a route may not set a field of this name on this occasion.
    pub(super) fn refusal(&self, occasion: Occasion, field: &str) -> Option<String> {
        if folded(field).is_empty() {
            return Some(nameless());
        }
        if self.own_fields.has(occasion, field) {
            return Some(reserved(field));
        }
        let requests = self.interface.requests(occasion);
        // What is never reopened needs no place. Elsewhere a field that no request takes would be lost without a word.
        let has_place = requests.is_empty() || requests.iter().any(|request| request.fields_at.is_some());
        (!has_place).then(|| {
            format!(
                "the route sets field `{field}`, for which no request has a place: give one a `fields_at`"
            )
        })
    }
}
