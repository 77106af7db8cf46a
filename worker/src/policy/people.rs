//! What becomes of a ticket that people have ended while its alert fires.

use serde::{Deserialize, Serialize};

use super::view::AlertView;

/// Section `[route.people]`, as written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleSettings {
    pub closed: AfterClose,
    pub resolved: AfterResolve,
    /// Template of the note with which a ticket that people resolved is reopened.
    pub note: String,
}

/// What follows when people close, cancel, merge or delete a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterClose {
    /// Nothing until it fires anew; then another ticket, linked to the old.
    Leave,
    /// Another ticket at once, linked to the old.
    New,
}

/// What follows when people resolve a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
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
        if alert.never_resolves { Self::LEFT_ALONE } else { self }
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
            let fired = AlertRule::new(*kind, 1, 1).fire(Timestamp::UNIX_EPOCH);
            let body = fired.fired();
            let alert = AlertView::new(Uuid::nil(), &Notification::parse(&body).unwrap());
            // Whether Azure resolves alerts of a backup is not known, so it is taken to.
            let ends =
                kind.resolves() || fired.over(Timestamp::UNIX_EPOCH).is_some() || *kind == Kind::AzureBackup;
            let expected = if ends { people } else { People::LEFT_ALONE };
            assert_eq!(people.towards(&alert), expected, "{}", kind.name());
        }
    }
}
