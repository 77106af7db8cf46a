//! Who may deliver alerts. [`AuthorizedCaller`] is the proof: only this module makes one, from a token that passed
//! every check, so a handler that takes it cannot run unauthorised.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use jiff::Timestamp;
use shared::ops::Dependency;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub mod keys;
pub mod metadata;
pub mod refusal;
mod remembered;
pub mod token;
pub mod trust;

use self::keys::{KeyError, KeyRing, Schedule};
use self::metadata::{Limits, Metadata, MetadataError};
use self::refusal::{Class, Refusal, clipped};
use self::remembered::{Grant, Remembered};
use self::token::{PresentedToken, Version, Yardstick};
use self::trust::{Trust, TrustList};
use crate::arrival::Arrival;
use crate::metrics::{Metrics, TokenOutcome};
use crate::problem::{Code, Problem};

/// Somebody who may deliver alerts, as their token and the settings prove.
#[derive(Debug)]
pub struct AuthorizedCaller {
    trust: Arc<Trust>,
}

impl AuthorizedCaller {
    #[must_use]
    pub fn tenant_id(&self) -> Uuid {
        self.trust.tenant_id
    }

    /// Whether an alert that names these subscriptions (in lower case) may come from this caller. Where the settings
    /// list subscriptions, an alert that names none is not shown to be about one of them.
    pub fn may_report_on(&self, subscriptions: impl Iterator<Item = String>) -> bool {
        if !self.trust.limits_subscriptions() {
            return true;
        }
        let mut subscriptions = subscriptions.peekable();
        subscriptions.peek().is_some() && subscriptions.all(|id| self.trust.allows_subscription(&id))
    }
}

impl FromRequest for AuthorizedCaller {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            // Without a deadline or something to check tokens with, nobody is let in.
            let authenticator = request.app_data::<Data<Authenticator>>().ok_or(Code::KeysUnavailable)?;
            let deadline = Arrival::deadline(&request)?;
            // Of two headers a proxy may have checked the other one.
            let mut headers = request.headers().get_all(AUTHORIZATION);
            let authorization = match (headers.next(), headers.next()) {
                (Some(only), None) => only.to_str().ok(),
                (None, _) | (Some(_), Some(_)) => None,
            };
            match tokio::time::timeout_at(deadline, authenticator.authorize(authorization)).await {
                Ok(outcome) => Ok(outcome?),
                Err(_) => Err(Code::KeysUnavailable.into()),
            }
        })
    }
}

/// Checks tokens against the trust entries and the keys of their tenants.
pub struct Authenticator {
    trusts: TrustList,
    rings: HashMap<(Uuid, Version), Arc<KeyRing>>,
    remembered: Remembered,
    max_token_bytes: usize,
    metrics: Metrics,
}

/// How tokens and keys are dealt with: sections `[keys]` and `[tokens]`, checked.
#[derive(Debug, Clone, Copy)]
pub struct AuthPolicy {
    pub schedule: Schedule,
    pub limits: Limits,
    pub max_token_bytes: usize,
    pub remembered_max: u64,
}

/// Why nobody was authorised.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the token cannot be checked: {0}")]
    Unchecked(#[source] KeyError),
}

impl Authenticator {
    /// Starts to fetch the keys of every trusted tenant, for both token versions, and returns at once.
    /// `health` is up as soon as there are keys of one tenant: others must not wait for a tenant that is gone.
    #[must_use]
    pub fn start(
        trusts: TrustList,
        policy: AuthPolicy,
        client: &reqwest::Client,
        metrics: &Metrics,
        health: Dependency,
        shutdown: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let any_keys = Arc::new(AtomicBool::new(false));
        let reports = FetchReports { metrics: metrics.clone(), health, any_keys };
        let mut rings = HashMap::new();
        for (tenant_id, authority) in trusts.tenants() {
            for version in Version::ALL {
                let metadata =
                    Metadata::new(client.clone(), policy.limits, authority.clone(), tenant_id, version);
                let fetch = move || {
                    let metadata = metadata.clone();
                    async move { metadata.fetch().await }
                };
                let reports = reports.clone();
                let report = move |outcome: Result<(), &_>| reports.heard(tenant_id, version, outcome);
                let ring = KeyRing::start(policy.schedule, fetch, report, shutdown.clone(), tasks);
                rings.insert((tenant_id, version), ring);
            }
        }
        Self {
            trusts,
            rings,
            remembered: Remembered::new(policy.remembered_max),
            max_token_bytes: policy.max_token_bytes,
            metrics: metrics.clone(),
        }
    }

