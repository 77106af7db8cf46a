//! `stack demo`: the main job, end to end, with an account of what became of each alert.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use azure_simulator::alerts::{Alert, AlertRule, Kind};
use azure_simulator::sender::{Credentials, Outcome, Retries, Sender, TokenSource};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::alert::Notification;
use stack::{Client, Description, Extent, Options, Stack};
use tokio::time::Instant;

use crate::desk::{Desk, Incident, heard};

/// How long an alert may take to show in the ITSM before the demo is a failure.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SEED: u64 = 1;

/// Starts a stack, plays the scenes and stops it; success only if every scene came out right.
pub(crate) async fn run(target: &Path) -> anyhow::Result<ExitCode> {
    let programs = std::env::current_exe()?.parent().context("this program has no folder")?.to_owned();
    let options = Options { folder: target.join("demo"), programs, workers: 1, extent: Extent::Full };
    println!("secure-export: Azure Monitor alerts in, ServiceNow incidents out");
    println!(
        "starting RabbitMQ, Postgres, an identity provider, a simulated ServiceNow, ingest and worker …"
    );
    let begin = Instant::now();
    let stack = Stack::start(&options).await?;
    println!("ready after {:.0} s\n", begin.elapsed().as_secs_f64());
    let outcome = play(stack.description()).await;
    stack.stop().await;
    if outcome? {
        println!("\nevery step came out right; everything is stopped again");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nnot every step came out right: the logs are in {}", options.folder.display());
    Ok(ExitCode::FAILURE)
}

/// What is sent, and what must become of it.
struct Scene<'a> {
    title: &'static str,
    sender: &'a Sender,
    body: Bytes,
    /// The answer that ingest must give.
    answer: u16,
    /// The alert's incident afterwards.
    incident: Option<Expected<'a>>,
}

#[derive(Clone, Copy)]
struct Expected<'a> {
    alert: &'a Alert,
    state: State,
    ci: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Resolved,
}

async fn play(description: &Description) -> anyhow::Result<bool> {
    let desk = Desk::new(description)?;
    let azure = sender(description, &description.clients.azns)?;
    let stranger = sender(description, &description.clients.stranger)?;
    let now = Timestamp::now();
    let (metric, log, activity) = (
        rule("metric-static")?.fire(now),
        rule("log-v2")?.fire(now),
        rule("activity-administrative")?.fire(now),
    );
    let later = now + SignedDuration::from_mins(5);
    let resolved = |alert: &Alert| alert.resolved(later).context("this kind of alert resolves");
    // The CMDB knows one machine by its Azure id, the other by its name alone.
    desk.seed(&[
        json!({"class": "cmdb_ci_vm_instance", "name": "web-01", "object_id": first_target(&metric)?}),
        json!({"class": "cmdb_ci_server", "name": "db-01"}),
    ])
    .await?;

    let scene = |title, body, alert, state, ci| Scene {
        title,
        sender: &azure,
        body,
        answer: 202,
        incident: Some(Expected { alert, state, ci }),
    };
    let (web, db) = (Some("web-01"), Some("db-01"));
    let scenes = [
        scene("metric alert fires", metric.fired(), &metric, State::New, web),
        scene("the same delivery again", metric.fired(), &metric, State::New, web),
        scene("log alert fires", log.fired(), &log, State::New, db),
        scene("activity log alert (never resolves)", activity.fired(), &activity, State::New, None),
        Scene {
            title: "token of another application",
            sender: &stranger,
            body: activity.fired(),
            answer: 403,
            incident: None,
        },
        Scene {
            title: "something that is no alert",
            sender: &azure,
            body: Bytes::from_static(b"{\"hello\": 1}"),
            answer: 400,
            incident: None,
        },
        scene("metric alert resolves", resolved(&metric)?, &metric, State::Resolved, web),
        scene("its first delivery again, late", metric.fired(), &metric, State::Resolved, web),
        scene("log alert resolves", resolved(&log)?, &log, State::Resolved, db),
    ];
    println!("{:<36} {:<7} {:<12} {:<10} CI", "SENT", "ANSWER", "INCIDENT", "STATE");
    let mut right = true;
    let mut accepted = 0.0;
    for scene in &scenes {
        accepted += f64::from(u8::from(scene.answer == 202));
        right &= show(scene, &desk, description, accepted).await?;
    }

    println!("\nin ServiceNow now:");
    let incidents = desk.incidents().await?;
    for incident in &incidents {
        println!("  {} {}", line(&desk, incident).await?, incident.text("short_description"));
    }
    let (alerts, exact) = (3, incidents.len() == 3);
    println!("  {} incidents for {alerts} alerts {}", incidents.len(), mark(exact));
    Ok(right && exact)
}

