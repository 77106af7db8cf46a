//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

mod healthcheck;
mod serve;
mod verify_token;

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
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        match self.command {
            Command::Serve => serve::run(config).await,
            Command::CheckConfig => {
                for risk in config.trust.risks() {
                    eprintln!("warning: {risk}");
                }
                eprintln!("the settings can be run with");
                Ok(ExitCode::SUCCESS)
            }
            Command::VerifyToken { file } => verify_token::run(config, &file).await,
            Command::Healthcheck => healthcheck::run(&config).await,
        }
    }
}
