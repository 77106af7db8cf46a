//! One pass over one claimed ticket: step by step until it is as wanted, or something stands in the way.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::ci::CiFinder;
use super::doubles::{Found, Sought, sort_out};
use super::plan::{self, Binding, Deed, DoubleCheck, Known, Seen, Settlement, Situation, Step};
use super::recorder::{Done, Ending};
use crate::clock::{BootInstant, Lease};
use crate::config::{CALLS_PER_LEASE, SyncSettings, Target};
use crate::connector::{ConnectorError, WorkItem, WorkItemState};
use crate::failure_point::FailurePoint;
use crate::metrics::SyncMetrics;
use crate::policy::people::People;
use crate::policy::{AlreadyResolved, Policies, Route};
use crate::reconcile::ticket::Wants;
use crate::store::claims::{Ci, Claim, Item};
use crate::store::detail;
use crate::store::outcomes::Attempt;

mod ci;
mod texts;
mod writing;

use writing::Writing;

/// What passes over the tickets of one target have in common.
pub struct Pass {
    name: String,
    target: Target,
    policies: Policies,
    lease_length: Duration,
    metrics: SyncMetrics,
    worker: String,
    ci: CiFinder,
}

/// One pass under way.
struct Progress<'a> {
    pass: &'a Pass,
    route: Arc<Route>,
    claim: Claim,
    lease: Lease,
    seen: Seen,
    create_unsure: bool,
    create_sent: bool,
    check: DoubleCheck,
    doubles: Vec<WorkItem>,
    people: People,
    /// A window holds the ticket until then, if it is not made yet.
    held_until: Option<Timestamp>,
    /// The code with which the work item was ended when it was seen last.
    resolution: Option<String>,
    binding: Binding,
    /// The configuration item that was missing, until it is written.
    found: Option<Ci>,
    /// What was known before a refusal was put down to the configuration item, in this pass.
    before_blame: Option<Ci>,
    /// Something is wanted of the work item, so a failure is more than a look that was not possible.
    owes: bool,
    attempts: Vec<Attempt>,
}

/// Why a pass stopped before the ticket was as wanted.
enum Stop {
    Failed(ConnectorError),
    /// What is left of the lease does not cover another call.
    OutOfTime,
}

impl Pass {
    #[must_use]
    pub fn new(
        name: String,
        target: Target,
        policies: Policies,
        settings: &SyncSettings,
        metrics: SyncMetrics,
        worker: String,
    ) -> Self {
        let ci = CiFinder::new(&settings.ci_cache);
        Self { name, target, policies, lease_length: settings.lease, metrics, worker, ci }
    }

    /// Brings one ticket as far as it gets.
    /// `claimed_at` is from before the claim was committed.
    pub async fn run(&self, claim: Claim, claimed_at: BootInstant) -> Done {
        // The same rules for all of the pass, also if they change meanwhile.
        let policy = Arc::clone(&self.policies.borrow());
        let route = Arc::clone(policy.route(&claim.route));
        let mut progress = Progress {
            pass: self,
            people: route.people,
            held_until: None,
            route,
            lease: Lease::since(claimed_at, self.lease_length),
            seen: Seen::Nothing,
            create_unsure: claim.create_attempted,
            create_sent: false,
            check: if claim.double_check_due { DoubleCheck::Due } else { DoubleCheck::NotDue },
            doubles: Vec::new(),
            resolution: None,
            binding: match (&claim.item, &claim.ci) {
                (Some(_), Some(Ci::Missing(_) | Ci::Refused { .. })) => Binding::Due,
                (Some(_), Some(Ci::Bound { .. }) | None) | (None, _) => Binding::NotDue,
            },
            found: None,
            before_blame: None,
            owes: false,
            attempts: Vec::new(),
            claim,
        };
        let source = &progress.claim.source;
        let alert = progress.view(source.fired.as_ref().or(source.resolved.as_ref()));
        if !source.another_may_resolve {
            progress.people =
                if source.firing { progress.people.towards(&alert) } else { People::LEFT_ALONE };
        }
        // What follows a ticket that people have ended is no news, and does not wait. What several alerts share waits as
        // long as was known when they came: a window of one of them holds nothing of the others.
        let claim = &progress.claim;
        if claim.item.is_none() && claim.brought_back == 0 && claim.source.alerts == 1 {
            progress.held_until = policy.hold(Timestamp::now(), &alert).map(|hold| hold.until);
        }
        let ending = progress.finish().await;
        Done {
            target: self.name.clone(),
            create_unsure: progress.create_unsure,
            create_sent: progress.create_sent,
            double_checked: progress.claim.double_check_due && progress.check == DoubleCheck::NotDue,
            claim: progress.claim,
            attempts: progress.attempts,
            ending,
        }
    }
}

