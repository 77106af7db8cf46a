//! Signing keys: made at start, replaced on request, published as a JSON Web Key Set.

use std::sync::Arc;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

use super::OldKeys;

/// How many keys stay published after they stopped signing. Entra publishes a handful; older ones leave the set.
const MOST_RETIRED: usize = 4;

/// An RSA-2048 key and the name under which it is published.
#[derive(Debug)]
pub(super) struct SigningKey {
    pub(super) key_id: String,
    pair: RsaKeyPair,
}

/// The published keys. The newest one signs.
#[derive(Debug)]
pub(super) struct KeyRing {
    signing: Arc<SigningKey>,
    /// Newest first; the signing key is not among them.
    retired: Vec<Arc<SigningKey>>,
}

/// A cryptographic operation failed, which means that this machine cannot run the simulator.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}: check that aws-lc works on this machine")]
pub struct KeyError {
    operation: &'static str,
}

impl SigningKey {
    /// A new key, which nobody has published yet.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)
            .map_err(|_unspecified| KeyError { operation: "generate an RSA key" })?;
        // Entra names a key by the SHA-1 thumbprint of its certificate: 20 bytes. Ours has no certificate, so the
        // name is as long, but made of the public key.
        let thumbprint = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(thumbprint.as_ref().get(..20).unwrap_or_default());
        Ok(Self { key_id, pair })
    }

    /// The RS256 signature of `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_unspecified| KeyError { operation: "sign with an RSA key" })?;
        Ok(signature)
    }

    /// The public key as a PEM text, which anybody can compute from the key set.
    pub(super) fn public_pem(&self) -> Result<String, KeyError> {
        let der: PublicKeyX509Der<'_> = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_unspecified| KeyError { operation: "encode an RSA public key" })?;
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in BASE64_STANDARD.encode(der.as_ref()).as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }

    /// The modulus, base64url, as `n` of a JSON Web Key.
    pub(super) fn modulus(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key().modulus().big_endian_without_leading_zero())
    }

    /// The exponent, base64url, as `e` of a JSON Web Key.
    pub(super) fn exponent(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key().exponent().big_endian_without_leading_zero())
    }
}

impl KeyRing {
    /// A ring with one key.
    pub(super) fn new(key: SigningKey) -> Self {
        Self { signing: Arc::new(key), retired: Vec::new() }
    }

    /// The key that signs.
    pub(super) fn signing(&self) -> Arc<SigningKey> {
        Arc::clone(&self.signing)
    }

    /// All published keys, newest first.
    pub(super) fn published(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.signing).chain(&self.retired).map(AsRef::as_ref)
    }

    /// Signs with `key` from now on; `old` says whether its forerunners stay published.
    pub(super) fn rotate(&mut self, key: SigningKey, old: OldKeys) {
        let former = std::mem::replace(&mut self.signing, Arc::new(key));
        match old {
            OldKeys::StayPublished => {
                self.retired.insert(0, former);
                self.retired.truncate(MOST_RETIRED);
            }
            OldKeys::Withdrawn => self.retired.clear(),
        }
    }
}
