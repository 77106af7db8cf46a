//! `ingest`: see `ingest --help`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ingest::cli::Cli;
use shared::causes::told;

fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        drop(writeln!(std::io::stderr(), "warning: a TLS provider was installed already"));
    }
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Where not even that can be written, the exit code must do.
            drop(writeln!(std::io::stderr(), "error: {}", told(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}
