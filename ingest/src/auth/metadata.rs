//! A tenant's signing keys as Entra publishes them: OpenID discovery, then the key set that it points to.
//!
//! <https://learn.microsoft.com/entra/identity-platform/signing-key-rollover>

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use super::token::Version;

/// RFC 7518, section 3.3, asks for 2048 bits at least; nothing verifies with more than 8192.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// Fetches the keys of one tenant for tokens of one version.
#[derive(Debug, Clone)]
pub struct Metadata {
    client: reqwest::Client,
    limits: Limits,
    authority: Url,
    tenant_id: Uuid,
    version: Version,
}

/// What a tenant publishes for tokens of one version.
#[derive(Debug)]
pub struct KeySet {
    pub issuer: String,
    /// By key id.
    pub keys: HashMap<String, DecodingKey>,
}

/// What an answer of the identity provider may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For each of the two requests, reading the answer included.
    pub timeout: Duration,
    pub max_keys: usize,
    pub max_response_bytes: usize,
}

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("{url} cannot be reached: {source}; check DNS, proxy and firewall of this machine")]
    Unreachable {
        url: Url,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answered {status}, not 200; check trust.NAME.tenant_id and authority")]
    Status { url: Url, status: u16 },
    #[error("{url} answered more than {limit} bytes (keys.max_response_bytes)")]
    TooLarge { url: Url, limit: usize },
    #[error("{url} did not answer with the expected JSON: {source}")]
    NotJson {
        url: Url,
        #[source]
        source: serde_json::Error,
    },
    #[error("the issuer {issuer:?} of the metadata does not name the tenant {tenant_id}")]
    Issuer { issuer: String, tenant_id: Uuid },
    #[error("the keys are said to be at {url}, which is not on the authority {authority}")]
    Elsewhere { url: Url, authority: String },
    #[error("{found} keys are published, more than keys.max_keys = {limit}")]
    TooMany { found: usize, limit: usize },
    #[error("no RSA signing key is published at {url}")]
    NoKeys { url: Url },
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct JsonWebKeys {
    keys: Vec<JsonWebKey>,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kty: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Metadata {
    #[must_use]
    pub fn new(
        client: reqwest::Client,
        limits: Limits,
        authority: Url,
        tenant_id: Uuid,
        version: Version,
    ) -> Self {
        Self { client, limits, authority, tenant_id, version }
    }

    /// The keys as published now.
    ///
    /// # Errors
    /// A [`MetadataError`] when they cannot be had, or are not what an authority may publish.
    pub async fn fetch(&self) -> Result<KeySet, MetadataError> {
        let discovery: Discovery = self.get(self.discovery_url()).await?;
        self.check(&discovery)?;
        let published: JsonWebKeys = self.get(discovery.jwks_uri.clone()).await?;
        self.key_set(discovery, &published)
    }

    fn check(&self, discovery: &Discovery) -> Result<(), MetadataError> {
        if !discovery.issuer.contains(&self.tenant_id.to_string()) {
            let issuer = discovery.issuer.clone();
            return Err(MetadataError::Issuer { issuer, tenant_id: self.tenant_id });
        }
        // The same origin also means: https, unless the operator chose an authority without.
        if discovery.jwks_uri.origin() != self.authority.origin() {
            let (url, authority) = (discovery.jwks_uri.clone(), self.authority.to_string());
            return Err(MetadataError::Elsewhere { url, authority });
        }
        Ok(())
    }

    fn key_set(&self, discovery: Discovery, published: &JsonWebKeys) -> Result<KeySet, MetadataError> {
        let (found, limit) = (published.keys.len(), self.limits.max_keys);
        if found > limit {
            return Err(MetadataError::TooMany { found, limit });
        }
        let keys: HashMap<_, _> = published.keys.iter().filter_map(JsonWebKey::signing_key).collect();
        if keys.is_empty() {
            return Err(MetadataError::NoKeys { url: discovery.jwks_uri });
        }
        Ok(KeySet { issuer: discovery.issuer, keys })
    }

    fn discovery_url(&self) -> Url {
        let mut url = self.authority.clone();
        let version = match self.version {
            Version::V1 => "",
            Version::V2 => "/v2.0",
        };
        let base = url.path().trim_end_matches('/');
        let path = format!("{base}/{}{version}/.well-known/openid-configuration", self.tenant_id);
        url.set_path(&path);
        url
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, MetadataError> {
        let unreachable = |source| MetadataError::Unreachable { url: url.clone(), source };
        let request = self.client.get(url.clone()).timeout(self.limits.timeout);
        let mut response = request.send().await.map_err(unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(MetadataError::Status { status: response.status().as_u16(), url });
        }
        let limit = self.limits.max_response_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > limit {
                return Err(MetadataError::TooLarge { url, limit });
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|source| MetadataError::NotJson { url, source })
    }
}

impl JsonWebKey {
    /// The key with its id, if it is one for RS256 signatures. Entra's keys name no algorithm.
    fn signing_key(&self) -> Option<(String, DecodingKey)> {
        let fits = self.kty.as_deref() == Some("RSA")
            && matches!(self.usage.as_deref(), Some("sig") | None)
            && matches!(self.alg.as_deref(), Some("RS256") | None);
        if !fits {
            return None;
        }
        let modulus = URL_SAFE_NO_PAD.decode(self.n.as_deref()?).ok()?;
        let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        if !MODULUS_BYTES.contains(&(modulus.len() - leading_zeros)) {
            return None;
        }
        let key = DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?).ok()?;
        Some((self.kid.clone()?, key))
    }
}

/// The client for key fetches. A redirect is an answer other than 200: Entra sends none, and following one would
/// let it choose whom we trust.
///
/// # Errors
/// When the TLS configuration of this machine cannot be used.
pub fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("secure-export-ingest/", env!("CARGO_PKG_VERSION")))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(authority: &str, version: Version) -> Metadata {
        let limits = Limits { timeout: Duration::from_secs(1), max_keys: 2, max_response_bytes: 1 };
        Metadata::new(client().unwrap(), limits, authority.parse().unwrap(), Uuid::nil(), version)
    }

    #[test]
    fn each_version_has_its_own_metadata() {
        let url = |authority, version| String::from(metadata(authority, version).discovery_url());
        let tenant = Uuid::nil();
        assert_eq!(
            url("https://login.example", Version::V1),
            format!("https://login.example/{tenant}/.well-known/openid-configuration")
        );
        assert_eq!(
            url("https://login.example/base/", Version::V2),
            format!("https://login.example/base/{tenant}/v2.0/.well-known/openid-configuration")
        );
    }

    #[test]
    fn the_keys_must_be_where_the_authority_is() {
        let metadata = metadata("https://login.example", Version::V2);
        let check = |issuer: &str, jwks_uri: &str| {
            metadata.check(&Discovery { issuer: issuer.to_owned(), jwks_uri: jwks_uri.parse().unwrap() })
        };
        let issuer = format!("https://sts.example/{}/", Uuid::nil());
        assert!(check(&issuer, "https://login.example:443/keys").is_ok());
        for elsewhere in
            ["http://login.example/keys", "https://login.example.evil/keys", "https://login.example:1/"]
        {
            let error = check(&issuer, elsewhere).unwrap_err();
            assert!(matches!(error, MetadataError::Elsewhere { .. }), "{elsewhere}: {error}");
        }
        let error = check("https://sts.example/another/", "https://login.example/keys").unwrap_err();
        assert!(matches!(error, MetadataError::Issuer { .. }), "{error}");
    }

    #[test]
    fn a_set_without_usable_keys_or_with_too_many_is_refused() {
        let metadata = metadata("https://login.example", Version::V2);
        let set = |keys: &str| {
            let discovery =
                Discovery { issuer: String::new(), jwks_uri: "https://login.example/k".parse().unwrap() };
            metadata.key_set(discovery, &serde_json::from_str(&format!(r#"{{"keys":[{keys}]}}"#)).unwrap())
        };
        let key = format!(r#"{{"kty":"RSA","kid":"k","n":"{}","e":"AQAB"}}"#, modulus(256));
        assert_eq!(set(&key).unwrap().keys.len(), 1);
        assert!(matches!(set(""), Err(MetadataError::NoKeys { .. })));
        assert!(matches!(set(r#"{"kty":"EC"}"#), Err(MetadataError::NoKeys { .. })));
        let three = [key.as_str(); 3].join(",");
        assert!(matches!(set(&three), Err(MetadataError::TooMany { found: 3, limit: 2 })));
    }

    #[test]
    fn only_rsa_keys_for_signatures_are_used() {
        let used = |json: &str| {
            let json = json.replace(r#""n":"AQAB""#, &format!(r#""n":"{}""#, modulus(256)));
            serde_json::from_str::<JsonWebKey>(&json).unwrap().signing_key().is_some()
        };
        assert!(used(r#"{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}"#));
        assert!(used(
            r#"{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"AQAB","e":"AQAB","x5c":["x"]}"#
        ));
        assert!(!used(r#"{"kty":"RSA","use":"enc","kid":"k","n":"AQAB","e":"AQAB"}"#));
        assert!(!used(r#"{"kty":"RSA","alg":"RS512","kid":"k","n":"AQAB","e":"AQAB"}"#));
        assert!(!used(r#"{"kty":"oct","kid":"k","k":"AQAB"}"#));
        assert!(!used(r#"{"kty":"EC","kid":"k","crv":"P-256","x":"AQAB","y":"AQAB"}"#));
        assert!(!used(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#));
        assert!(!used(r#"{"kty":"RSA","kid":"k","n":"not base64!","e":"AQAB"}"#));
    }

    #[test]
    fn keys_that_are_too_small_to_trust_or_too_large_to_verify_with_are_not_used() {
        let used = |n: &str| {
            let json = format!(r#"{{"kty":"RSA","kid":"k","n":"{n}","e":"AQAB"}}"#);
            serde_json::from_str::<JsonWebKey>(&json).unwrap().signing_key().is_some()
        };
        assert!(used(&modulus(256)) && used(&modulus(1024)));
        assert!(!used(&modulus(255)) && !used(&modulus(1025)) && !used(""));
        assert!(!used(&URL_SAFE_NO_PAD.encode([vec![0; 128], vec![0xff; 128]].concat())));
    }

    fn modulus(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }
}
