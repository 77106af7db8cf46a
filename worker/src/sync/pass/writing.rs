//! What a pass writes on a work item that is there, and what follows when that is refused.

use std::sync::Arc;

use super::{Progress, Stop};
use crate::connector::{ConnectorError, WorkItemState};
use crate::policy::template::{Template, Transition};
use crate::sync::plan::{Binding, Seen};

/// One kind of change to a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// Its alert has fired again.
    Note,
    Resolution,
    /// Its alerts are resolved, and people decide what that means for it.
    ResolutionNote,
    Reopening,
    /// A reopening although people have resolved it.
    Insistence,
    /// Its configuration item has been found.
    Ci,
}

impl Writing {
    pub(super) fn template(self) -> Template {
        match self {
            Self::Note => Template::Note(Transition::Update),
            Self::Resolution | Self::ResolutionNote => Template::Note(Transition::Resolve),
            Self::Reopening => Template::Note(Transition::Reopen),
            Self::Insistence => Template::StillFires,
            Self::Ci => Template::Bound,
        }
    }

    /// Whose fields are set along with it.
    pub(super) fn transition(self) -> Option<Transition> {
        match self {
            Self::Note => Some(Transition::Update),
            Self::Resolution | Self::ResolutionNote => Some(Transition::Resolve),
            Self::Reopening | Self::Insistence => Some(Transition::Reopen),
            Self::Ci => None,
        }
    }

    /// Its name in metrics and in the ledger.
    fn action(self) -> &'static str {
        match self {
            Self::Note | Self::ResolutionNote => "note",
            Self::Resolution => "resolve",
            Self::Reopening | Self::Insistence => "reopen",
            Self::Ci => "bind",
        }
    }
}

impl Progress<'_> {
    /// Writes on the work item. A refusal may mean that a person was faster: if the item is in another state by now, the
    /// plan goes on from there. It may also be the configuration item that is refused, which must hold nothing up.
    pub(super) async fn write(&mut self, writing: Writing) -> Result<(), Stop> {
        self.owes |= writing != Writing::Ci;
        let (id, before) = (self.item_id(), self.seen);
        let change = self.change(writing, self.found_ci());
        let (action, connector) = (writing.action(), Arc::clone(&self.pass.target.connector));
        let written = match writing {
            Writing::Note | Writing::ResolutionNote | Writing::Ci => {
                self.call(action, connector.note(&id, &change)).await
            }
            Writing::Resolution => self.call(action, connector.resolve(&id, &change)).await,
            Writing::Reopening | Writing::Insistence => {
                self.call(action, connector.reopen(&id, &change)).await
            }
        };
        match written {
            Ok(()) => {
                self.bound();
                match writing {
                    Writing::Insistence => {
                        self.brought_back();
                        self.told(WorkItemState::Open);
                    }
                    Writing::Note | Writing::Reopening => self.told(WorkItemState::Open),
                    Writing::Resolution => self.told(WorkItemState::Resolved),
                    Writing::ResolutionNote => {
                        self.told(WorkItemState::Resolved);
                        self.seen = Seen::Item(WorkItemState::Open);
                    }
                    Writing::Ci => {}
                }
                Ok(())
            }
            Err(Stop::Failed(error @ (ConnectorError::Rejected(_) | ConnectorError::Gone(_)))) => {
                if let Err(stop) = self.read().await {
                    // Whether it was carried out in part is not known either.
                    self.claim.write_unsure = true;
                    self.may_be_written(writing);
                    return Err(stop);
                }
                if self.seen != before {
                    // It may be open because an act of several requests was refused halfway.
                    if writing == Writing::Insistence {
                        self.brought_back();
                    }
                    return Ok(());
                }
                if let (ConnectorError::Rejected(reason), Binding::Found) = (&error, self.binding) {
                    self.blame_ci(reason);
                    return Ok(());
                }
                let stop = Stop::Failed(error);
                self.acquit_ci(&stop);
                Err(stop)
            }
            Err(stop @ Stop::Failed(ConnectorError::Ambiguous(_))) => {
                self.may_be_written(writing);
                Err(stop)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Remembers what may be our doing, lest the next pass takes it for a decision of people.
    fn may_be_written(&mut self, writing: Writing) {
        match (writing, &mut self.claim.item) {
            (Writing::Resolution, Some(item)) => {
                item.state = WorkItemState::Resolved;
                self.claim.left_alone = false;
            }
            (Writing::Insistence, _) => self.brought_back(),
            (Writing::Resolution, None)
            | (Writing::Note | Writing::ResolutionNote | Writing::Reopening | Writing::Ci, _) => {}
        }
    }

    fn brought_back(&mut self) {
        self.claim.brought_back = self.claim.brought_back.saturating_add(1);
    }

    /// Notes that everything heard up to now is written on the work item, which is in this state now.
    fn told(&mut self, state: WorkItemState) {
        self.seen = Seen::Item(state);
        self.claim.left_alone = false;
        self.tell_of_all();
        // Whatever became of an earlier write, this one came after it.
        self.claim.write_unsure = false;
        if let Some(item) = &mut self.claim.item {
            if self.claim.fired_at > item.told_through {
                self.claim.brought_back = 0;
            }
            item.state = state;
            item.told_through = self.claim.fired_at;
        }
    }
}
