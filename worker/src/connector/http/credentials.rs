//! Who calls: a user with a password, or a client with a token that is renewed ahead of its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use moka::Expiry;
use moka::future::Cache;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::settings::{SettingsError, secret};
use url::Url;

use super::super::ConnectorError;
use super::{Deadline, Purpose, Wire};

/// A token is renewed so long before it expires, so that none expires on its way.
const RENEW_AHEAD: Duration = Duration::from_secs(60);
/// The life of a token whose answer does not say how long it lives.
const UNSTATED_LIFE: Duration = Duration::from_secs(300);

/// How the calls of one target are authorised.
pub(crate) enum Credentials {
    Fixed(Fixed),
    ClientCredentials(ClientCredentials),
}

impl Credentials {
    /// What says who calls.
    pub(super) async fn authorization(
        &self,
        wire: &Wire,
        deadline: Deadline,
    ) -> Result<HeaderValue, ConnectorError> {
        match self {
            Self::Fixed(fixed) => Ok(fixed.authorization.clone()),
            Self::ClientCredentials(client) => client.authorization(wire, deadline).await,
        }
    }

    /// The header that it stands in.
    pub(super) fn header(&self) -> &HeaderName {
        match self {
            Self::Fixed(fixed) => &fixed.header,
            Self::ClientCredentials(_) => &AUTHORIZATION,
        }
    }

    /// Discards what was refused, and says whether there is another to be had.
    pub(super) async fn discard(&self, refused: &HeaderValue) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::ClientCredentials(client) => {
                client.discard(refused).await;
                true
            }
        }
    }
}

/// What every call carries as it is.
pub(crate) struct Fixed {
    header: HeaderName,
    authorization: HeaderValue,
}

/// A user's name and password, see <https://www.rfc-editor.org/rfc/rfc7617>.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicSettings {
    pub username: String,
    /// The password, or `password_file`.
    pub password: Option<SecretString>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
}

impl BasicSettings {
    /// `name` is the path of these settings, for messages.
    pub(crate) fn check(self, name: &str) -> Result<Credentials, SettingsError> {
        let password = secret(&format!("{name}.password"), self.password, self.password_file)?;
        Ok(Credentials::Fixed(Fixed::basic(name, &self.username, &password)?))
    }
}

impl Fixed {
    /// # Errors
    /// When the name has a colon, which would end it; `name` is the key to mend.
    pub(crate) fn basic(name: &str, username: &str, password: &SecretString) -> Result<Self, SettingsError> {
        if username.is_empty() || username.contains(':') {
            return Err(SettingsError::Invalid(format!("{name}.username must be set and have no colon")));
        }
        let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
        Self::new(name, AUTHORIZATION, &format!("Basic {pair}"))
    }

    /// A token behind the word that the product expects before it.
    ///
    /// # Errors
    /// When the token has a character that no header may have; `name` is the key to mend.
    pub(crate) fn token(name: &str, scheme: &str, token: &SecretString) -> Result<Self, SettingsError> {
        Self::header(name, AUTHORIZATION, &format!("{scheme} "), token)
    }

    /// A secret in a header, right behind a prefix.
    ///
    /// # Errors
    /// When it has a character that no header may have; `name` is the key to mend.
    pub(crate) fn header(
        name: &str,
        header: HeaderName,
        prefix: &str,
        secret: &SecretString,
    ) -> Result<Self, SettingsError> {
        Self::new(name, header, &format!("{prefix}{}", secret.expose_secret()))
    }

    fn new(name: &str, header: HeaderName, authorization: &str) -> Result<Self, SettingsError> {
        let authorization = sensitive(authorization)
            .ok_or_else(|| SettingsError::Invalid(format!("{name} cannot stand in a header")))?;
        Ok(Self { header, authorization })
    }
}

/// OAuth 2.0 client credentials, see <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>.
///
/// However many calls need a token at once, it is asked for once.
pub(crate) struct ClientCredentials {
    token_url: Url,
    client_id: String,
    client_secret: SecretString,
    scope: Option<String>,
    /// At most one token, for as long as it may be used.
    current: Cache<(), Token>,
}

