//! `worker tickets list|show|retry`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::config::Config;
use crate::store;
use crate::store::listing::{self, Filter, TicketLine};

const MAX_RETRIES_AT_ONCE: u32 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List tickets, the newest first.
    List {
        /// Only these: pending, open, resolved, closed, parked, not_needed or ended.
        #[arg(long, value_parser = ["pending", "open", "resolved", "closed", "parked", "not_needed", "ended"])]
        state: Option<String>,
        /// Only those of this target.
        #[arg(long)]
        target: Option<String>,
        /// List alerts that have no ticket instead, with the reason.
        #[arg(long, conflicts_with_all = ["state", "target"])]
        none: bool,
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one ticket with its alerts and every call made for it.
    Show {
        /// Its number in the ITSM, its id or its correlation id.
        ticket: String,
    },
    /// Make tickets due now that are parked or wait after a failure.
    Retry {
        /// Its number in the ITSM, its id or its correlation id.
        #[arg(required_unless_present = "parked")]
        ticket: Option<String>,
        /// All that are parked.
        #[arg(long, conflicts_with = "ticket")]
        parked: bool,
    },
}

pub(super) async fn run(config: &Config, command: Command, json: bool) -> anyhow::Result<ExitCode> {
    let pool = store::pool(&config.database).context("database.url cannot be read")?;
    match command {
        Command::List { none: true, limit, .. } => list_without(&pool, limit, json).await,
        Command::List { state, target, limit, none: false } => {
            list(&pool, &Filter { state, target, ticket_id: None, limit }, json).await
        }
        Command::Show { ticket } => show(&pool, &ticket, json).await,
        Command::Retry { ticket: Some(ticket), .. } => {
            let ids = listing::find(&pool, &ticket).await?;
            anyhow::ensure!(!ids.is_empty(), "there is no ticket {ticket}");
            retry(&pool, &ids, json).await
        }
        Command::Retry { ticket: None, .. } => {
            let filter =
                Filter { state: Some("parked".to_owned()), limit: MAX_RETRIES_AT_ONCE, ..Filter::default() };
            let parked = listing::tickets(&pool, &filter).await?;
            retry(&pool, &parked.iter().map(|line| line.ticket_id).collect::<Vec<_>>(), json).await
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is the answer of the command")]
async fn list(pool: &PgPool, filter: &Filter, json: bool) -> anyhow::Result<ExitCode> {
    let tickets = listing::tickets(pool, filter).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&tickets)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<14} {:<11} {:<20} {:<20} {:<16} RULE", "NUMBER", "STATE", "FIRED", "CI", "TARGET");
    for ticket in &tickets {
        println!("{}", line(ticket));
    }
    if tickets.len() >= usize::try_from(filter.limit)? {
        println!("… more: raise --limit");
    }
    Ok(ExitCode::SUCCESS)
}

fn line(ticket: &TicketLine) -> String {
    let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
    let reason = ticket.reason.as_deref().map(|reason| format!("  ({})", printable(reason)));
    format!(
        "{:<14} {:<11} {:<20} {:<20} {:<16} {}{}",
        text(&ticket.number),
        ticket.state,
        ticket.fired_at.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ"),
        text(&ticket.ci),
        ticket.target,
        text(&ticket.rule),
        reason.unwrap_or_default()
    )
}

/// Alert text is not ours: control characters could rewrite the operator's screen.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[expect(clippy::print_stdout, reason = "it is the answer of the command")]
async fn list_without(pool: &PgPool, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let alerts = listing::without_ticket(pool, limit).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&alerts)?);
    } else {
        alerts.iter().for_each(|alert| println!("{}  ({})", printable(&alert.alert_id), alert.reason));
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "it is the answer of the command")]
async fn show(pool: &PgPool, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let ids = listing::find(pool, name).await?;
    anyhow::ensure!(!ids.is_empty(), "there is no ticket {name}");
    for id in ids {
        let filter = Filter { ticket_id: Some(id), limit: 1, ..Filter::default() };
        let ticket =
            listing::tickets(pool, &filter).await?.into_iter().next().context("the ticket is gone")?;
        let alerts = listing::alerts(pool, id).await?;
        let attempts = listing::attempts(pool, id).await?;
        if json {
            let all = json!({ "ticket": ticket, "alerts": alerts, "attempts": attempts });
            println!("{}", serde_json::to_string_pretty(&all)?);
            continue;
        }
        println!("{}", line(&ticket));
        println!("  id {}  correlation id {}", ticket.ticket_id, ticket.correlation_id);
        for alert in alerts {
            let condition = if alert.firing { "firing" } else { "resolved" };
            println!(
                "  alert {} ({condition}; {} notifications in {} deliveries)",
                printable(&alert.alert_id),
                alert.notifications,
                alert.deliveries
            );
        }
        for attempt in attempts {
            println!(
                "  {}  {:<8} {:<12} {:>6} ms  {}  {}",
                attempt.started_at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
                attempt.action,
                attempt.outcome,
                attempt.duration_ms,
                attempt.worker,
                printable(attempt.detail.as_deref().unwrap_or_default())
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "it is the answer of the command")]
async fn retry(pool: &PgPool, tickets: &[Uuid], json: bool) -> anyhow::Result<ExitCode> {
    let mut due = 0;
    for ticket in tickets {
        due += u32::from(listing::retry(pool, *ticket).await?);
    }
    if json {
        println!("{}", json!({ "due": due }));
    } else {
        println!("{due} tickets are due now");
    }
    Ok(ExitCode::SUCCESS)
}
