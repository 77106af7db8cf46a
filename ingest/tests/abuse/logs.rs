//! Text of strangers in our log: one line per event, nothing that a terminal obeys, no secret.

use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::app::{Options, alert, until};
use crate::claims::{json, parts};
use crate::program::{Pipe, Program};
use crate::siege::{Attempt, DEADLINE, FORGED, Tally, exchange, request};

/// A line is longer than 100 bytes, and a pipe has 64 KiB.
const MORE_THAN_A_PIPE_HOLDS: u64 = 700;

const FORGERIES: [&str; 8] = [
    "\n2026-01-01T00:00:00Z ERROR forged line",
    "\r\n{\"level\":\"ERROR\",\"message\":\"forged line\"}",
    "\u{1b}[2J\u{1b}[31mforged line",
    "\u{9b}31mforged line",
    "\u{202e}enil degrof\u{2066}",
    "\u{0}\u{8}\u{7f}\u{85}forged line",
    "\u{2028}forged line\u{2029}",
    "{} {0} %s %n ${jndi:ldap://127.0.0.1/x} {{7*7}}",
];

#[tokio::test]
async fn a_log_that_nobody_takes_costs_no_alert() {
    for pipe in [Pipe::Stalls, Pipe::Breaks] {
        let mut program = Program::start(Options::default(), &[]).await;
        program.stop_reading(pipe);
        let line = format!("Authorization: Bearer {}\r\n", program.token());
        for number in 0..MORE_THAN_A_PIPE_HOLDS {
            let outcome = exchange(program.port, &request(line.as_bytes(), &alert(number))).await;
            assert_eq!(outcome.statuses, [202], "{pipe:?}, alert {number}");
        }
        let id = rustix::process::Pid::from_raw(program.process.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = until(async || program.process.try_wait().unwrap().is_some());
        timeout(DEADLINE, ended).await.expect("the program ends when it is told to");
    }
}

#[tokio::test]
async fn a_stranger_writes_no_line_of_the_log() {
    for format in ["text", "json"] {
        let program = Program::start(Options::default(), &[("SECURE_EXPORT__LOG__FORMAT", format)]).await;
        let token = program.token();
        let (header, claims) = parts(&token);
        let mut attempts = Vec::new();
        for text in FORGERIES {
            for name in ["alg", "kid", "typ"] {
                let mut header = header.clone();
                header.insert(name.to_owned(), json!(text));
                let token = program.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
                if name != "typ" {
                    attempts.push(Attempt::bearer(format!("{name}={text:?}"), &token));
                }
            }
            for name in ["ver", "tid", "iss", "aud", "azp", "idtyp", "roles", "exp"] {
                for value in [json!(text), json!([text]), json!({text: text})] {
                    let mut claims = claims.clone();
                    claims.insert(name.to_owned(), value);
                    let token = program.identity.directory().sign(&json(&header), &json(&claims)).unwrap();
                    if name != "roles" || claims[name] != json!([text]) {
                        attempts.push(Attempt::bearer(format!("{name}={text:?}"), &token));
                    }
                }
            }
            let body =
                json!({"data": {"essentials": {"alertId": [text], text: text, "monitorCondition": text}}});
            let bodies = [body.to_string(), text.to_owned(), format!("{{\"{text}")];
            for body in bodies {
                let lines = format!(
                    "Authorization: Bearer {token}\r\nUser-Agent: \u{9b}31m\r\nTraceparent: 00-{}-1\u{9b}\r\n",
                    "f".repeat(32)
                );
                let expected = crate::siege::Expected::Status(&[400]);
                attempts.push(Attempt {
                    name: format!("body {text:?}"),
                    bytes: request(lines.as_bytes(), body.as_bytes()),
                    expected,
                });
            }
        }
        let before = program.log().len();
        let mut tally =
            Tally::new(if format == "text" { "log lines, as text" } else { "log lines, as JSON" });
        for attempt in &attempts {
            tally.count(attempt, &exchange(program.port, &attempt.bytes).await);
        }
        let line = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(exchange(program.port, &request(line.as_bytes(), &alert(FORGED))).await.statuses, [202]);
        until(async || program.log().last().is_some_and(|line| line.contains("answered 202"))).await;
        let log = program.log();
        for line in &log[before..] {
            let ours = match format {
                "text" => line.starts_with("20") && line.contains("request{traceparent=00-"),
                _ => serde_json::from_str::<Map<String, Value>>(line)
                    .is_ok_and(|line| line.contains_key("level")),
            };
            assert!(ours, "{format}: {line:?}");
            let obeyed = |c: char| {
                c.is_control()
                    || ('\u{2028}'..='\u{202e}').contains(&c)
                    || ('\u{2066}'..='\u{2069}').contains(&c)
            };
            assert!(!line.chars().any(obeyed), "{format}: {line:?}");
            assert!(!line.contains(&token), "{format}: {line:?}");
        }
        let answers = log[before..].iter().filter(|line| line.contains("answered ")).count();
        assert_eq!(answers, attempts.len() + 1, "{format}: one line each");
        assert_eq!(log.len() - before, 2 * attempts.len() + 1, "{format}: each says why");
        tally.report();
    }
}
