//! Attacks the whole system, and judges what became of every alert.

#![expect(clippy::print_stdout, reason = "the account of a run is what the command is for")]

mod desk;
mod evidence;
mod faults;
mod gauges;
mod judge;
mod notice;
mod outage;
mod overload;
mod product;
mod record;
mod report;
mod run;
mod schedule;
mod traffic;
mod ways;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Attacks the whole system, and judges what became of every alert")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Faults of every kind while alerts fire, are resolved and fire anew
    Run(run::Arguments),
    /// Take one part away for minutes under a steady load
    Outage(outage::Arguments),
    /// Offer four times what the machine takes
    Overload(overload::Arguments),
}

// One thread, the main one: the children die with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments).await,
        Command::Outage(arguments) => outage::run(arguments).await,
        Command::Overload(arguments) => overload::run(arguments).await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("torture: {error:#}");
            ExitCode::FAILURE
        }
    }
}
