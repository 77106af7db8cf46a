//! Texts that are nearly a token, and places that are nearly the header for it.

use azure_simulator::identity::Recipe;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::app::alert;
use crate::siege::{Attempt, Expected, FORGED, app, lay, request};

#[tokio::test]
async fn a_token_with_any_letter_changed_is_no_token() {
    let app = app().await;
    let token = app.token();
    // From now on the good one is remembered, which must not help a bad one.
    assert_eq!(app.post(&token, alert(1)).await.status(), 202);
    app.vhost.purge(crate::app::QUEUE).await.unwrap();
    let mut attempts = Vec::new();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        attempts.push(Attempt::bearer(format!("letter {at}"), std::str::from_utf8(&changed).unwrap()));
    }
    for at in (0..token.len()).step_by(3) {
        attempts.push(Attempt::bearer(format!("the first {at}"), &token[..at]));
        attempts.push(Attempt::bearer(format!("all from {at}"), &token[at + 1..]));
        let doubled = format!("{}{}", &token[..=at], &token[at..]);
        attempts.push(Attempt::bearer(format!("letter {at} twice"), &doubled));
    }
    lay(&app, "tokens: letters changed", attempts).await;
}

#[tokio::test]
async fn what_only_resembles_a_token_is_none() {
    let app = app().await;
    let token = app.token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { unreachable!("three parts") };
    let again = |part: &str, engine: &dyn Fn(&[u8]) -> String| engine(&URL_SAFE_NO_PAD.decode(part).unwrap());
    let padded = |part: &str| again(part, &|bytes| URL_SAFE.encode(bytes));
    let standard = |part: &str| again(part, &|bytes| STANDARD.encode(bytes));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let mut tokens = vec![
        format!("{none}.{claims}."),
        format!("{none}.{claims}"),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}.{signature}."),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{claims}.{signature}"),
        format!("{header}.{header}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        format!("{header}.{}.{signature}", padded(claims) + "="),
        format!("{}=.{claims}.{signature}", header),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}.{claims}.{}", padded(signature)),
        format!("{header}.{claims}.{}", standard(signature)),
        format!("{header}.{claims}.{signature}%3D"),
        format!("{header}%2E{claims}%2E{signature}"),
        format!("{header},{claims},{signature}"),
        format!("\"{token}\""),
        format!("<{token}>"),
        format!("{token}\u{a0}"),
        format!("{token}\u{200b}"),
        token.to_uppercase(),
        token.to_lowercase(),
        token.chars().rev().collect(),
        URL_SAFE_NO_PAD.encode(&token),
        STANDARD.encode(&token),
        token.replace('.', ". "),
        token.replace('.', " ."),
        token.replace('.', "\t."),
        format!("{token} {token}"),
        format!("{token},{token}"),
        format!("{token}; {token}"),
        format!("{token}, Bearer {token}"),
        format!("Bearer {token}"),
    ];
    tokens.extend([0, 1, 2, 3, 4, 5, 6, 10, 100, 1_000].map(|dots| ".".repeat(dots)));
    tokens.extend([1, 100, 10_000, 16_383, 16_384, 16_385, 60_000].map(|length| "A".repeat(length)));
    tokens.extend([1, 100, 10_000, 16_384].map(|length| format!("{token}{}", "A".repeat(length))));
    tokens.extend(
        ["null", "undefined", "[object Object]", "true", "0", "{}", "test", "admin", "..", "*", "%00"]
            .map(str::to_owned),
    );
    let attempts =
        tokens.iter().enumerate().map(|(number, token)| Attempt::bearer(format!("form {number}"), token));
    lay(&app, "tokens: forms", attempts.collect()).await;
}

