//! Tokens with a genuine signature and claims that are not ours.

use azure_simulator::identity::Recipe;
use azure_simulator::settings::{Settings, Tenant};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use stack::testing::TestVhost;

use crate::app::{Options, TestApp, alert};
use crate::siege::{Attempt, DEADLINE_SETTING, app, exchange, is_unharmed, lay, request, watch_for_panics};

pub(crate) const V1_API: &str = "api://secure-export-v1";
const OTHER_TENANT: &str = "00000000-0000-4000-8000-0000000000bb";

/// Header and claims of a good token, to be changed and signed again.
pub(crate) fn good(app: &TestApp, recipe: Recipe) -> (Map<String, Value>, Map<String, Value>) {
    parts(&app.mint(recipe))
}

pub(crate) fn parts(token: &str) -> (Map<String, Value>, Map<String, Value>) {
    let mut parts = token
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()));
    (parts.next().unwrap().unwrap(), parts.next().unwrap().unwrap())
}

pub(crate) fn json(part: &Map<String, Value>) -> String {
    Value::Object(part.clone()).to_string()
}

fn both_versions() -> [Recipe; 2] {
    [Recipe::default(), Recipe::default().for_audience(V1_API)]
}

#[tokio::test]
async fn no_claim_has_another_value_or_type_than_it_should() {
    let app = app().await;
    let mut attempts = Vec::new();
    for recipe in both_versions() {
        let (header, claims) = good(&app, recipe);
        let caller = if claims["ver"] == "1.0" { "appid" } else { "azp" };
        for name in ["ver", "tid", "iss", "aud", "exp", "nbf", "roles", caller] {
            for value in wrong_values(name, &claims[name]) {
                let changed = json(&claims)
                    .replace(&format!("\"{name}\":{}", claims[name]), &format!("\"{name}\":{value}"));
                let token = app.identity.directory().sign(&json(&header), &changed).unwrap();
                let shown: String = value.chars().take(60).collect();
                attempts.push(Attempt::bearer(format!("{name}={shown}"), &token));
            }
            let mut without = claims.clone();
            without.remove(name);
            let token = app.identity.directory().sign(&json(&header), &json(&without)).unwrap();
            attempts.push(Attempt::bearer(format!("no {name}"), &token));
        }
        for (name, value) in [
            ("scp", json!("user_impersonation")),
            ("scp", json!([])),
            ("scp", json!(0)),
            ("scp", json!("")),
            ("scp", Value::Null),
            ("idtyp", json!("user")),
            ("idtyp", json!("App")),
            ("idtyp", json!("")),
            ("idtyp", json!(["app"])),
            ("idtyp", json!(1)),
        ] {
            let mut more = claims.clone();
            more.insert(name.to_owned(), value);
            let token = app.identity.directory().sign(&json(&header), &json(&more)).unwrap();
            attempts.push(Attempt::bearer(format!("{name}={}", more[name]), &token));
        }
    }
    lay(&app, "tokens: wrong claims", attempts).await;
}

