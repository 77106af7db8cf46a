//! How Entra says no: an OAuth 2.0 error with an `AADSTS` number.
//!
//! Source of the numbers: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Why a discovery document or a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Tenant '{tenant_id}' not found. Check to make sure you have the correct tenant ID.")]
    UnknownTenant { tenant_id: String },
    #[error("The request body must contain the following parameter: '{parameter}'.")]
    MissingParameter { parameter: &'static str },
    #[error("The app requested an unsupported grant type '{grant_type}'.")]
    UnsupportedGrant { grant_type: String },
    #[error("Application with identifier '{client_id}' was not found in the directory.")]
    UnknownClient { client_id: String },
    #[error("Invalid client secret provided for app '{client_id}'.")]
    WrongSecret { client_id: String },
    #[error(
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
         /.default suffixed to the resource identifier (application ID URI)."
    )]
    InvalidScope { scope: String },
    #[error("The resource principal named {resource} was not found in the tenant named {tenant_id}.")]
    UnknownResource { resource: String, tenant_id: String },
}

impl Refusal {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownClient { .. } | Self::WrongSecret { .. } => 401,
            Self::UnknownTenant { .. }
            | Self::MissingParameter { .. }
            | Self::UnsupportedGrant { .. }
            | Self::InvalidScope { .. }
            | Self::UnknownResource { .. } => 400,
        }
    }

    /// The `error` member and the `AADSTS` number.
    pub fn code(&self) -> (&'static str, u32) {
        match self {
            Self::UnknownTenant { .. } => ("invalid_tenant", 90_002),
            Self::MissingParameter { .. } => ("invalid_request", 900_144),
            Self::UnsupportedGrant { .. } => ("unsupported_grant_type", 70_003),
            Self::UnknownClient { .. } => ("invalid_client", 700_016),
            Self::WrongSecret { .. } => ("invalid_client", 7_000_215),
            Self::InvalidScope { .. } => ("invalid_scope", 1_002_012),
            Self::UnknownResource { .. } => ("invalid_resource", 500_011),
        }
    }

    /// The JSON body of the answer.
    pub fn body(&self, now: Timestamp) -> Value {
        let (error, number) = self.code();
        let [trace_id, correlation_id] = [Uuid::now_v7(), Uuid::now_v7()];
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json!({
            "error": error,
            "error_description": format!(
                "AADSTS{number}: {self} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
        })
    }
}
