//! A help desk as tests and the control plane see it, and what people do there.

use actix_web::web::ServiceConfig;
use jiff::Timestamp;

use super::desk::{Desk, Refusal, id_after};
use super::settings::Switches;
use super::ticket::{CiSeed, Configured, PersonalChange, Summary, Ticket};
use super::{HelpDesk, http};
use crate::numbered::Numbered;

impl Numbered for Desk {
    type Switches = Switches;
    type Seed = CiSeed;
    type Ticket = Ticket;
    type Deed = PersonalChange;
    type Refusal = Refusal;
    type Summary = Summary;

    fn name(&self) -> &'static str {
        self.dialect.name
    }

    fn routes(product: &HelpDesk, app: &mut ServiceConfig) {
        let dialect = product.state().dialect;
        http::routes(product, dialect, app);
    }

    fn switches(&mut self) -> &mut Switches {
        &mut self.settings.switches
    }

    fn is_token_revoked(&mut self) -> &mut bool {
        &mut self.token_revoked
    }

    fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    fn names<'t>(&self, ticket: &'t Ticket) -> (u64, &'t str) {
        (ticket.id, self.key(ticket))
    }

    fn seed_ci(&mut self, seed: CiSeed) -> Result<u64, Refusal> {
        if self.dialect.words.arm_id.is_none() {
            return Err(Refusal::NoConfigurationItems(self.dialect.name));
        }
        let limit = self.settings.switches.max_cis;
        if self.cis.len() >= limit {
            return Err(Refusal::Full { limit, setting: "max_cis" });
        }
        let id = id_after(self.cis.len());
        self.cis.push(Configured { id, seed });
        Ok(id)
    }

    fn change_as_person(
        &mut self,
        id: u64,
        deed: PersonalChange,
        _now: Timestamp,
    ) -> Result<Ticket, Refusal> {
        let words = &self.dialect.words;
        let groups = self.settings.switches.groups.clone();
        let ticket = self.ticket_mut(id)?;
        match deed {
            PersonalChange::Resolve => words.resolved.clone_into(&mut ticket.status),
            PersonalChange::Close => words.closed.clone_into(&mut ticket.status),
            PersonalChange::Reopen => words.in_work.clone_into(&mut ticket.status),
            PersonalChange::Delete => ticket.deleted = true,
            PersonalChange::Merge { into } => self.merge(id, into)?,
            PersonalChange::Move { group } if groups.contains(&group) => ticket.group = group,
            PersonalChange::Move { group } => return Err(Refusal::NoSuchGroup(group)),
        }
        let changed = self.tickets.iter().find(|ticket| ticket.id == id);
        changed.cloned().ok_or(Refusal::NoSuchTicket(id))
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary { total: self.tickets.len(), ..Summary::default() };
        for ticket in self.tickets.iter().filter(|ticket| !ticket.deleted) {
            *summary.by_status.entry(ticket.status.clone()).or_default() += 1;
            let key = self.key(ticket);
            if key.is_empty() {
                continue;
            }
            summary.duplicates.entry(key.to_owned()).or_default().push(ticket.id);
            if !self.dialect.words.is_done(&ticket.status) && ticket.merged_into.is_none() {
                summary.open_duplicates.entry(key.to_owned()).or_default().push(ticket.id);
            }
        }
        summary.duplicates.retain(|_, ids| ids.len() > 1);
        summary.open_duplicates.retain(|_, ids| ids.len() > 1);
        summary
    }
}
