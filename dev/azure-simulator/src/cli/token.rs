//! `azure-simulator token`.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use azure_simulator::sender::TokenSource;
use clap::Args;

use super::TokenArguments;

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(flatten)]
    token: TokenArguments,
}

impl Token {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (token, _valid_for) = TokenSource::new(self.token.into())?.fetch().await?;
        writeln!(stdout(), "{token}")?;
        Ok(ExitCode::SUCCESS)
    }
}
