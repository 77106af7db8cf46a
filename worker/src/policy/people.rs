//! What becomes of a ticket that people have ended while its alert fires.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::settings::SettingsError;

use super::view::AlertView;

/// Section `[route.people]`, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleSettings {
    #[serde(deserialize_with = "shared::settings::choice")]
    pub closed: AfterClose,
    #[serde(deserialize_with = "shared::settings::choice")]
    pub resolved: AfterResolve,
    /// Resolution codes, as the ITSM has them, with which people say that nothing is to be done about the alert.
    #[serde(default, deserialize_with = "shared::settings::list")]
    pub wont_fix: Vec<String>,
    /// Template of the note with which a ticket that people resolved is reopened.
    pub note: String,
}

/// What follows when people close, cancel, merge or delete a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterClose {
    /// Nothing until it fires anew; then another ticket, linked to the old.
    Leave,
    /// Another ticket at once, linked to the old.
    New,
}

/// What follows when people resolve a ticket while its alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterResolve {
    /// It stays resolved until the alert fires anew; then it is reopened.
    Leave,
    /// It is reopened at once.
    Reopen,
    /// Another ticket at once, linked to the old.
    New,
}

/// Resolution codes with which a decision of people stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WontFix(Vec<String>);

impl WontFix {
    /// # Errors
    /// When one of the codes is none: it would stand for tickets that were ended without a code.
    pub fn new(codes: &[String]) -> Result<Self, SettingsError> {
        let codes: Vec<String> = codes.iter().map(|code| code.trim().to_owned()).collect();
        if codes.iter().any(String::is_empty) {
            return Err(SettingsError::Invalid(
                "route.people.wont_fix has an empty code: name a resolution code of the ITSM, or remove it"
                    .to_owned(),
            ));
        }
        Ok(Self(codes))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes as they are written, without blanks around them.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn has(&self, resolution: &str) -> bool {
        let resolution = resolution.trim().to_lowercase();
        self.codes().any(|code| code.to_lowercase() == resolution)
    }
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

    /// As it applies to a ticket of which only this alert fires: where Azure never says that it is over, people alone can
    /// end the ticket.
    #[must_use]
    pub fn towards(self, alert: &AlertView) -> Self {
        if alert.never_resolves { Self::LEFT_ALONE } else { self }
    }

    /// As it applies to a ticket that was ended with this resolution code, if the ITSM gives one.
    #[must_use]
    pub fn after(self, resolution: Option<&str>, wont_fix: &WontFix) -> Self {
        if resolution.is_some_and(|code| wont_fix.has(code)) { Self::LEFT_ALONE } else { self }
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
    fn who_says_that_nothing_is_to_be_done_is_left_alone_in_whatever_case_it_is_written() {
        let people = People { closed: AfterClose::New, resolved: AfterResolve::Reopen };
        let wont_fix = WontFix::new(&["Won't fix ".to_owned(), "KNOWN ERROR".to_owned()]).unwrap();
        for code in ["won't fix", " Won't Fix", "Known error"] {
            assert_eq!(people.after(Some(code), &wont_fix), People::LEFT_ALONE, "{code}");
        }
        for code in [None, Some(""), Some("Solution provided"), Some("Won't fix it")] {
            assert_eq!(people.after(code, &wont_fix), people, "{code:?}");
        }
        assert_eq!(people.after(Some(""), &WontFix::default()), people);
        assert!(WontFix::new(&[" ".to_owned()]).is_err());
    }

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
