//! Requests of an authorised caller that a proxy might read otherwise than we do, and requests for other things.

use crate::app::{QUEUE, TestApp, alert};
use crate::siege::{Attempt, Expected, FORGED, app, exchange, is_unharmed, lay};

/// Not understood as HTTP: one answer, or none, and the end of the connection.
const MALFORMED: Expected = Expected::StatusOrEnd(&[400, 431]);

/// A request as it is written here, `{token}`, `{length}` and `{body}` filled in.
fn written(app: &TestApp, text: &str, expected: Expected) -> Attempt {
    let body = alert(FORGED);
    let bytes = text
        .replace("{token}", &app.token())
        .replace("{length}", &body.len().to_string())
        .replace("{body}", std::str::from_utf8(&body).unwrap());
    Attempt { name: text.chars().take(160).collect(), bytes: bytes.into_bytes(), expected }
}

#[tokio::test]
async fn a_request_with_two_readings_is_not_read() {
    let app = app().await;
    let hidden = "POST /v1/alerts HTTP/1.1\r\nHost: ingest\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}";
    let start = "POST /v1/alerts HTTP/1.1\r\nHost: ingest\r\nAuthorization: Bearer {token}\r\n";
    let mut attempts = Vec::new();
    let encodings = [
        "chunked",
        "Chunked",
        "identity",
        "gzip",
        "chunked, identity",
        "identity, chunked",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "chunked;",
        "chunked;q=1",
        "\"chunked\"",
        "chunk",
        " chunked",
        "\tchunked",
        "chunked ",
        "",
        "cow",
        "chunked\u{b}",
        "chunked\u{a0}",
    ];
    for encoding in encodings {
        for lines in [
            format!("Transfer-Encoding: {encoding}\r\nContent-Length: 6\r\n"),
            format!("Content-Length: 6\r\nTransfer-Encoding: {encoding}\r\n"),
            format!("Transfer-Encoding: {encoding}\r\nTransfer-Encoding: identity\r\n"),
            format!("Transfer-Encoding: identity\r\nTransfer-Encoding: {encoding}\r\n"),
            format!("Transfer-Encoding: {encoding}\r\ntransfer-encoding: chunked\r\n"),
            format!("Transfer-Encoding: {encoding}\r\nContent-Length: 0\r\n"),
        ] {
            attempts.push(written(&app, &format!("{start}{lines}\r\n0\r\n\r\n{hidden}"), MALFORMED));
        }
    }
    for name in [
        "Transfer-Encoding ",
        "Transfer-Encoding\t",
        " Transfer-Encoding",
        "Transfer-Encoding\0",
        "Transfer-Encoding\u{b}",
        "\u{1}Transfer-Encoding",
        "Content-Length ",
        "Content-Length\t",
        "X\rTransfer-Encoding",
        "X: y\rContent-Length",
    ] {
        let value = if name.contains("Length") { "5" } else { "chunked" };
        attempts.push(written(&app, &format!("{start}{name}: {value}\r\n\r\n0\r\n\r\n{hidden}"), MALFORMED));
    }
    for (first, second) in
        [("0", "5"), ("5", "0"), ("5", "5"), ("5", "6"), ("{length}", "0"), ("0", "0"), ("", "5")]
    {
        let lines = format!("Content-Length: {first}\r\nContent-Length: {second}\r\n");
        attempts.push(written(&app, &format!("{start}{lines}\r\n0\r\n\r\n{hidden}"), MALFORMED));
    }
    for length in ["+5", "-5", "5 ,5", "5, 5", "0x5", "5_0", " 5 5", "5\u{0}", "5\u{b}", "5;"] {
        attempts.push(written(
            &app,
            &format!("{start}Content-Length: {length}\r\n\r\n0\r\n\r\n{hidden}"),
            MALFORMED,
        ));
    }
    for text in [
        "POST /v1/alerts HTTP/1.0\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/alerts HTTP/1.0\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST /v1/alerts HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n\t{token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nX: a\0b\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\n: nameless\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nno colon\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nX(y): z\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/2.0\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/1.2\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts HTTP/11\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts http/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
        "POST /v1/alerts\r\n\r\n",
        "GET /\r\n",
        "POST  /v1/alerts HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/alerts  HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST\t/v1/alerts\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/alerts HTTP/1.1 \r\nHost: a\r\n\r\n",
        "POST /v1/al erts HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/alerts\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/alerts HTTP/1.1\rHost: a\r\r",
        "PO ST /v1/alerts HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n",
        "\x04\x01\0\x50\x7f\0\0\x01\0\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nPOST /v1/alerts HTTP/1.1\r\nHost: a\r\n\r\n",
        "HELP\r\n\r\n",
        "EHLO ingest\r\n\r\n",
        "*1\r\n$4\r\nPING\r\n\r\n",
    ] {
        attempts.push(written(&app, text, MALFORMED));
    }
    lay(&app, "HTTP: smuggling and malformed", attempts).await;
}

