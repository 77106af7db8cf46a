//! The rules that a token must pass (pure: the keys, the settings and the clock are parameters).
//!
//! Microsoft's list of what to check:
//! <https://learn.microsoft.com/entra/identity-platform/claims-validation> and
//! <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens>.
//! The signature is verified by `jsonwebtoken`; the claims are checked here, because a library that checks a claim
//! only when the token carries it would let a token without `aud` pass.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::refusal::{Refusal, clipped};
use super::trust::Trust;

/// How far the clocks of Entra and of this machine may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);
/// Entra gives access tokens 60 to 90 minutes, and up to 28 hours with continuous access evaluation.
/// <https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation>
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(48);
/// Entra's key ids have 27 or 43 characters.
const MAX_KEY_ID_BYTES: usize = 128;
const ALGORITHM: &str = "RS256";

/// The two token formats of Entra; the app registration chooses, and each has its own metadata and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    V1,
    V2,
}

/// A token as presented: it can be read, and nothing in it is believed yet.
#[derive(Debug)]
pub struct PresentedToken<'t> {
    pub key_id: String,
    pub tenant_id: Uuid,
    pub version: Version,
    claims: Claims,
    /// Header and claims, as signed.
    signed: &'t str,
    signature: &'t str,
}

/// What a token is checked against.
pub struct Yardstick<'a> {
    pub trust: &'a Trust,
    /// The issuer that the tenant's metadata names for tokens of this version.
    pub issuer: &'a str,
    /// The tenant's key that the token names.
    pub key: &'a DecodingKey,
    pub now: Timestamp,
}

/// A check on a token that could be read, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Signature,
    Issuer,
    Audience,
    Times,
    Caller,
    Application,
    Role,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::V2 => "v2.0",
        }
    }
}

impl<'t> PresentedToken<'t> {
    /// Takes a token apart, far enough to know whose keys and which settings decide about it.
    ///
    /// Of the header only `alg` and `kid` count: `jwk`, `jku` and `x5u` would let the token choose its own key.
    ///
    /// # Errors
    /// A [`Refusal`] when it is not a signed token of Entra's making.
    pub fn read(token: &'t str) -> Result<Self, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or_else(not_three_parts)?;
        let (header, claims) = signed.split_once('.').ok_or_else(not_three_parts)?;
        let header: Header = part("header", header)?;
        if header.alg != ALGORITHM {
            return Err(Refusal::Algorithm { found: clipped(&header.alg) });
        }
        if header.crit {
            return Err(Refusal::CriticalHeader);
        }
        let key_id = header.kid.filter(|kid| (1..=MAX_KEY_ID_BYTES).contains(&kid.len()));
        let claims: Claims = part("claims", claims)?;
        let version = match claims.ver.as_deref() {
            Some("1.0") => Version::V1,
            Some("2.0") => Version::V2,
            Some(other) => return Err(Refusal::Version { found: clipped(other) }),
            None => return Err(Refusal::MissingClaim("ver")),
        };
        Ok(Self {
            key_id: key_id.ok_or(Refusal::KeyId)?,
            tenant_id: claims.tid.ok_or(Refusal::MissingClaim("tid"))?,
            version,
            claims,
            signed,
            signature,
        })
    }