impl Progress<'_> {
    async fn finish(&mut self) -> Ending {
        self.owes = !matches!(plan::next(&Situation { look_due: false, ..self.situation() }), Step::Done(_));
        for _ in 0..CALLS_PER_LEASE {
            let step = plan::next(&self.situation());
            if let Step::Done(settlement) = step {
                return self.settled(settlement);
            }
            match self.take(step).await {
                Ok(()) => {}
                Err(Stop::Failed(error)) if self.owes || matches!(error, ConnectorError::Ambiguous(_)) => {
                    return Ending::Failed(error);
                }
                Err(Stop::Failed(error)) => return Ending::NotLooked(error),
                Err(Stop::OutOfTime) => return Ending::OutOfTime,
            }
        }
        tracing::error!(ticket_id = %self.claim.ticket_id, "a pass did not end: please report this");
        Ending::OutOfTime
    }

    fn situation(&self) -> Situation {
        Situation {
            wants: self.claim.wants,
            fired_at: self.claim.fired_at,
            ended: self.claim.ended,
            known: self.claim.item.as_ref().map(|item| Known {
                state: item.state,
                told_through: item.told_through,
                joined: self.claim.storm.as_ref().is_some_and(|storm| storm.alerts > storm.told),
                left_alone: self.claim.left_alone,
                brought_back: self.claim.brought_back,
            }),
            create_attempted: self.create_unsure,
            write_unsure: self.claim.write_unsure,
            look_due: self.claim.look_due,
            people: self.people.after(self.resolution.as_deref(), &self.route.wont_fix),
            check: self.check,
            binding: self.binding,
            held_until: self.held_until,
            when_resolved: self.route.when_resolved,
            record_resolved: self.route.already_resolved == AlreadyResolved::Record,
            seen: self.seen,
        }
    }

    fn settled(&mut self, settlement: Settlement) -> Ending {
        self.claim.left_alone = matches!(settlement, Settlement::Left(_));
        let Some(item) = &mut self.claim.item else {
            self.create_unsure = false;
            return Ending::Settled(settlement);
        };
        match (settlement, self.seen, self.claim.wants) {
            // What another ticket has taken the place of is never written to again, also if it is only resolved.
            (Settlement::Closed | Settlement::Replace(_) | Settlement::Left(Deed::Closed), _, _) => {
                item.state = WorkItemState::Closed;
            }
            // What a person resolved while the alert fires stays open in the ledger: it is not our resolution.
            (Settlement::Left(Deed::Resolved), _, _) => item.state = WorkItemState::Open,
            // What is handed over is over for the ledger, whatever people make of it.
            (Settlement::HandedOver, _, _) => item.state = WorkItemState::Resolved,
            (Settlement::InSync | Settlement::NotNeeded | Settlement::Held(_), Seen::Item(state), _) => {
                item.state = state
            }
            (
                Settlement::InSync | Settlement::NotNeeded | Settlement::Held(_),
                Seen::Nothing | Seen::Gone | Seen::Absent,
                Wants::Open | Wants::Resolved,
            ) => {}
        }
        Ending::Settled(settlement)
    }

    async fn take(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::LookUp => {
                let connector = Arc::clone(&self.pass.target.connector);
                let correlation_id = self.claim.correlation_id.clone();
                let found = self.call("look_up", connector.find(&correlation_id)).await?;
                self.create_unsure = false;
                self.sort_out(found);
            }
            Step::Create => self.create().await?,
            Step::Read => self.read().await?,
            Step::FindCi => self.find_ci_again().await?,
            Step::Bind => self.write(Writing::Ci).await?,
            Step::Note => self.write(Writing::Note).await?,
            Step::Resolve => self.write(Writing::Resolution).await?,
            Step::TellResolved => self.write(Writing::ResolutionNote).await?,
            Step::Reopen => self.write(Writing::Reopening).await?,
            Step::BringBack => self.write(Writing::Insistence).await?,
            Step::CloseDouble => self.close_double().await?,
            Step::Done(_) => {}
        }
        Ok(())
    }

    fn sort_out(&mut self, found: Vec<WorkItem>) {
        self.check = DoubleCheck::NotDue;
        let sought = match &self.claim.item {
            Some(item) if self.seen != Seen::Gone && self.claim.ended => Sought::Ended(&item.id),
            Some(item) if self.seen != Seen::Gone => Sought::Item(&item.id),
            Some(_) | None => Sought::Unknown,
        };
        match sort_out(found, sought) {
            // A ticket whose place another has taken is given no other work item.
            _ if self.claim.ended && self.seen == Seen::Gone => self.seen = Seen::Absent,
            Found::Nothing => self.seen = Seen::Absent,
            Found::Unclear => {}
            Found::Items { keep, doubles } => {
                if !doubles.is_empty() {
                    self.check = DoubleCheck::Found;
                    self.doubles = doubles;
                }
                self.adopt(keep, self.claim.create_fired_at.unwrap_or(self.claim.fired_at));
            }
        }
    }

    /// Closes a work item that is one too many. One that the ITSM does not let us close is left to people: the ticket
    /// itself must go on.
    async fn close_double(&mut self) -> Result<(), Stop> {
        if let (Some(double), Some(item)) = (self.doubles.first().cloned(), self.claim.item.clone()) {
            let original = WorkItem { id: item.id, number: item.number, state: item.state, resolution: None };
            let connector = Arc::clone(&self.pass.target.connector);
            let (one, other) = (&double.number, &original.number);
            match self.call("close_double", connector.close_double(&double.id, &original)).await {
                Ok(()) => {
                    self.pass.metrics.double(&self.pass.name);
                    tracing::warn!(
                        ticket_id = %self.claim.ticket_id,
                        "{one} was made for the same alerts as {other} and is closed as its duplicate"
                    );
                }
                Err(Stop::Failed(error @ (ConnectorError::Rejected(_) | ConnectorError::Gone(_)))) => {
                    tracing::error!(
                        ticket_id = %self.claim.ticket_id, %error,
                        "{one} was made for the same alerts as {other}: close it by hand: {error}"
                    );
                }
                Err(stop) => return Err(stop),
            }
            self.doubles.remove(0);
        }
        if self.doubles.is_empty() {
            self.check = DoubleCheck::NotDue;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Stop> {
        let (id, connector) = (self.item_id(), Arc::clone(&self.pass.target.connector));
        match self.call("read", connector.read(&id)).await {
            Ok(item) => (self.seen, self.resolution) = (Seen::Item(item.state), item.resolution),
            Err(Stop::Failed(ConnectorError::Gone(_))) => self.seen = Seen::Gone,
            Err(stop) => return Err(stop),
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<(), Stop> {
        // Nothing was sent under this lease yet, and a search has ruled out earlier ones.
        self.create_unsure = false;
        let alert = self.view(self.claim.source.fired.as_ref().or(self.claim.source.resolved.as_ref()));
        let ci = self.bind(&alert).await?;
        let mut draft = self.draft(&alert, ci);
        let connector = Arc::clone(&self.pass.target.connector);
        let mut created = self.call("create", connector.create(&draft)).await;
        // What is refused was not made. Perhaps it is the configuration item that is refused: it holds nothing up.
        if let Err(Stop::Failed(ConnectorError::Rejected(reason))) = &created
            && draft.ci.take().is_some()
        {
            self.blame_ci(reason);
            created = self.call("create", connector.create(&draft)).await;
        }
        match created {
            Ok(item) => {
                self.create_sent = true;
                self.tell_of_all();
                self.adopt(item, self.claim.fired_at);
                Ok(())
            }
            Err(stop) => {
                self.create_unsure = matches!(stop, Stop::Failed(ConnectorError::Ambiguous(_)));
                self.create_sent = self.create_unsure;
                self.acquit_ci(&stop);
                Err(stop)
            }
        }
    }

    /// Notes that all alerts of a storm are told of.
    fn tell_of_all(&mut self) {
        if let Some(storm) = &mut self.claim.storm {
            storm.told = storm.alerts;
        }
    }

    fn item_id(&self) -> String {
        self.claim.item.as_ref().map(|item| item.id.clone()).unwrap_or_default()
    }

    /// Takes the work item for the ticket's own. If it was made for the ticket, it says what had fired by then.
    fn adopt(&mut self, item: WorkItem, made_for: Timestamp) {
        (self.seen, self.resolution) = (Seen::Item(item.state), item.resolution);
        let known = self.claim.item.take();
        // What was noted on another one stands there, not here.
        let told_through = match &known {
            Some(known) if known.id != item.id => Timestamp::UNIX_EPOCH,
            Some(known) => known.told_through,
            None => made_for,
        };
        self.claim.item = Some(Item {
            id: item.id,
            number: item.number,
            // Whoever found it otherwise than we make it, a person made it so.
            state: known.map_or(WorkItemState::Open, |known| known.state),
            told_through,
        });
    }

    /// A call is made only while the lease covers the longest it can take.
    fn check_lease(&self) -> Result<(), Stop> {
        let covered = self.lease.covers(self.pass.target.request_deadline, BootInstant::now());
        if covered { Ok(()) } else { Err(Stop::OutOfTime) }
    }

    async fn call<T>(
        &mut self,
        action: &'static str,
        call: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, Stop> {
        FailurePoint::BeforeCall.reach();
        self.check_lease()?;
        let started = (Timestamp::now(), Instant::now());
        let outcome = call.await;
        FailurePoint::AfterCall.reach();
        self.note_call(action, started, outcome.as_ref().err());
        outcome.map_err(Stop::Failed)
    }

    fn note_call(
        &mut self,
        action: &'static str,
        started: (Timestamp, Instant),
        error: Option<&ConnectorError>,
    ) {
        let (pass, took) = (self.pass, started.1.elapsed());
        let outcome = error.map_or("ok", ConnectorError::name);
        pass.metrics.call(&pass.name, action, outcome, took);
        self.attempts.push(Attempt {
            ticket_id: self.claim.ticket_id,
            lease_number: self.claim.lease_number,
            worker: pass.worker.clone(),
            started_at: started.0,
            duration_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            action,
            outcome,
            detail: error.map(|error| detail(&error.to_string())),
        });
    }
}
