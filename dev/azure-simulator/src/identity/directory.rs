//! The directory itself: whom it knows, its keys, its tokens. All of it works without HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Faults, Grant, GrantError, KeyError, MintError, MintKey, Recipe, Refusal, TokenRequest,
    claims::{Subject, app_only},
    grant::{self, Parties},
    keys::{KeyRing, SigningKey},
    metadata, mint,
    traffic::Traffic,
};
use crate::settings::{Settings, Tenant, TokenVersion};

/// Lifetimes are drawn from this range, in seconds: 60 to 90 minutes.
/// Source: <https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes>.
const LIFETIME_SECONDS: std::ops::RangeInclusive<u32> = 3_600..=5_400;

/// A simulated Entra ID.
#[derive(Debug)]
pub struct Directory {
    settings: Settings,
    base_url: String,
    keys: Mutex<KeyRing>,
    faults: Mutex<Faults>,
    pub(super) traffic: Traffic,
}

/// What becomes of the keys before a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldKeys {
    /// An ordinary roll-over: tokens signed before it stay good.
    StayPublished,
    /// An emergency roll-over: tokens signed before it can no longer be verified.
    Withdrawn,
}

impl Directory {
    /// A directory with a fresh key. `base_url` has no slash at its end and ends up in issuers and links.
    ///
    /// # Errors
    /// When the key cannot be generated.
    pub fn new(settings: Settings, base_url: &str) -> Result<Self, KeyError> {
        Ok(Self {
            settings,
            base_url: base_url.trim_end_matches('/').to_owned(),
            keys: Mutex::new(KeyRing::new(SigningKey::generate()?)),
            faults: Mutex::default(),
            traffic: Traffic::default(),
        })
    }

    /// The URL under which others reach it, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whom it knows.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A token for a client that shows its secret.
    ///
    /// # Errors
    /// A [`Refusal`] as Entra words it; a [`KeyError`] only when cryptography fails.
    pub fn grant(
        &self,
        tenant_id: &str,
        request: &TokenRequest,
        now: Timestamp,
    ) -> Result<Grant, GrantError> {
        let parties = grant::approve(&self.settings, tenant_id, request)?;
        let expires_in = rand::random_range(LIFETIME_SECONDS);
        let key = self.signing_key();
        let header = header(&key, parties.resource.token_version, MintKey::Current);
        let claims = self.claims(&parties, now, expires_in);
        let access_token = mint::compact(&text(header), &text(claims), MintKey::Current, &key)?;
        Ok(Grant { access_token, expires_in })
    }

    /// A token made to order, with no secret asked.
    ///
    /// # Errors
    /// When the recipe names a tenant, client or API that is not in the settings.
    pub fn mint(&self, recipe: &Recipe) -> Result<String, MintError> {
        let tenant = named("tenant", recipe.tenant_id.as_deref(), self.settings.tenants.first(), |id| {
            self.settings.tenant(id)
        })?;
        let client =
            named("client", recipe.client_id.as_deref(), tenant.clients.first(), |id| tenant.client(id))?;
        let resource =
            named("API", recipe.audience.as_deref(), tenant.resources.first(), |id| tenant.resource(id))?;
        let identifier = recipe.audience.as_deref().unwrap_or(&resource.app_id_uri);
        let now = recipe.issued_at.unwrap_or_else(Timestamp::now);
        let parties = Parties { tenant, client, resource, identifier };
        let mut claims = self.claims(&parties, now, rand::random_range(LIFETIME_SECONDS));
        mint::change(&mut claims, &recipe.claims);
        let key = self.signing_key();
        let mut header = header(&key, resource.token_version, recipe.key);
        mint::change(&mut header, &recipe.header);
        Ok(mint::compact(&text(header), &text(claims), recipe.key, &key)?)
    }

