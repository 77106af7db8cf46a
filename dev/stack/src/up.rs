//! `stack up`: the local stack in the foreground.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use stack::{Description, Extent, Options, Stack};
use tokio::signal::unix::{SignalKind, signal};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many workers share the queue
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    workers: u8,
    /// Leave ingest and worker out; their settings are written, so that they can be started by hand
    #[arg(long)]
    bare: bool,
}

/// Runs until SIGINT or SIGTERM; an error when a part of the stack ends by itself.
pub(crate) async fn run(arguments: Arguments, target: &Path) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop);

    let programs = std::env::current_exe()?.parent().context("this program has no folder")?.to_owned();
    let extent = if arguments.bare { Extent::Bare } else { Extent::Full };
    let options =
        Options { folder: target.join("stack"), programs, workers: arguments.workers.into(), extent };
    eprintln!("stack: starting in {}", options.folder.display());
    let mut stack = tokio::select! {
        started = Stack::start(&options) => started?,
        () = &mut stop => return Ok(ExitCode::SUCCESS),
    };
    announce(stack.description(), extent, stack.folder(), &options);

    let ended = tokio::select! {
        ended = stack.ended() => Some(ended),
        () = stop => None,
    };
    eprintln!("stack: stopping");
    stack.stop().await;
    match ended {
        Some(ended) => Err(ended.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn announce(description: &Description, extent: Extent, folder: &Path, options: &Options) {
    let (folder, programs) = (folder.display(), options.programs.display());
    let Description { ingest_url, token_url, audience, clients, .. } = description;
    let send = format!(
        "{programs}/azure-simulator send --url {ingest_url}/v1/alerts --token-url {token_url} --audience {audience} \
         --client-id {} --client-secret {} --kinds metric-static,log-v2 --count 2 --resolve-after 10s",
        clients.azns.client_id, clients.azns.client_secret
    );
    let incidents =
        description.itsm.servicenow.base_url.replace("/servicenow", "/_control/servicenow/tickets");
    match extent {
        Extent::Full => eprintln!("stack: ready; alerts go to {ingest_url}/v1/alerts"),
        Extent::Bare => {
            eprintln!("stack: ready for worker and ingest, in this order:");
            eprintln!("    {programs}/worker migrate --config {folder}/worker-1.toml");
            for number in 1..=options.workers {
                eprintln!("    {programs}/worker run --config {folder}/worker-{number}.toml");
            }
            eprintln!("    {programs}/ingest serve --config {folder}/ingest.toml");
        }
    }
    eprintln!("stack: to send alerts, and to see what became of them:");
    eprintln!("    {send}");
    eprintln!("    {programs}/worker tickets list --config {folder}/worker-1.toml");
    eprintln!("    curl {incidents}");
    eprintln!(
        "stack: all addresses and credentials are in {folder}/stack.json, logs beside it; stop with Ctrl-C"
    );
}
