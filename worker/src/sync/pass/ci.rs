//! The configuration item of the ticket of a pass: found when it is made, or later.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Progress, Stop};
use crate::connector::ConnectorError;
use crate::policy::view::AlertView;
use crate::store::claims::Ci;
use crate::sync::plan::Binding;

impl Progress<'_> {
    /// The configuration item for a new ticket; one that was found in an earlier pass is kept.
    pub(super) async fn bind(&mut self, alert: &AlertView) -> Result<Option<String>, Stop> {
        if self.claim.ci.as_ref().and_then(Ci::id).is_none() {
            self.claim.ci = Some(self.ask_for_ci(alert).await?);
        }
        Ok(self.claim.ci.as_ref().and_then(Ci::id).map(ToOwned::to_owned))
    }

    /// Asks again for the configuration item that was missing when the ticket was made.
    pub(super) async fn find_ci_again(&mut self) -> Result<(), Stop> {
        let source = &self.claim.source;
        let alert = self.view(source.fired.as_ref().or(source.resolved.as_ref()));
        let ci = self.ask_for_ci(&alert).await?;
        match &ci {
            Ci::Bound { .. } => (self.found, self.binding) = (Some(ci), Binding::Found),
            Ci::Missing(_) | Ci::Refused { .. } => {
                (self.claim.ci, self.binding) = (Some(ci), Binding::NotDue);
            }
        }
        Ok(())
    }

    /// The id of the one that was found and is not written yet.
    pub(super) fn found_ci(&self) -> Option<String> {
        self.found.as_ref().and_then(Ci::id).map(ToOwned::to_owned)
    }

    /// Notes that what was found is written.
    pub(super) fn bound(&mut self) {
        if let Some(ci) = self.found.take() {
            (self.claim.ci, self.binding) = (Some(ci), Binding::NotDue);
        }
    }

    /// Goes on without what was found, or was to be written on a new work item.
    pub(super) fn blame_ci(&mut self, refusal: &str) {
        self.binding = Binding::NotDue;
        let known = self.claim.ci.take();
        self.claim.ci = match self.found.take().or_else(|| known.clone()) {
            Some(Ci::Bound { id, name }) => {
                tracing::warn!(
                    ticket_id = %self.claim.ticket_id,
                    "{name} ({id}) was not bound, perhaps it is what the ITSM refuses: {refusal}"
                );
                let reason = format!("{name} ({id}) was not taken: {refusal}");
                self.before_blame.clone_from(&known);
                Some(Ci::Refused { id, name, reason })
            }
            Some(Ci::Missing(_) | Ci::Refused { .. }) | None => known,
        };
    }

    /// What is refused without the configuration item, too, was not refused because of it: it is tried again.
    pub(super) fn acquit_ci(&mut self, stop: &Stop) {
        if let (Stop::Failed(ConnectorError::Rejected(_)), Some(known)) = (stop, self.before_blame.take()) {
            self.claim.ci = Some(known);
        }
    }

    async fn ask_for_ci(&mut self, alert: &AlertView) -> Result<Ci, Stop> {
        let pass = self.pass;
        let started = (Timestamp::now(), Instant::now());
        self.check_lease()?;
        // Many resources are in a storm, and none of them is the one.
        let candidates = if self.claim.storm.is_some() { &[] } else { alert.ci_candidates.as_slice() };
        let finding = pass.ci.find(&pass.target, candidates).await.map_err(|error| {
            self.note_call("find_ci", started, Some(&error));
            Stop::Failed(error)
        })?;
        if finding.asked {
            self.note_call("find_ci", started, None);
        }
        pass.metrics.ci(&pass.name, finding.result);
        Ok(match (&self.claim.ci, finding.ci) {
            // As long as the CMDB names no other one, it would be refused again.
            (Some(refused @ Ci::Refused { id, .. }), Ci::Bound { id: named, .. }) if *id == named => {
                refused.clone()
            }
            (_, ci) => ci,
        })
    }
}
