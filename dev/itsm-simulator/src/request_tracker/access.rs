//! Who may call: a token or Basic authentication, never a bearer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::desk::Desk;

/// Whether an `Authorization` header proves the integration user.
pub(super) fn is_authentic(header: Option<&str>, desk: &Desk) -> bool {
    let Some((scheme, proof)) = header.and_then(|header| header.split_once(' ')) else { return false };
    let settings = &desk.settings;
    if scheme.eq_ignore_ascii_case("token") {
        return !desk.token_revoked && proof == settings.token;
    }
    let expected = format!("{}:{}", settings.username, settings.password);
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(proof).is_ok_and(|sent| sent == expected.as_bytes())
}
