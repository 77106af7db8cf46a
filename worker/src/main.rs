//! `worker`: see `cli`.

use std::process::ExitCode;

use clap::Parser;
use worker::cli::{self, Cli};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&error.into()),
    };
    match runtime.block_on(cli::run(Cli::parse())) {
        Ok(code) => code,
        Err(error) => cli::failed(&error),
    }
}
