//! Products whose tickets are numbered: what tests and the control plane do with all of them alike.

use std::collections::BTreeMap;

use actix_web::web::ServiceConfig;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::product::{ControlError, Product, TicketQuery};
use crate::simulated::Simulated;

/// What such a product holds, and what people do there.
pub trait Numbered: Sized + Send + 'static {
    type Switches: Clone + Serialize + DeserializeOwned;
    type Seed: DeserializeOwned;
    type Ticket: Clone + Serialize;
    type Deed: DeserializeOwned;
    type Refusal: std::error::Error;

    /// As the control plane calls it.
    fn name(&self) -> &'static str;
    fn routes(product: &Simulated<Self>, app: &mut ServiceConfig);
    fn switches(&mut self) -> &mut Self::Switches;
    fn is_token_revoked(&mut self) -> &mut bool;
    /// Oldest first, merged and deleted ones included.
    fn tickets(&self) -> &[Self::Ticket];
    fn standing<'t>(&self, ticket: &'t Self::Ticket) -> Standing<'t>;
    fn seed_ci(&mut self, seed: Self::Seed) -> Result<u64, Self::Refusal>;
    fn change_as_person(
        &mut self,
        id: u64,
        deed: Self::Deed,
        now: Timestamp,
    ) -> Result<Self::Ticket, Self::Refusal>;
}

/// What a ticket is told from others by, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'t> {
    /// Its own id.
    pub id: u64,
    /// Its value of the first custom field.
    pub key: &'t str,
    /// The product's name for its status.
    pub status: &'t str,
    /// What that comes to.
    pub condition: Condition,
}

/// Where a ticket stands, whatever its product calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    Open,
    Done,
    Merged,
    Deleted,
}

/// Tickets counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Merged and deleted ones included.
    pub total: usize,
    /// Merged into others, and in none of the figures below.
    pub merged: usize,
    /// By status.
    pub by_status: BTreeMap<String, usize>,
    /// Values of the first custom field that several tickets have, with their ids.
    pub duplicates: BTreeMap<String, Vec<u64>>,
    /// Of those, the values with several open tickets.
    pub open_duplicates: BTreeMap<String, Vec<u64>>,
}

impl<State: Numbered> Simulated<State> {
    /// The switches in force.
    pub fn switches(&self) -> State::Switches {
        self.state().switches().clone()
    }

    /// Puts other switches in force; records stay.
    pub fn configure(&self, switches: State::Switches) {
        *self.state().switches() = switches;
    }

    /// Adds a configuration item and returns its id.
    ///
    /// # Errors
    /// What the product does not have, or too many of them.
    pub fn seed_ci(&self, seed: State::Seed) -> Result<u64, State::Refusal> {
        self.state().seed_ci(seed)
    }

    /// All tickets, oldest first, merged and deleted ones included.
    pub fn tickets(&self) -> Vec<State::Ticket> {
        self.state().tickets().to_vec()
    }

    /// The tickets with this value of the first custom field, oldest first.
    pub fn tickets_of(&self, key: &str) -> Vec<State::Ticket> {
        let state = self.state();
        state.tickets().iter().filter(|ticket| state.standing(ticket).key == key).cloned().collect()
    }

    /// One ticket by its own id, merged or not.
    pub fn ticket(&self, id: u64) -> Option<State::Ticket> {
        let state = self.state();
        state.tickets().iter().find(|ticket| state.standing(ticket).id == id).cloned()
    }

    /// Changes a ticket as a person with all rights does.
    ///
    /// # Errors
    /// What the deed names does not exist, or a ticket merged into itself.
    pub fn change_as_person(&self, id: u64, deed: State::Deed) -> Result<State::Ticket, State::Refusal> {
        let now = self.now();
        self.state().change_as_person(id, deed, now)
    }

    /// Makes the token invalid until [`Self::restore_tokens`] or a reset: nobody can get a new one
    /// through the API.
    pub fn revoke_tokens(&self) {
        *self.state().is_token_revoked() = true;
    }

    /// Makes the token valid again, as a person does who issues a new one.
    pub fn restore_tokens(&self) {
        *self.state().is_token_revoked() = false;
    }

    /// Tickets by status, and duplicates.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        Summary::of(state.tickets().iter().map(|ticket| state.standing(ticket)))
    }
}

impl<State: Numbered> Product for Simulated<State> {
    fn name(&self) -> &'static str {
        self.state().name()
    }

    fn routes(&self, app: &mut ServiceConfig) {
        State::routes(self, app);
    }

    fn settings(&self) -> Result<Value, ControlError> {
        Ok(serde_json::to_value(self.switches())?)
    }

    fn configure(&self, settings: Value) -> Result<(), ControlError> {
        Self::configure(self, serde_json::from_value(settings)?);
        Ok(())
    }

    fn seed_cis(&self, seeds: Value) -> Result<Value, ControlError> {
        let seeds: Vec<State::Seed> = serde_json::from_value(seeds)?;
        let ids: Result<Vec<u64>, _> = seeds.into_iter().map(|seed| self.seed_ci(seed)).collect();
        Ok(json!({ "ids": ids.map_err(refused)? }))
    }

    /// A ticket's number is its id. None is copied: a test that looks on often would keep callers waiting.
    fn tickets(&self, wanted: &TicketQuery) -> Result<Value, ControlError> {
        let number = wanted.number.as_deref().map(parse).transpose()?;
        let state = self.state();
        let is_wanted = |ticket: &&State::Ticket| match (number, &wanted.correlation_id) {
            (Some(number), _) => state.standing(ticket).id == number,
            (None, Some(key)) => state.standing(ticket).key == key,
            (None, None) => true,
        };
        let found: Vec<&State::Ticket> = state.tickets().iter().filter(is_wanted).collect();
        Ok(wanted.page(&found, |ticket| *ticket))
    }

    fn change_ticket(&self, id: &str, change: Value) -> Result<Value, ControlError> {
        let deed: State::Deed = serde_json::from_value(change)?;
        let ticket = self.change_as_person(parse(id)?, deed).map_err(refused)?;
        Ok(serde_json::to_value(ticket)?)
    }

    fn revoke_tokens(&self) {
        Self::revoke_tokens(self);
    }

    fn summary(&self) -> Result<Value, ControlError> {
        Ok(serde_json::to_value(Self::summary(self))?)
    }
}

impl Summary {
    fn of<'t>(tickets: impl Iterator<Item = Standing<'t>>) -> Self {
        let mut summary = Self::default();
        for ticket in tickets {
            summary.total += 1;
            if ticket.condition == Condition::Merged {
                summary.merged += 1;
                continue;
            }
            *summary.by_status.entry(ticket.status.to_owned()).or_default() += 1;
            if ticket.key.is_empty() || ticket.condition == Condition::Deleted {
                continue;
            }
            summary.duplicates.entry(ticket.key.to_owned()).or_default().push(ticket.id);
            if ticket.condition == Condition::Open {
                summary.open_duplicates.entry(ticket.key.to_owned()).or_default().push(ticket.id);
            }
        }
        summary.duplicates.retain(|_, ids| ids.len() > 1);
        summary.open_duplicates.retain(|_, ids| ids.len() > 1);
        summary
    }
}

fn parse(id: &str) -> Result<u64, ControlError> {
    id.parse()
        .map_err(|_| ControlError::Refused(format!("{id} is not the id of a ticket, which is a number")))
}

fn refused(error: impl std::error::Error) -> ControlError {
    ControlError::Refused(error.to_string())
}