#[tokio::test]
async fn a_good_token_helps_only_in_the_one_right_place() {
    let app = app().await;
    let token = app.token();
    let stranger = app.mint(Recipe::default().by_client("5ec0de00-0000-4000-8000-0000000000ff"));
    let schemes = [
        "",
        "Bearer:",
        "Bearer=",
        "bearer-",
        "Bearer\u{a0}",
        "Bearer\u{3000}",
        "Basic",
        "Digest",
        "Token",
        "JWT",
        "DPoP",
        "MAC",
        "Negotiate",
        "PoP",
        "SharedAccessSignature",
        "Bear",
        "Bearerer",
        "\"Bearer\"",
        "Bearer,",
        "Bearer Bearer",
        "Bearer\u{c}",
        "Bearer\t",
    ];
    let mut attempts: Vec<_> = schemes
        .iter()
        .map(|scheme| {
            Attempt::authorization(*scheme, format!("{scheme} {token}"))
                .expecting(Expected::Status(&[400, 401]))
        })
        .collect();
    let basic = STANDARD.encode(format!("bearer:{token}"));
    attempts.push(Attempt::authorization("basic", format!("Basic {basic}")));
    for bytes in [
        &b"\xff\xfe"[..],
        b"Bearer \xc3\x28",
        b"Bearer \x80",
        b"Bearer \xf0\x9f\x94\x91",
        b"Bearer a\x7fb",
        b"\x01",
        b"Bearer \x00",
    ] {
        let attempt =
            Attempt::authorization(format!("{bytes:?}"), bytes).expecting(Expected::Status(&[400, 401]));
        attempts.push(attempt);
        let after = [b"Bearer ", token.as_bytes(), bytes].concat();
        attempts
            .push(Attempt::authorization("after a token", after).expecting(Expected::Status(&[400, 401])));
    }
    let several = [
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nauthorization: Bearer {stranger}\r\n"),
        format!("Authorization: Bearer {stranger}\r\nAUTHORIZATION: Bearer {token}\r\n"),
        format!("Authorization: Basic dTpw\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization:\r\nAuthorization: Bearer {token}\r\n"),
    ];
    let elsewhere = [
        "Proxy-Authorization",
        "X-Authorization",
        "WWW-Authenticate",
        "X-Access-Token",
        "X-MS-TOKEN-AAD-ACCESS-TOKEN",
        "Token",
        "X-Forwarded-Authorization",
        "Authentication",
        "Authorization2",
        "X-Original-Authorization",
        "Authorization_",
    ]
    .map(|name| format!("{name}: Bearer {token}\r\n"));
    let cookies =
        ["access_token", "Authorization", "token"].map(|name| format!("Cookie: {name}={token}\r\n"));
    let malformed = [
        format!("Authorization : Bearer {token}\r\n"),
        format!(" Authorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer\r\n {token}\r\n"),
        format!("X: y\r\n\tAuthorization: Bearer {token}\r\n"),
        format!("X: y\rAuthorization: Bearer {token}\r\n"),
        format!("Authorization\0: Bearer {token}\r\n"),
        format!("Authorization\r\n: Bearer {token}\r\n"),
        format!("\u{fe}Authorization: Bearer {token}\r\n"),
    ];
    for lines in several.iter().chain(&elsewhere).chain(&cookies) {
        attempts.push(Attempt {
            name: lines.chars().take(40).collect(),
            bytes: request(lines.as_bytes(), &alert(FORGED)),
            expected: Expected::Refused,
        });
    }
    for lines in &malformed {
        attempts.push(Attempt {
            name: lines.chars().take(40).collect(),
            bytes: request(lines.as_bytes(), &alert(FORGED)),
            expected: Expected::Status(&[400, 401]),
        });
    }
    for query in ["access_token", "token", "authorization", "Authorization", "bearer", "jwt"] {
        let head = format!(
            "POST /v1/alerts?{query}={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        attempts.push(Attempt {
            name: format!("query {query}"),
            bytes: head.into_bytes(),
            expected: Expected::Refused,
        });
        let form = format!("{query}={token}");
        attempts.push(Attempt {
            name: format!("form {query}"),
            bytes: request(b"Content-Type: application/x-www-form-urlencoded\r\n", form.as_bytes()),
            expected: Expected::Refused,
        });
        let json = format!("{{\"{query}\":\"{token}\"}}");
        attempts.push(Attempt {
            name: format!("body {query}"),
            bytes: request(b"Content-Type: application/json\r\n", json.as_bytes()),
            expected: Expected::Refused,
        });
    }
    let user = format!(
        "POST http://{token}@ingest/v1/alerts HTTP/1.1\r\nHost: ingest\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    attempts.push(Attempt {
        name: "user information".to_owned(),
        bytes: user.into_bytes(),
        expected: Expected::Status(&[400, 401, 404]),
    });
    attempts.push(Attempt {
        name: "nothing".to_owned(),
        bytes: request(b"", &alert(FORGED)),
        expected: Expected::Refused,
    });
    lay(&app, "tokens: places", attempts).await;
}
