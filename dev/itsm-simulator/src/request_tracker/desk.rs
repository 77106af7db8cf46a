//! The state of the simulated Request Tracker and everything that changes it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::asset::Asset;
use super::settings::{Right, Settings};
use super::ticket::{Happening, Link, Ticket};

/// `MaxSubjectLength` of the product's database.
const SUBJECT_CHARACTERS: usize = 200;

/// Why a control request was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("no ticket {0}")]
    NoSuchTicket(u64),
    #[error("no queue {0}: name it in the switch queues")]
    NoSuchQueue(String),
    #[error("no catalog {0}: name it in the switch catalogs")]
    NoSuchCatalog(String),
    #[error("ticket {0} cannot be merged into itself")]
    MergedIntoItself(u64),
    #[error("the simulator holds at most {limit} of these: raise {setting} or reset it")]
    Full { limit: usize, setting: &'static str },
}

/// A ticket as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) queue: String,
    pub(super) subject: String,
    pub(super) content: String,
    pub(super) status: String,
    pub(super) priority: String,
    pub(super) requestor: String,
    pub(super) custom_fields: BTreeMap<String, String>,
    pub(super) refers_to: Vec<Link>,
}

/// What one Request Tracker holds.
#[derive(Debug)]
pub struct Desk {
    pub(super) settings: Settings,
    pub(super) tickets: Vec<Ticket>,
    pub(super) assets: Vec<Asset>,
    pub(super) token_revoked: bool,
}

