//! What becomes of a ticket that people have ended while its alert fires.

use serde::Deserialize;

use super::view::AlertView;

/// The signal of alerts that Azure never reports as resolved, in lower case.
/// <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#stateless-alerts>
const SIGNAL_NEVER_RESOLVED: &str = "activity log";
/// Services whose alerts are never reported as resolved either, in lower case and without blanks.
const SERVICES_NEVER_RESOLVED: [&str; 3] = ["smartdetector", "simplelogalert", "costalerts"];

/// Section `[route.people]`, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleSettings {
    pub closed: AfterClose,
    pub resolved: AfterResolve,
    /// Template of the note with which a ticket that people resolved is reopened.
    pub note: String,
}

/// What follows when people close, cancel, merge or delete a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterClose {
    /// Nothing until it fires anew; then another ticket, linked to the old.
    Leave,
    /// Another ticket at once, linked to the old.
    New,
}

/// What follows when people resolve a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterResolve {
    /// It stays resolved until the alert fires anew; then it is reopened.
    Leave,
    /// It is reopened at once.
    Reopen,
    /// Another ticket at once, linked to the old.
    New,
}

/// How people's decisions are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct People {
    pub closed: AfterClose,
    pub resolved: AfterResolve,
}

impl People {
    /// Whatever they decide stands until the alert fires anew.
    pub const LEFT_ALONE: Self = Self { closed: AfterClose::Leave, resolved: AfterResolve::Leave };

    /// As it applies to this alert: where Azure never says that it is over, people alone can end its ticket.
    #[must_use]
    pub fn towards(self, alert: &AlertView) -> Self {
        let service = alert.monitoring_service.to_lowercase().replace(' ', "");
        let never_resolved = alert.signal_type.to_lowercase() == SIGNAL_NEVER_RESOLVED
            || SERVICES_NEVER_RESOLVED.contains(&service.as_str());
        if never_resolved { Self::LEFT_ALONE } else { self }
    }
}

#[cfg(test)]
mod tests {
    use azure_simulator::alerts::{AlertRule, Kind};
    use jiff::Timestamp;
    use shared::alert::Notification;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn people_alone_end_the_tickets_of_alerts_that_azure_never_resolves() {
        let people = People { closed: AfterClose::New, resolved: AfterResolve::Reopen };
        for kind in Kind::all() {
            let body = AlertRule::new(*kind, 1, 1).fire(Timestamp::UNIX_EPOCH).fired();
            let alert = AlertView::new(Uuid::nil(), &Notification::parse(&body).unwrap());
            let expected = if kind.resolves() { people } else { People::LEFT_ALONE };
            assert_eq!(people.towards(&alert), expected, "{}", kind.name());
        }
    }
}
