//! The next step for a ticket (pure): what is wanted, against what the ledger and the ITSM say there is.
//!
//! Steps are taken one at a time, each with what the one before it found out, so a crash between any two of
//! them is repaired by planning again.

use jiff::Timestamp;

use crate::connector::WorkItemState;
use crate::policy::WhenResolved;
use crate::policy::people::{AfterClose, AfterResolve, People};
use crate::reconcile::ticket::Wants;

/// How often the ticket of one firing is reopened, or gets a successor, against what people decided. Then their decision
/// stands: a rule of theirs may resolve whatever we reopen.
pub const MOST_RETURNS: u32 = 3;

/// A ticket as the plan sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    pub wants: Wants,
    /// The newest firing.
    pub fired_at: Timestamp,
    /// Another ticket has taken its place.
    pub ended: bool,
    /// What the ledger has of the work item, if there is one.
    pub known: Option<Known>,
    /// A create may have been sent before, and nobody knows what became of it.
    pub create_attempted: bool,
    /// A write may have been sent before, and nobody knows what became of it: what is known proves nothing.
    pub write_unsure: bool,
    /// It is time to see what people did to an open work item.
    pub look_due: bool,
    /// The route wants a ticket for the record even if the alert is resolved by now.
    pub record_resolved: bool,
    /// A maintenance window holds new tickets of the alert until then.
    pub held_until: Option<Timestamp>,
    pub when_resolved: WhenResolved,
    pub people: People,
    pub check: DoubleCheck,
    pub binding: Binding,
    /// What the ITSM said in this pass.
    pub seen: Seen,
}

/// Whether there may be a second work item with the same correlation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleCheck {
    /// There is no reason to look, or it was done.
    NotDue,
    /// A search is due.
    Due,
    /// A search has found one that is open.
    Found,
}

/// Whether a work item that was made without a configuration item can be given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// It has one, or the CMDB was asked in this pass and has none.
    NotDue,
    /// The CMDB has not been asked in this pass.
    Due,
    /// The CMDB has one by now. It goes along with whatever else is written.
    Found,
}

/// What the ledger has of a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// As we left it; what a person did to it since is not in here, unless it was closed. What was handed over to people
    /// when its alerts were resolved counts as resolved.
    pub state: WorkItemState,
    /// Firings up to here are written on it.
    pub told_through: Timestamp,
    /// More alerts of a storm have joined than are written on it.
    pub joined: bool,
    /// People ended it while its alert fired, and it was left so.
    pub left_alone: bool,
    /// How often the ticket of this firing was brought back after people had ended it.
    pub brought_back: u32,
}

/// What the ITSM said in this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    Item(WorkItemState),
    /// The id that we have leads nowhere.
    Gone,
    /// A search for the correlation id found nothing.
    Absent,
}

#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    LookUp,
    Create,
    Read,
    /// Ask the CMDB for the configuration item that was missing.
    FindCi,
    /// Write nothing but the configuration item.
    Bind,
    Note,
    Resolve,
    /// Write that its alerts are resolved, and leave its state to people.
    TellResolved,
    Reopen,
    /// Reopen what people resolved although the alert fires.
    BringBack,
    /// Close a second work item.
    CloseDouble,
    Done(Settlement),
}

/// Why nothing is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    InSync,
    /// Resolved before there was a work item.
    NotNeeded,
    /// It is not made before the end of a maintenance window.
    Held(Timestamp),
    /// The ITSM has closed or removed it, and nothing is firing that it stands for.
    Closed,
    /// Its alerts are resolved, and the route has people end it.
    HandedOver,
    /// People have ended it while its alert fires, and so it stays until the alert fires anew.
    Left(Deed),
    /// It is ended while its alert fires: another ticket takes its place.
    Replace(Deed),
}

impl Settlement {
    /// Its name in metrics and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::NotNeeded => "not_needed",
            Self::Held(_) => "held",
            Self::Closed => "closed",
            Self::HandedOver => "handed_over",
            Self::Left(_) => "left",
            Self::Replace(_) => "replaced",
        }
    }
}

/// How people, or the ITSM itself, have ended a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Closed, cancelled, merged or deleted: it is never written to again.
    Closed,
    Resolved,
}

/// The next step.
pub fn next(situation: &Situation) -> Step {
    match (situation.check, situation.known) {
        (DoubleCheck::Due, _) => Step::LookUp,
        (DoubleCheck::Found, _) => Step::CloseDouble,
        (DoubleCheck::NotDue, None) => without_item(situation),
        (DoubleCheck::NotDue, Some(known)) => with_item(situation, known),
    }
}

fn without_item(situation: &Situation) -> Step {
    let unsure = situation.create_attempted && situation.seen != Seen::Absent;
    match situation.wants {
        _ if unsure => Step::LookUp,
        Wants::Resolved if !situation.record_resolved => Step::Done(Settlement::NotNeeded),
        Wants::Open | Wants::Resolved => match situation.held_until {
            Some(until) => Step::Done(Settlement::Held(until)),
            None => Step::Create,
        },
    }
}

