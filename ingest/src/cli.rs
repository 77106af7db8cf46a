//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{self, Config};

mod healthcheck;
mod serve;
mod verify_token;

/// What work that cannot be cancelled may take to end after everything else has: a disk that hangs never answers.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// Receives Azure Monitor's alerts and puts them on the queue.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// Settings in TOML, over the built-in defaults and under the environment (`SECURE_EXPORT__SECTION__KEY`).
    #[arg(long, global = true, env = "SECURE_EXPORT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve,
    /// Say whether the settings can be run with, and what to change if not.
    CheckConfig,
    /// Print the JSON Schema of the settings, by which editors check and complete a file.
    ConfigSchema,
    /// Say which checks a token passes, and what to change in Entra where it fails. The token is not shown.
    VerifyToken {
        /// A file that holds the token, or `-` for standard input.
        file: PathBuf,
    },
    /// Ask the running program on this machine whether it is ready; for container health checks.
    Healthcheck,
}

impl Cli {
    /// Runs the command; the exit code is its answer.
    ///
    /// # Errors
    /// When it cannot be carried out.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        in_bounded_time(self.carry_out())?
    }

    async fn carry_out(self) -> anyhow::Result<ExitCode> {
        // It is about settings that are still to be written.
        if matches!(self.command, Command::ConfigSchema) {
            return config_schema();
        }
        let config = Config::load(self.config.as_deref())?;
        match self.command {
            Command::ConfigSchema => config_schema(),
            Command::Serve => serve::run(config).await,
            Command::CheckConfig => {
                for risk in config.trust.risks() {
                    say(&format!("warning: {risk}"));
                }
                say("the settings can be run with");
                Ok(ExitCode::SUCCESS)
            }
            Command::VerifyToken { file } => verify_token::run(config, &file).await,
            Command::Healthcheck => healthcheck::run(&config).await,
        }
    }
}

fn config_schema() -> anyhow::Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&config::schema()?)?;
    match writeln!(io::stdout(), "{schema}") {
        // Somebody who stops reading, such as `head`, has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        outcome => outcome?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Does the work on a runtime that waits for none of its threads for long.
fn in_bounded_time<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_LIMIT);
    Ok(outcome)
}

/// Where it cannot be written, the exit code must do.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_program_alive() {
        let (hold, never) = mpsc::channel::<()>();
        let started = Instant::now();
        in_bounded_time(async {
            let hanging = tokio::task::spawn_blocking(move || never.recv());
            assert!(!hanging.is_finished());
        })
        .unwrap();
        assert!(started.elapsed() < 10 * LAST_LIMIT);
        drop(hold);
    }
}
