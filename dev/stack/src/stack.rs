//! The whole local stack: servers, simulators, services.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use futures_util::future::select_all;
use rustix::process::Signal;
use thiserror::Error;

use crate::{
    Folder, FolderError, Postgres, PostgresError, Process, ProcessError, RabbitMq, RabbitMqError,
    cast::{self, Addresses, Description},
    ports, process,
};

/// A service connects to its dependencies before it is ready, a one-shot ends; neither takes long here.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The services promise to drain in less: a worker in 30 s and what its goodbyes take.
const STOP_GRACE: Duration = Duration::from_secs(40);

const DESCRIPTION_FILE: &str = "stack.json";

/// What a stack consists of.
#[derive(Debug)]
pub struct Options {
    /// Where the stack keeps its data, settings and logs; emptied at start.
    pub folder: PathBuf,
    /// The folder with the built programs.
    pub programs: PathBuf,
    /// How many workers.
    pub workers: usize,
    pub extent: Extent,
}

/// Whether ingest and worker run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Full,
    /// Their settings are written, but they are left for somebody else to start.
    Bare,
}

/// A running stack; all its processes are killed when this is dropped.
#[derive(Debug)]
pub struct Stack {
    folder: Folder,
    launcher: Launcher,
    description: Description,
    postgres: Postgres,
    rabbitmq: RabbitMq,
    /// In the order of their start.
    programs: Vec<Process>,
}