    /// A token of exactly these texts, which need not even be JSON, signed with the current key.
    ///
    /// # Errors
    /// When cryptography fails.
    pub fn sign(&self, header: &str, claims: &str) -> Result<String, KeyError> {
        mint::compact(header, claims, MintKey::Current, &self.signing_key())
    }

    /// The discovery document of a tenant.
    ///
    /// # Errors
    /// When the tenant is unknown.
    pub fn discovery(&self, tenant_id: &str, version: TokenVersion) -> Result<Value, Refusal> {
        let tenant = self.known(tenant_id)?;
        Ok(metadata::discovery(&self.base_url, &tenant.tenant_id, version))
    }

    /// The published keys of a tenant. All tenants share them, as in Azure.
    ///
    /// # Errors
    /// When the tenant is unknown.
    pub fn key_set(&self, tenant_id: &str, version: TokenVersion) -> Result<Value, Refusal> {
        let tenant = self.known(tenant_id)?;
        Ok(metadata::key_set(&self.base_url, &tenant.tenant_id, version, lock(&self.keys).published()))
    }

    /// Signs with a new key from now on and returns its `kid`.
    ///
    /// # Errors
    /// When the key cannot be generated.
    pub fn rotate(&self, old: OldKeys) -> Result<String, KeyError> {
        let key = SigningKey::generate()?;
        let key_id = key.key_id.clone();
        lock(&self.keys).rotate(key, old);
        Ok(key_id)
    }

    /// Misbehaves as told from now on.
    pub fn misbehave(&self, faults: Faults) {
        *lock(&self.faults) = faults;
    }

    /// How it misbehaves now.
    pub fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    /// How often each kind of document was asked for.
    pub fn requests(&self) -> super::Requests {
        self.traffic.requests()
    }

    /// Counts from zero again.
    pub fn forget_requests(&self) {
        self.traffic.reset();
    }

    fn claims(&self, parties: &Parties<'_>, now: Timestamp, lifetime_seconds: u32) -> Map<String, Value> {
        let Parties { tenant, client, resource, identifier } = parties;
        let version = resource.token_version;
        let subject = Subject {
            tenant_id: &tenant.tenant_id,
            issuer: metadata::issuer(&self.base_url, &tenant.tenant_id, version),
            version,
            audience: match version {
                TokenVersion::V1 => identifier,
                TokenVersion::V2 => &resource.client_id,
            },
            client,
        };
        let unique = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        app_only(&subject, now, lifetime_seconds, &unique)
    }

    fn signing_key(&self) -> Arc<SigningKey> {
        lock(&self.keys).signing()
    }

    fn known(&self, tenant_id: &str) -> Result<&Tenant, Refusal> {
        self.settings
            .tenant(tenant_id)
            .ok_or_else(|| Refusal::UnknownTenant { tenant_id: tenant_id.to_owned() })
    }
}

/// The header of a token; only v1 tokens carry `x5t`.
fn header(key: &SigningKey, version: TokenVersion, signature: MintKey) -> Map<String, Value> {
    let mut header = Map::from_iter([
        ("typ".to_owned(), json!("JWT")),
        ("alg".to_owned(), json!(mint::algorithm(signature))),
        ("kid".to_owned(), json!(key.key_id)),
    ]);
    match version {
        TokenVersion::V1 => {
            header.insert("x5t".to_owned(), json!(key.key_id));
        }
        TokenVersion::V2 => {}
    }
    header
}

fn text(part: Map<String, Value>) -> String {
    Value::Object(part).to_string()
}

/// The entry that a recipe names, or the first one.
fn named<'a, T>(
    what: &'static str,
    name: Option<&str>,
    first: Option<&'a T>,
    find: impl FnOnce(&str) -> Option<&'a T>,
) -> Result<&'a T, MintError> {
    name.map_or(first, find)
        .ok_or_else(|| MintError::Unknown { what, name: name.unwrap_or("(the first)").to_owned() })
}

/// No code between lock and unlock can panic half-way through a change, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
