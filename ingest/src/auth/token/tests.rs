use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_780_000_000;
const TENANT: Uuid = Uuid::from_u128(0xaa);
const APP: &str = "461e8683-5575-4561-ac7f-899cc907d62a";

fn claims_v2() -> Value {
    json!({
        "ver": "2.0", "tid": TENANT, "iss": issuer(), "aud": "api-client-id", "azp": APP,
        "roles": ["Other", "ActionGroupsSecureWebhook"], "nbf": NOW - 100, "exp": NOW + 3600,
    })
}

fn issuer() -> String {
    format!("https://login.example/{TENANT}/v2.0")
}

fn token(header: &Value, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", encode(&header.to_string()), encode(claims))
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "RS256", "kid": "key-1" })
}

fn trust() -> Trust {
    Trust::for_tests(TENANT, "api-client-id", APP, Some("ActionGroupsSecureWebhook"))
}

/// The name of the first failed check but the signature's, which needs a key.
fn outcome(claims: &str, trust: &Trust) -> Result<(), &'static str> {
    let text = token(&header(), claims);
    let presented = PresentedToken::read(&text).map_err(|refusal| refusal.reason())?;
    let yardstick = Yardstick {
        trust,
        issuer: &issuer(),
        key: &DecodingKey::from_rsa_raw_components(&[], &[]),
        now: Timestamp::from_second(NOW).unwrap(),
    };
    presented
        .checks(&yardstick)
        .filter(|(check, _)| *check != Check::Signature)
        .try_for_each(|(_, outcome)| outcome)
        .map_err(|refusal| refusal.reason())
}

/// The outcome for a good token with some claims replaced, or taken away where the replacement is null.
fn with(changes: Value) -> Result<(), &'static str> {
    let mut claims = claims_v2();
    for (name, value) in changes.as_object().unwrap() {
        let members = claims.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), value.clone())
        };
    }
    outcome(&claims.to_string(), &trust())
}

#[test]
fn a_good_token_passes_every_check() {
    assert_eq!(with(json!({})), Ok(()));
    assert_eq!(with(json!({ "idtyp": "app" })), Ok(()));
    assert_eq!(with(json!({ "azp": APP.to_uppercase() })), Ok(()));
}

#[test]
fn each_claim_that_decides_is_required() {
    for claim in ["iss", "aud", "exp", "nbf", "tid", "ver"] {
        assert_eq!(with(json!({ claim: null })), Err("missing_claim"), "{claim}");
    }
    assert_eq!(with(json!({ "azp": null })), Err("caller"));
    assert_eq!(with(json!({ "roles": null })), Err("role"));
}

#[test]
fn each_check_has_its_own_refusal() {
    let foreign = Uuid::from_u128(0xbb);
    let cases = [
        (json!({ "iss": format!("https://login.example/{TENANT}/v2.0/") }), "issuer"),
        (json!({ "iss": format!("https://login.example/{foreign}/v2.0") }), "issuer"),
        (json!({ "tid": foreign }), "issuer"),
        (json!({ "aud": "another" }), "audience"),
        (json!({ "exp": NOW - 60 }), "expired"),
        (json!({ "nbf": NOW + 61 }), "not_yet_valid"),
        (json!({ "azp": "another" }), "caller"),
        (json!({ "azp": null, "appid": APP }), "caller"),
        (json!({ "scp": "user_impersonation" }), "delegated"),
        (json!({ "idtyp": "user" }), "not_an_application"),
        (json!({ "roles": ["actiongroupssecurewebhook"] }), "role"),
        (json!({ "ver": "3.0" }), "version"),
    ];
    for (changes, reason) in cases {
        assert_eq!(with(changes.clone()), Err(reason), "{changes}");
    }
}

#[test]
fn clocks_may_be_a_minute_apart() {
    assert_eq!(with(json!({ "exp": NOW - 59 })), Ok(()));
    assert_eq!(with(json!({ "nbf": NOW + 60 })), Ok(()));
}