    /// Authorises the sender of an `Authorization` header; may wait for a fetch of keys. The caller sets the deadline.
    ///
    /// # Errors
    /// When there is no good token, or none can be told now.
    pub async fn authorize(&self, authorization: Option<&str>) -> Result<AuthorizedCaller, AuthError> {
        let outcome = self.grant(authorization).await;
        let counted = match &outcome {
            Ok((_, remembered)) => *remembered,
            Err(AuthError::Refused(refusal)) => TokenOutcome::Refused(refusal.reason()),
            Err(AuthError::Unchecked(_)) => TokenOutcome::Unchecked,
        };
        self.metrics.token_checked(counted);
        match outcome {
            Ok((grant, _)) => Ok(AuthorizedCaller { trust: grant.trust }),
            Err(error) => {
                log(&error);
                Err(error)
            }
        }
    }

    async fn grant(&self, authorization: Option<&str>) -> Result<(Grant, TokenOutcome), AuthError> {
        let token = authorization.and_then(bearer).ok_or(Refusal::NoToken)?;
        if token.len() > self.max_token_bytes {
            return Err(Refusal::TooLong { limit: self.max_token_bytes }.into());
        }
        let now = Timestamp::now();
        if let Some(grant) = self.remembered.recall(token, now) {
            return Ok((grant, TokenOutcome::Remembered));
        }
        let grant = self.verify(token, now).await?;
        self.remembered.remember(token, grant.clone());
        self.metrics.remembered_tokens.set(i64::try_from(self.remembered.count()).unwrap_or(i64::MAX));
        Ok((grant, TokenOutcome::Verified))
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, AuthError> {
        let presented = PresentedToken::read(token)?;
        let trust = self.trusts.entry(presented.tenant_id, presented.audience())?;
        let unknown_tenant = Refusal::Tenant { found: presented.tenant_id };
        let ring = self.rings.get(&(presented.tenant_id, presented.version)).ok_or(unknown_tenant)?;
        let unknown_key = || Refusal::SigningKey { key_id: clipped(&presented.key_id) };
        let keys = ring.holding(&presented.key_id).await.map_err(|error| match error {
            KeyError::Unknown => AuthError::Refused(unknown_key()),
            KeyError::Unavailable => AuthError::Unchecked(error),
        })?;
        let key = keys.keys.get(&presented.key_id).ok_or_else(unknown_key)?;
        let yardstick = Yardstick { trust, issuer: &keys.issuer, key, now };
        presented.checks(&yardstick).try_for_each(|(_, outcome)| outcome)?;
        let expires_at = presented.expires_at()?;
        Ok(Grant { trust: Arc::clone(trust), expires_at, ring: Arc::clone(ring), keys })
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(refusal) => match refusal.class() {
                Class::Unauthenticated => Code::Unauthenticated.into(),
                Class::Forbidden => Code::Forbidden.into(),
            },
            AuthError::Unchecked(_) => Code::KeysUnavailable.into(),
        }
    }
}

/// Hears of every fetch of keys, of all tenants.
#[derive(Clone)]
struct FetchReports {
    metrics: Metrics,
    health: Dependency,
    any_keys: Arc<AtomicBool>,
}

impl FetchReports {
    fn heard(&self, tenant_id: Uuid, version: Version, outcome: Result<(), &MetadataError>) {
        self.metrics.keys_fetched(outcome);
        if let Err(error) = outcome {
            let version = version.as_str();
            tracing::warn!(%tenant_id, version, %error, "keys of tenant {tenant_id} cannot be fetched: {error}");
            if !self.any_keys.load(Ordering::SeqCst) {
                self.health.down(&error.to_string());
            }
        } else {
            self.any_keys.store(true, Ordering::SeqCst);
        }
        // Asked again, because another tenant's keys may have come in between.
        if self.any_keys.load(Ordering::SeqCst) {
            self.health.up();
        }
    }
}

fn log(error: &AuthError) {
    match error {
        AuthError::Refused(refusal) => {
            tracing::warn!(reason = refusal.reason(), remedy = refusal.remedy(), "token refused: {refusal}");
        }
        AuthError::Unchecked(cause) => tracing::warn!(%cause, "token not checked: {cause}"),
    }
}

/// The token of an `Authorization` header. The scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_the_scheme() {
        for header in ["Bearer t", "bearer t", "BEARER   t", " Bearer t "] {
            assert_eq!(bearer(header), Some("t"), "{header}");
        }
        for header in ["", "t", "Bearer", "Bearer ", "Basic dTpw", "Bearert"] {
            assert_eq!(bearer(header), None, "{header}");
        }
    }
}
