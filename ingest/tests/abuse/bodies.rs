//! Bodies of an authorised caller that are no alert, or more than one may send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{TestApp, alert};
use crate::siege::{Attempt, Expected, FORGED, app, lay, request};

const LIMIT: usize = 1 << 20;
/// Ten megabytes of spaces, compressed by gzip into ten kilobytes: `head -c 10485760 /dev/zero | tr '\0' ' ' | gzip -9`
/// begins so, and nobody gets as far as its end.
const GZIP_HEAD: &str = "H4sIAAAAAAACA+3BAQ0AAADCoPdPbQ8HFAAAAAAAAAAAAAAAAAAAAAAA";

fn sent(app: &TestApp, name: &str, lines: &str, body: &[u8]) -> Attempt {
    let lines = format!("Authorization: Bearer {}\r\n{lines}", app.token());
    let expected = Expected::Status(&[400]);
    Attempt { name: name.to_owned(), bytes: request(lines.as_bytes(), body), expected }
}

/// Header lines that say nothing of a length, and what follows them.
fn framed(app: &TestApp, name: &str, lines: &str, rest: &[u8], expected: Expected) -> Attempt {
    let head = format!(
        "POST /v1/alerts HTTP/1.1\r\nHost: ingest\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{lines}\r\n",
        app.token()
    );
    Attempt { name: name.to_owned(), bytes: [head.as_bytes(), rest].concat(), expected }
}

#[tokio::test]
async fn what_is_no_alert_is_refused_whatever_it_is() {
    let app = app().await;
    let good = String::from_utf8(alert(FORGED).to_vec()).unwrap();
    let mut bodies: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, body: &[u8]| bodies.push((name.to_owned(), body.to_vec()));
    for end in (0..good.len()).step_by(7) {
        add(&format!("the first {end} bytes"), &good.as_bytes()[..end]);
    }
    for at in (0..good.len()).step_by(11) {
        let (mut nul, mut invalid) = (good.clone().into_bytes(), good.clone().into_bytes());
        nul.insert(at, 0);
        invalid.insert(at, 0xff);
        add(&format!("a NUL at {at}"), &nul);
        add(&format!("a wrong byte at {at}"), &invalid);
    }
    let utf16 = |order: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(order).collect::<Vec<_>>();
    add("UTF-16, little endian", &utf16(u16::to_le_bytes));
    add("UTF-16, big endian", &utf16(u16::to_be_bytes));
    let utf32: Vec<u8> = good.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    add("UTF-32", &utf32);
    add("overlong UTF-8", b"{\"data\":\"\xc0\xaf\"}");
    add("a surrogate in UTF-8", b"{\"data\":\"\xed\xa0\x80\"}");
    add("twice", format!("{good}{good}").as_bytes());
    add("with more behind it", format!("{good}x").as_bytes());
    add("in a list", format!("[{good}]").as_bytes());
    add("as a text", json!(good).to_string().as_bytes());
    add("in brackets of script", format!(")]}}',\n{good}").as_bytes());
    add("compressed", &STANDARD.decode(GZIP_HEAD).unwrap());
    for depth in [129, 1_000, 100_000, 500_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"data\":", "}"), ("[{\"a\":", "}]")] {
            if depth * open.len() + depth * close.len() < LIMIT {
                add("deep", format!("{}1{}", open.repeat(depth), close.repeat(depth)).as_bytes());
                add("deep and open", open.repeat(depth).as_bytes());
                let inside = format!("\"alertContext\":{}1{},", open.repeat(depth), close.repeat(depth));
                add(
                    "deep in an alert",
                    good.replacen("\"essentials\"", &(inside + "\"essentials\""), 1).as_bytes(),
                );
            }
        }
    }
    for name in ["schemaId", "data", "essentials", "alertId", "monitorCondition"] {
        let whole: Value = serde_json::from_str(&good).unwrap();
        let right = ["/data/essentials/", "/data/", "/"]
            .iter()
            .find_map(|path| whole.pointer(&format!("{path}{name}")))
            .unwrap();
        for other in [right.clone(), json!("x"), Value::Null, json!({}), json!([]), json!(1)] {
            let twice = good.replacen(&format!("\"{name}\":"), &format!("\"{name}\":{other},\"{name}\":"), 1);
            if twice != good && name != "schemaId" {
                add(&format!("{name} twice"), twice.as_bytes());
            }
            if other != *right && name != "schemaId" && !(name == "alertId" && other.is_string()) {
                let mut changed = whole.clone();
                let path = ["/data/essentials/", "/data/", "/"].iter().map(|path| format!("{path}{name}"));
                let path = path.into_iter().find(|path| whole.pointer(path).is_some()).unwrap();
                *changed.pointer_mut(&path).unwrap() = other.clone();
                add(&format!("{name}: {other}"), changed.to_string().as_bytes());
            }
        }
    }
    for number in ["1e999999", "-1e999999", "NaN", "Infinity", "0x10", "01", "+1", "1.", ".5"] {
        add(number, number.as_bytes());
        add(number, format!("{{\"data\":{number}}}").as_bytes());
    }
    for text in [
        "<xml/>",
        "a=b&c=d",
        "--boundary\r\n\r\n{}\r\n--boundary--",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>",
        "null",
        "true",
        "\"\"",
        "'{}'",
        "{'data':{}}",
        "// {}",
        "/**/{}",
        "{\"data\":undefined}",
        "{,}",
        "[,]",
    ] {
        add(text, text.as_bytes());
    }
    let attempts = bodies.iter().map(|(name, body)| sent(&app, name, "", body));
    lay(&app, "bodies: contents", attempts.collect()).await;
}

