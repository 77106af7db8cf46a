//! The command line: one file per command.

use std::process::ExitCode;

use azure_simulator::sender::Credentials;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

mod identity;
mod payload;
mod send;
mod token;

/// Azure for development: an identity provider like Entra ID, and a sender of alerts like Azure Monitor.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve discovery, keys and tokens until SIGTERM or SIGINT.
    Identity(identity::Identity),
    /// Send alerts and print how they fared; fails unless all were accepted.
    Send(send::Send),
    /// Print a token.
    Token(token::Token),
    /// Print a payload.
    Payload(payload::Payload),
}

/// Where tokens come from.
#[derive(Debug, Args)]
struct TokenArguments {
    /// Token endpoint, like http://127.0.0.1:8081/<tenant id>/oauth2/v2.0/token.
    #[arg(long, env = "AZURE_SIMULATOR_TOKEN_URL")]
    token_url: String,
    /// Application id of the caller.
    #[arg(long, env = "AZURE_SIMULATOR_CLIENT_ID", default_value = azure_simulator::settings::AZNS_APP_ID)]
    client_id: String,
    /// The caller's secret.
    #[arg(long, env = "AZURE_SIMULATOR_CLIENT_SECRET", hide_env_values = true)]
    client_secret: String,
    /// Application ID URI or client id of the API that the token is for.
    #[arg(long, env = "AZURE_SIMULATOR_AUDIENCE")]
    audience: String,
}

impl Cli {
    /// Runs the command. A signal ends it early, as a success.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Identity(identity) => identity.run().await,
            Command::Send(send) => tokio::select! {
                outcome = send.run() => outcome,
                () = interruption()? => Ok(ExitCode::SUCCESS),
            },
            Command::Token(token) => token.run().await,
            Command::Payload(payload) => payload.run(),
        }
    }
}

impl From<TokenArguments> for Credentials {
    fn from(TokenArguments { token_url, client_id, client_secret, audience }: TokenArguments) -> Self {
        Self { token_url, client_id, client_secret, audience }
    }
}

/// Listens for SIGTERM and SIGINT from now on; the future ends with the first of them.
fn interruption() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