impl Desk {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, tickets: Vec::new(), assets: Vec::new(), token_revoked: false }
    }

    /// The ticket that this id leads to, merges followed.
    pub(super) fn effective(&self, id: u64) -> Option<&Ticket> {
        let position = self.position(id)?;
        self.tickets.get(position)
    }

    pub(super) fn effective_mut(&mut self, id: u64) -> Option<&mut Ticket> {
        let position = self.position(id)?;
        self.tickets.get_mut(position)
    }

    pub(super) fn asset(&self, id: u64) -> Option<&Asset> {
        self.assets.get(position_of(id)?)
    }

    pub(super) fn create(&mut self, draft: Draft, now: Timestamp) -> Result<u64, WriteError> {
        let limit = self.settings.switches.max_tickets;
        if self.tickets.len() >= limit {
            return Err(WriteError::Full { limit, setting: "max_tickets" });
        }
        let id = id_after(self.tickets.len());
        let mut ticket = Ticket {
            id,
            merged_into: None,
            queue: draft.queue,
            subject: on_one_line(&draft.subject),
            status: draft.status,
            priority: draft.priority,
            requestor: draft.requestor,
            custom_fields: BTreeMap::new(),
            refers_to: draft.refers_to,
            created: now,
            history: Vec::new(),
            events_dropped: 0,
        };
        ticket.record(now, &self.settings.username, Happening::Created { content: draft.content });
        for link in ticket.refers_to.clone() {
            ticket.record(now, &self.settings.username, Happening::Linked { to: link });
        }
        self.tickets.push(ticket);
        for (name, value) in draft.custom_fields {
            self.set_custom_field(id, &name, &value, now);
        }
        Ok(id)
    }

    /// Sets a status as the user, and lets a scrip take a resolve back. The text is the product's
    /// sentence, `None` when nothing changes.
    pub(super) fn set_status(&mut self, id: u64, status: &str, now: Timestamp) -> Option<String> {
        if !self.settings.switches.statuses.knows(status) {
            return Some(format!("Status '{status}' isn't a valid status for this ticket."));
        }
        let user = self.settings.username.clone();
        let scrip = self.settings.switches.resolved_becomes.clone();
        let ticket = self.effective_mut(id)?;
        let from = ticket.status.clone();
        if from == status {
            return None;
        }
        change_status(ticket, status, &user, now);
        if let Some(instead) = scrip.filter(|_| status == "resolved") {
            change_status(ticket, &instead, "RT_System", now);
        }
        Some(format!("Status changed from '{from}' to '{status}'"))
    }

    pub(super) fn set_subject(&mut self, id: u64, subject: &str, now: Timestamp) -> Option<String> {
        let user = self.settings.username.clone();
        let subject = on_one_line(subject);
        let ticket = self.effective_mut(id)?;
        if ticket.subject == subject {
            return None;
        }
        let from = std::mem::replace(&mut ticket.subject, subject.clone());
        let sentence = format!("Subject changed from '{from}' to '{subject}'");
        ticket.record(now, &user, Happening::Subject { to: subject });
        Some(sentence)
    }

    /// An unknown field, or one that the user may not change, is dropped without a word.
    pub(super) fn set_custom_field(
        &mut self,
        id: u64,
        name: &str,
        value: &str,
        now: Timestamp,
    ) -> Option<String> {
        let switches = &self.settings.switches;
        let is_known = switches.custom_fields.iter().any(|known| known == name);
        let is_allowed = !switches.lacks(Right::SeeCustomField) && !switches.lacks(Right::ModifyCustomField);
        if !is_known || !is_allowed {
            return None;
        }
        let user = self.settings.username.clone();
        let ticket = self.effective_mut(id)?;
        let from = ticket.custom_field(name).to_owned();
        if from == value {
            return None;
        }
        if value.is_empty() {
            ticket.custom_fields.remove(name);
        } else {
            ticket.custom_fields.insert(name.to_owned(), value.to_owned());
        }
        let what = Happening::CustomField { name: name.to_owned(), to: value.to_owned() };
        ticket.record(now, &user, what);
        Some(match (from.is_empty(), value.is_empty()) {
            (true, _) => format!("{name} {value} added"),
            (false, true) => format!("{name} {from} deleted"),
            (false, false) => format!("{name} {from} changed to {value}"),
        })
    }

    /// What a text such as `asset:1`, `7` or a URI leads to; `None` when there is no such thing.
    pub(super) fn link(&self, text: &str) -> Option<Link> {
        if let Some(id) = text.strip_prefix("asset:") {
            return Some(Link::Asset { id: self.asset(id.parse().ok()?)?.id });
        }
        if let Ok(id) = text.parse() {
            return Some(Link::Ticket { id: self.effective(id)?.id });
        }
        // `ticket:1` is no ticket to the product but a URI of a scheme that it does not know.
        text.contains(':').then(|| Link::External { uri: text.to_owned() })
    }

    pub(super) fn add_link(&mut self, id: u64, text: &str, now: Timestamp) -> String {
        let user = self.settings.username.clone();
        let unresolved = format!("Couldn't resolve '{text}' into a link.");
        let Some(link) = self.link(text) else { return unresolved };
        let Some(ticket) = self.effective_mut(id) else { return unresolved };
        if ticket.refers_to.contains(&link) {
            return "Link already exists".to_owned();
        }
        let what = match &link {
            Link::Asset { id } => format!("URI asset:{id}"),
            Link::Ticket { id } => format!("Ticket {id}"),
            Link::External { uri } => format!("URI {uri}"),
        };
        ticket.refers_to.push(link.clone());
        ticket.record(now, &user, Happening::Linked { to: link });
        format!("Ticket {} refers to {what}.", ticket.id)
    }

    pub(super) fn comment(&mut self, id: u64, content: &str, now: Timestamp) {
        let user = self.settings.username.clone();
        if let Some(ticket) = self.effective_mut(id) {
            ticket.record(now, &user, Happening::Commented { content: content.to_owned() });
        }
    }

    pub(super) fn position(&self, id: u64) -> Option<usize> {
        let position = position_of(id)?;
        // A merge is refused when it would close a circle, so this ends.
        match self.tickets.get(position)?.merged_into {
            Some(into) => self.position(into),
            None => Some(position),
        }
    }
}

pub(super) fn change_status(ticket: &mut Ticket, to: &str, by: &str, now: Timestamp) {
    let from = std::mem::replace(&mut ticket.status, to.to_owned());
    ticket.record(now, by, Happening::Status { from, to: to.to_owned() });
}

fn on_one_line(subject: &str) -> String {
    subject.chars().filter(|character| !matches!(character, '\r' | '\n')).take(SUBJECT_CHARACTERS).collect()
}

pub(super) fn id_after(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1)
}

fn position_of(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}
