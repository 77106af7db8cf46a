//! Request Tracker as tests and the control plane see it, and what people do there.

use actix_web::web::{Data, ServiceConfig};
use jiff::Timestamp;

use super::asset::{Asset, CiSeed};
use super::desk::{Desk, WriteError, change_status, id_after};
use super::settings::Switches;
use super::ticket::{Happening, PersonalChange, Ticket};
use super::{RequestTracker, rest_api};
use crate::numbered::{Condition, Numbered, Standing};

impl Numbered for Desk {
    type Switches = Switches;
    type Seed = CiSeed;
    type Ticket = Ticket;
    type Deed = PersonalChange;
    type Refusal = WriteError;

    fn name(&self) -> &'static str {
        "request-tracker"
    }

    fn routes(product: &RequestTracker, app: &mut ServiceConfig) {
        app.app_data(Data::new(product.clone())).configure(rest_api::routes);
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
        let switches = &self.settings.switches;
        let key = switches.custom_fields.first().map_or("", |name| ticket.custom_field(name));
        let condition = match ticket.status.as_str() {
            _ if ticket.merged_into.is_some() => Condition::Merged,
            "deleted" => Condition::Deleted,
            status if switches.statuses.is_active(status) => Condition::Open,
            _ => Condition::Done,
        };
        Standing { id: ticket.id, key, status: &ticket.status, condition }
    }

    fn seed_ci(&mut self, seed: CiSeed) -> Result<u64, WriteError> {
        let switches = &self.settings.switches;
        if !switches.catalogs.contains(&seed.catalog) {
            return Err(WriteError::NoSuchCatalog(seed.catalog));
        }
        if self.assets.len() >= switches.max_cis {
            return Err(WriteError::Full { limit: switches.max_cis, setting: "max_cis" });
        }
        let id = id_after(self.assets.len());
        self.assets.push(Asset { id, seed });
        Ok(id)
    }

    fn change_as_person(
        &mut self,
        id: u64,
        deed: PersonalChange,
        now: Timestamp,
    ) -> Result<Ticket, WriteError> {
        match &deed {
            PersonalChange::Merge { into } if self.effective(*into).is_none() => {
                return Err(WriteError::NoSuchTicket(*into));
            }
            PersonalChange::Merge { into } if self.position(*into) == self.position(id) => {
                return Err(WriteError::MergedIntoItself(id));
            }
            PersonalChange::Move { queue } if !self.settings.switches.queues.contains(queue) => {
                return Err(WriteError::NoSuchQueue(queue.clone()));
            }
            PersonalChange::Resolve
            | PersonalChange::ResolveAs { .. }
            | PersonalChange::Reject
            | PersonalChange::Delete
            | PersonalChange::Reopen
            | PersonalChange::Merge { .. }
            | PersonalChange::Move { .. } => {}
        }
        let ticket = self.effective_mut(id).ok_or(WriteError::NoSuchTicket(id))?;
        match deed {
            PersonalChange::Resolve => change_status(ticket, "resolved", "root", now),
            PersonalChange::ResolveAs { field, value } => {
                ticket.custom_fields.insert(field.clone(), value.clone());
                ticket.record(now, "root", Happening::CustomField { name: field, to: value });
                change_status(ticket, "resolved", "root", now);
            }
            PersonalChange::Reject => change_status(ticket, "rejected", "root", now),
            PersonalChange::Delete => change_status(ticket, "deleted", "root", now),
            PersonalChange::Reopen => change_status(ticket, "open", "root", now),
            PersonalChange::Merge { into } => {
                ticket.merged_into = Some(into);
                ticket.record(now, "root", Happening::Merged { into });
            }
            PersonalChange::Move { queue } => {
                ticket.queue.clone_from(&queue);
                ticket.record(now, "root", Happening::Moved { to: queue });
            }
        }
        Ok(ticket.clone())
    }
}
