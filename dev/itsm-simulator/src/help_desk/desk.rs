//! The state of a simulated help desk and everything that changes it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::settings::Settings;
use super::ticket::{Change, Configured, Ticket};

/// Why something was not written. Each product has its own words for those that its API gives.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no ticket {0}")]
    NoSuchTicket(u64),
    #[error("no status {0}")]
    NoSuchStatus(String),
    #[error("no group {0}: name it in the switch groups")]
    NoSuchGroup(String),
    #[error("the title has more than {0} characters")]
    TitleTooLong(usize),
    #[error("a ticket is not resolved without {0}")]
    Mandatory(String),
    #[error("ticket {0} cannot be merged into itself")]
    MergedIntoItself(u64),
    #[error("{0} has no configuration items")]
    NoConfigurationItems(&'static str),
    #[error("the simulator holds at most {limit} of these: raise {setting} or reset it")]
    Full { limit: usize, setting: &'static str },
}

/// What one help desk holds.
pub struct Desk {
    pub(crate) dialect: &'static Dialect,
    pub(crate) settings: Settings,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) cis: Vec<Configured>,
    pub(super) token_revoked: bool,
}

impl Desk {
    pub(super) fn new(dialect: &'static Dialect, settings: Settings) -> Self {
        Self { dialect, settings, tickets: Vec::new(), cis: Vec::new(), token_revoked: false }
    }

    /// A ticket that is not deleted.
    pub(crate) fn ticket(&self, id: u64) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.id == id && !ticket.deleted)
    }

    /// Every custom field of tickets.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        let further = self.settings.switches.mandatory_on_resolve.iter().map(String::as_str);
        self.dialect.words.fields.iter().copied().chain(further)
    }

    pub(crate) fn create(&mut self, change: Change, now: Timestamp) -> Result<u64, Refusal> {
        let limit = self.settings.switches.max_tickets;
        if self.tickets.len() >= limit {
            return Err(Refusal::Full { limit, setting: "max_tickets" });
        }
        let id = id_after(self.tickets.len());
        self.tickets.push(Ticket {
            id,
            title: String::new(),
            status: self.dialect.words.statuses.first().copied().unwrap_or_default().to_owned(),
            closure_code: String::new(),
            group: String::new(),
            fields: Map::new(),
            texts: Vec::new(),
            texts_dropped: 0,
            links: BTreeSet::new(),
            cis: Vec::new(),
            merged_into: None,
            deleted: false,
            created: now,
        });
        let written = self.update(id, change);
        if written.is_err() {
            self.tickets.pop();
        }
        written.map(|()| id)
    }

    /// Writes all or nothing, and lets a rule take a resolve back.
    pub(crate) fn update(&mut self, id: u64, change: Change) -> Result<(), Refusal> {
        self.check(&change)?;
        let words = &self.dialect.words;
        let switches = &self.settings.switches;
        let found = self.tickets.iter_mut().find(|ticket| ticket.id == id && !ticket.deleted);
        let ticket = found.ok_or(Refusal::NoSuchTicket(id))?;
        let to = change.status.as_ref().filter(|to| **to != ticket.status);
        let ends = to.is_some_and(|to| to == words.resolved || to == words.closed);
        let is_filled = |name: &&String| {
            let value = change.fields.get(*name).or_else(|| ticket.fields.get(*name));
            value.is_some_and(|value| !value.is_null() && value != "")
        };
        if let Some(missing) = switches.mandatory_on_resolve.iter().find(|name| ends && !is_filled(name)) {
            return Err(Refusal::Mandatory(missing.clone()));
        }
        ticket.title = change.title.unwrap_or(std::mem::take(&mut ticket.title));
        ticket.group = change.group.unwrap_or(std::mem::take(&mut ticket.group));
        ticket.status = change.status.unwrap_or(std::mem::take(&mut ticket.status));
        ticket.cis = change.cis.unwrap_or(std::mem::take(&mut ticket.cis));
        ticket.fields.extend(change.fields);
        ticket.fields.retain(|_, value| *value != Value::Null);
        for text in change.texts {
            ticket.add_text(text);
        }
        if let Some(instead) = switches.resolved_becomes.as_ref().filter(|_| ends) {
            ticket.status.clone_from(instead);
        }
        Ok(())
    }

    fn check(&self, change: &Change) -> Result<(), Refusal> {
        let words = &self.dialect.words;
        if let Some(status) = change.status.as_ref().filter(|to| !words.statuses.contains(&to.as_str())) {
            return Err(Refusal::NoSuchStatus(status.clone()));
        }
        if let Some(group) = change.group.as_ref().filter(|to| !self.settings.switches.groups.contains(to)) {
            return Err(Refusal::NoSuchGroup(group.clone()));
        }
        if change.title.as_ref().is_some_and(|title| title.chars().count() > words.title_limit) {
            return Err(Refusal::TitleTooLong(words.title_limit));
        }
        Ok(())
    }

    /// Links two tickets with each other; a link that is there already stays.
    pub(crate) fn link(&mut self, one: u64, other: u64) {
        for ticket in &mut self.tickets {
            if ticket.id == one {
                ticket.links.insert(other);
            } else if ticket.id == other {
                ticket.links.insert(one);
            }
        }
    }

    pub(crate) fn merge(&mut self, id: u64, into: u64) -> Result<(), Refusal> {
        if self.ticket(into).is_none() {
            return Err(Refusal::NoSuchTicket(into));
        }
        if id == into {
            return Err(Refusal::MergedIntoItself(id));
        }
        let merged = self.dialect.words.merged;
        let ticket = self.ticket_mut(id)?;
        ticket.merged_into = Some(into);
        match merged {
            Some(status) => status.clone_into(&mut ticket.status),
            None => ticket.deleted = true,
        }
        Ok(())
    }

    pub(super) fn ticket_mut(&mut self, id: u64) -> Result<&mut Ticket, Refusal> {
        let found = self.tickets.iter_mut().find(|ticket| ticket.id == id && !ticket.deleted);
        found.ok_or(Refusal::NoSuchTicket(id))
    }
}

pub(super) fn id_after(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1)
}
