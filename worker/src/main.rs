//! `worker`: see `cli`.

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use worker::cli::{self, Cli};

/// For what cannot be interrupted, such as a file on a mount that hangs: the work itself has ended by then.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Of every thread, touched only as far as it is used. The longest template, and the deepest value that one can make with
/// its fuel, are worked off by recursion, and an overflow would end the process.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let main = thread::Builder::new().name("main".to_owned()).stack_size(STACK_BYTES).spawn(run);
    let ended =
        main.and_then(|main| main.join().map_err(|_| io::Error::other("the main thread has panicked")));
    ended.unwrap_or_else(|error| cli::failed(&error.into()))
}

fn run() -> ExitCode {
    let builder =
        tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = match builder {
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
