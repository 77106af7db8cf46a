//! Token headers that would have the token choose how it is checked.

use azure_simulator::identity::{MintKey, Recipe};
use serde_json::{Map, Value, json};

use crate::app::TestApp;
use crate::claims::{good, json};
use crate::siege::{Attempt, Expected, app, lay};

const ALGORITHMS: [&str; 30] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    " ",
    "HS256",
    "HS384",
    "HS512",
    "hs256",
    "RS384",
    "RS512",
    "rs256",
    "RS256 ",
    " RS256",
    "RS256\u{0}",
    "RS257",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "RSA-OAEP",
    "RSA1_5",
    "dir",
    "A256GCM",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
];

/// One token with each way to sign: the right key, another, the public key as a secret, none.
fn signed_each_way<'a>(
    app: &'a TestApp,
    name: &'a str,
    header: &'a Map<String, Value>,
) -> impl Iterator<Item = Attempt> + 'a {
    let keys = [MintKey::Current, MintKey::Hs256PublicKey, MintKey::None];
    keys.into_iter().map(move |key| {
        let recipe = Recipe { header: header.clone(), ..Recipe::default() }.signed_with(key);
        Attempt::bearer(format!("{name}, {key:?}"), &app.mint(recipe))
    })
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    let app = app().await;
    let mut attempts = Vec::new();
    for algorithm in ALGORITHMS {
        let header = Map::from_iter([("alg".to_owned(), json!(algorithm))]);
        attempts.extend(signed_each_way(&app, algorithm, &header));
    }
    for algorithm in
        [json!(1), json!(["RS256"]), json!({"alg": "RS256"}), json!(true), json!("RS256RS256"), Value::Null]
    {
        let (mut header, claims) = good(&app, Recipe::default());
        header.insert("alg".to_owned(), algorithm.clone());
        let token = app.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
        attempts.push(Attempt::bearer(format!("{algorithm}"), &token));
        header.remove("alg");
        let token = app.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
        attempts.push(Attempt::bearer("no algorithm", &token));
    }
    for key in [MintKey::Hs256PublicKey, MintKey::None, MintKey::Foreign] {
        let confused = Recipe::default().header("alg", "RS256").signed_with(key);
        attempts.push(Attempt::bearer(format!("{key:?} called RS256"), &app.mint(confused)));
    }
    lay(&app, "tokens: algorithms", attempts).await;
}

#[tokio::test]
async fn the_token_does_not_bring_its_key() {
    let app = app().await;
    let mut attempts = Vec::new();
    let url = format!("http://127.0.0.1:{}/keys", app.port);
    let brought = [
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        ("jwk", json!({"kty": "oct", "k": "AA"})),
        ("jku", json!(url)),
        ("jku", json!("file:///etc/passwd")),
        ("x5u", json!(url)),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("x")),
        ("x5t#S256", json!("x")),
        ("cty", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ];
    for (name, value) in &brought {
        for key in [MintKey::Foreign, MintKey::Hs256PublicKey, MintKey::None] {
            let recipe =
                Recipe::default().header(name, value.clone()).header("alg", "RS256").signed_with(key);
            attempts.push(Attempt::bearer(format!("{name}, {key:?}"), &app.mint(recipe)));
        }
    }
    for (name, value) in
        [("crit", json!(["exp"])), ("crit", json!([])), ("crit", json!("b64")), ("crit", json!(false))]
    {
        attempts.push(Attempt::bearer(
            format!("{name}={value}"),
            &app.mint(Recipe::default().header(name, value)),
        ));
    }
    let b64 = Recipe::default().header("b64", false).header("crit", json!(["b64"]));
    attempts.push(Attempt::bearer("b64", &app.mint(b64)));
    lay(&app, "tokens: keys brought along", attempts).await;
}

#[tokio::test]
async fn the_key_id_is_only_ever_looked_up() {
    let app = app().await;
    let (header, claims) = good(&app, Recipe::default());
    let right = header["kid"].as_str().unwrap();
    let texts = [
        "",
        " ",
        ".",
        "..",
        "/",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/dev/null",
        "file:///dev/null",
        "C:\\",
        "' OR '1'='1",
        "x'; DROP TABLE keys; --",
        "x' UNION SELECT 'key",
        "\" OR \"\"=\"",
        "1 OR 1=1",
        "$(id)",
        "`id`",
        "| id",
        "; id",
        "&& id",
        "\0",
        "key\0",
        "%00",
        "\u{feff}",
        "\u{202e}diк",
        "ключ",
        "鍵",
        "🔑",
        "*",
        "?",
        "%",
        "{{7*7}}",
        "${jndi:ldap://127.0.0.1/a}",
        "<script>",
        "http://127.0.0.1/key",
        "null",
        "0",
        "\r\nX: y",
        "\n",
        "__proto__",
        "constructor",
        "toString",
        "(objectClass=*)",
        "{\"$ne\":null}",
        "a.b.c",
        "-1",
    ];
    let long = [127, 128, 129, 1_000, 8_000].map(|length| "k".repeat(length));
    let near = [
        right.to_uppercase(),
        right.to_lowercase(),
        right[1..].to_owned(),
        format!("{right} "),
        format!("{right}\0"),
        format!(" {right}"),
        format!("{right}="),
        format!("{right}\n"),
        format!("{right}{right}"),
    ];
    let mut ids: Vec<Value> = texts.iter().map(|id| json!(id)).collect();
    ids.extend(long.iter().chain(near.iter().filter(|id| *id != right)).map(|id| json!(id)));
    ids.extend([
        json!(0),
        json!(1.5),
        json!(true),
        json!([]),
        json!([right]),
        json!({}),
        json!({"kid": right}),
        Value::Null,
    ]);
    let mut attempts = Vec::new();
    for id in &ids {
        let mut header = header.clone();
        header.insert("kid".to_owned(), id.clone());
        let genuine = app.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
        let name: String = id.to_string().chars().take(60).collect();
        for recipe in [MintKey::None, MintKey::Hs256PublicKey] {
            let forged = Recipe { header: header.clone(), ..Recipe::default() }.signed_with(recipe);
            attempts.push(Attempt::bearer(format!("{name}, {recipe:?}"), &app.mint(forged)));
        }
        attempts.push(Attempt::bearer(name, &genuine));
    }
    // Longer than a head may be, so it is not read to its end.
    for bytes in [20_000, 100_000, 1 << 20] {
        let mut header = header.clone();
        header.insert("kid".to_owned(), json!("k".repeat(bytes)));
        let token = app.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
        let expected = Expected::StatusOrEnd(&[400, 401, 413, 431]);
        attempts.push(Attempt::bearer(format!("{bytes} bytes"), &token).expecting(expected));
    }
    lay(&app, "tokens: key ids", attempts).await;
}
