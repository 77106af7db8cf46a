//! A bearer token, as anybody may send it. Input: a token, or header and claims, one line each, to be encoded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ingest::auth::token::{PresentedToken, Yardstick};
use ingest::auth::trust::{TrustList, TrustSettings};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use uuid::Uuid;

/// Longer than any refusal has to be, whatever it quotes.
const MAX_REFUSAL_CHARS: usize = 1_000;
const TENANT: Uuid = Uuid::from_u128(0xaa);
const ISSUER: &str = "https://login.example/00000000-0000-0000-0000-0000000000aa/v2.0";
const TRUST: &str = r#"
[fuzz]
tenant_id = "00000000-0000-0000-0000-0000000000aa"
audiences = "api"
"#;

static TRUSTED: LazyLock<TrustList> = LazyLock::new(|| {
    let entries: BTreeMap<String, TrustSettings> = toml::from_str(TRUST).expect("trust settings");
    TrustList::try_from(entries).expect("a trust list")
});

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.split_once('\n') {
        Some((header, claims)) => {
            let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
            present(&format!("{header}.{claims}.c2ln"));
        }
        None => present(text),
    }
}

fn present(token: &str) {
    let presented = match PresentedToken::read(token) {
        Ok(presented) => presented,
        Err(refusal) => return assert_fit_for_a_log(&refusal.to_string()),
    };
    assert!((1..=128).contains(&presented.key_id.len()));
    let Ok(trust) = TRUSTED.entry(presented.tenant_id, presented.audience()) else {
        assert_ne!(presented.tenant_id, TENANT);
        return;
    };
    let key = DecodingKey::from_rsa_raw_components(&[1; 256], &[1, 0, 1]);
    let now = Timestamp::from_second(1_780_000_000).expect("an instant");
    let mut refused = 0;
    for (_, outcome) in presented.checks(&Yardstick { trust, issuer: ISSUER, key: &key, now }) {
        if let Err(refusal) = outcome {
            refused += 1;
            assert_fit_for_a_log(&refusal.to_string());
        }
    }
    assert!(refused > 0, "a token that nobody signed passes every check");
}

fn assert_fit_for_a_log(refusal: &str) {
    crate::assert_one_line(refusal);
    assert!(refusal.chars().count() <= MAX_REFUSAL_CHARS, "{refusal}");
}
