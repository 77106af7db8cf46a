//! What the contract asks of a product besides its connector: that people work there, and that it fails on demand.

use std::collections::BTreeMap;

use async_trait::async_trait;
use itsm_simulator::{Effect, Fault};
use worker::connector::{Change, Connector, Draft, WorkItem};

/// A product, or a simulator of it, with an integration user and nothing in it.
#[async_trait]
pub(crate) trait Desk {
    fn connector(&self) -> &dyn Connector;

    /// Part of every key and name, so that desks can share a product.
    fn mark(&self) -> &str {
        ""
    }

    /// Every work item of this desk, with what people see of it.
    async fn held(&self) -> Vec<Held>;

    /// Lets a person act.
    async fn person(&self, item: &WorkItem, deed: Deed) -> Possible;

    /// Lets the next call of this kind suffer.
    async fn once(&self, call: Call, trouble: Trouble) -> Possible;

    /// Sets the product up otherwise than usual.
    async fn peculiar(&self, peculiarity: Peculiarity) -> Possible;

    /// Adds a configuration item and returns its id; none if the product has no such thing.
    async fn seed_ci(&self, name: &str, arm_id: &str) -> Option<String>;
}

/// A work item as people see it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) summary: String,
    /// Everything that was written on it, oldest first.
    pub(crate) texts: Vec<String>,
    pub(crate) ci: Option<String>,
    /// Ids of work items that it points to.
    pub(crate) links: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Resolve,
    /// Resolves or closes it with this resolution code.
    EndAs(&'static str),
    /// Ends it for good: closes, rejects or cancels it.
    Close,
    Delete,
    /// Makes it part of another one.
    MergeInto(WorkItem),
    /// Gives it to other people.
    Move,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Change,
    Read,
    Search,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is closed and nothing was done.
    LostBefore,
    /// It was done and the connection is closed.
    LostAfter,
    /// A page for people, with status 200.
    Page,
    /// The product's words for an error, with status 200.
    ErrorInSuccess,
    ServerError,
    /// To be left alone for 7 seconds.
    Throttled,
    LoginExpired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peculiarity {
    /// A search does not find what is younger than an hour.
    SearchLags,
    /// A search ignores the condition on the key.
    SearchLies,
    /// The user may not write notes.
    MayNotWrite,
    /// Resolving needs a field that we do not send.
    MandatoryField,
    /// A rule of the customer takes a resolve back.
    TakesResolveBack,
}

/// Whether a product has what a case is about. A case without it is left out, with the reason in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Possible {
    Yes,
    No(&'static str),
}

/// A case that is left out must be listed as such, and one that is listed must be.
pub(crate) fn judge(product: &str, impossible: &[&str], outcome: Possible) {
    match outcome {
        Possible::Yes => assert!(!impossible.contains(&product), "{product} has the means for it"),
        Possible::No(why) => assert!(impossible.contains(&product), "{product} left it out: {why}"),
    }
}

/// The same trouble of every simulated product.
pub(crate) fn fault(trouble: Trouble) -> Fault {
    let status = |status, retry_after_s| Effect::Answer { status, body: None, retry_after_s };
    match trouble {
        Trouble::LostBefore => Fault::new(Effect::Reset),
        Trouble::LostAfter => Fault::new(Effect::Reset).after_write(),
        Trouble::Page => Fault::new(Effect::HtmlPage),
        Trouble::ErrorInSuccess => {
            Fault::new(Effect::ErrorInSuccess { message: "Transaction cancelled".to_owned() })
        }
        Trouble::ServerError => Fault::new(status(500, None)),
        Trouble::Throttled => Fault::new(status(429, Some(7))),
        Trouble::LoginExpired => Fault::new(Effect::TokenExpired),
    }
}

pub(crate) fn draft(key: &str) -> Draft {
    Draft {
        correlation_id: key.to_owned(),
        summary: "CPU of web-07 is high".to_owned(),
        description: "Above 90 %".to_owned(),
        note: "Fired".to_owned(),
        impact: 2,
        urgency: 1,
        ci: None,
        fields: BTreeMap::new(),
    }
}

pub(crate) fn change(note: &str) -> Change {
    Change { note: note.to_owned(), ..Change::default() }
}
