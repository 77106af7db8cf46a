//! Who calls: a user with a password, or a client with a token that is renewed ahead of its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use moka::Expiry;
use moka::future::Cache;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::settings::SettingsError;
use url::Url;

use super::super::ConnectorError;
use super::secret::Secret;
use super::{Deadline, Purpose, Wire, redaction};

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
            Self::Fixed(fixed) => fixed.authorization(&fixed.secret.current()),
            Self::ClientCredentials(client) => client.authorization(wire, deadline).await,
        }
    }

    /// The header that it stands in.
    pub(crate) fn header(&self) -> &HeaderName {
        match self {
            Self::Fixed(fixed) => &fixed.header,
            Self::ClientCredentials(_) => &AUTHORIZATION,
        }
    }

    /// The error without what says who calls: the product's own words may repeat it.
    pub(super) fn hide(&self, authorization: &HeaderValue, error: ConnectorError) -> ConnectorError {
        let sent = authorization.to_str().unwrap_or_default();
        match self {
            Self::Fixed(fixed) => redaction::without(error, &[sent, fixed.secret.current().expose_secret()]),
            Self::ClientCredentials(_) => redaction::without(error, &[sent]),
        }
    }

    /// Discards what was refused, and says whether there is another to be had.
    pub(super) async fn discard(&self, refused: &HeaderValue) -> bool {
        match self {
            Self::Fixed(fixed) => {
                fixed.authorization(&fixed.secret.after_a_refusal()).is_ok_and(|other| other != refused)
            }
            Self::ClientCredentials(client) => {
                client.discard(refused).await;
                true
            }
        }
    }
}

/// One header that every call carries: a secret in the form that the product expects.
pub(crate) struct Fixed {
    header: HeaderName,
    form: Form,
    secret: Secret,
}

enum Form {
    /// A user's name and password, see <https://www.rfc-editor.org/rfc/rfc7617>.
    Basic { username: String },
    /// The secret behind what the product wants before it.
    Prefixed(String),
}

/// A user's name and password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSettings {
    /// The name, without a colon.
    pub username: String,
    /// The password, or `password_file`.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// A file that holds the password; it is read again when its content changes.
    pub password_file: Option<PathBuf>,
}

impl BasicSettings {
    /// `name` is the path of these settings, for messages.
    pub(crate) fn check(self, name: &str) -> Result<Credentials, SettingsError> {
        let password = Secret::new(&format!("{name}.password"), self.password, self.password_file)?;
        Ok(Credentials::Fixed(Fixed::basic(name, self.username, password)?))
    }
}

impl Fixed {
    /// # Errors
    /// When the name has a colon, which would end it; `name` is the key to mend.
    pub(crate) fn basic(name: &str, username: String, password: Secret) -> Result<Self, SettingsError> {
        if username.is_empty() || username.contains(':') {
            return Err(SettingsError::Invalid(format!("{name}.username must be set and have no colon")));
        }
        Self::new(AUTHORIZATION, Form::Basic { username }, password)
    }

    /// A header such as `Authorization: token SECRET`, where `token ` is the prefix.
    ///
    /// # Errors
    /// When the secret has a character that no header may have.
    pub(crate) fn prefixed(header: HeaderName, prefix: &str, secret: Secret) -> Result<Self, SettingsError> {
        Self::new(header, Form::Prefixed(prefix.to_owned()), secret)
    }

    fn new(header: HeaderName, form: Form, secret: Secret) -> Result<Self, SettingsError> {
        let fixed = Self { header, form, secret };
        fixed.value(&fixed.secret.current()).map_err(SettingsError::Invalid)?;
        let secret = match &fixed.form {
            // What is encoded can hold anything.
            Form::Basic { .. } => fixed.secret,
            Form::Prefixed(_) => fixed.secret.in_a_header(),
        };
        Ok(Self { secret, ..fixed })
    }

    fn authorization(&self, secret: &SecretString) -> Result<HeaderValue, ConnectorError> {
        self.value(secret).map_err(ConnectorError::Unauthorized)
    }