/// Plays a scene. The worker has heard all that was accepted before anybody looks, so that a delivery without
/// effect is not taken for one that is still on its way.
async fn show(
    scene: &Scene<'_>,
    desk: &Desk,
    description: &Description,
    accepted: f64,
) -> anyhow::Result<bool> {
    let answer = match scene.sender.deliver(scene.body.clone()).await.outcome {
        Outcome::Accepted(status) | Outcome::Refused(status) => status,
        Outcome::Unreachable | Outcome::NoToken => 0,
    };
    let mut right = answer == scene.answer;
    let mut became = String::new();
    if let Some(expected) = scene.incident {
        let begin = Instant::now();
        while heard(description).await? < accepted && begin.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let found = settled(desk, expected).await?;
        right &= found.is_some();
        became = match found {
            Some(incident) => line(desk, &incident).await?,
            None => format!("not as expected after {} s", PATIENCE.as_secs()),
        };
    }
    println!("{:<36} {answer:<7} {became:<33} {}", scene.title, mark(right));
    Ok(right)
}

/// The only incident of an alert's rule, once it is as expected.
async fn settled(desk: &Desk, expected: Expected<'_>) -> anyhow::Result<Option<Incident>> {
    let begin = Instant::now();
    let rule = expected.alert.rule().name();
    while begin.elapsed() < PATIENCE {
        let mut of_rule = desk.incidents().await?;
        of_rule.retain(|incident| incident.text("short_description").contains(&rule));
        if let [incident] = of_rule.as_slice()
            && incident.text("state") == expected.state.value()
            && desk.ci_name(incident).await?.as_deref() == expected.ci
        {
            return Ok(Some(incident.clone()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(None)
}

async fn line(desk: &Desk, incident: &Incident) -> anyhow::Result<String> {
    let state = match incident.text("state") {
        "1" => "New",
        "6" => "Resolved",
        other => other,
    };
    let ci = desk.ci_name(incident).await?;
    Ok(format!("{:<12} {state:<10} {:<9}", incident.number, ci.as_deref().unwrap_or("none")))
}

fn rule(kind: &str) -> anyhow::Result<AlertRule> {
    let kind = Kind::all().iter().find(|known| known.name() == kind).context("no such kind of alert")?;
    Ok(AlertRule::new(*kind, SEED, 1))
}

fn first_target(alert: &Alert) -> anyhow::Result<String> {
    let body = alert.fired();
    let targets = Notification::parse(&body)?.essentials.target_ids;
    Ok(targets.first().context("this kind of alert has a target")?.to_string())
}

fn sender(description: &Description, client: &Client) -> anyhow::Result<Sender> {
    let tokens = TokenSource::new(credentials(description, client))?;
    Ok(Sender::new(&format!("{}/v1/alerts", description.ingest_url), tokens, Retries::none())?)
}

/// What a client of the identity provider asks its tokens with.
pub(crate) fn credentials(description: &Description, client: &Client) -> Credentials {
    Credentials {
        token_url: description.token_url.clone(),
        client_id: client.client_id.clone(),
        client_secret: client.client_secret.clone(),
        audience: description.audience.clone(),
    }
}

fn mark(right: bool) -> &'static str {
    if right { "✓" } else { "✗" }
}

impl State {
    /// As ServiceNow writes it.
    fn value(self) -> &'static str {
        match self {
            Self::New => "1",
            Self::Resolved => "6",
        }
    }
}
