//! Runs the local stack, and commands that need its servers.

#![expect(clippy::print_stdout, reason = "the account of a demo or a bench is what the command is for")]

mod bench;
mod demo;
mod desk;
mod routing;
mod storm;
mod up;
mod with;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Private servers for development and tests")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command that finds a private Postgres and RabbitMQ in its environment
    With(with::Arguments),
    /// Run servers, simulators, ingest and worker until interrupted
    Up(up::Arguments),
    /// Send real alerts through a whole stack and show what became of each
    Demo,
    /// Measure a release build on this machine
    Bench(bench::Arguments),
    /// Measure what many routes cost, with a release build
    Routing(routing::Arguments),
    /// Send the alerts of one outage, with and without a limit of tickets, and show what that costs the ITSM
    Storm(storm::Arguments),
}

// One thread, the main one: the children die with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    // This program lies in target/PROFILE, so what it writes stays with its checkout from wherever it is called.
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("this program has no folder")?.to_owned();
    match command {
        Command::With(arguments) => with::run(arguments, &target).await,
        Command::Up(arguments) => up::run(arguments, &target).await,
        Command::Demo => demo::run(&target).await,
        Command::Bench(arguments) => bench::run(&arguments, &target).await,
        Command::Routing(arguments) => routing::run(&arguments, &target).await,
        Command::Storm(arguments) => storm::run(&arguments, &target).await,
    }
}
