//! The command line of the worker.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use jiff::Timestamp;
use shared::causes::told;
use uuid::Uuid;

use crate::config::{self, Config};
use crate::policy::trial::{self, Verdict};
use crate::reload::TRIAL_PATIENCE;

mod check_target;
mod dead_letters;
mod explain;
mod healthcheck;
mod output;
mod tickets;
mod work;

/// Azure Monitor alerts from the queue become tickets in an ITSM.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
pub struct Cli {
    /// TOML file over the defaults; variables SECURE_EXPORT__SECTION__KEY go over both.
    #[arg(long, global = true, env = "SECURE_EXPORT_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Consume notifications and keep tickets in step with them.
    Run,
    /// Bring the database to the schema of this version.
    Migrate,
    /// Read the settings, try every template on a sample of every kind of alert, say what to fix, and exit non-zero if
    /// there is something.
    CheckConfig,
    /// Print the JSON Schema of the settings, by which editors check and complete a file.
    ConfigSchema,
    /// Log in to targets, try what the worker relies on there, and say what to change; exit non-zero if one cannot be
    /// used. Nothing is written there.
    CheckTarget {
        /// The target's name; all without it.
        name: Option<String>,
        #[command(flatten)]
        output: output::Choice,
    },
    /// Say what becomes of an alert, and why: rule by rule, with the texts of its tickets. Nothing is written or called.
    Explain {
        /// The body of a notification, as Azure sends it; `-` reads it from standard input.
        file: PathBuf,
        /// The tenant that sent it.
        #[arg(long, default_value_t = Uuid::nil())]
        tenant: Uuid,
        /// Say what would be decided at this instant of RFC 3339 instead of now, such as 2026-12-24T18:00:00+01:00:
        /// maintenance windows come and go.
        #[arg(long, value_name = "INSTANT")]
        at: Option<Timestamp>,
        #[command(flatten)]
        output: output::Choice,
    },
    /// Ask the running worker whether it is ready; exit non-zero if it is not.
    Healthcheck,
    /// Look at the tickets in the ledger, and try parked ones again.
    Tickets {
        #[command(subcommand)]
        command: tickets::Command,
        #[command(flatten)]
        output: output::Choice,
    },
    /// Look at messages that nothing could be done with, replay or discard them.
    DeadLetters {
        #[command(subcommand)]
        command: dead_letters::Command,
        #[command(flatten)]
        output: output::Choice,
    },
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for [`failed`].
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Every TLS connection of this process uses it; a second call would only say that it is set.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // It is about settings that are still to be written.
    if matches!(cli.command, Command::ConfigSchema) {
        return config_schema();
    }
    let config = config::load(cli.config.as_deref())?;
    match cli.command {
        Command::ConfigSchema => config_schema(),
        Command::Run => work::run(config, cli.config).await,
        Command::Migrate => work::migrate(config).await,
        Command::CheckConfig => check_config(&config),
        Command::CheckTarget { name, output } => {
            check_target::run(&config, name.as_deref(), output.format()).await
        }
        Command::Explain { file, tenant, at, output } => {
            let at = at.unwrap_or_else(Timestamp::now);
            explain::run(&config, &file, tenant, at, output.format())
        }
        Command::Healthcheck => healthcheck::run(&config).await,
        Command::Tickets { command, output } => tickets::run(&config, command, output.format()).await,
        Command::DeadLetters { command, output } => dead_letters::run(config, command, output.format()).await,
    }
}

/// Says what went wrong, with its causes, and gives the exit code.
#[must_use]
pub fn failed(error: &anyhow::Error) -> ExitCode {
    // Where not even that can be written, the exit code must do.
    drop(writeln!(std::io::stderr(), "worker: {}", told(error.as_ref())));
    ExitCode::FAILURE
}

fn config_schema() -> anyhow::Result<ExitCode> {
    output::answer_json(&config::schema()?)?;
    Ok(ExitCode::SUCCESS)
}

fn check_config(config: &Config) -> anyhow::Result<ExitCode> {
    let targets: Vec<&str> = config.targets.keys().map(String::as_str).collect();
    let used = config.policy.targets();
    let since = Instant::now();
    let findings = trial::findings(&config.policy, || since.elapsed() > TRIAL_PATIENCE)?;
    let broken = findings.iter().filter(|finding| finding.verdict == Verdict::Error).count();
    if broken == 0 {
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let (used, all) = (used.join(" and "), targets.join(", "));
        output::answer(&format!("the settings can be used: alerts go to {used} (targets: {all})"))?;
    }
    for odd in config.policy.oddities(Timestamp::now()) {
        output::answer(&format!("warning: {}", output::one_line(&odd)))?;
    }
    for target in targets.iter().filter(|target| !used.contains(**target)) {
        output::answer(&format!("warning: no alert goes to the target {target:?}: no route names it"))?;
    }
    for finding in &findings {
        let word = finding.verdict.name();
        output::answer(&format!("{word}: {}", output::one_line(&finding.to_string())))?;
    }
    for route in config.policy.routes().filter(|route| !route.wont_fix.is_empty()) {
        let blind = |name: &&String| {
            config.targets.get(*name).is_some_and(|target| !target.connector.gives_resolutions())
        };
        for target in route.targets.iter().filter(blind) {
            output::answer(&format!(
                "warning: people.wont_fix of {:?} has no effect in {target}: say where its connector finds the \
                 resolution code of a ticket",
                route.name
            ))?;
        }
    }
    anyhow::ensure!(
        broken == 0,
        "templates that fail on every alert: {broken}; mend what stands under error"
    );
    Ok(ExitCode::SUCCESS)
}
