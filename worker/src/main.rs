//! `worker`: see `cli`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use worker::cli::{self, Cli};

/// For what cannot be interrupted, such as a file on a mount that hangs: the work itself has ended by then.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&error.into()),
    };
    let code = match runtime.block_on(cli::run(Cli::parse())) {
        Ok(code) => code,
        Err(error) => cli::failed(&error),
    };
    runtime.shutdown_timeout(LAST_PATIENCE);
    code
}
