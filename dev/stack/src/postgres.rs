//! A private Postgres server.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use rustix::process::{Signal, kill_process};
use sqlx::{Connection, PgConnection};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::{
    ports,
    process::{self, Process, ProcessError},
};

/// Where Debian and Ubuntu put the servers' programs, a folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

const START_LIMIT: Duration = Duration::from_secs(60);

/// A server that could not start yet is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A fast shutdown still writes a checkpoint.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A Postgres server with data of its own, reachable from this machine only and without a password.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum PostgresError {
    #[error("initdb is neither in PATH nor under {DEBIAN}: run dev/setup.sh")]
    NotInstalled,
    #[error("cannot prepare the data folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("initdb failed ({status}): {message}")]
    Initdb { status: std::process::ExitStatus, message: String },
    #[error("no free port")]
    Port(#[source] io::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl Postgres {
    /// Makes an empty cluster in `folder`/postgres and starts a server on it; its log is `folder`/postgres.log.
    ///
    /// # Errors
    /// When Postgres is not installed, or does not come up within a minute.
    pub async fn start(folder: &Path) -> Result<Self, PostgresError> {
        let programs = programs().ok_or(PostgresError::NotInstalled)?;
        let home = folder.join("postgres");
        let failed = |error| PostgresError::Folder(home.clone(), error);
        fs::create_dir_all(&home).map_err(failed)?;
        process::give_to_unprivileged(&home).map_err(failed)?;
        let data = home.join("data");
        initialise(&programs, &data).await?;

        let [port] = ports::free().map_err(PostgresError::Port)?;
        let process = spawn_server(&programs, folder, port)?;
        let mut server = Self { process, programs, folder: folder.to_owned(), port };
        server.ready().await?;
        Ok(server)
    }

    /// Kills the server; what it had committed is on disk.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts the server again after [`Postgres::kill`], on the same port and the same data.
    ///
    /// # Errors
    /// When it does not come up within a minute.
    pub async fn start_again(&mut self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            self.process = spawn_server(&self.programs, &self.folder, self.port)?;
            match self.ready().await {
                // Its old sessions notice late that the server is gone, and until then it may not start.
                Err(ProcessError::Ended { .. }) if Instant::now() < deadline => sleep(AGAIN_AFTER).await,
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Stops the server with SIGSTOP, or lets it go on with SIGCONT: also its sessions, each of which has a process
    /// group of its own.
    pub fn signal(&self, signal: Signal) {
        let sessions = process::children(self.process.pid());
        self.process.signal(signal);
        for session in sessions {
            // One that ended meanwhile needs no signal.
            kill_process(session, signal).ok();
        }
    }

    async fn ready(&mut self) -> Result<(), ProcessError> {
        let url = self.url();
        let answers = async || match PgConnection::connect(&url).await {
            Ok(connection) => connection.close().await.is_ok(),
            Err(_not_yet) => false,
        };
        self.process.ready(START_LIMIT, answers).await
    }

    /// The URL of the database `postgres`, as its owner.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The process, for supervision.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Shuts the server down; open connections are closed.
    pub async fn stop(self) {
        self.process.stop(Signal::INT, STOP_GRACE).await;
    }
}

fn spawn_server(programs: &Path, folder: &Path, port: u16) -> Result<Process, ProcessError> {
    let mut command = clean(process::unprivileged_command(programs.join("postgres")));
    command.arg("-D").arg(folder.join("postgres").join("data"));
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        // A socket's path has a limit of about 100 bytes, which a deep checkout exceeds.
        "unix_socket_directories=",
        // Tests run in parallel, each with pools of its own.
        "max_connections=400",
        "shared_buffers=256MB",
        "max_wal_size=4GB",
    ] {
        command.args(["-c", setting]);
    }
    Process::spawn("postgres", command, &folder.join("postgres.log"))
}

/// The folder with initdb and postgres: that of PATH, else Debian's newest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let complete = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("postgres").exists();
    if let Some(folder) = std::env::split_paths(&path).find(complete) {
        return Some(folder);
    }
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| {
        let folder = entry.ok()?.path();
        let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        Some((version, folder.join("bin")))
    });
    let (_newest, folder) = versions.filter(|(_, folder)| complete(folder)).max()?;
    Some(folder)
}

async fn initialise(programs: &Path, data: &Path) -> Result<(), PostgresError> {
    let mut command = clean(process::unprivileged_command(programs.join("initdb")));
    command.arg("--pgdata").arg(data);
    // What a crash during initdb could lose is not worth waiting for: the cluster is new each time.
    command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let Output { status, stderr, .. } = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| ProcessError::Start { name: "initdb".to_owned(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(PostgresError::Initdb { status, message: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Without the caller's `PG…` variables, which would point the server elsewhere.
fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}
