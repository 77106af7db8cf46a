//! What the control plane asks of a simulated product, whichever it is.

use actix_web::web::ServiceConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::simulated::Controlled;

/// Tickets on one page unless fewer are asked for.
const PAGE: usize = 1000;

/// A simulated product. Its own API is served under `/{name}`.
pub(crate) trait Product: Controlled + Send + Sync {
    fn name(&self) -> &'static str;
    fn routes(&self, app: &mut ServiceConfig);
    fn settings(&self) -> Result<Value, ControlError>;
    fn configure(&self, settings: Value) -> Result<(), ControlError>;
    fn seed_cis(&self, seeds: Value) -> Result<Value, ControlError>;
    fn tickets(&self, wanted: &TicketQuery) -> Result<Value, ControlError>;
    fn change_ticket(&self, id: &str, change: Value) -> Result<Value, ControlError>;
    fn revoke_tokens(&self);
    fn summary(&self) -> Result<Value, ControlError>;
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

impl TicketQuery {
    /// The page that is wanted of what was found; only its own records are shown.
    pub(crate) fn page<T, Shown: Serialize>(&self, found: &[T], show: impl Fn(&T) -> Shown) -> Value {
        let limit = self.limit.unwrap_or(PAGE).min(PAGE);
        let page: Vec<Shown> = found.iter().skip(self.offset).take(limit).map(show).collect();
        json!({ "total": found.len(), "offset": self.offset, "tickets": page })
    }
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