    /// The audience that the token claims.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.claims.aud.as_deref()
    }

    /// When the token ends, without leeway.
    ///
    /// # Errors
    /// A [`Refusal`] when it does not say.
    pub fn expires_at(&self) -> Result<Timestamp, Refusal> {
        instant("exp", self.claims.exp)
    }

    /// Makes each check as the iterator is advanced. The token may be believed when all are `Ok`.
    pub fn checks(&self, yardstick: &Yardstick<'_>) -> impl Iterator<Item = (Check, Result<(), Refusal>)> {
        Check::ALL.into_iter().map(|check| (check, self.check(check, yardstick)))
    }

    fn check(&self, check: Check, yardstick: &Yardstick<'_>) -> Result<(), Refusal> {
        match check {
            Check::Signature => self.signature_is_by(yardstick.key),
            Check::Issuer => self.issued_by(yardstick),
            Check::Audience => self.meant_for(yardstick.trust),
            Check::Times => self.valid_at(yardstick.now),
            Check::Caller => self.sent_by(yardstick.trust),
            Check::Application => self.acts_for_an_application(),
            Check::Role => self.holds_role(yardstick.trust),
        }
    }

    fn signature_is_by(&self, key: &DecodingKey) -> Result<(), Refusal> {
        match crypto::verify(self.signature, self.signed.as_bytes(), key, Algorithm::RS256) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refusal::Signature),
        }
    }

    fn issued_by(&self, yardstick: &Yardstick<'_>) -> Result<(), Refusal> {
        let found = self.claims.iss.as_deref().ok_or(Refusal::MissingClaim("iss"))?;
        let names_tenant = found.contains(&yardstick.trust.tenant_id.to_string());
        if found == yardstick.issuer && names_tenant && self.tenant_id == yardstick.trust.tenant_id {
            return Ok(());
        }
        Err(Refusal::Issuer { found: clipped(found), expected: yardstick.issuer.to_owned() })
    }

    fn meant_for(&self, trust: &Trust) -> Result<(), Refusal> {
        let found = self.audience().ok_or(Refusal::MissingClaim("aud"))?;
        if trust.audiences.iter().any(|known| known == found) {
            return Ok(());
        }
        Err(Refusal::Audience { found: clipped(found) })
    }

    fn valid_at(&self, now: Timestamp) -> Result<(), Refusal> {
        let at = self.expires_at()?;
        let from = instant("nbf", self.claims.nbf)?;
        let lifetime = at.duration_since(from);
        if from < Timestamp::UNIX_EPOCH || lifetime <= SignedDuration::ZERO || lifetime > MAX_LIFETIME {
            return Err(Refusal::Lifetime);
        }
        if now.duration_since(at) >= LEEWAY {
            return Err(Refusal::Expired { at });
        }
        if from.duration_since(now) > LEEWAY {
            return Err(Refusal::NotYetValid { from });
        }
        Ok(())
    }

    fn sent_by(&self, trust: &Trust) -> Result<(), Refusal> {
        let claim = match self.version {
            Version::V1 => &self.claims.appid,
            Version::V2 => &self.claims.azp,
        };
        // A caller that the token does not name is in no list.
        let found = claim.as_deref().unwrap_or_default();
        if trust.app_ids.iter().any(|known| known.eq_ignore_ascii_case(found)) {
            return Ok(());
        }
        Err(Refusal::Caller { found: clipped(found) })
    }

    fn acts_for_an_application(&self) -> Result<(), Refusal> {
        if self.claims.scp {
            return Err(Refusal::Delegated);
        }
        match self.claims.idtyp.as_deref() {
            None | Some("app") => Ok(()),
            Some(other) => Err(Refusal::NotAnApplication { found: clipped(other) }),
        }
    }

    fn holds_role(&self, trust: &Trust) -> Result<(), Refusal> {
        match &trust.role {
            Some(expected) if !self.claims.roles.contains(expected) => {
                Err(Refusal::Role { expected: expected.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Check {
    pub const ALL: [Self; 7] = [
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Times,
        Self::Caller,
        Self::Application,
        Self::Role,
    ];
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signed with the tenant's key",
            Self::Issuer => "issued by the trusted tenant (iss, tid)",
            Self::Audience => "meant for this app registration (aud)",
            Self::Times => "valid now (nbf, exp)",
            Self::Caller => "sent by Azure Monitor's application (appid, azp)",
            Self::Application => "for an application, not a user (scp, idtyp)",
            Self::Role => "with the required application role (roles)",
        })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// The claims that decide. A claim of another type than Entra's, or one given twice, makes the token unreadable.
#[derive(Debug, Deserialize)]
struct Claims {
    ver: Option<String>,
    tid: Option<Uuid>,
    iss: Option<String>,
    aud: Option<String>,
    /// Seconds since 1970.
    exp: Option<i64>,
    /// Seconds since 1970.
    nbf: Option<i64>,
    appid: Option<String>,
    azp: Option<String>,
    idtyp: Option<String>,
    #[serde(default, deserialize_with = "present")]
    scp: bool,
    #[serde(default)]
    roles: Vec<String>,
}

fn part<T: DeserializeOwned>(part: &'static str, text: &str) -> Result<T, Refusal> {
    let malformed = |why: String| Refusal::Malformed { part, why: clipped(&why) };
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|error| malformed(error.to_string()))?;
    // serde would fill a struct from an array too.
    if json.first() != Some(&b'{') {
        return Err(malformed("not a JSON object".to_owned()));
    }
    serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))
}

fn not_three_parts() -> Refusal {
    Refusal::Malformed { part: "form", why: "not three parts joined by dots".to_owned() }
}

fn instant(claim: &'static str, seconds: Option<i64>) -> Result<Timestamp, Refusal> {
    let seconds = seconds.ok_or(Refusal::MissingClaim(claim))?;
    Timestamp::from_second(seconds).map_err(|_| Refusal::Lifetime)
}

/// Whether a member is there at all, be it null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests;
