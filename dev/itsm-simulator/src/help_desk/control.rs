//! A help desk as tests and the control plane see it, and what people do there.

use actix_web::web::ServiceConfig;
use jiff::Timestamp;

use super::desk::{Desk, Refusal, id_after};
use super::settings::Switches;
use super::ticket::{CiSeed, Configured, PersonalChange, Ticket};
use super::{HelpDesk, http};
use crate::numbered::{Condition, Numbered, Standing};

impl Numbered for Desk {
    type Switches = Switches;
    type Seed = CiSeed;
    type Ticket = Ticket;
    type Deed = PersonalChange;
    type Refusal = Refusal;

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

    fn standing<'t>(&self, ticket: &'t Ticket) -> Standing<'t> {
        let words = &self.dialect.words;
        let key = words.fields.first().map_or("", |name| ticket.field(name));
        let condition = match ticket {
            Ticket { merged_into: Some(_), .. } => Condition::Merged,
            Ticket { deleted: true, .. } => Condition::Deleted,
            Ticket { status, .. } if words.is_done(status) => Condition::Done,
            Ticket { .. } => Condition::Open,
        };
        Standing { id: ticket.id, key, status: &ticket.status, condition }
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
            PersonalChange::CloseAs { code } => {
                words.closed.clone_into(&mut ticket.status);
                ticket.closure_code = code;
            }
            PersonalChange::Reopen => words.in_work.clone_into(&mut ticket.status),
            PersonalChange::Delete => ticket.deleted = true,
            PersonalChange::Merge { into } => self.merge(id, into)?,
            PersonalChange::Move { group } if groups.contains(&group) => ticket.group = group,
            PersonalChange::Move { group } => return Err(Refusal::NoSuchGroup(group)),
        }
        let changed = self.tickets.iter().find(|ticket| ticket.id == id);
        changed.cloned().ok_or(Refusal::NoSuchTicket(id))
    }
}
