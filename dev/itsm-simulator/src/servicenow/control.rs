//! The instance under the control plane.

use actix_web::web::{Data, ServiceConfig};
use serde_json::{Value, json};

use super::cmdb::CiSeed;
use super::instance::WriteError;
use super::settings::Switches;
use super::ticket::{PersonalChange, Ticket};
use super::{ServiceNow, table_api};
use crate::calls::Calls;
use crate::fault::Faults;
use crate::product::{ControlError, Product, TicketQuery};

/// Tickets on one page unless fewer are asked for.
const PAGE: usize = 1000;

impl Product for ServiceNow {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn routes(&self, app: &mut ServiceConfig) {
        app.app_data(Data::new(self.clone())).configure(table_api::routes);
    }

    fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn calls(&self) -> &Calls {
        &self.inner.calls
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
        let sys_ids: Vec<String> =
            seeds.into_iter().map(|seed| self.seed_ci(seed)).collect::<Result<_, _>>().map_err(refused)?;
        Ok(json!({ "sys_ids": sys_ids }))
    }

    fn tickets(&self, wanted: &TicketQuery) -> Result<Value, ControlError> {
        let instance = self.instance();
        let every: Vec<usize>;
        let positions = match (&wanted.number, &wanted.correlation_id) {
            (Some(number), _) => instance.database.positions("incident", "number", number),
            (None, Some(key)) => instance.database.positions("incident", "correlation_id", key),
            (None, None) => {
                every = (0..instance.database.len("incident")).collect();
                &every
            }
        };
        let page: Vec<Ticket> = positions
            .iter()
            .skip(wanted.offset)
            .take(wanted.limit.unwrap_or(PAGE).min(PAGE))
            .filter_map(|position| instance.ticket(*position))
            .collect();
        Ok(json!({ "total": positions.len(), "offset": wanted.offset, "tickets": page }))
    }

    fn change_ticket(&self, id: &str, change: Value) -> Result<Value, ControlError> {
        let change: PersonalChange = serde_json::from_value(change)?;
        let ticket = self.change_as_person(id, change).map_err(refused)?;
        Ok(serde_json::to_value(ticket)?)
    }

    fn revoke_tokens(&self) {
        Self::revoke_tokens(self);
    }

    fn summary(&self) -> Result<Value, ControlError> {
        Ok(serde_json::to_value(Self::summary(self))?)
    }

    fn reset(&self) {
        Self::reset(self);
    }
}

fn refused(error: WriteError) -> ControlError {
    ControlError::Refused(error.to_string())
}
