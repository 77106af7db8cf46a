//! `ingest`: see `ingest --help`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ingest::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("warning: a TLS provider was installed already");
    }
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            // Where not even that can be written, the exit code must do.
            drop(writeln!(std::io::stderr(), "error: {}", told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The error with those of its causes that it does not repeat itself.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}