/// Why the stack does not run.
#[derive(Debug, Error)]
pub enum StackError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("no free ports")]
    Port(#[from] io::Error),
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    RabbitMq(#[from] RabbitMqError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What starting a program needs every time.
#[derive(Debug)]
struct Launcher {
    folder: PathBuf,
    programs: PathBuf,
    http: reqwest::Client,
}

impl Stack {
    /// Starts everything, waits until it is ready, and last of all writes `stack.json` into the folder.
    ///
    /// # Errors
    /// When another stack runs in the folder, or a part does not come up: its log's end is in the message.
    pub async fn start(options: &Options) -> Result<Self, StackError> {
        let folder = Folder::take(&options.folder)?;
        let (postgres, rabbitmq) =
            tokio::join!(Postgres::start(folder.path()), RabbitMq::start(folder.path()));
        let (postgres, rabbitmq) = (postgres?, rabbitmq?);

        let addresses = addresses(options.workers)?;
        let description = Description::new(&addresses, rabbitmq.amqp_url(), postgres.url());
        let launcher = Launcher {
            folder: folder.path().to_owned(),
            programs: options.programs.clone(),
            http: process::http_client()?,
        };
        let mut stack = Self { folder, launcher, description, postgres, rabbitmq, programs: Vec::new() };
        stack.start_simulators(&addresses).await?;
        stack.write_settings(&addresses)?;
        if options.extent == Extent::Full {
            stack.migrate().await?;
            stack.start_ingest().await?;
            for number in 1..=options.workers {
                stack.start_worker(number).await?;
            }
        }
        stack.publish_description()?;
        Ok(stack)
    }

    /// Brings the database to the workers' schema.
    ///
    /// # Errors
    /// When `worker migrate` fails: its log's end is in the message.
    pub async fn migrate(&self) -> Result<(), ProcessError> {
        let settings = self.launcher.path(&worker_settings(1));
        self.launcher.run("migrate", "worker", &["migrate", "--config", &settings]).await
    }

    /// Starts ingest and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up: its log's end is in the message.
    pub async fn start_ingest(&mut self) -> Result<(), ProcessError> {
        let settings = self.launcher.path("ingest.toml");
        let ready = format!("{}/readyz", self.description.ingest_admin_url);
        let arguments = ["serve", "--config", &settings];
        self.programs.push(self.launcher.serve("ingest", "ingest", &arguments, &ready).await?);
        Ok(())
    }

    /// Adds tables to the settings of the worker with this number, counted from 1, for its next start.
    ///
    /// # Errors
    /// When its settings cannot be written.
    pub fn add_worker_settings(&self, number: usize, tables: &str) -> Result<(), StackError> {
        let path = self.folder.path().join(worker_settings(number));
        let written = fs::OpenOptions::new().append(true).open(&path);
        let written = written.and_then(|mut file| write!(file, "\n{tables}"));
        written.map_err(|error| StackError::Write(path, error))
    }

    /// Starts the worker with this number, counted from 1, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up: its log's end is in the message.
    pub async fn start_worker(&mut self, number: usize) -> Result<(), ProcessError> {
        let settings = self.launcher.path(&worker_settings(number));
        let admin = self.description.worker_admin_urls.get(number.saturating_sub(1));
        let ready = format!("{}/readyz", admin.map_or("", String::as_str));
        let arguments = ["run", "--config", &settings];
        self.programs
            .push(self.launcher.serve(&format!("worker-{number}"), "worker", &arguments, &ready).await?);
        Ok(())
    }

    /// Stops the worker with this number, counted from 1, as an upgrade does; it can be started again.
    pub async fn stop_worker(&mut self, number: usize) {
        let name = format!("worker-{number}");
        for worker in self.programs.extract_if(.., |program| program.name() == name) {
            worker.stop(Signal::TERM, STOP_GRACE).await;
        }
    }

    /// The process id of a program of the stack: `ingest`, `worker-1`, …
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<i32> {
        self.programs.iter().find(|program| program.name() == name).map(Process::pid)
    }

    /// Where everything is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The folder with the settings and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until any process of the stack ends by itself, and says which and how.
    pub async fn ended(&mut self) -> ProcessError {
        let servers = self.rabbitmq.processes().into_iter().chain([self.postgres.process()]);
        let all = self.programs.iter_mut().chain(servers);
        let (ended, ..) = select_all(all.map(|process| Box::pin(process.ended()))).await;
        ended
    }

    /// Withdraws `stack.json`, ends everything in the reverse order of its start and leaves the logs.
    pub async fn stop(mut self) {
        fs::remove_file(self.folder.path().join(DESCRIPTION_FILE)).ok();
        while let Some(program) = self.programs.pop() {
            program.stop(Signal::TERM, STOP_GRACE).await;
        }
        tokio::join!(self.postgres.stop(), self.rabbitmq.stop());
    }

    async fn start_simulators(&mut self, addresses: &Addresses) -> Result<(), StackError> {
        let Self { launcher, description, programs: running, .. } = self;
        let settings = launcher.write("identity.toml", &cast::identity(description))?;
        let arguments = ["identity", "--listen", &addresses.identity, "--settings", &settings];
        let metadata = format!(
            "http://{}/{}/v2.0/.well-known/openid-configuration",
            addresses.identity, description.tenant_id
        );
        running.push(launcher.serve("identity", "azure-simulator", &arguments, &metadata).await?);

        let settings = launcher.write("itsm.toml", &cast::itsm(description))?;
        let arguments = ["--listen", &addresses.itsm, "--settings", &settings];
        let summary = format!("http://{}/_control/summary", addresses.itsm);
        running.push(launcher.serve("itsm", "itsm-simulator", &arguments, &summary).await?);
        Ok(())
    }

    fn write_settings(&self, addresses: &Addresses) -> Result<(), StackError> {
        let Self { launcher, description, .. } = self;
        launcher.write("ingest.toml", &cast::ingest(addresses, description))?;
        for (admin, number) in addresses.worker_admins.iter().zip(1..) {
            launcher.write(&worker_settings(number), &cast::worker(admin, description))?;
        }
        Ok(())
    }

    fn publish_description(&mut self) -> Result<(), StackError> {
        let pid = |process: &mut Process| (process.name().to_owned(), process.pid());
        let mut pids = self.description.pids.clone();
        pids.extend(self.programs.iter_mut().map(pid));
        pids.extend(self.rabbitmq.processes().map(pid));
        pids.extend([pid(self.postgres.process())]);
        self.description.pids = pids;

        let path = self.folder.path().join(DESCRIPTION_FILE);
        let failed = |error| StackError::Write(path.clone(), error);
        let json = serde_json::to_vec_pretty(&self.description).map_err(|error| failed(error.into()))?;
        // Renamed into place, so that whoever waits for the file never reads half of it.
        let draft = path.with_extension("json.new");
        fs::write(&draft, json).and_then(|()| fs::rename(&draft, &path)).map_err(failed)
    }
}

impl Launcher {
    /// The path of a file in the stack's folder, as an argument.
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Writes a settings file and returns its path as an argument.
    fn write(&self, name: &str, settings: &str) -> Result<String, StackError> {
        let path = self.path(name);
        fs::write(&path, settings).map_err(|error| StackError::Write(path.clone().into(), error))?;
        Ok(path)
    }

    /// Starts a program and waits until `url` answers with success.
    async fn serve(
        &self,
        name: &str,
        program: &str,
        arguments: &[&str],
        url: &str,
    ) -> Result<Process, ProcessError> {
        let mut process = self.spawn(name, program, arguments)?;
        let answers = async || match self.http.get(url).send().await {
            Ok(answer) => answer.status().is_success(),
            Err(_not_yet) => false,
        };
        process.ready(START_LIMIT, answers).await?;
        Ok(process)
    }

    /// Runs a program to its end.
    async fn run(&self, name: &str, program: &str, arguments: &[&str]) -> Result<(), ProcessError> {
        self.spawn(name, program, arguments)?.succeeded(START_LIMIT).await
    }

    fn spawn(&self, name: &str, program: &str, arguments: &[&str]) -> Result<Process, ProcessError> {
        let mut command: Command = process::command(self.programs.join(program));
        // Logs are read in files and in error messages.
        command.args(arguments).env("NO_COLOR", "1");
        Process::spawn(name, command, &self.folder.join(format!("{name}.log")))
    }
}

fn addresses(workers: usize) -> io::Result<Addresses> {
    let [identity, itsm, ingest, ingest_admin] = ports::free()?.map(loopback);
    let worker_admins =
        (0..workers).map(|_| Ok(ports::free::<1>()?.map(loopback))).collect::<io::Result<Vec<_>>>()?;
    Ok(Addresses { identity, itsm, ingest, ingest_admin, worker_admins: worker_admins.concat() })
}

fn worker_settings(number: usize) -> String {
    format!("worker-{number}.toml")
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