fn with_item(situation: &Situation, known: Known) -> Step {
    match (situation.seen, situation.wants) {
        // What fires is the matter of the ticket that has taken its place.
        (_, Wants::Open) if situation.ended => Step::Done(Settlement::Closed),
        (Seen::Nothing, wants) => unseen(situation, known, wants),
        (Seen::Gone, _) => Step::LookUp,
        (Seen::Absent | Seen::Item(WorkItemState::Closed), Wants::Open) => {
            ended_by_people(situation, known, Deed::Closed)
        }
        (Seen::Absent | Seen::Item(WorkItemState::Closed), Wants::Resolved) => Step::Done(Settlement::Closed),
        (Seen::Item(WorkItemState::Open), Wants::Resolved) => over(situation, known),
        (Seen::Item(WorkItemState::Resolved), Wants::Resolved) => Step::Done(Settlement::InSync),
        (Seen::Item(WorkItemState::Open), Wants::Open) if news(situation, known) => {
            with_ci(situation, Step::Note)
        }
        (Seen::Item(WorkItemState::Open), Wants::Open) => match situation.binding {
            Binding::NotDue => Step::Done(Settlement::InSync),
            Binding::Due => Step::FindCi,
            Binding::Found => Step::Bind,
        },
        (Seen::Item(WorkItemState::Resolved), Wants::Open) => {
            ended_by_people(situation, known, Deed::Resolved)
        }
    }
}

/// Before anything is read: what the ledger knows is enough if nothing has happened since.
fn unseen(situation: &Situation, known: Known, wants: Wants) -> Step {
    let is_left = wants == Wants::Resolved && situation.when_resolved == WhenResolved::Leave;
    if !is_left && (situation.write_unsure || news(situation, known)) {
        return Step::Read;
    }
    match (known.state, wants) {
        (WorkItemState::Closed, Wants::Resolved) => Step::Done(Settlement::InSync),
        (WorkItemState::Open, Wants::Resolved) if is_left => Step::Done(Settlement::HandedOver),
        (WorkItemState::Resolved, Wants::Resolved) => Step::Done(match situation.when_resolved {
            WhenResolved::Resolve => Settlement::InSync,
            WhenResolved::Note | WhenResolved::Leave => Settlement::HandedOver,
        }),
        (WorkItemState::Open, Wants::Open) if situation.look_due => Step::Read,
        (WorkItemState::Open, Wants::Open) if known.left_alone => {
            Step::Done(Settlement::Left(Deed::Resolved))
        }
        (WorkItemState::Open, Wants::Open) => Step::Done(Settlement::InSync),
        (WorkItemState::Closed, Wants::Open) if known.left_alone => {
            Step::Done(Settlement::Left(Deed::Closed))
        }
        (WorkItemState::Open, Wants::Resolved)
        | (WorkItemState::Resolved | WorkItemState::Closed, Wants::Open) => Step::Read,
    }
}

/// The alerts are resolved, and the work item is open. It is told once, unless the answer to that was lost.
fn over(situation: &Situation, known: Known) -> Step {
    let is_told =
        known.state == WorkItemState::Resolved && !situation.write_unsure && !news(situation, known);
    match situation.when_resolved {
        WhenResolved::Resolve => with_ci(situation, Step::Resolve),
        WhenResolved::Note if !is_told => with_ci(situation, Step::TellResolved),
        WhenResolved::Note | WhenResolved::Leave => Step::Done(Settlement::HandedOver),
    }
}

/// The alert fires, and the work item is at an end. If the alert has fired anew since, or the end was our own doing, the
/// ticket goes on or is followed by another, whatever the route says: nobody has decided about this firing.
fn ended_by_people(situation: &Situation, known: Known, deed: Deed) -> Step {
    let undecided = news(situation, known) || (known.state != WorkItemState::Open && !known.left_alone);
    match deed {
        Deed::Closed if undecided => Step::Done(Settlement::Replace(deed)),
        Deed::Resolved if undecided => with_ci(situation, Step::Reopen),
        // Some products close what has been resolved for a while: that decides nothing new.
        Deed::Closed if known.left_alone => Step::Done(Settlement::Left(deed)),
        Deed::Closed | Deed::Resolved if known.brought_back >= MOST_RETURNS => {
            Step::Done(Settlement::Left(deed))
        }
        Deed::Closed => match situation.people.closed {
            AfterClose::Leave => Step::Done(Settlement::Left(deed)),
            AfterClose::New => Step::Done(Settlement::Replace(deed)),
        },
        Deed::Resolved => match situation.people.resolved {
            AfterResolve::Leave => Step::Done(Settlement::Left(deed)),
            AfterResolve::Reopen => with_ci(situation, Step::BringBack),
            AfterResolve::New => Step::Done(Settlement::Replace(deed)),
        },
    }
}

/// A write takes the configuration item along, if there is one by now.
fn with_ci(situation: &Situation, write: Step) -> Step {
    if situation.binding == Binding::Due { Step::FindCi } else { write }
}

/// Whether an alert has fired of which the work item does not tell.
fn news(situation: &Situation, known: Known) -> bool {
    situation.fired_at > known.told_through || known.joined
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
