//! The program as a process of its own, with its own limit of open files and its own log.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use azure_simulator::identity::{Recipe, Running};
use stack::testing::TestVhost;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{Options, amqp_url, identity_provider, ingest, settings_file, until};

/// What becomes of a log that nobody reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pipe {
    Stalls,
    Breaks,
}

/// Ends when dropped.
pub(crate) struct Program {
    pub(crate) identity: Running,
    pub(crate) vhost: TestVhost,
    pub(crate) port: u16,
    pub(crate) process: Child,
    log: Arc<Mutex<Vec<String>>>,
    deaf: CancellationToken,
    reading: JoinHandle<()>,
    _settings: NamedTempFile,
}

impl Program {
    /// `environment` overrides settings.
    pub(crate) async fn start(options: Options, environment: &[(&str, &str)]) -> Self {
        let (identity, vhost) = (identity_provider().await, TestVhost::create().await.unwrap());
        let settings = settings_file(&identity, &amqp_url(&vhost, None), &options);
        let mut command = ingest(settings.path());
        command.arg("serve").envs(environment.iter().copied()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        let deaf = CancellationToken::new();
        let heard = deaf.clone();
        let reading = TaskTracker::new().spawn(async move {
            while let Some(Ok(Some(line))) = heard.run_until_cancelled(lines.next_line()).await {
                written.lock().unwrap().push(line);
            }
            // Without a reader the pipe would break.
            if heard.is_cancelled() {
                std::future::pending::<()>().await;
            }
        });
        let mut program = Self { identity, vhost, port: 0, process, log, deaf, reading, _settings: settings };
        until(async || {
            let port = program.log().iter().find_map(|line| {
                let (_, rest) = line.split_once("ingest listens on 127.0.0.1:")?;
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
            });
            program.port = port.unwrap_or_default();
            program.port != 0
        })
        .await;
        program
    }

    /// Reads no more of what it writes.
    pub(crate) fn stop_reading(&self, pipe: Pipe) {
        match pipe {
            Pipe::Stalls => self.deaf.cancel(),
            Pipe::Breaks => self.reading.abort(),
        }
    }

    /// Its lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn token(&self) -> String {
        self.identity.directory().mint(&Recipe::default()).unwrap()
    }
}
