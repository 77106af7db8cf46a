//! `stack with`: a command between the start and the end of private servers.

use std::{ffi::OsString, os::unix::process::ExitStatusExt, path::Path, process::ExitCode, time::Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use stack::{Folder, Postgres, RabbitMq, RequestTracker, testing};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Start a private Request Tracker as well
    #[arg(long)]
    request_tracker: bool,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

struct Servers {
    postgres: Postgres,
    rabbitmq: RabbitMq,
    request_tracker: Option<RequestTracker>,
}

/// Returns the command's exit code; a signal's number plus 128 if one ended it, as shells do.
pub(crate) async fn run(arguments: Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    let (program, rest) = arguments.command.split_first().context("no command given")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let folder = Folder::take_fresh(&target.join("test-stack"))?;
    let names = if arguments.request_tracker {
        "Postgres, RabbitMQ and Request Tracker"
    } else {
        "Postgres and RabbitMQ"
    };
    eprintln!("stack: starting a private {names} in {}", folder.path().display());
    let begin = Instant::now();
    let servers = tokio::select! {
        started = Servers::start(folder.path(), arguments.request_tracker) => started?,
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
    };
    eprintln!("stack: they are up after {:.1} s", begin.elapsed().as_secs_f64());

    let mut child = Command::new(program)
        .args(rest)
        .envs(servers.environment())
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

    servers.stop().await;
    folder.remove();
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

impl Servers {
    async fn start(folder: &Path, with_request_tracker: bool) -> anyhow::Result<Self> {
        let request_tracker = async {
            if with_request_tracker { RequestTracker::start(folder).await.map(Some) } else { Ok(None) }
        };
        let (postgres, rabbitmq, request_tracker) =
            tokio::join!(Postgres::start(folder), RabbitMq::start(folder), request_tracker);
        Ok(Self { postgres: postgres?, rabbitmq: rabbitmq?, request_tracker: request_tracker? })
    }

    /// The variables by which tests find the servers.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (testing::DATABASE_URL, self.postgres.url()),
            (testing::AMQP_URL, self.rabbitmq.amqp_url()),
            (testing::RABBITMQ_API, self.rabbitmq.management_url()),
        ];
        if let Some(access) = self.request_tracker.as_ref().map(RequestTracker::access) {
            variables.extend([
                (testing::REQUEST_TRACKER_URL, access.base_url.clone()),
                (testing::REQUEST_TRACKER_TOKEN, access.token.clone()),
                (testing::REQUEST_TRACKER_LIMITED_TOKEN, access.limited_token.clone()),
                (testing::REQUEST_TRACKER_ADMIN_TOKEN, access.admin_token.clone()),
            ]);
        }
        variables
    }

    async fn stop(self) {
        let request_tracker = async {
            if let Some(server) = self.request_tracker {
                server.stop().await;
            }
        };
        tokio::join!(self.postgres.stop(), self.rabbitmq.stop(), request_tracker);
    }
}
