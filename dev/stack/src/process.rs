//! A child process that cannot outlive us.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::{process::Child, time};

/// How often a starting process is asked whether it is ready.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// A server may accept a connection long before it answers on it.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// How much of a log goes into an error message, in bytes.
const TAIL_BYTES: u64 = 4096;

/// The user and group for programs that refuse to run as root: `nobody` on every distribution.
const UNPRIVILEGED: &str = "65534";

/// A running child in a process group of its own, with its output in a log file.
///
/// It is killed when this is dropped, and also when the thread that started it dies, however that happens: start
/// processes from a thread that lives as long as they shall, such as the main one.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Pid,
    log: PathBuf,
}

/// Why a process is not running.
#[derive(Debug, Error)]
pub enum ProcessError {
    #[error("cannot start {name}: run dev/setup.sh and build first")]
    Start {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot watch over {name}")]
    Watch {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("{name} ended by itself with {status}; the end of its log {log}:\n{tail}")]
    Ended { name: String, status: ExitStatus, log: String, tail: String },
    #[error("{name} was not ready after {limit:?}; the end of its log {log}:\n{tail}")]
    NotReady { name: String, limit: Duration, log: String, tail: String },
}

/// A command that the kernel kills when its parent dies.
#[must_use]
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = setpriv();
    command.arg(program.as_ref());
    command
}

/// Like [`command`], and as `nobody` when we are root, because Postgres refuses to run as root.
///
/// It keeps the right to reach files wherever they are: the checkout may lie under a home that only root can enter.
#[must_use]
pub(crate) fn unprivileged_command(program: impl AsRef<Path>) -> Command {
    let mut command = setpriv();
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups"]);
        command.args(["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]);
    }
    command.arg(program.as_ref());
    command
}

/// Hands a folder to the user of [`unprivileged_command`].
///
/// # Errors
/// When we are root and still may not.
pub(crate) fn give_to_unprivileged(folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let id = UNPRIVILEGED.parse().ok();
    std::os::unix::fs::chown(folder, id, id)
}

impl Process {
    /// Starts `command`, with both its outputs appended to `log`. The name is for messages.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not started.
    pub fn spawn(name: impl Into<String>, command: Command, log: &Path) -> Result<Self, ProcessError> {
        let name = name.into();
        match Self::try_spawn(command, log) {
            Ok((child, group)) => Ok(Self { name, child, group, log: log.to_owned() }),
            Err(source) => Err(ProcessError::Start { name, source }),
        }
    }

    fn try_spawn(mut command: Command, log: &Path) -> io::Result<(Child, Pid)> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok((child, group.ok_or(io::ErrorKind::NotFound)?))
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id, which is also that of its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits until the process answers `probe` with true.
    ///
    /// # Errors
    /// When it ends or `limit` passes before that.
    pub async fn ready(
        &mut self,
        limit: Duration,
        probe: impl AsyncFn() -> bool,
    ) -> Result<(), ProcessError> {
        let answered = async {
            while !matches!(time::timeout(PROBE_LIMIT, probe()).await, Ok(true)) {
                time::sleep(PROBE_INTERVAL).await;
            }
        };
        tokio::select! {
            () = answered => Ok(()),
            ended = self.ended() => Err(ended),
            () = time::sleep(limit) => Err(self.not_ready(limit)),
        }
    }

    /// Waits until the process ends by itself and says how.
    pub async fn ended(&mut self) -> ProcessError {
        match self.child.wait().await {
            Ok(status) => self.ended_with(status),
            Err(source) => ProcessError::Watch { name: self.name.clone(), source },
        }
    }

    /// Waits until the process has done what it was started for.
    ///
    /// # Errors
    /// When it fails, or `limit` passes before that.
    pub async fn succeeded(&mut self, limit: Duration) -> Result<(), ProcessError> {
        match time::timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.ended_with(status)),
            Ok(Err(source)) => Err(ProcessError::Watch { name: self.name.clone(), source }),
            Err(_elapsed) => Err(self.not_ready(limit)),
        }
    }

    /// Sends a signal to the process and all of its group; one that has ended already is left in peace.
    pub fn signal(&self, signal: Signal) {
        // An id that has been waited for can belong to somebody else by now.
        if self.child.id().is_some() {
            // The only failure is a group that ended in this very moment, which is what a signal is for.
            kill_process_group(self.group, signal).ok();
        }
    }

    /// Ends the process and its group as a failing machine does, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().await.ok();
    }

    /// Asks the process to end with `signal` and waits; kills it after `grace`.
    pub async fn stop(mut self, signal: Signal, grace: Duration) {
        self.signal(signal);
        if time::timeout(grace, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    fn ended_with(&self, status: ExitStatus) -> ProcessError {
        let (log, tail) = self.log_and_tail();
        ProcessError::Ended { name: self.name.clone(), status, log, tail }
    }

    fn not_ready(&self, limit: Duration) -> ProcessError {
        let (log, tail) = self.log_and_tail();
        ProcessError::NotReady { name: self.name.clone(), limit, log, tail }
    }

    fn log_and_tail(&self) -> (String, String) {
        (self.log.display().to_string(), tail(&self.log))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The processes that a process has started and that still run; none when it cannot be told.
pub(crate) fn children(pid: i32) -> Vec<Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

fn setpriv() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    // What the caller has set for other programs must not change what runs here: settings, or a proxy for all traffic.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SECURE_EXPORT__") || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(&*name);
        }
    }
    command
}

/// A client for programs on this machine, which no proxy stands before.
///
/// # Errors
/// When no client can be made.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}

/// The last lines of a log, or why they cannot be read.
fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = command("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_process_that_ends_by_itself_is_reported_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            Process::spawn("sh", shell("echo no luck; exit 3"), &folder.path().join("sh.log")).unwrap();
        let error = process.ready(Duration::from_secs(60), async || false).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no luck"), "{error}");
    }

    #[tokio::test]
    async fn a_process_that_ignores_the_request_to_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("sh.log");
        let script = "trap '' TERM; echo deaf; exec sleep 100";
        let mut process = Process::spawn("sh", shell(script), &log).unwrap();
        process.ready(Duration::from_secs(60), async || tail(&log).contains("deaf")).await.unwrap();
        let group = process.group;
        process.stop(Signal::TERM, Duration::from_millis(100)).await;
        assert!(rustix::process::test_kill_process_group(group).is_err());
    }
}
