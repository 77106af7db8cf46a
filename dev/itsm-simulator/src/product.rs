//! What the control plane asks of a simulated product, whichever it is.

use actix_web::web::ServiceConfig;
use serde::Deserialize;
use serde_json::Value;

use crate::calls::Calls;
use crate::fault::Faults;

/// A simulated product. Its own API is served under `/{name}`.
pub(crate) trait Product: Send + Sync {
    fn name(&self) -> &'static str;
    fn routes(&self, app: &mut ServiceConfig);
    fn faults(&self) -> &Faults;
    fn calls(&self) -> &Calls;
    fn settings(&self) -> Result<Value, ControlError>;
    fn configure(&self, settings: Value) -> Result<(), ControlError>;
    fn seed_cis(&self, seeds: Value) -> Result<Value, ControlError>;
    fn tickets(&self, wanted: &TicketQuery) -> Result<Value, ControlError>;
    fn change_ticket(&self, id: &str, change: Value) -> Result<Value, ControlError>;
    fn revoke_tokens(&self);
    fn summary(&self) -> Result<Value, ControlError>;
    fn reset(&self);
}

/// Which tickets to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TicketQuery {
    pub(crate) correlation_id: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) offset: usize,
    pub(crate) limit: Option<usize>,
}

/// Why a control request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no product {0}")]
    NoSuchProduct(String),
    #[error("the body is not what this control expects: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("{0}")]
    Refused(String),
}
