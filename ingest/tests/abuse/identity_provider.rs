//! An identity provider that is gone, slow, or not who it should be: nobody is refused for that, and nobody let in.

use azure_simulator::identity::{Fault, Faults, Recipe};
use azure_simulator::settings::{Settings, TokenVersion};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use stack::testing::TestVhost;

use crate::app::{Options, QUEUE, TestApp, alert, identity_provider, until};
use crate::claims::good;
use crate::siege::{Attempt, DEADLINE_SETTING, Expected, Tally, exchange, is_unharmed, watch_for_panics};

/// How it misbehaves; `right` is what it would say.
type Lie = fn(&Right) -> Faults;

/// The true documents, and the name of the true key.
struct Right {
    discovery: Value,
    keys: Value,
    key_id: String,
}

fn discovery(fault: Fault) -> Faults {
    Faults { discovery: fault, keys: Fault::None }
}

fn keys(fault: Fault) -> Faults {
    Faults { discovery: Fault::None, keys: fault }
}

fn says(text: impl Into<String>) -> Fault {
    Fault::Says { text: text.into() }
}

impl Right {
    fn discovery_with(&self, name: &str, value: Value) -> Faults {
        let mut document = self.discovery.clone();
        document[name] = value;
        discovery(says(document.to_string()))
    }

    /// A set of one key, which has the right name and something changed.
    fn key_with(&self, changes: &[(&str, Value)]) -> Faults {
        let mut key = self.keys["keys"][0].clone();
        for (name, value) in changes {
            key[name] = value.clone();
        }
        keys(says(json!({"keys": [key]}).to_string()))
    }
}

fn modulus(bytes: usize) -> Value {
    json!(URL_SAFE_NO_PAD.encode(vec![0xff; bytes]))
}

const ELSEWHERE: &str = "http://127.0.0.1:1/keys";

const LIES: &[(&str, Lie)] = &[
    ("discovery down", |_| discovery(Fault::Down)),
    ("keys down", |_| keys(Fault::Down)),
    ("discovery held", |_| discovery(Fault::Slow { milliseconds: 60_000 })),
    ("keys held", |_| keys(Fault::Slow { milliseconds: 60_000 })),
    ("a page for discovery", |_| discovery(Fault::Html)),
    ("a page for keys", |_| keys(Fault::Html)),
    ("discovery elsewhere", |_| discovery(Fault::Redirect { url: ELSEWHERE.to_owned() })),
    ("keys elsewhere", |_| keys(Fault::Redirect { url: ELSEWHERE.to_owned() })),
    ("10 MB of discovery", |_| discovery(Fault::Huge { bytes: 10 << 20 })),
    ("10 MB of keys", |_| keys(Fault::Huge { bytes: 10 << 20 })),
    ("another issuer", |_| discovery(Fault::WrongIssuer)),
    ("no issuer", |right| right.discovery_with("issuer", Value::Null)),
    ("an issuer of another type", |right| right.discovery_with("issuer", json!([right.discovery["issuer"]]))),
    ("keys on another host", |right| right.discovery_with("jwks_uri", json!(ELSEWHERE))),
    ("keys on a host that looks the same", |right| {
        let url = right.discovery["jwks_uri"].as_str().unwrap().replace("127.0.0.1", "127.0.0.1@localhost");
        right.discovery_with("jwks_uri", json!(url))
    }),
    ("keys in a file", |right| right.discovery_with("jwks_uri", json!("file:///etc/passwd"))),
    ("keys as data", |right| right.discovery_with("jwks_uri", json!("data:application/json,{}"))),
    ("keys nowhere", |right| right.discovery_with("jwks_uri", json!(""))),
    ("no JSON for discovery", |_| discovery(says("{\"issuer\":"))),
    ("no JSON for keys", |_| keys(says("{\"keys\":["))),
    ("nothing", |_| keys(says(""))),
    ("deep discovery", |_| discovery(says("[".repeat(100_000)))),
    ("keys of another shape", |_| keys(says("{\"keys\":{}}"))),
    ("no keys", |_| keys(says("{\"keys\":[]}"))),
    ("10,000 keys", |right| {
        keys(says(json!({"keys": vec![json!({"kty": "RSA", "kid": right.key_id}); 10_000]}).to_string()))
    }),
    ("a secret as key", |right| right.key_with(&[("kty", json!("oct")), ("k", json!("AAAA"))])),
    ("a key of a curve", |right| {
        right.key_with(&[
            ("kty", json!("EC")),
            ("crv", json!("P-256")),
            ("x", json!("AA")),
            ("y", json!("AA")),
        ])
    }),
    ("a key for encryption", |right| right.key_with(&[("use", json!("enc"))])),
    ("a key for another algorithm", |right| right.key_with(&[("alg", json!("PS256"))])),
    ("a key without a name", |right| right.key_with(&[("kid", Value::Null)])),
    ("a key of 512 bits", |right| right.key_with(&[("n", modulus(64))])),
    ("a key of 1024 bits", |right| right.key_with(&[("n", modulus(128))])),
    ("a key of 32768 bits", |right| right.key_with(&[("n", modulus(4096))])),
    ("a key of no bits", |right| right.key_with(&[("n", json!(""))])),
    ("a key that is no number", |right| right.key_with(&[("n", json!("%%%%"))])),
];

#[tokio::test]
async fn without_keys_everybody_is_asked_to_come_back_and_is_served_then() {
    watch_for_panics();
    let mut tally = Tally::new("identity provider");
    for some in LIES.chunks(5) {
        let mut attacks = Vec::new();
        for (name, lie) in some {
            // One after the other: a broker that makes many at once drops requests.
            let vhost = TestVhost::create().await.unwrap();
            attacks.push(is_survived(name, *lie, vhost));
        }
        join_all(attacks).await.into_iter().for_each(|of_one| tally.add(of_one));
    }
    tally.report();
}

async fn is_survived(name: &str, lie: Lie, vhost: TestVhost) -> Tally {
    let identity = identity_provider().await;
    let tenant = Settings::default().tenants[0].tenant_id.clone();
    let right = Right {
        discovery: identity.directory().discovery(&tenant, TokenVersion::V2).unwrap(),
        keys: identity.directory().key_set(&tenant, TokenVersion::V2).unwrap(),
        key_id: identity.directory().rotate(azure_simulator::identity::OldKeys::Withdrawn).unwrap(),
    };
    let right = Right { keys: identity.directory().key_set(&tenant, TokenVersion::V2).unwrap(), ..right };
    identity.directory().misbehave(lie(&right));
    let options = Options { request_deadline: DEADLINE_SETTING, ..Options::default() };
    let app = TestApp::among(identity, vhost, options).await;
    assert_eq!(good(&app, Recipe::default()).0["kid"], right.key_id);
    let come_back = Expected::Status(&[503]);
    let mut tally = Tally::new("identity provider");
    for _ in 0..5 {
        let attempt = Attempt::bearer(name, &app.token()).expecting(come_back);
        tally.count(&attempt, &exchange(app.port, &attempt.bytes).await);
    }
    app.identity.directory().misbehave(Faults::default());
    until(async || app.post(&app.token(), alert(1)).await.status() == 202).await;
    app.vhost.purge(QUEUE).await.unwrap();
    is_unharmed(&app).await;
    tally
}
