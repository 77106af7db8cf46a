//! One notification as the run knows it.

use azure_simulator::alerts::Alert;
use bytes::Bytes;
use jiff::Timestamp;

use crate::judge::Condition;

/// One notification.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) subject: u64,
    /// The firing that it is about.
    pub(crate) alert: Alert,
    pub(crate) condition: Condition,
    /// When it fired, or through when it is resolved.
    pub(crate) at: Timestamp,
}

impl Notice {
    /// As the ledger writes it.
    pub(crate) fn alert_id(&self) -> String {
        self.alert.alert_id().to_lowercase()
    }

    pub(crate) fn condition_name(&self) -> &'static str {
        match self.condition {
            Condition::Fired => "Fired",
            Condition::Resolved => "Resolved",
        }
    }

    pub(crate) fn body(&self) -> Bytes {
        match self.condition {
            Condition::Fired => self.alert.fired(),
            // A kind that never resolves is never told to: its stories have no such notification.
            Condition::Resolved => self.alert.resolved(self.at).unwrap_or_else(|| self.alert.fired()),
        }
    }
}
