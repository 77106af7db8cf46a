//! Alert text that tries to be more than text: in queries, journals, templates, addresses and logs.

use std::process::Stdio;

use itsm_simulator::servicenow::CiSeed;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::world::{World, in_world, metric, until};

/// What each text would do where it is not only text.
const TEXTS: [&str; 16] = [
    "x^ORnameISNOTEMPTY",
    "x^NQactive=true",
    "^ORDERBYDESCsys_created_on",
    "javascript:gs.getUserID()",
    "x@JavaScript:new GlideRecord('incident').deleteMultiple()",
    "[code]<script>alert(1)</script>[/code]",
    "[co\u{0}de]<b>x</b>[/CODE]",
    "{{ 7 * 7 }}{{ alert }}",
    "{% for a in [1, 2] %}forged{% endfor %}{# gone #}",
    "${jndi:ldap://127.0.0.1/x} #{7*7} <%= 7*7 %>",
    "\n2026-01-01T00:00:00Z ERROR forged line",
    "\u{1b}[2J\u{1b}[31mforged\u{9b}0m",
    "\u{202e}degrof\u{2066}\u{2028}x",
    "x\r\nX-Forged: yes\r\n\r\nGET / HTTP/1.1",
    "../../../oauth_token.do?a=b#c",
    "http://127.0.0.1:1/@localhost%2f..%5c",
];

/// The alert with the text wherever Azure lets somebody choose one.
fn poisoned(number: u64, text: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&metric(number).fired()).unwrap();
    let essentials = &mut body["data"]["essentials"];
    for name in ["alertRule", "description", "monitoringService", "targetResourceGroup", "investigationLink"]
    {
        essentials[name] = json!(text);
    }
    let target =
        format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/{text}");
    essentials["alertTargetIDs"] = json!([target]);
    essentials["configurationItems"] = json!([text]);
    body["data"]["customProperties"] = json!({ text: text, "team": text });
    body["data"]["alertContext"]["properties"] = json!({ text: text });
    let dimensions = json!([{"name": "Computer", "value": text}, {"name": text, "value": text}]);
    body["data"]["alertContext"]["condition"]["allOf"][0]["dimensions"] = dimensions;
    body.to_string().into_bytes()
}

#[test]
fn the_text_of_an_alert_is_only_ever_text() {
    in_world(async {
        let world = World::with_workers(1).await;
        // Whoever widens a query, or asks for the only item there is, gets this one.
        let bait = CiSeed { name: "bait".to_owned(), object_id: "/bait".to_owned(), ..CiSeed::default() };
        let bait = world.snow().seed_ci(bait).unwrap();
        let bodies: Vec<_> = (1..).zip(TEXTS).map(|(number, text)| poisoned(number, text).into()).collect();
        world.send_all(bodies).await;
        world.settled(i64::try_from(TEXTS.len()).unwrap()).await;
        assert!(world.dead_letters().await.is_empty());

        let incidents = world.snow().tickets();
        assert_eq!(incidents.len(), TEXTS.len(), "one incident for each alert");
        for incident in &incidents {
            assert_ne!(incident.field("cmdb_ci"), bait);
            let written = incident.writes.iter().flat_map(|write| write.fields.iter());
            for (column, value) in written.chain(incident.fields.iter()) {
                let lower = value.to_lowercase();
                assert!(!lower.contains("[code]") && !lower.contains("[/code]"), "{column}: {value:?}");
                assert!(!value.contains("49") || !value.contains("7*7"), "{column}: {value:?}");
                let control = |c: char| c.is_control() && c != '\n' && c != '\t';
                assert!(!value.chars().any(control), "{column}: {value:?}");
            }
            assert!(!incident.field("short_description").contains('\n'), "{incident:?}");
            let journal = incident.journal.iter().map(|entry| entry.value.to_lowercase());
            assert!(journal.into_iter().all(|value| !value.contains("[code]")), "{incident:?}");
            assert!(incident.field("correlation_id").starts_with("sx1-"), "{incident:?}");
        }
        for template in ["{{ 7 * 7 }}{{ alert }}", "{% for a in [1, 2] %}forged{% endfor %}{# gone #}"] {
            let verbatim = |incident: &&itsm_simulator::servicenow::Ticket| {
                incident.field("short_description").contains(template)
            };
            assert_eq!(incidents.iter().filter(verbatim).count(), 1, "{template} stands as it was sent");
        }
        // Nothing was asked for but the look-up of items and the incidents themselves.
        let calls = world.snow().calls();
        println!(
            "abuse: injection by alert text: tried {}, interpreted 0, crashes 0, calls {:?}",
            TEXTS.len(),
            calls.operations
        );
        assert_eq!(calls.of("create"), u64::try_from(TEXTS.len()).unwrap());
        assert_eq!(calls.of("delete"), 0);
        world.stop().await;
    });
}

#[test]
fn the_text_of_an_alert_writes_no_line_of_the_log() {
    in_world(async {
        for format in ["text", "json"] {
            let world = World::with_workers(0).await;
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_worker"));
            command.arg("--config").arg(world.settings_file()).arg("run");
            command
                .env("SECURE_EXPORT__LOG__FORMAT", format)
                .env("SECURE_EXPORT__LOG__FILTER", "info,lapin=off,worker=debug");
            let mut worker = command.kill_on_drop(true).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(worker.stderr.take().unwrap()).lines();
            let reading = tokio::task::spawn_local(async move {
                let mut log = Vec::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    log.push(line);
                }
                log
            });
            world
                .send_all((1..).zip(TEXTS).map(|(number, text)| poisoned(number, text).into()).collect())
                .await;
            world.settled(i64::try_from(TEXTS.len()).unwrap()).await;
            let id = rustix::process::Pid::from_raw(worker.id().unwrap().try_into().unwrap()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
            until("the worker has ended", async || worker.try_wait().unwrap().map(|_| ())).await;
            let log = reading.await.unwrap();
            assert!(log.len() > 1, "{log:?}");
            for line in &log {
                let ours = match format {
                    "text" => line.starts_with("20") && !line.starts_with("2026-01-01T00:00:00Z"),
                    _ => serde_json::from_str::<Map<String, Value>>(line)
                        .is_ok_and(|line| line.contains_key("level")),
                };
                assert!(ours, "{format}: {line:?}");
                let obeyed = |c: char| {
                    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                assert!(!line.chars().any(obeyed), "{format}: {line:?}");
            }
            println!(
                "abuse: log lines of the worker, as {format}: tried {}, forged 0, crashes 0, lines {}",
                TEXTS.len(),
                log.len()
            );
            world.stop().await;
        }
    });
}
