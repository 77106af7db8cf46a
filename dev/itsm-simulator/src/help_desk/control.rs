//! A help desk under the control plane.

use actix_web::web::ServiceConfig;
use serde_json::{Value, json};

use super::desk::Refusal;
use super::settings::Switches;
use super::ticket::{CiSeed, PersonalChange, Ticket};
use super::{HelpDesk, http};
use crate::product::{ControlError, Product, TicketQuery, ticket_id};

impl Product for HelpDesk {
    fn name(&self) -> &'static str {
        self.state().dialect.name
    }

    fn routes(&self, app: &mut ServiceConfig) {
        let dialect = self.state().dialect;
        http::routes(self, dialect, app);
    }

    fn settings(&self) -> Result<Value, ControlError> {
        Ok(serde_json::to_value(self.switches())?)
    }

    fn configure(&self, settings: Value) -> Result<(), ControlError> {
        let switches: Switches = serde_json::from_value(settings)?;
        Self::configure(self, switches);
        Ok(())
    }

    fn seed_cis(&self, seeds: Value) -> Result<Value, ControlError> {
        let seeds: Vec<CiSeed> = serde_json::from_value(seeds)?;
        let ids: Result<Vec<u64>, Refusal> = seeds.into_iter().map(|seed| self.seed_ci(seed)).collect();
        Ok(json!({ "ids": ids.map_err(ControlError::refused)? }))
    }

    /// A ticket's number is its id, and its correlation id the value of the first custom field.
    fn tickets(&self, wanted: &TicketQuery) -> Result<Value, ControlError> {
        let found: Vec<Ticket> = match (&wanted.number, &wanted.correlation_id) {
            (Some(number), _) => Vec::from_iter(self.ticket(ticket_id(number)?)),
            (None, Some(key)) => self.tickets_of(key),
            (None, None) => Self::tickets(self),
        };
        Ok(wanted.page(&found, Ticket::clone))
    }

    fn change_ticket(&self, id: &str, change: Value) -> Result<Value, ControlError> {
        let change: PersonalChange = serde_json::from_value(change)?;
        let ticket = self.change_as_person(ticket_id(id)?, change).map_err(ControlError::refused)?;
        Ok(serde_json::to_value(ticket)?)
    }

    fn revoke_tokens(&self) {
        Self::revoke_tokens(self);
    }

    fn summary(&self) -> Result<Value, ControlError> {
        Ok(serde_json::to_value(Self::summary(self))?)
    }
}