#[derive(Clone)]
struct Token {
    authorization: HeaderValue,
    usable: Duration,
}

/// The answer of a token endpoint.
#[derive(Deserialize)]
struct Grant {
    access_token: SecretString,
    /// Seconds.
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

struct UntilRenewal;

impl Expiry<(), Token> for UntilRenewal {
    fn expire_after_create(&self, _key: &(), token: &Token, _created_at: Instant) -> Option<Duration> {
        Some(token.usable)
    }
}

impl ClientCredentials {
    pub(crate) fn new(
        token_url: Url,
        client_id: String,
        client_secret: SecretString,
        scope: Option<String>,
    ) -> Self {
        let current = Cache::builder().max_capacity(1).expire_after(UntilRenewal).build();
        Self { token_url, client_id, client_secret, scope, current }
    }

    async fn authorization(&self, wire: &Wire, deadline: Deadline) -> Result<HeaderValue, ConnectorError> {
        let token = self.current.try_get_with((), self.fetch(wire, deadline)).await;
        match token {
            Ok(token) => Ok(token.authorization),
            Err(shared) => Err(Arc::unwrap_or_clone(shared)),
        }
    }

    /// Drops the token if it is still the refused one; a newer one is another caller's success.
    async fn discard(&self, refused: &HeaderValue) {
        if self.current.get(&()).await.is_some_and(|token| token.authorization == refused) {
            self.current.invalidate(&()).await;
        }
    }

    async fn fetch(&self, wire: &Wire, deadline: Deadline) -> Result<Token, ConnectorError> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
        ];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let request = wire.client.post(self.token_url.clone()).header(ACCEPT, "application/json").form(&form);
        // To ask twice does no harm, so it is like a search.
        let answer =
            wire.send(request, Purpose::Search, &explain, deadline).await.map_err(about_the_token)?;
        let unusable =
            || ConnectorError::Unavailable("the token endpoint answered without a token".to_owned());
        let grant: Grant = serde_json::from_slice(&answer).map_err(|_| unusable())?;
        let authorization =
            sensitive(&format!("Bearer {}", grant.access_token.expose_secret())).ok_or_else(unusable)?;
        Ok(Token { authorization, usable: usable_for(grant.expires_in.map(Duration::from_secs)) })
    }
}

fn explain(body: &[u8]) -> Option<String> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    Some(match refusal.error_description {
        Some(description) => format!("{}: {description}", refusal.error),
        None => refusal.error,
    })
}

/// The call itself was never made, and a client that is not accepted is a matter of its credentials.
fn about_the_token(error: ConnectorError) -> ConnectorError {
    let at = |reason: String| format!("at the token endpoint: {reason}");
    match error {
        ConnectorError::Rejected(reason)
        | ConnectorError::Unauthorized(reason)
        | ConnectorError::Gone(reason) => ConnectorError::Unauthorized(at(reason)),
        ConnectorError::Unavailable(reason) | ConnectorError::Ambiguous(reason) => {
            ConnectorError::Unavailable(at(reason))
        }
        ConnectorError::Throttled { retry_after, reason } => {
            ConnectorError::Throttled { retry_after, reason: at(reason) }
        }
    }
}

/// Some products hand out the same token again until it expires: its last minute is halved from call
/// to call, or each call of that minute would ask for a token.
fn usable_for(life: Option<Duration>) -> Duration {
    let life = life.unwrap_or(UNSTATED_LIFE);
    life.saturating_sub(RENEW_AHEAD).max(life / 2)
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_a_minute_ahead_and_its_last_minute_is_halved() {
        for (life, usable) in [(1800, 1740), (120, 60), (59, 29), (1, 0), (0, 0)] {
            assert_eq!(usable_for(Some(Duration::from_secs(life))).as_secs(), usable, "{life}");
        }
        assert_eq!(usable_for(None), Duration::from_secs(240));
    }

    #[test]
    fn credentials_do_not_show() {
        let basic = Fixed::basic("auth", "user", &SecretString::from("pass")).unwrap();
        assert_eq!(format!("{:?}", basic.authorization), "Sensitive");
        assert!(Fixed::basic("auth", "us:er", &SecretString::from("pass")).is_err());
    }
}
