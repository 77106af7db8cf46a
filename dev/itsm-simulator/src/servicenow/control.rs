//! The instance under the control plane.

use actix_web::web::{Data, ServiceConfig};
use serde_json::{Value, json};

use super::cmdb::CiSeed;
use super::instance::WriteError;
use super::settings::Switches;
use super::ticket::PersonalChange;
use super::{ServiceNow, table_api};
use crate::product::{ControlError, Product, TicketQuery};

impl Product for ServiceNow {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn routes(&self, app: &mut ServiceConfig) {
        app.app_data(Data::new(self.clone())).configure(table_api::routes);
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
        Ok(wanted.page(positions, |position| instance.ticket(*position)))
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
}

fn refused(error: WriteError) -> ControlError {
    ControlError::Refused(error.to_string())
}
