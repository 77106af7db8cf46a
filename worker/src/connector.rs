//! What the worker asks of an ITSM product, and the list of products it can speak to.
//!
//! A connector knows its product and nothing else: no Postgres, no queue, no policy. It says what became of
//! each call in the terms of [`ConnectorError`]; what follows from that is decided in one place, `sync::retry`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use shared::settings::SettingsError;

pub use self::http::{Authorities, BasicSettings, CallSettings, TlsSettings};

mod http;
pub mod http_api;
pub(crate) mod markup;
pub mod request_tracker;
pub mod servicenow;
pub(crate) mod text;

/// One configured ITSM product, exactly one: `[targets.NAME.connector.PRODUCT]`.
// No enum: an error inside one does not name the product.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSettings {
    http_api: Option<http_api::HttpApiSettings>,
    request_tracker: Option<request_tracker::RequestTrackerSettings>,
    servicenow: Option<servicenow::ServiceNowSettings>,
}

impl ConnectorSettings {
    /// Makes the connector, which calls as told.
    ///
    /// # Errors
    /// When a setting cannot be used; the message names the key under `name`.
    pub fn connect(self, name: &str, calls: &CallSettings) -> Result<Arc<dyn Connector>, SettingsError> {
        let mut given: Vec<Arc<dyn Connector>> = Vec::new();
        if let Some(settings) = self.http_api {
            given.push(Arc::new(http_api::HttpApi::new(&format!("{name}.http_api"), settings, calls)?));
        }
        if let Some(settings) = self.request_tracker {
            let name = format!("{name}.request_tracker");
            given.push(Arc::new(request_tracker::RequestTracker::new(&name, settings, calls)?));
        }
        if let Some(settings) = self.servicenow {
            given.push(Arc::new(servicenow::ServiceNow::new(
                &format!("{name}.servicenow"),
                settings,
                calls,
            )?));
        }
        match (given.pop(), given.is_empty()) {
            (Some(connector), true) => Ok(connector),
            (Some(_) | None, _) => Err(SettingsError::Invalid(format!(
                "{name}: give one of http_api, request_tracker and servicenow"
            ))),
        }
    }
}

/// One ITSM product. Every method is one logical act and may be repeated.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Tries what the connector relies on, such as that a search for a random correlation id finds nothing, and leaves
    /// nothing behind. An error when the product could not be asked, or does not accept the credentials.
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError>;

    /// Tries what the settings would have written on tickets, as far as the product can be asked without a write.
    async fn check_presets(&self, _presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }

    /// Why a further field of this name would be refused on this occasion, whatever its value. Nothing is called.
    fn refuses(&self, occasion: Occasion, field: &str) -> Option<String>;

    /// Whether work items say with which resolution code they were ended.
    fn gives_resolutions(&self) -> bool;

    /// Every work item with this correlation id, verified in the returned records, oldest first. One, or none; more
    /// only if a create was carried out twice.
    async fn find(&self, correlation_id: &str) -> Result<Vec<WorkItem>, ConnectorError>;

    /// The work item as it is now; [`ConnectorError::Gone`] when it cannot be found.
    async fn read(&self, id: &str) -> Result<WorkItem, ConnectorError>;

    /// Makes a new work item. Never repeated inside: after [`ConnectorError::Ambiguous`] it may exist.
    async fn create(&self, draft: &Draft) -> Result<WorkItem, ConnectorError>;

    /// Adds a note (and sets fields) on an open work item.
    async fn note(&self, id: &str, change: &Change) -> Result<(), ConnectorError>;

    /// Resolves an open work item.
    async fn resolve(&self, id: &str, change: &Change) -> Result<(), ConnectorError>;

    /// Sets a resolved work item to work again.
    async fn reopen(&self, id: &str, change: &Change) -> Result<(), ConnectorError>;

    /// Closes an open work item that stands for the same alert as `original`, with a link to it.
    async fn close_double(&self, id: &str, original: &WorkItem) -> Result<(), ConnectorError>;

    /// The configuration items that the candidate names in this way, verified in the returned records; none if the
    /// product does not know the way, or the candidate is not of its kind.
    async fn find_cis(&self, way: CiWay, candidate: &CiCandidate) -> Result<CiHits, ConnectorError>;
}

/// An incident, or whatever the product calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// What the product's API knows it by.
    pub id: String,
    /// What people know it by.
    pub number: String,
    pub state: WorkItemState,
    /// The code with which it was ended, in the product's own words; none if it has none, or the product gives none.
    pub resolution: Option<String>,
}

/// As far as we need to tell states apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkItemState {
    Open,
    Resolved,
    /// Closed or cancelled: it must not be written to any more.
    Closed,
}

/// A work item to be made. Texts are plain and may be of any length; the connector fits them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// At most 100 characters of `[0-9A-Za-z:.-]`.
    pub correlation_id: String,
    pub summary: String,
    pub description: String,
    pub note: String,
    /// 1 is the highest.
    pub impact: u8,
    /// 1 is the highest.
    pub urgency: u8,
    /// The product's id of the configuration item.
    pub ci: Option<String>,
    /// Further fields by the product's own names.
    pub fields: BTreeMap<String, String>,
}

/// What to write on an existing work item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub note: String,
    /// The product's id of the configuration item, where it is bound only now.
    pub ci: Option<String>,
    /// Further fields by the product's own names.
    pub fields: BTreeMap<String, String>,
}

/// When further fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    Create,
    Note,
    Resolve,
    Reopen,
}

/// Something an alert names that a configuration item may be known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CiCandidate {
    /// An Azure resource id; compared without case.
    ArmId(String),
    /// A host or resource name; compared without case.
    Name(String),
}

