//! `worker dead-letters list|show|replay|discard`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use shared::amqp::Publisher;
use shared::ops::Health;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::output::{Format, answer, answer_json, printable, printable_body, second};
use crate::config::Config;
use crate::dead_letters::replay::{self, Old};
use crate::failure_point::FailurePoint;
use crate::store;
use crate::store::dead_letters::{self, Claimable, Content, Filter, LetterLine};

const MAX_REPLAYS_AT_ONCE: u32 = 10_000;
/// How long the broker may take to confirm one of them.
const REPLAY_DEADLINE: Duration = Duration::from_secs(10);
/// How long saying goodbye to the broker may take.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters, the one that died last first.
    List {
        /// Only these: waiting, replayed or discarded.
        #[arg(long, value_parser = ["waiting", "replayed", "discarded"])]
        state: Option<String>,
        /// Only those whose reason contains this.
        #[arg(long)]
        reason: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one with everything that came with it, its body, and what was done with it.
    Show { letter: Uuid },
    /// Publish again, for the workers to hear. Doing it twice does no harm.
    Replay {
        /// These, also where one was discarded or replayed before.
        #[arg(required_unless_present = "all")]
        letters: Vec<Uuid>,
        /// All that wait, 10,000 at a time; none that is discarded meanwhile.
        #[arg(long, conflicts_with = "letters")]
        all: bool,
        /// Of all, only those whose reason contains this.
        #[arg(long, requires = "all")]
        reason: Option<String>,
        /// Also what was received before sweep.retention.
        #[arg(long)]
        old: bool,
        /// Who does it, for the record.
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
    /// Give up on some that wait. They stay on record, with their bodies, until sweep.retention is over.
    Discard {
        #[arg(required = true)]
        letters: Vec<Uuid>,
        /// Why, for the record.
        #[arg(long)]
        because: String,
        /// Who does it, for the record.
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
}

/// What is to be replayed.
struct Chosen {
    letters: Vec<Uuid>,
    claimable: Claimable,
    old: Old,
}

/// What became of letters that something was to be done with.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    done: Vec<Uuid>,
    refused: Vec<Refusal>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    dead_letter_id: Uuid,
    reason: String,
}

pub(super) async fn run(config: Config, command: Command, format: Format) -> anyhow::Result<ExitCode> {
    let pool = store::pool(&config.database).context("database.url cannot be read")?;
    match command {
        Command::List { state, reason, limit } => {
            list(&pool, &Filter { state, reason, limit, ..Filter::default() }, format).await
        }
        Command::Show { letter } => show(&pool, letter, format).await,
        Command::Replay { letters, all: _, reason, old, by } => {
            let old = if old { Old::Replay } else { Old::Refuse };
            let chosen = if letters.is_empty() {
                Chosen { letters: waiting(&pool, reason).await?, claimable: Claimable::Waiting, old }
            } else {
                Chosen { letters, claimable: Claimable::Any, old }
            };
            replay_all(config, &pool, &chosen, &by, format).await
        }
        Command::Discard { letters, because, by } => {
            anyhow::ensure!(!because.trim().is_empty(), "--because must say why");
            discard(&pool, &letters, &by, &because, format).await
        }
    }
}

async fn list(pool: &PgPool, filter: &Filter, format: Format) -> anyhow::Result<ExitCode> {
    let letters = dead_letters::list(pool, filter).await?;
    match format {
        Format::Json => answer_json(&letters)?,
        Format::Text => {
            answer(&format!("{:<36} {:<9} {:<20} {:<36} REASON", "ID", "STATE", "RECEIVED", "TENANT"))?;
            for letter in &letters {
                answer(&line(letter))?;
            }
            if letters.len() >= usize::try_from(filter.limit)? {
                answer("… there may be more: raise --limit")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(pool: &PgPool, letter: Uuid, format: Format) -> anyhow::Result<ExitCode> {
    let filter = Filter { letter: Some(letter), limit: 1, ..Filter::default() };
    let found = dead_letters::list(pool, &filter).await?.into_iter().next();
    let about = found.with_context(|| format!("there is no dead letter {letter}"))?;
    let Content { envelope, body, .. } =
        dead_letters::content(pool, letter).await?.context("the dead letter is gone")?;
    let actions = dead_letters::actions(pool, letter).await?;
    if format == Format::Json {
        let all =
            json!({ "letter": about, "envelope": envelope, "body": body_json(&body), "actions": actions });
        answer_json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    answer(&line(&about))?;
    answer(&format!("  died {} time(s), last at {}", about.deaths, second(about.last_died_at.to_jiff())))?;
    let or_none = |text: Option<&str>| printable(text.unwrap_or("-"));
    let (queue, message) = (or_none(about.origin_queue.as_deref()), or_none(about.message_id.as_deref()));
    answer(&format!("  from queue {queue}, message {message}"))?;
    let version = about.schema_version.map_or_else(|| "-".to_owned(), |version| version.to_string());
    answer(&format!("  schema version {version}, traceparent {}", or_none(about.traceparent.as_deref())))?;
    for action in &actions {
        let because = action.because.as_deref().map(|because| format!(" because: {}", printable(because)));
        let (at, by) = (second(action.acted_at.to_jiff()), printable(&action.operator));
        answer(&format!("  {} at {at} by {by}{}", action.action, because.unwrap_or_default()))?;
    }
    answer(&format!("  body, {} bytes:", body.len()))?;
    answer(&printable_body(&body))?;
    Ok(ExitCode::SUCCESS)
}

/// Those that wait, the oldest first, so that they are heard in order.
async fn waiting(pool: &PgPool, reason: Option<String>) -> anyhow::Result<Vec<Uuid>> {
    let filter =
        Filter { state: Some("waiting".to_owned()), reason, limit: MAX_REPLAYS_AT_ONCE, ..Filter::default() };
    let letters = dead_letters::list(pool, &filter).await?;
    Ok(letters.into_iter().rev().map(|letter| letter.dead_letter_id).collect())
}

async fn replay_all(
    config: Config,
    pool: &PgPool,
    chosen: &Chosen,
    by: &str,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let health = Health::default().dependency("amqp");
    let name = "secure-export worker dead-letters replay";
    let publisher = Publisher::start(config.broker, name, health, shutdown.clone(), &tasks).await?;
    let mut outcome = Outcome::default();
    let mut broken = None;
    for letter in &chosen.letters {
        // Ends with the process, so a replay that was not noted leaves the letter as it was.
        let mut transaction = pool.begin().await?;
        let Some(content) = dead_letters::claim(&mut transaction, *letter, chosen.claimable).await? else {
            match chosen.claimable {
                Claimable::Any => outcome.refuse(*letter, "there is no such dead letter"),
                // Somebody discarded or replayed it since it was listed.
                Claimable::Waiting => {}
            }
            continue;
        };
        if let Err(reason) = replay::check(&content, chosen.old, config.sweep.retention, Timestamp::now()) {
            outcome.refuse(*letter, &reason.to_string());
            continue;
        }
        let deadline = Instant::now() + REPLAY_DEADLINE;
        if let Err(error) = publisher.replay(&content.envelope, &content.body, deadline).await {
            broken = Some(error);
            break;
        }
        FailurePoint::LetterReplayed.reach();
        dead_letters::mark_replayed(&mut transaction, *letter, by).await?;
        transaction.commit().await?;
        outcome.done.push(*letter);
    }
    shutdown.cancel();
    tasks.close();
    drop(tokio::time::timeout(GOODBYE, tasks.wait()).await);
    let code = outcome.tell("replayed", format)?;
    match broken {
        Some(error) => Err(error).context("the broker does not take a letter; it waits on, try again"),
        None => Ok(code),
    }
}

async fn discard(
    pool: &PgPool,
    letters: &[Uuid],
    by: &str,
    because: &str,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let mut outcome =
        Outcome { done: dead_letters::discard(pool, letters, by, because).await?, refused: Vec::new() };
    for letter in letters {
        if !outcome.done.contains(letter) {
            outcome.refuse(*letter, "there is none that waits");
        }
    }
    outcome.tell("discarded", format)
}

impl Outcome {
    fn refuse(&mut self, dead_letter_id: Uuid, reason: &str) {
        self.refused.push(Refusal { dead_letter_id, reason: reason.to_owned() });
    }

    /// Answers with what was `done`; a refusal makes the command fail.
    fn tell(&self, done: &str, format: Format) -> anyhow::Result<ExitCode> {
        match format {
            Format::Json => answer_json(&json!({ done: self.done, "refused": self.refused }))?,
            Format::Text => {
                for Refusal { dead_letter_id, reason } in &self.refused {
                    answer(&format!("{dead_letter_id} not {done}: {}", printable(reason)))?;
                }
                answer(&format!("{} dead letters {done}", self.done.len()))?;
            }
        }
        Ok(if self.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn line(letter: &LetterLine) -> String {
    let received = letter.received_at.map_or_else(|| "-".to_owned(), |at| second(at.to_jiff()));
    let tenant = letter.tenant_id.map_or_else(|| "-".to_owned(), |tenant| tenant.to_string());
    let alert = letter.alert_id.as_deref().map(|alert| format!("  (alert {})", printable(alert)));
    format!(
        "{:<36} {:<9} {received:<20} {tenant:<36} {}{}",
        letter.dead_letter_id,
        letter.state,
        printable(&letter.reason),
        alert.unwrap_or_default()
    )
}

/// Bytes that are no text are given in Base64.
fn body_json(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": BASE64.encode(body) }),
    }
}
