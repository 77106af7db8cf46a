//! JSON that keeps the order of its members, so that payloads look like real deliveries.
//!
//! `serde_json` can do so too, but only by a feature that would change the products whenever they are built together
//! with this crate.

use bytes::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Document {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(IndexMap<String, Self>),
}

impl Document {
    /// The value at a JSON pointer without escapes.
    pub(super) fn at_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        pointer.split('/').skip(1).try_fold(self, |document, step| match document {
            Self::Object(members) => members.get_mut(step),
            Self::List(items) => items.get_mut(step.parse::<usize>().ok()?),
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) => None,
        })
    }

    /// Replaces the value at `pointer`, which a test makes sure is there.
    pub(super) fn replace(&mut self, pointer: &str, value: impl Into<Self>) {
        if let Some(place) = self.at_mut(pointer) {
            *place = value.into();
        }
    }

    /// Gives the object at `pointer` a new member behind another one.
    pub(super) fn insert_after(&mut self, pointer: &str, neighbour: &str, name: &str, value: &str) {
        if let Some(Self::Object(members)) = self.at_mut(pointer) {
            let place = members.get_index_of(neighbour).map_or(members.len(), |index| index + 1);
            members.shift_insert(place, name.to_owned(), value.into());
        }
    }

    /// The compact JSON text.
    pub(super) fn to_json(&self) -> Bytes {
        // Only maps with keys that are no texts, and writers that fail, make this fail: there are none.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<f64>> for Document {
    fn from(number: Option<f64>) -> Self {
        number.and_then(Number::from_f64).map_or(Self::Null, Self::Number)
    }
}
