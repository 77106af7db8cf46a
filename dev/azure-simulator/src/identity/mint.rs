//! Tokens of every kind, good and bad: a good one, changed as a test wants it.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::{KeyError, SigningKey};

/// How to make a token. The default is what Azure Monitor sends: the first tenant, its first client, its first API.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    /// The API, by its Application ID URI or client id.
    pub audience: Option<String>,
    /// When the token is issued; the present when it is missing.
    pub issued_at: Option<Timestamp>,
    /// Claims to set, or to remove where the value is null.
    pub claims: Map<String, Value>,
    /// Header parameters to set, or to remove where the value is null.
    pub header: Map<String, Value>,
    pub key: MintKey,
}

/// What a token is signed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MintKey {
    /// The key that signs ordinary tokens.
    #[default]
    Current,
    /// A fresh key that nobody publishes, under the name of the current one.
    Foreign,
    /// HS256 with the text of the current public key as its secret: the classical confusion of algorithms.
    #[serde(rename = "hs256_public_key")]
    Hs256PublicKey,
    /// `alg: none`, and an empty signature.
    None,
}

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("no {what} is called '{name}': name one of the settings")]
    Unknown { what: &'static str, name: String },
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Recipe {
    /// The same token, for another API.
    #[must_use]
    pub fn for_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// The same token, obtained by another client.
    #[must_use]
    pub fn by_client(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// The same token, issued at another time.
    #[must_use]
    pub fn issued_at(mut self, at: Timestamp) -> Self {
        self.issued_at = Some(at);
        self
    }

    /// The same token with a claim set, or removed by null.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// The same token with a header parameter set, or removed by null.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// The same token, signed otherwise.
    #[must_use]
    pub fn signed_with(mut self, key: MintKey) -> Self {
        self.key = key;
        self
    }
}

/// Sets each member, and removes it where the change is null.
pub(super) fn change(target: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            target.remove(name);
        } else {
            target.insert(name.clone(), value.clone());
        }
    }
}

/// The value of `alg` that belongs to a choice of key.
pub(super) fn algorithm(key: MintKey) -> &'static str {
    match key {
        MintKey::Current | MintKey::Foreign => "RS256",
        MintKey::Hs256PublicKey => "HS256",
        MintKey::None => "none",
    }
}

/// Header, claims and signature in the compact form.
pub(super) fn compact(
    header: &str,
    claims: &str,
    key: MintKey,
    current: &SigningKey,
) -> Result<String, KeyError> {
    let message = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = match key {
        MintKey::Current => current.sign(message.as_bytes())?,
        MintKey::Foreign => SigningKey::generate()?.sign(message.as_bytes())?,
        MintKey::Hs256PublicKey => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, current.public_pem()?.as_bytes());
            hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
        }
        MintKey::None => Vec::new(),
    };
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}
