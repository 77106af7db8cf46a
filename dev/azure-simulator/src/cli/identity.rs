//! `azure-simulator identity`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use azure_simulator::{identity::IdentityProvider, settings::Settings};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Identity {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "AZURE_SIMULATOR_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// TOML file with tenants, APIs and clients; without it there are development ones.
    #[arg(long, env = "AZURE_SIMULATOR_SETTINGS")]
    settings: Option<PathBuf>,
    /// URL under which others reach the provider; http:// and the address by default.
    #[arg(long, env = "AZURE_SIMULATOR_PUBLIC_URL")]
    public_url: Option<String>,
}

impl Identity {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut settings = match &self.settings {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))?
            }
            None => Settings::default(),
        };
        settings.public_url = self.public_url.or(settings.public_url);
        // Listening for signals before serving: whoever sees the port open may already stop us.
        let interruption = super::interruption()?;
        let provider = IdentityProvider::start(settings, self.listen).await?;
        tracing::info!(url = provider.base_url(), "identity provider listens on {}", provider.base_url());
        interruption.await;
        provider.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
