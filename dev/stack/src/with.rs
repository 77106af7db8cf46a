//! `stack with`: a command between the start and the end of private servers.

use std::{ffi::OsString, os::unix::process::ExitStatusExt, path::Path, process::ExitCode, time::Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use stack::{Folder, Postgres, RabbitMq, testing};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Returns the command's exit code; a signal's number plus 128 if one ended it, as shells do.
pub(crate) async fn run(arguments: Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    let (program, rest) = arguments.command.split_first().context("no command given")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let folder = Folder::take_fresh(&target.join("test-stack"))?;
    eprintln!("stack: starting a private Postgres and RabbitMQ in {}", folder.path().display());
    let begin = Instant::now();
    let (postgres, rabbitmq) = tokio::select! {
        started = start(folder.path()) => started?,
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
    };
    eprintln!("stack: both are up after {:.1} s", begin.elapsed().as_secs_f64());

    let mut child = Command::new(program)
        .args(rest)
        .env(testing::DATABASE_URL, postgres.url())
        .env(testing::AMQP_URL, rabbitmq.amqp_url())
        .env(testing::RABBITMQ_API, rabbitmq.management_url())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = terminate.recv() => if let Some(id) = id { kill_process(id, Signal::TERM)? },
            // A terminal interrupts the command as well; our part is to wait for it.
            _ = interrupt.recv() => {}
        }
    };

    tokio::join!(postgres.stop(), rabbitmq.stop());
    folder.remove();
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

async fn start(folder: &Path) -> anyhow::Result<(Postgres, RabbitMq)> {
    let (postgres, rabbitmq) = tokio::join!(Postgres::start(folder), RabbitMq::start(folder));
    Ok((postgres?, rabbitmq?))
}