#[test]
fn a_claim_of_another_type_neither_passes_nor_panics() {
    let cases = [
        json!({ "aud": ["api-client-id"] }),
        json!({ "iss": [issuer()] }),
        json!({ "exp": "1780003600" }),
        json!({ "exp": 1e300 }),
        json!({ "exp": u64::MAX }),
        json!({ "nbf": 1.5 }),
        json!({ "tid": "common" }),
        json!({ "ver": 2.0 }),
        json!({ "roles": "ActionGroupsSecureWebhook" }),
        json!({ "roles": [["ActionGroupsSecureWebhook"]] }),
        json!({ "azp": { "id": APP } }),
    ];
    for changes in cases {
        assert_eq!(with(changes.clone()), Err("malformed"), "{changes}");
    }
}

#[test]
fn times_that_entra_does_not_give_are_refused() {
    let cases = [
        json!({ "exp": i64::MAX }),
        json!({ "exp": i64::MIN }),
        json!({ "exp": 253_402_300_000_i64 }),
        json!({ "nbf": -1 }),
        json!({ "nbf": 0 }),
        json!({ "exp": NOW - 200, "nbf": NOW - 100 }),
    ];
    for changes in cases {
        assert_eq!(with(changes.clone()), Err("lifetime"), "{changes}");
    }
}

#[test]
fn a_claim_given_twice_makes_the_token_unreadable() {
    for claim in ["aud", "iss", "exp", "tid", "azp", "scp", "roles"] {
        let doubled =
            claims_v2().to_string().replacen('{', &format!(r#"{{"{claim}":null,"{claim}":null,"#), 1);
        assert_eq!(outcome(&doubled, &trust()), Err("malformed"), "{claim}");
    }
}

#[test]
fn a_user_scope_is_refused_even_when_it_is_null() {
    let claims = claims_v2().to_string().replacen('{', r#"{"scp":null,"#, 1);
    assert_eq!(outcome(&claims, &trust()), Err("delegated"));
}

#[test]
fn the_role_may_be_left_out_only_where_the_settings_say_so() {
    let mut claims = claims_v2();
    claims.as_object_mut().unwrap().remove("roles");
    let lenient = Trust::for_tests(TENANT, "api-client-id", APP, None);
    assert_eq!(outcome(&claims.to_string(), &lenient), Ok(()));
}

#[test]
fn the_header_chooses_neither_algorithm_nor_key() {
    let claims = claims_v2().to_string();
    let read = |header: Value| {
        PresentedToken::read(&token(&header, &claims))
            .map(|token| token.key_id)
            .map_err(|refusal| refusal.reason())
    };
    for algorithm in ["none", "None", "", "HS256", "RS384", "PS256", "ES256", "rs256"] {
        assert_eq!(read(json!({ "alg": algorithm, "kid": "k" })), Err("algorithm"), "{algorithm}");
    }
    assert_eq!(read(json!({ "alg": "RS256" })), Err("key_id"));
    assert_eq!(read(json!({ "alg": "RS256", "kid": "" })), Err("key_id"));
    assert_eq!(read(json!({ "alg": "RS256", "kid": "k".repeat(129) })), Err("key_id"));
    assert_eq!(
        read(json!({ "alg": "RS256", "kid": "k", "crit": ["b64"], "b64": false })),
        Err("critical_header")
    );
    assert_eq!(read(json!({ "kid": "k" })), Err("malformed"));
    assert_eq!(read(json!(["RS256", "k"])), Err("malformed"));
    let own_key = json!({ "alg": "RS256", "kid": "k", "jwk": 1, "jku": "https://evil", "x5u": "https://evil", "x5c": [] });
    assert_eq!(read(own_key), Ok("k".to_owned()));
}

#[test]
fn what_is_no_token_cannot_be_read() {
    for text in
        ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30", "\u{e4}.\u{e4}.\u{e4}", "e30=.e30=.e30="]
    {
        let refusal = PresentedToken::read(text).unwrap_err();
        assert_eq!(refusal.reason(), "malformed", "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(header in ".*", claims in ".*", text in ".*") {
        let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
        assert!(PresentedToken::read(&text).is_err());
        assert!(PresentedToken::read(&format!("{}.{}.{text}", encode(&header), encode(&claims))).is_err());
    }
}
