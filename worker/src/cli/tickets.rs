//! `worker tickets list|show|retry`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::output::{Format, answer, answer_json, printable, second};
use crate::config::Config;
use crate::store;
use crate::store::listing::{self, AlertLine, AttemptLine, CiFilter, Filter, TicketLine};

const MAX_RETRIES_AT_ONCE: u32 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List tickets, the newest first.
    List {
        /// Only these: pending, open, resolved, closed, left, parked, not_needed or ended.
        #[arg(long, value_parser = ["pending", "open", "resolved", "closed", "left", "parked", "not_needed", "ended"])]
        state: Option<String>,
        /// Only those of this target.
        #[arg(long)]
        target: Option<String>,
        /// List alerts that have no ticket instead, with the reason.
        #[arg(long, conflicts_with_all = ["state", "target", "without_ci"])]
        none: bool,
        /// List only open tickets without a configuration item, with the reason.
        #[arg(long)]
        without_ci: bool,
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

pub(super) async fn run(config: &Config, command: Command, format: Format) -> anyhow::Result<ExitCode> {
    let pool = store::pool(&config.database).context("database.url cannot be read")?;
    match command {
        Command::List { none: true, limit, .. } => list_without(&pool, limit, format).await,
        Command::List { state, target, without_ci, limit, none: false } => {
            let ci = if without_ci { CiFilter::Missing } else { CiFilter::Any };
            list(&pool, &Filter { state, target, ci, ticket_id: None, limit }, format).await
        }
        Command::Show { ticket } => show(&pool, &ticket, format).await,
        Command::Retry { ticket: Some(ticket), .. } => {
            let ids = listing::find(&pool, &ticket).await?;
            anyhow::ensure!(!ids.is_empty(), "there is no ticket {ticket}");
            retry(&pool, &ids, format).await
        }
        Command::Retry { ticket: None, .. } => {
            let filter =
                Filter { state: Some("parked".to_owned()), limit: MAX_RETRIES_AT_ONCE, ..Filter::default() };
            let parked = listing::tickets(&pool, &filter).await?;
            retry(&pool, &parked.iter().map(|line| line.ticket_id).collect::<Vec<_>>(), format).await
        }
    }
}

async fn list(pool: &PgPool, filter: &Filter, format: Format) -> anyhow::Result<ExitCode> {
    let tickets = listing::tickets(pool, filter).await?;
    if format == Format::Json {
        answer_json(&tickets)?;
        return Ok(ExitCode::SUCCESS);
    }
    match filter.ci {
        CiFilter::Any => {
            let columns = ["NUMBER", "STATE", "FIRED", "CI", "TARGET"];
            let [number, state, fired, ci, target] = columns;
            answer(&format!("{number:<14} {state:<11} {fired:<20} {ci:<20} {target:<16} RULE"))?;
            tickets.iter().try_for_each(|ticket| answer(&line(ticket)))?;
        }
        CiFilter::Missing => {
            answer(&format!("{:<14} {:<20} {:<16} WHY", "NUMBER", "FIRED", "TARGET"))?;
            tickets.iter().try_for_each(|ticket| answer(&line_without_ci(ticket)))?;
        }
    }
    if tickets.len() >= usize::try_from(filter.limit)? {
        answer("… there may be more: raise --limit")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list_without(pool: &PgPool, limit: u32, format: Format) -> anyhow::Result<ExitCode> {
    let alerts = listing::without_ticket(pool, limit).await?;
    if format == Format::Json {
        answer_json(&alerts)?;
        return Ok(ExitCode::SUCCESS);
    }
    for alert in &alerts {
        answer(&format!("{}  ({})", printable(&alert.alert_id), alert.reason))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(pool: &PgPool, name: &str, format: Format) -> anyhow::Result<ExitCode> {
    let ids = listing::find(pool, name).await?;
    anyhow::ensure!(!ids.is_empty(), "there is no ticket {name}");
    for id in ids {
        let filter = Filter { ticket_id: Some(id), limit: 1, ..Filter::default() };
        let ticket =
            listing::tickets(pool, &filter).await?.into_iter().next().context("the ticket is gone")?;
        let alerts = listing::alerts(pool, id).await?;
        let attempts = listing::attempts(pool, id).await?;
        if format == Format::Json {
            answer_json(&json!({ "ticket": ticket, "alerts": alerts, "attempts": attempts }))?;
            continue;
        }
        answer(&line(&ticket))?;
        answer(&format!("  id {}  correlation id {}", ticket.ticket_id, ticket.correlation_id))?;
        for alert in &alerts {
            answer(&alert_line(alert))?;
        }
        for attempt in &attempts {
            answer(&attempt_line(attempt))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(pool: &PgPool, tickets: &[Uuid], format: Format) -> anyhow::Result<ExitCode> {
    let due = listing::retry(pool, tickets).await?;
    match format {
        Format::Json => answer_json(&json!({ "due": due }))?,
        Format::Text => answer(&format!("{due} tickets are due now"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn line_without_ci(ticket: &TicketLine) -> String {
    format!(
        "{:<14} {:<20} {:<16} {}",
        text(&ticket.number),
        fired(ticket.fired_at.to_jiff()),
        ticket.target,
        text(&ticket.ci_missing)
    )
}

fn text(text: &Option<String>) -> String {
    printable(text.as_deref().unwrap_or("-"))
}

fn line(ticket: &TicketLine) -> String {
    let reason = ticket.reason.as_deref().map(|reason| format!("  ({})", printable(reason)));
    let waits = ticket.waits_until.map(|until| format!("  (not made before {})", second(until.to_jiff())));
    format!(
        "{:<14} {:<11} {:<20} {:<20} {:<16} {}{}{}",
        text(&ticket.number),
        ticket.state,
        fired(ticket.fired_at.to_jiff()),
        text(&ticket.ci),
        ticket.target,
        text(&ticket.rule),
        waits.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// An alert that does not say when it fired counts as the oldest.
fn fired(at: Timestamp) -> String {
    if at == Timestamp::UNIX_EPOCH { "-".to_owned() } else { second(at) }
}

fn alert_line(alert: &AlertLine) -> String {
    let condition = if alert.firing { "firing" } else { "resolved" };
    let (id, heard, deliveries) = (printable(&alert.alert_id), alert.notifications, alert.deliveries);
    format!("  alert {id} ({condition}; {heard} notifications in {deliveries} deliveries)")
}

fn attempt_line(attempt: &AttemptLine) -> String {
    format!(
        "  {}  {:<8} {:<12} {:>6} ms  {}  {}",
        attempt.started_at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        attempt.action,
        attempt.outcome,
        attempt.duration_ms,
        attempt.worker,
        printable(attempt.detail.as_deref().unwrap_or_default())
    )
}