/// How a configuration item is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiWay {
    /// By an attribute that holds the Azure resource id.
    ArmId,
    /// By its name.
    Name,
    /// By a tag that holds the Azure resource id.
    Tag,
}

impl CiWay {
    /// The surest first.
    pub const ALL: [Self; 3] = [Self::ArmId, Self::Name, Self::Tag];

    /// Its name in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ArmId => "arm_id",
            Self::Name => "name",
            Self::Tag => "tag",
        }
    }
}

/// So many of the items that fit are named to the operator.
const MAX_IDS_NAMED: usize = 10;

/// What one look-up found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiHits {
    /// Name by id.
    items: BTreeMap<String, String>,
    /// Why there may be others that fit.
    unseen: Option<String>,
}

impl CiHits {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, id: String, name: String) {
        self.items.insert(id, name);
    }

    /// The product may have others that it has not shown, so nothing here is certain; `why` is for the operator.
    #[must_use]
    pub fn incomplete(self, why: String) -> Self {
        Self { unseen: Some(why), ..self }
    }

    /// Whether it is certain that nothing fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.unseen.is_none()
    }

    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.items.contains_key(id)
    }

    /// Id and name of the only one that fits.
    #[must_use]
    pub fn only(&self) -> Option<(&String, &String)> {
        self.items.first_key_value().filter(|_| self.items.len() == 1 && self.unseen.is_none())
    }

    /// Why it is not certain which one fits, in words for the operator.
    #[must_use]
    pub fn doubt(&self) -> String {
        if let Some(why) = &self.unseen {
            return format!("may fit several items: {why}");
        }
        let ids: Vec<&str> = self.items.keys().take(MAX_IDS_NAMED).map(String::as_str).collect();
        let more = match self.items.len().saturating_sub(ids.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("fits several items: {}{more}", ids.join(", "))
    }
}

impl FromIterator<(String, String)> for CiHits {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(items: T) -> Self {
        Self { items: items.into_iter().collect(), unseen: None }
    }
}

/// What the settings would have written on tickets, whatever the alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presets {
    /// Names of further fields.
    pub fields: BTreeSet<String>,
    /// The product's id of the configuration item of tickets for which none is found.
    pub ci: Option<String>,
    /// The ways in which configuration items are looked for.
    pub ways: Vec<CiWay>,
    /// Resolution codes by which routes judge.
    pub wont_fix: BTreeSet<String>,
}

/// One thing that a self-test tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, such as `search by correlation id`.
    pub subject: String,
    pub verdict: Verdict,
}

/// What a finding means for the tickets of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Tickets are kept, but less well; the text says what to change.
    Limited(String),
    /// No ticket can be kept here; the text says what to change.
    Unusable(String),
}

impl Finding {
    /// What came of a trial: `refused` says what it means that the product refuses it.
    ///
    /// # Errors
    /// When the product could not be asked.
    pub fn of<T>(
        subject: &str,
        trial: Result<T, ConnectorError>,
        refused: fn(String) -> Verdict,
    ) -> Result<Self, ConnectorError> {
        let verdict = match trial {
            Ok(_) => Verdict::Fine,
            Err(ConnectorError::Rejected(reason) | ConnectorError::Gone(reason)) => refused(reason),
            Err(
                error @ (ConnectorError::Unavailable(_)
                | ConnectorError::Throttled { .. }
                | ConnectorError::Ambiguous(_)
                | ConnectorError::Unauthorized(_)),
            ) => return Err(error),
        };
        Ok(Self { subject: subject.to_owned(), verdict })
    }

    /// The same of something that tickets can do without: also that it could not be tried keeps none of them back.
    ///
    /// # Errors
    /// When the product does not accept the credentials.
    pub fn of_extra<T>(
        subject: &str,
        trial: Result<T, ConnectorError>,
        refused: fn(String) -> Verdict,
    ) -> Result<Self, ConnectorError> {
        let trial = match trial {
            Err(
                error @ (ConnectorError::Unavailable(_)
                | ConnectorError::Throttled { .. }
                | ConnectorError::Ambiguous(_)),
            ) => Err(ConnectorError::Rejected(format!("it could not be tried: {error}"))),
            Ok(_)
            | Err(ConnectorError::Unauthorized(_) | ConnectorError::Rejected(_) | ConnectorError::Gone(_)) => {
                trial
            }
        };
        Self::of(subject, trial, refused)
    }
}

/// What became of a call that did not succeed, named by what the caller can do about it.
///
/// The text is for an operator: the product's own words, cut to a sensible length, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// It did not happen; later it may.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It did not happen, and the product asks to be left alone for a while.
    #[error("throttled: {reason}")]
    Throttled { retry_after: Option<Duration>, reason: String },
    /// It may have happened: the answer was lost.
    #[error("outcome unknown: {0}")]
    Ambiguous(String),
    /// The credentials do not work, also after renewing the token.
    #[error("not authorised: {0}")]
    Unauthorized(String),
    /// The product refuses this work item as it is; repeating it is no use before somebody changes something.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The work item is not there, or is hidden from us.
    #[error("gone: {0}")]
    Gone(String),
}

impl ConnectorError {
    /// The same after a write that was accepted and cannot be verified now: it may have been carried out.
    #[must_use]
    fn after_a_write(self) -> Self {
        match self {
            Self::Unavailable(reason) => Self::Ambiguous(reason),
            other @ (Self::Throttled { .. }
            | Self::Ambiguous(_)
            | Self::Unauthorized(_)
            | Self::Rejected(_)
            | Self::Gone(_)) => other,
        }
    }

    /// Its name in metrics and in the ledger.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Ambiguous(_) => "ambiguous",
            Self::Unauthorized(_) => "unauthorized",
            Self::Rejected(_) => "rejected",
            Self::Gone(_) => "gone",
        }
    }
}
