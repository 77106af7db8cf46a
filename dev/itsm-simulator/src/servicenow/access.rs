//! Who may call: Basic authentication and OAuth tokens.

use actix_web::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::answer::Answer;

/// The one token of the one integration user, whichever grant it came from.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: String,
    pub(super) expires: Timestamp,
}

/// Whether an `Authorization` header proves the integration user.
pub(super) fn is_authentic(
    header: Option<&str>,
    settings: &Settings,
    token: Option<&Token>,
    now: Timestamp,
) -> bool {
    let Some((scheme, proof)) = header.and_then(|header| header.split_once(' ')) else { return false };
    if scheme.eq_ignore_ascii_case("bearer") {
        return token.is_some_and(|token| token.secret == proof && now < token.expires);
    }
    let expected = format!("{}:{}", settings.username, settings.password);
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(proof).is_ok_and(|sent| sent == expected.as_bytes())
}

/// A token request, from the form in the body.
#[derive(Debug)]
pub(super) enum Grant {
    ClientCredentials,
    Password,
}

/// Checks a token request. The error is an answer in OAuth's shape, not in the Table API's.
pub(super) fn grant(form: &[(String, String)], settings: &Settings) -> Result<Grant, Answer> {
    let sent = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let grant = match sent("grant_type") {
        "client_credentials" => Grant::ClientCredentials,
        "password" => Grant::Password,
        _ => return Err(refuse("unauthorized_client", "grant type is not enabled")),
    };
    if sent("client_id") != settings.client_id || sent("client_secret") != settings.client_secret {
        return Err(refuse("invalid_client", "client id or secret is wrong"));
    }
    let is_user = sent("username") == settings.username && sent("password") == settings.password;
    match grant {
        Grant::Password if !is_user => Err(refuse("access_denied", "user name or password is wrong")),
        Grant::Password | Grant::ClientCredentials => Ok(grant),
    }
}

/// The answer that carries a token. Inside its life it is the same token with what is left of it.
pub(super) fn issue(token: &Token, grant: &Grant, now: Timestamp) -> Answer {
    let left: SignedDuration = token.expires.duration_since(now);
    let mut body = Map::from_iter([
        ("access_token".to_owned(), json!(token.secret)),
        ("scope".to_owned(), json!("useraccount")),
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_in".to_owned(), json!(left.as_secs())),
    ]);
    match grant {
        Grant::ClientCredentials => {}
        Grant::Password => {
            let refresh: String = token.secret.chars().rev().collect();
            body.insert("refresh_token".to_owned(), json!(refresh));
        }
    }
    Answer::json(StatusCode::OK, Value::Object(body))
}

/// What a token request without a form gets.
pub(super) fn not_a_form() -> Answer {
    refuse("server_error", "access_denied")
}

fn refuse(error: &str, description: &str) -> Answer {
    Answer::json(StatusCode::UNAUTHORIZED, json!({ "error": error, "error_description": description }))
}