    fn value(&self, secret: &SecretString) -> Result<HeaderValue, String> {
        let secret = secret.expose_secret();
        let value = match &self.form {
            Form::Basic { username } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{secret}")))
            }
            Form::Prefixed(prefix) => format!("{prefix}{secret}"),
        };
        sensitive(&value).ok_or_else(|| format!("{} cannot stand in a header", self.secret.name()))
    }
}

/// OAuth 2.0 client credentials, see <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>.
///
/// However many calls need a token at once, it is asked for once.
pub(crate) struct ClientCredentials {
    token_url: Url,
    client_id: String,
    client_secret: Secret,
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
    #[serde(default, deserialize_with = "seconds")]
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
        client_secret: Secret,
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

    /// A token, asked for a second time where the secret was refused and there is another one by now.
    async fn fetch(&self, wire: &Wire, deadline: Deadline) -> Result<Token, ConnectorError> {
        let secret = self.client_secret.current();
        let outcome = self.ask(&secret, wire, deadline).await;
        let Err(ConnectorError::Unauthorized(reason)) = outcome else { return outcome };
        let other = self.client_secret.after_a_refusal();
        if other.expose_secret() == secret.expose_secret() {
            return Err(ConnectorError::Unauthorized(reason));
        }
        self.ask(&other, wire, deadline).await
    }

    async fn ask(
        &self,
        client_secret: &SecretString,
        wire: &Wire,
        deadline: Deadline,
    ) -> Result<Token, ConnectorError> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", client_secret.expose_secret()),
        ];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let request = wire.client.post(self.token_url.clone()).header(ACCEPT, "application/json").form(&form);
        // To ask twice does no harm, so it is like a search.
        let answer = wire
            .send(request, Purpose::Search, &explain, deadline)
            .await
            .map_err(|error| about_the_token(redaction::without(error, &[client_secret.expose_secret()])))?;
        let unusable =
            || ConnectorError::Unavailable("the token endpoint answered without a token".to_owned());
        let grant: Grant = serde_json::from_slice(&answer).map_err(|_| unusable())?;
        let authorization =
            sensitive(&format!("Bearer {}", grant.access_token.expose_secret())).ok_or_else(unusable)?;
        Ok(Token { authorization, usable: usable_for(grant.expires_in.map(Duration::from_secs)) })
    }
}

/// Seconds as products write them: as a number, whole or not, or as text. Anything else counts as unstated, for the
/// token is good all the same.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map(|life| life.as_secs()))
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
    fn a_life_is_read_however_it_is_written_and_a_token_is_good_without_one() {
        for (written, seconds) in [
            ("3599", Some(3599)),
            ("3600.0", Some(3600)),
            ("\"3599\"", Some(3599)),
            ("\" 60 \"", Some(60)),
            ("-1", None),
            ("1e300", None),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("null", None),
            ("{}", None),
        ] {
            let answer = format!(r#"{{"access_token": "t", "expires_in": {written}}}"#);
            let grant: Grant = serde_json::from_str(&answer).unwrap();
            assert_eq!(grant.expires_in, seconds, "{written}");
        }
        let grant: Grant = serde_json::from_str(r#"{"access_token": "t"}"#).unwrap();
        assert_eq!(grant.expires_in, None);
    }

    #[test]
    fn credentials_do_not_show() {
        let basic = Fixed::basic("auth", "user".to_owned(), secret("pass")).unwrap();
        assert_eq!(format!("{:?}", basic.authorization(&"pass".into()).unwrap()), "Sensitive");
        assert!(Fixed::basic("auth", "us:er".to_owned(), secret("pass")).is_err());
    }

    #[test]
    fn a_secret_stands_in_a_header_of_any_name_behind_any_prefix() {
        let name = HeaderName::from_static("x-api-key");
        let fixed = Fixed::prefixed(name.clone(), "Key ", secret("s3cret")).unwrap();
        let value = fixed.authorization(&"s3cret".into()).unwrap();
        assert_eq!((value.to_str().unwrap(), Credentials::Fixed(fixed).header()), ("Key s3cret", &name));
        let Err(error) = Fixed::prefixed(name, "", secret("a\nb")) else { panic!("it has two lines") };
        assert_eq!(error.to_string(), "auth.secret cannot stand in a header");
    }

    fn secret(value: &str) -> Secret {
        Secret::new("auth.secret", Some(value.into()), None).unwrap()
    }
}