/// JSON texts that must not do in place of `right`.
fn wrong_values(name: &str, right: &Value) -> Vec<String> {
    let mut wrong: Vec<String> = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e308",
        "-1e308",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "-9223372036854775808",
        "\"\"",
        "\" \"",
        "\"null\"",
        "\"*\"",
        "\".*\"",
        "\"%\"",
        "\"' OR '1'='1\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "{\"\":null}",
    ]
    .map(str::to_owned)
    .to_vec();
    wrong.push(json!("x".repeat(5_000)).to_string());
    wrong.push(format!("{}{}", "[".repeat(3_000), "]".repeat(3_000)));
    if name != "roles" {
        wrong.extend([json!([right]), json!({"value": right}), json!([right, right])].map(|v| v.to_string()));
    }
    let right_text = right.to_string();
    let text = match right {
        Value::String(text) => text.clone(),
        Value::Array(roles) => roles[0].as_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    let twisted = [
        format!(" {text}"),
        format!("{text} "),
        format!("{text}\n"),
        format!("{text}\0"),
        format!("\u{feff}{text}"),
        format!("{text}/"),
        format!("{text}x"),
        format!("x{text}"),
        text[1..].to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text},{text}"),
        text.replace('e', "\u{435}") + "\u{200b}",
        text.replace('0', "\u{ff10}") + "\u{202e}",
        format!("{text}?"),
        format!("{text}#"),
        text.repeat(2),
    ];
    wrong.extend(twisted.iter().map(|text| match name {
        "roles" => json!([text]).to_string(),
        _ => json!(text).to_string(),
    }));
    match name {
        "roles" => wrong.extend(
            [
                json!(text),
                json!([text.to_uppercase()]),
                json!([[text]]),
                json!({"0": text}),
                json!([text, 1]),
                json!(["Reader", "Admin"]),
            ]
            .map(|v| v.to_string()),
        ),
        "aud" | "iss" => wrong.extend(
            [
                json!(text.to_uppercase()),
                json!("https://management.azure.com/"),
                json!("00000003-0000-0000-c000-000000000000"),
                json!(format!("https://sts.windows.net/{OTHER_TENANT}/")),
                json!(format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")),
            ]
            .map(|v| v.to_string())
            .into_iter()
            // A client id has no letters that differ in capitals but is none of the other values.
            .filter(|value| *value != right_text),
        ),
        "ver" => wrong.extend(
            ["1", "2", "3.0", "1.0.0", "v2.0", "2.00", "٢.٠"]
                .map(|v| json!(v).to_string())
                .into_iter()
                .chain([if text == "1.0" { "\"2.0\"" } else { "\"1.0\"" }.to_owned()]),
        ),
        "tid" => wrong.extend(
            [
                OTHER_TENANT,
                "common",
                "organizations",
                "consumers",
                "contoso.com",
                "00000000-0000-0000-0000-000000000000",
                "９ec0de00-0000-4000-8000-00000000000a",
                "9188040d-6c67-4c5b-b112-36a304b66dad",
                "../5ec0de00-0000-4000-8000-00000000000a",
            ]
            .map(|v| json!(v).to_string()),
        ),
        _ => {}
    }
    wrong
}

#[tokio::test]
async fn no_lifetime_but_the_present_one_is_good() {
    let app = app().await;
    let (header, claims) = good(&app, Recipe::default());
    let now = Timestamp::now().as_second();
    let bad_ends = [
        "null",
        "0",
        "-1",
        "1",
        "1e3",
        "9e18",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "-9223372036854775808",
        "1e308",
        "\"9999999999\"",
        "253402300800",
        "4102444800",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([61, 120, 3_600, 86_400].map(|late| (now - late).to_string()))
    .chain([49 * 3_600, 365 * 86_400].map(|ahead| (now + ahead).to_string()));
    let starts =
        |offsets: &[i64]| offsets.iter().map(|offset| (now + offset).to_string()).collect::<Vec<_>>();
    let bad_starts = [
        "null",
        "-1",
        "0",
        "1",
        "-9223372036854775808",
        "9223372036854775807",
        "1e308",
        "1.0",
        "\"0\"",
        "[]",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(starts(&[62 + 60, 600, 3_601, 86_400]));
    let mut pairs = Vec::new();
    for end in bad_ends {
        for start in starts(&[-300, -60, 0, 30]) {
            pairs.push((start, end.clone()));
        }
    }
    for start in bad_starts {
        for end in starts(&[60, 3_600, 7_200, 86_399]) {
            pairs.push((start.clone(), end));
        }
    }
    let attempts = pairs.into_iter().map(|(start, end)| {
        let changed = json(&claims)
            .replace(&format!("\"nbf\":{}", claims["nbf"]), &format!("\"nbf\":{start}"))
            .replace(&format!("\"exp\":{}", claims["exp"]), &format!("\"exp\":{end}"));
        let token = app.identity.directory().sign(&json(&header), &changed).unwrap();
        Attempt::bearer(format!("from {start} to {end}"), &token)
    });
    lay(&app, "tokens: times", attempts.collect()).await;
}

#[tokio::test]
async fn a_claim_or_header_that_is_given_twice_decides_nothing() {
    let app = app().await;
    let mut attempts = Vec::new();
    for recipe in both_versions() {
        let (header, claims) = good(&app, recipe);
        let caller = if claims["ver"] == "1.0" { "appid" } else { "azp" };
        let sign = |header: &str, claims: &str| app.identity.directory().sign(header, claims).unwrap();
        let others = [json!("x"), json!(null), json!(1), json!([]), json!(OTHER_TENANT)];
        for name in ["ver", "tid", "iss", "aud", "exp", "nbf", "roles", caller] {
            let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
            for other in others.iter().chain([&claims[name]]) {
                for key in [name, &escaped] {
                    let rest = &json(&claims)[1..];
                    attempts.push(Attempt::bearer(
                        format!("{name}={other} first"),
                        &sign(&json(&header), &format!("{{\"{key}\":{other},{rest}")),
                    ));
                    let rest = &json(&claims)[..json(&claims).len() - 1];
                    attempts.push(Attempt::bearer(
                        format!("{name}={other} last"),
                        &sign(&json(&header), &format!("{rest},\"{key}\":{other}}}")),
                    ));
                }
            }
        }
        for (name, other) in
            [("alg", "none"), ("alg", "HS256"), ("alg", "RS256"), ("kid", "x"), ("crit", "x")]
        {
            for text in [
                format!("{{\"{name}\":\"{other}\",{}", &json(&header)[1..]),
                format!("{},\"{name}\":\"{other}\"}}", &json(&header)[..json(&header).len() - 1]),
            ] {
                attempts.push(Attempt::bearer(format!("header {text}"), &sign(&text, &json(&claims))));
            }
        }
        for text in
            ["", "{", "}", "[]", "null", "\"\"", "0", "{}", "[{}]", "{\"ver\":", "\u{feff}{}", "{}{}", "{},"]
        {
            attempts.push(Attempt::bearer(format!("claims {text}"), &sign(&json(&header), text)));
            attempts.push(Attempt::bearer(format!("header {text}"), &sign(text, &json(&claims))));
        }
        let trailing = format!("{} {}", json(&claims), json(&claims));
        attempts.push(Attempt::bearer("claims, and more of them", &sign(&json(&header), &trailing)));
    }
    lay(&app, "tokens: duplicate members", attempts).await;
}

/// Azure's tenants share their signing keys: a signature says nothing about whose token it is.
#[tokio::test]
async fn a_genuine_token_of_somebody_else_is_no_use() {
    watch_for_panics();
    let mut settings = Settings::default();
    let ours = settings.tenants[0].clone();
    settings.tenants.push(Tenant { tenant_id: OTHER_TENANT.to_owned(), ..ours });
    let identity =
        azure_simulator::identity::IdentityProvider::start(settings, ([127, 0, 0, 1], 0).into()).await;
    let options = Options { request_deadline: DEADLINE_SETTING, ..Options::default() };
    let app = TestApp::among(identity.unwrap(), TestVhost::create().await.unwrap(), options).await;
    let stranger = "5ec0de00-0000-4000-8000-0000000000ff";
    let mut attempts = Vec::new();
    for recipe in both_versions() {
        let own = good(&app, recipe.clone()).1;
        let theirs = Recipe { tenant_id: Some(OTHER_TENANT.to_owned()), ..recipe.clone() };
        let their_claims = good(&app, theirs.clone()).1;
        let caller = if own["ver"] == "1.0" { "appid" } else { "azp" };
        let cases = [
            ("another tenant", theirs.clone()),
            ("another tenant with our tid", theirs.clone().claim("tid", own["tid"].clone())),
            ("another tenant with our iss", theirs.clone().claim("iss", own["iss"].clone())),
            ("our tid, their iss", recipe.clone().claim("iss", their_claims["iss"].clone())),
            ("their tid, our iss", recipe.clone().claim("tid", their_claims["tid"].clone())),
            (
                "an iss that holds ours",
                recipe.clone().claim("iss", format!("{}?{}", their_claims["iss"], own["tid"])),
            ),
            ("another API", recipe.clone().claim("aud", "https://graph.microsoft.com")),
            ("the v1 issuer", recipe.clone().claim("ver", if own["ver"] == "1.0" { "2.0" } else { "1.0" })),
            ("a stranger", recipe.clone().by_client(stranger)),
            (
                "a stranger with our role",
                recipe.clone().by_client(stranger).claim("roles", own["roles"].clone()),
            ),
            (
                "a stranger with the caller in sub",
                recipe.clone().by_client(stranger).claim("sub", own[caller].clone()),
            ),
            (
                "a stranger with the caller in oid",
                recipe.clone().by_client(stranger).claim("oid", own[caller].clone()),
            ),
            ("only sub and oid", recipe.clone().claim(caller, Value::Null).claim("sub", own[caller].clone())),
            ("no role", recipe.clone().claim("roles", Value::Null)),
            (
                "the role in scp",
                recipe.clone().claim("roles", Value::Null).claim("scp", own["roles"][0].clone()),
            ),
            (
                "the role in wids",
                recipe.clone().claim("roles", Value::Null).claim("wids", own["roles"].clone()),
            ),
            (
                "an id token",
                recipe
                    .clone()
                    .claim(caller, Value::Null)
                    .claim("roles", Value::Null)
                    .claim("nonce", "n")
                    .claim("preferred_username", "user@example.com"),
            ),
            ("a user's token", recipe.clone().claim("scp", "alerts").claim("upn", "user@example.com")),
            (
                "long expired",
                recipe.clone().issued_at(Timestamp::now() - SignedDuration::from_hours(24 * 365)),
            ),
        ];
        attempts.extend(cases.map(|(name, recipe)| Attempt::bearer(name, &app.mint(recipe))));
    }
    lay(&app, "tokens: somebody else's", attempts).await;
}

/// Only Entra could have signed these, and they name whom they should.
#[tokio::test]
async fn what_only_looks_odd_is_let_in() {
    let app = app().await;
    let (_, claims) = good(&app, Recipe::default());
    let capitals = |name: &str| claims[name].as_str().unwrap().to_uppercase();
    let token = app.token();
    for authorization in [
        format!("bearer {token}"),
        format!("BEARER   {token}"),
        format!("Bearer {}", app.mint(Recipe::default().claim("azp", capitals("azp")))),
        format!("Bearer {}", app.mint(Recipe::default().claim("tid", capitals("tid")))),
        format!("Bearer {}", app.mint(Recipe::default().claim("iat", Value::Null))),
        format!("Bearer {}", app.mint(Recipe::default().claim("aio", "x").claim("AUD", "api://another"))),
    ] {
        let line = format!("Authorization: {authorization}\r\n");
        let outcome = exchange(app.port, &request(line.as_bytes(), &alert(1))).await;
        assert_eq!(outcome.statuses, [202], "{authorization}");
        assert_eq!(app.vhost.take(crate::app::QUEUE, 10).await.unwrap().len(), 1);
    }
    is_unharmed(&app).await;
}