#[tokio::test]
async fn compressed_bodies_are_not_unpacked() {
    let app = app().await;
    let bomb = STANDARD.decode(GZIP_HEAD).unwrap();
    let encodings = [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x-gzip",
        "gzip, gzip, gzip",
        "identity",
        "?",
        "aws-chunked",
    ];
    let types = [
        "application/json",
        "application/gzip",
        "text/html",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "*/*",
        "application/x-www-form-urlencoded",
        "?",
    ];
    let mut attempts = Vec::new();
    for encoding in encodings {
        for content_type in types {
            let lines = format!("Content-Encoding: {encoding}\r\nContent-Type: {content_type}\r\n");
            for body in [&bomb[..], b"--x\r\n\r\n{}\r\n--x--", b"alert=%7B%7D", b"+AHs-"] {
                attempts.push(sent(&app, &lines, &lines, body));
            }
        }
    }
    lay(&app, "bodies: encodings and types", attempts).await;
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says_and_no_longer_than_allowed() {
    let app = app().await;
    let good = alert(FORGED);
    let padded = |bytes: usize| {
        let mut body = good.to_vec();
        body.resize(bytes, b' ');
        body
    };
    let (too_large, too_slow) = (Expected::Status(&[413]), Expected::Status(&[408]));
    let bad = Expected::Each(&[400]);
    let mut attempts = Vec::new();
    for bytes in [LIMIT + 1, LIMIT + 1_000, 2 * LIMIT, 8 * LIMIT] {
        let attempt = sent(&app, "over the limit", "", &padded(bytes));
        attempts.push(attempt.expecting(too_large));
        let chunk = format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(bytes));
        attempts.push(framed(
            &app,
            "one large chunk",
            "Transfer-Encoding: chunked\r\n",
            chunk.as_bytes(),
            too_large,
        ));
        let chunks = "400\r\n".to_owned() + &" ".repeat(1_024) + "\r\n";
        let chunks = chunks.repeat(bytes / 1_024 + 1) + "0\r\n\r\n";
        attempts.push(framed(
            &app,
            "many chunks",
            "Transfer-Encoding: chunked\r\n",
            chunks.as_bytes(),
            too_large,
        ));
    }
    for length in
        ["1048577", "99999999999", "9223372036854775807", "9223372036854775808", "18446744073709551615"]
    {
        attempts.push(framed(&app, length, &format!("Content-Length: {length}\r\n"), &good, too_large));
    }
    for length in [
        "18446744073709551616",
        "99999999999999999999999999",
        "-1",
        "+5",
        "5 5",
        "5,5",
        "5, 5",
        "0x10",
        "1e3",
        "5.0",
        "",
        " ",
        "five",
        "٥",
        "\"5\"",
        "5;q=1",
        "5\u{b}",
        "05a",
    ] {
        attempts.push(framed(&app, length, &format!("Content-Length: {length}\r\n"), &good, bad));
    }
    for more in [1, 10, 1_000, LIMIT - good.len()] {
        let length = format!("Content-Length: {}\r\n", good.len() + more);
        attempts.push(framed(&app, "more announced than sent", &length, &good, too_slow));
    }
    for less in [1, 2, 10, good.len() / 2, good.len() - 1, good.len()] {
        let length = format!("Content-Length: {}\r\n", good.len() - less);
        attempts.push(framed(&app, "less announced than sent", &length, &good, bad));
    }
    attempts.push(framed(&app, "no length", "", &good, bad));
    let size = format!("{:x}", good.len());
    let body = std::str::from_utf8(&good).unwrap();
    for chunks in [
        format!("{size}\n{body}\r\n0\r\n\r\n"),
        format!("{size}\r\n{body}0\r\n\r\n"),
        format!("+{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("{size}g\r\n{body}\r\n0\r\n\r\n"),
        format!("\r\n{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("10000000000000000\r\n{body}\r\n0\r\n\r\n"),
        format!("ffffffffffffffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("zz\r\n{body}\r\n0\r\n\r\n"),
        "0\r\n\r\n".to_owned(),
        "\r\n\r\n".to_owned(),
        format!("{size}\r\n{body}\r\n"),
        format!("{size}\r\n{body}"),
    ] {
        let name: String = chunks.chars().take(30).collect();
        let expected = Expected::Status(&[400, 408, 413]);
        attempts.push(framed(&app, &name, "Transfer-Encoding: chunked\r\n", chunks.as_bytes(), expected));
    }
    lay(&app, "bodies: lengths", attempts).await;
}