#[tokio::test]
async fn a_head_has_a_limit() {
    let app = app().await;
    let mut attempts = Vec::new();
    for count in [97, 200, 1_000, 10_000] {
        let lines: String = (0..count).map(|number| format!("X-{number}: y\r\n")).collect();
        attempts.push(written(
            &app,
            &format!("POST /v1/alerts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {{token}}\r\n{lines}\r\n"),
            MALFORMED,
        ));
    }
    for bytes in [140_000, 1 << 20, 4 << 20] {
        let long = "x".repeat(bytes);
        for head in [
            format!("POST /v1/alerts HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            format!("POST /v1/alerts HTTP/1.1\r\nHost: a\r\n{long}: x\r\n\r\n"),
            format!("POST /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("POST /v1/alerts?{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("{long} /v1/alerts HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("POST /v1/alerts HTTP/1.1\r\nHost: a\r\nCookie: {long}\r\n\r\n"),
            "\r\n".repeat(bytes / 2),
        ] {
            let expected = Expected::StatusOrEnd(&[400, 404, 408, 414, 431]);
            attempts.push(written(&app, &head, expected));
        }
    }
    lay(&app, "HTTP: large heads", attempts).await;
}

#[tokio::test]
async fn there_is_one_door() {
    let app = app().await;
    let mut attempts = Vec::new();
    let paths = [
        "/",
        "//",
        "//v1/alerts",
        "/v1//alerts",
        "/v1/alerts/",
        "/v1/alerts//",
        "/v1/./alerts",
        "/v1/../v1/alerts",
        "/./v1/alerts",
        "/v1/alerts/.",
        "/v1/alerts/..",
        "/v1/alerts/../alerts",
        "/v1%2falerts",
        "/v1%2Falerts",
        "/v1%5calerts",
        "/v1\\alerts",
        "/v1/%2e/alerts",
        "/%2e%2e/v1/alerts",
        "/v1/alerts%2f",
        "/v1/alerts%00",
        "/v1/alerts%20",
        "/v1/alerts;x=y",
        "/v1;x/alerts",
        "/V1/alerts",
        "/v1/Alerts",
        "/V1/ALERTS",
        "/v1/alerts.json",
        "/v1/alerts~",
        "/v1/alert",
        "/v1/alerts1",
        "/v2/alerts",
        "/v1",
        "/v1/",
        "/alerts",
        "/v1/alerts%252f",
        "/v1/%61lerts%2f",
        "/v1/alerts%3Fx",
        "/%",
        "/%zz",
        "/%c0%ae%c0%ae/",
        "/..%2f..%2fetc/passwd",
        "/livez",
        "/readyz",
        "/metrics",
        "/LIVEZ",
        "/livez/",
        "//livez",
        "//metrics",
        "/v1/../metrics",
        "/v1/alerts/../../metrics",
        "/%6detrics",
        "/metrics%2f",
        "/metrics;x",
        "/metrics?x",
        "/admin",
        "/debug/pprof",
        "/health",
        "/actuator",
        "/server-status",
        "/.git/config",
        "/.env",
        "/api",
        "/console",
        "/_control/mint",
        "/favicon.ico",
        "/robots.txt",
    ];
    for path in paths {
        for method in ["GET", "POST", "HEAD", "PUT"] {
            let text = format!(
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAuthorization: Bearer {{token}}\r\nContent-Length: {{length}}\r\n\r\n{{body}}",
                app.admin_port
            );
            attempts.push(written(&app, &text, Expected::Status(&[400, 404])));
        }
    }
    for method in [
        "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "Post", "PROPFIND",
        "BREW", "PRI", "POSTT", "PURGE", "M-SEARCH",
    ] {
        for target in [
            "/v1/alerts",
            "/metrics",
            "*",
            "127.0.0.1:80",
            "http://127.0.0.1/metrics",
            "http://169.254.169.254/metadata",
        ] {
            let text = format!(
                "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {{token}}\r\nX-HTTP-Method-Override: POST\r\nX-Original-URL: /v1/alerts\r\n\r\n"
            );
            attempts.push(written(&app, &text, Expected::Status(&[400, 404, 405])));
        }
    }
    for lines in [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
    ] {
        for (method, expected) in
            [("GET", Expected::Status(&[400, 405])), ("POST", Expected::Status(&[400, 401, 405, 408]))]
        {
            let text = format!(
                "{method} /v1/alerts HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}"
            );
            attempts.push(written(&app, &text, expected));
        }
    }
    lay(&app, "HTTP: paths, methods, upgrades, admin pages", attempts).await;
}

/// What is unusual and has only one reading.
#[tokio::test]
async fn what_is_only_unusual_is_served() {
    let app = app().await;
    let start = "POST /v1/alerts HTTP/1.1\r\nHost: a\r\n";
    let rest = "Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}";
    for text in [
        format!("POST /v1/alerts HTTP/1.0\r\n{rest}"),
        format!("POST /v1/alerts HTTP/1.0\r\nConnection: keep-alive\r\n{rest}"),
        format!("POST http://a/v1/alerts HTTP/1.1\r\nHost: a\r\n{rest}"),
        format!("POST /v1/alerts?x=y HTTP/1.1\r\nHost: a\r\n{rest}"),
        format!("{start}Expect: 100-continue\r\n{rest}"),
    ] {
        let outcome = exchange(app.port, &written(&app, &text, MALFORMED).bytes).await;
        assert_eq!(outcome.statuses, [202], "{text}: {}", outcome.text);
        assert!(outcome.ended, "{text}");
        assert_eq!(app.vhost.take(QUEUE, 10).await.unwrap().len(), 1, "{text}");
    }
    is_unharmed(&app).await;
}
