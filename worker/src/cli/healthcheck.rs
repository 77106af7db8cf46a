//! `worker healthcheck`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use shared::ops;

use crate::config::Config;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let listen = config.admin.listen;
    let (ready, answer) =
        ops::ask_readiness(listen).await.with_context(|| format!("{listen} does not answer"))?;
    if ready {
        return Ok(ExitCode::SUCCESS);
    }
    // Where that cannot be written, the exit code must do.
    drop(writeln!(std::io::stderr(), "not ready: {answer}"));
    Ok(ExitCode::FAILURE)
}
