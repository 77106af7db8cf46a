//! Why a token is refused: what the log and `verify-token` say. The caller never learns which check failed.

use jiff::Timestamp;
use uuid::Uuid;

/// Longest piece of a token that is repeated in a log line.
const MAX_QUOTED_CHARS: usize = 120;

/// One failed check. Text in it comes from the token: it is clipped, and shown quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request has no `Authorization: Bearer` header")]
    NoToken,
    #[error("the token is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the {part} of the token cannot be read: {why:?}")]
    Malformed { part: &'static str, why: String },
    #[error("the token is signed with {found:?}, not RS256")]
    Algorithm { found: String },
    #[error("the token's header demands extensions (`crit`) that Entra does not use")]
    CriticalHeader,
    #[error("the token's header has no usable key id (`kid`)")]
    KeyId,
    #[error("the token has no `{0}` claim")]
    MissingClaim(&'static str),
    #[error("the token has version {found:?}, neither 1.0 nor 2.0")]
    Version { found: String },
    #[error("the token is from tenant {found}, which no [trust] entry names")]
    Tenant { found: Uuid },
    #[error("the tenant publishes no signing key {key_id:?} for tokens of this version")]
    SigningKey { key_id: String },
    #[error("the signature is not by the key that the token names")]
    Signature,
    #[error("the issuer is {found:?}, but the tenant's metadata says {expected:?}")]
    Issuer { found: String, expected: String },
    #[error("the audience is {found:?}, which the [trust] entry does not list")]
    Audience { found: String },
    #[error("the token expired at {at}")]
    Expired { at: Timestamp },
    #[error("the token is not valid before {from}")]
    NotYetValid { from: Timestamp },
    #[error("the token's times are no lifetime that Entra gives")]
    Lifetime,
    #[error("the caller is application {found:?}, which the [trust] entry does not list")]
    Caller { found: String },
    #[error("the token acts for a user (`scp`), not for an application")]
    Delegated,
    #[error("the token is of type {found:?} (`idtyp`), not `app`")]
    NotAnApplication { found: String },
    #[error("the token does not hold the role {expected:?}")]
    Role { expected: String },
}

/// What a refusal means for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The token is not shown to be from a trusted tenant for us: 401.
    Unauthenticated,
    /// Authentic, but not somebody who may deliver alerts: 403.
    Forbidden,
}

impl Refusal {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoToken
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::Algorithm { .. }
            | Self::CriticalHeader
            | Self::KeyId
            | Self::MissingClaim(_)
            | Self::Version { .. }
            | Self::Tenant { .. }
            | Self::SigningKey { .. }
            | Self::Signature
            | Self::Issuer { .. }
            | Self::Audience { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Lifetime => Class::Unauthenticated,
            Self::Caller { .. } | Self::Delegated | Self::NotAnApplication { .. } | Self::Role { .. } => {
                Class::Forbidden
            }
        }
    }

    /// The name of the failed check, as metric label and log field.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::TooLong { .. } => "too_long",
            Self::Malformed { .. } => "malformed",
            Self::Algorithm { .. } => "algorithm",
            Self::CriticalHeader => "critical_header",
            Self::KeyId => "key_id",
            Self::MissingClaim(_) => "missing_claim",
            Self::Version { .. } => "version",
            Self::Tenant { .. } => "tenant",
            Self::SigningKey { .. } => "signing_key",
            Self::Signature => "signature",
            Self::Issuer { .. } => "issuer",
            Self::Audience { .. } => "audience",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::Caller { .. } => "caller",
            Self::Delegated => "delegated",
            Self::NotAnApplication { .. } => "not_an_application",
            Self::Role { .. } => "role",
        }
    }

    /// What an operator should change, in Entra or in the settings.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoToken => {
                "in the action group, edit the secure webhook and choose the app registration (useAadAuth: true); \
                 a plain webhook sends no token"
            }
            Self::TooLong { .. } => {
                "an Entra token for an application is a few kB; raise http.max_token_bytes only if this one is real"
            }
            Self::Malformed { .. } | Self::CriticalHeader | Self::KeyId | Self::Lifetime => {
                "this is not an Entra access token; check what calls this address"
            }
            Self::Algorithm { .. } => "Entra signs with RS256 only; this token was not made by Entra",
            Self::MissingClaim(_) | Self::Version { .. } => {
                "take an access token for the app registration, not an id token or one for another API"
            }
            Self::Tenant { .. } => {
                "add a [trust.NAME] section with this tenant_id if the tenant is yours \
                 (Entra admin center > Overview > Tenant ID)"
            }
            Self::SigningKey { .. } | Self::Signature => {
                "check that trust.NAME.authority is the cloud that issued the token; \
                 the application must not use claims mapping with its own signing key"
            }
            Self::Issuer { .. } => {
                "check trust.NAME.authority; the token version is set in App registrations > Manifest \
                 > api.requestedAccessTokenVersion"
            }
            Self::Audience { .. } => {
                "add the audience to trust.NAME.audiences if it is your app registration: v2 tokens carry the \
                 Application (client) ID, v1 tokens the Application ID URI (App registrations > Expose an API)"
            }
            Self::Expired { .. } => "take a fresh token; if it is fresh, set this machine's clock (NTP)",
            Self::NotYetValid { .. } => "set this machine's clock (NTP)",
            Self::Caller { .. } => {
                "Azure Monitor calls as AzNS AAD Webhook, 461e8683-5575-4561-ac7f-899cc907d62a in the public cloud; \
                 another cloud's id belongs in trust.NAME.app_ids"
            }
            Self::Delegated | Self::NotAnApplication { .. } => {
                "take the token by client credentials: a token of a signed-in user is never accepted"
            }
            Self::Role { .. } => {
                "give the role to AzNS AAD Webhook (New-MgServicePrincipalAppRoleAssignment) and check that it is \
                 this role: the script in Azure's documentation assigns the first role of the app, whichever that is; \
                 or set trust.NAME.role"
            }
        }
    }
}

/// A text of a stranger, short enough for a log line and unable to forge one.
pub(crate) fn clipped(text: &str) -> String {
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(MAX_QUOTED_CHARS).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_can_neither_forge_a_log_line_nor_fill_the_log() {
        assert_eq!(clipped("RS256\n\u{1b}[31m"), "RS256\u{fffd}\u{fffd}[31m");
        assert_eq!(clipped(&"x".repeat(10_000)).chars().count(), MAX_QUOTED_CHARS);
    }
}
