//! In what one help desk differs from another: its words, its addresses, and how it reads and answers.

use actix_web::HttpRequest;
use jiff::Timestamp;
use serde_json::Value;

use super::desk::Desk;
use super::ticket::Ticket;
use crate::answer::Answer;
use crate::ending::Manner;
use crate::fault::Strike;
use crate::request::Pairs;

/// One help desk's API on top of the common desk.
pub(crate) struct Dialect {
    /// As the control plane calls it; its API begins with it, too.
    pub(crate) name: &'static str,
    /// Where its API is.
    pub(crate) prefix: &'static str,
    pub(crate) words: Words,
    pub(crate) manner: Manner,
    /// Refuses who does not prove to own the token; without a valid one, everybody.
    pub(crate) admit: fn(&HttpRequest, Option<&str>) -> Result<(), Answer>,
    /// What a method and the parts of a path ask for.
    pub(crate) route: fn(&str, &[&str]) -> Route,
}

/// The names that a product has for what all of them have.
pub(crate) struct Words {
    /// Every status; the first is that of a new ticket.
    pub(crate) statuses: &'static [&'static str],
    pub(crate) in_work: &'static str,
    pub(crate) resolved: &'static str,
    pub(crate) closed: &'static str,
    /// Every status of a ticket that nobody has to work on any more.
    pub(crate) done: &'static [&'static str],
    /// Without such a status a merged ticket is gone.
    pub(crate) merged: Option<&'static str>,
    /// Custom fields of tickets; the first holds the correlation key.
    pub(crate) fields: &'static [&'static str],
    /// Longest title in characters.
    pub(crate) title_limit: usize,
    /// The custom field of configuration items for the resource's id in Azure; without it there are none.
    pub(crate) arm_id: Option<&'static str>,
}

/// What is done, and the operation by which it is counted and by which faults choose it.
pub(crate) struct Route {
    pub(crate) operation: &'static str,
    pub(crate) act: fn(&mut Visit<'_>) -> Result<Answer, Answer>,
}

/// One call, with the desk that it comes to and the conditions that faults impose.
pub(crate) struct Visit<'a> {
    pub(crate) desk: &'a mut Desk,
    pub(crate) parts: &'a [&'a str],
    pub(crate) parameters: Pairs,
    pub(crate) body: &'a [u8],
    pub(crate) strike: &'a Strike,
    pub(crate) now: Timestamp,
}

impl Words {
    pub(crate) fn is_done(&self, status: &str) -> bool {
        self.done.contains(&status)
    }
}

impl Visit<'_> {
    pub(crate) fn parameter(&self, wanted: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// The ticket that the path names as its second part, unless it is gone or hidden.
    pub(crate) fn ticket(&self) -> Option<&Ticket> {
        self.ticket_by(self.parts.get(1)?)
    }

    pub(crate) fn ticket_by(&self, id: &str) -> Option<&Ticket> {
        self.desk.ticket(id.parse().ok()?).filter(|_| !self.strike.hidden)
    }

    /// The tickets that a search can find at all, oldest first.
    pub(crate) fn findable(&self) -> impl Iterator<Item = &Ticket> {
        let born_by = self.strike.born_by(self.now);
        let is_findable =
            move |ticket: &&Ticket| !ticket.deleted && !self.strike.hidden && ticket.created <= born_by;
        self.desk.tickets.iter().filter(is_findable)
    }
}

/// An id that may have come as a number or as a text.
pub(crate) fn id_in(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A text of a record, or nothing where there is none.
pub(crate) fn text_in(record: &Value, pointer: &str) -> Option<String> {
    record.pointer(pointer)?.as_str().map(str::to_owned)
}
