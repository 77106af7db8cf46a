//! The ITSM products to which alerts go, one target each, and what people do there.

use std::fmt;

use serde::Serialize;

/// A product with a simulator of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Product {
    #[serde(rename = "servicenow")]
    ServiceNow,
    #[serde(rename = "request-tracker")]
    RequestTracker,
}

/// What a person does to a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    Resolves,
    /// For good: it is not to be written to any more.
    Closes,
    Deletes,
    /// It becomes a part of another one.
    Merges,
}

impl Product {
    pub(crate) const ALL: [Self; 2] = [Self::ServiceNow, Self::RequestTracker];

    /// Its target, and where the simulator has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServiceNow => "servicenow",
            Self::RequestTracker => "request-tracker",
        }
    }

    /// What people can do at its desk: incidents are not merged.
    pub(crate) fn deeds(self) -> &'static [Deed] {
        match self {
            Self::ServiceNow => &[Deed::Resolves, Deed::Closes, Deed::Deletes],
            Self::RequestTracker => &[Deed::Resolves, Deed::Closes, Deed::Deletes, Deed::Merges],
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Deed {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resolves => "person_resolves",
            Self::Closes => "person_closes",
            Self::Deletes => "person_deletes",
            Self::Merges => "person_merges",
        }
    }
}
