//! A private Request Tracker 5: the real one, from the packages of Debian.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use thiserror::Error;

use crate::{
    ports,
    process::{self, Process, ProcessError},
};

/// The queue for the tickets of alerts.
pub const QUEUE: &str = "Cloud Alerts";
/// The ticket's field with the key by which a connector finds it again.
pub const KEY_FIELD: &str = "Secure Export Key";
/// Another field of tickets in [`QUEUE`].
pub const SEVERITY_FIELD: &str = "Severity";
/// A queue to which tickets are moved: without fields, and the connector's user has no rights there.
pub const OTHER_QUEUE: &str = "Elsewhere";
/// The catalog with the assets that alerts are about.
pub const CATALOG: &str = "Cloud Resources";
/// The asset's field with the id that an alert names.
pub const RESOURCE_FIELD: &str = "Azure Resource ID";
/// The connector's user, with the rights that a connector needs and no others.
pub const USER: &str = "secure-export";
/// A user who may create a ticket, but neither read it nor fill its fields.
pub const LIMITED_USER: &str = "secure-export-limited";
/// A user who may do everything.
pub const ADMIN_USER: &str = "secure-export-admin";

/// Where Debian's packages put RT, which is nowhere else: other ways to install it have other names for everything.
const SERVER: &str = "/usr/share/request-tracker5/libexec/rt-server";
const DATABASE_SETUP: &str = "/usr/sbin/rt-setup-database-5";
/// The interpreter whose modules the packages bring; the one in PATH may be another.
const PERL: &str = "/usr/bin/perl";

const CONFIGURATION: &str = include_str!("../request-tracker/site.pm");
const SEED: &str = include_str!("../request-tracker/seed.pl");

/// Each step takes seconds, on a busy machine a multiple.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// A worker finishes its request before it ends.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How many requests are served at a time. More than one, as in earnest, so that they can meet.
const WORKERS: &str = "3";

/// A Request Tracker with data of its own, reachable from this machine only.
#[derive(Debug)]
pub struct RequestTracker {
    server: Process,
    access: Access,
}

/// Where a Request Tracker is, and the tokens of its users.
#[derive(Clone, Debug)]
pub struct Access {
    /// Without a slash at the end, as RT calls it: `/REST/2.0` comes after it.
    pub base_url: String,
    /// That of [`USER`].
    pub token: String,
    /// That of [`LIMITED_USER`].
    pub limited_token: String,
    /// That of [`ADMIN_USER`].
    pub admin_token: String,
}

/// Why there is no Request Tracker.
#[derive(Debug, Error)]
pub enum RequestTrackerError {
    #[error("{0} is missing: run dev/setup.sh request-tracker")]
    NotInstalled(&'static str),
    #[error("cannot prepare the folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("the seed has not written three tokens to {}", .0.display())]
    Tokens(PathBuf),
    #[error("no free port")]
    Port(#[source] io::Error),
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What all commands of one RT share.
struct Place {
    home: PathBuf,
    log: PathBuf,
    port: u16,
}

impl RequestTracker {
    /// Makes a database in `folder`/request-tracker, fills it and starts a server on it; the log of all three is
    /// `folder`/request-tracker.log.
    ///
    /// # Errors
    /// When RT is not installed, or a step fails or takes more than two minutes.
    pub async fn start(folder: &Path) -> Result<Self, RequestTrackerError> {
        for program in [SERVER, DATABASE_SETUP, PERL] {
            if !Path::new(program).exists() {
                return Err(RequestTrackerError::NotInstalled(program));
            }
        }
        let [port] = ports::free().map_err(RequestTrackerError::Port)?;
        let place =
            Place { home: folder.join("request-tracker"), log: folder.join("request-tracker.log"), port };
        place.prepare().map_err(|error| RequestTrackerError::Folder(place.home.clone(), error))?;
        place.make_database().await?;
        let access = place.seed().await?;
        let server = place.serve(&access).await?;
        Ok(Self { server, access })
    }

    /// Where it is, and the tokens of its users.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Lets requests under way finish and ends the server with its workers.
    pub async fn stop(self) {
        self.server.stop(Signal::TERM, STOP_GRACE).await;
    }
}

impl Place {
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.home)?;
        fs::write(self.home.join("site.pm"), CONFIGURATION)?;
        fs::write(self.home.join("seed.pl"), SEED)?;
        process::give_to_unprivileged(&self.home)
    }

    async fn make_database(&self) -> Result<(), RequestTrackerError> {
        let mut command = self.command(DATABASE_SETUP);
        command.args(["--action", "init", "--skip-create"]);
        self.run("rt-setup-database", command).await
    }

    async fn seed(&self) -> Result<Access, RequestTrackerError> {
        let file = self.home.join("tokens");
        let mut command = self.command(PERL);
        command.arg(self.home.join("seed.pl"));
        for (key, name) in [
            ("queue", QUEUE),
            ("key_field", KEY_FIELD),
            ("severity_field", SEVERITY_FIELD),
            ("other_queue", OTHER_QUEUE),
            ("catalog", CATALOG),
            ("resource_field", RESOURCE_FIELD),
            ("user", USER),
            ("limited_user", LIMITED_USER),
            ("admin_user", ADMIN_USER),
            ("tokens", "tokens"),
        ] {
            command.arg(format!("{key}={name}"));
        }
        self.run("the seed of Request Tracker", command).await?;

        let text =
            fs::read_to_string(&file).map_err(|error| RequestTrackerError::Folder(file.clone(), error))?;
        let tokens: Vec<String> = text.lines().map(str::to_owned).collect();
        let [token, limited_token, admin_token] =
            tokens.try_into().map_err(|_other_number| RequestTrackerError::Tokens(file))?;
        let base_url = format!("http://127.0.0.1:{}", self.port);
        Ok(Access { base_url, token, limited_token, admin_token })
    }

    async fn serve(&self, access: &Access) -> Result<Process, RequestTrackerError> {
        // The server's workers do not see that we die, but the server does, and at this signal it ends them.
        let mut command = self.command("setpriv");
        command.args(["--pdeathsig", "TERM", SERVER, "--server", "Starlet", "--max-workers", WORKERS]);
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        let mut server = Process::spawn("rt-server", command, &self.log)?;

        let http = process::http_client().map_err(RequestTrackerError::Client)?;
        let url = format!("{}/REST/2.0/rt", access.base_url);
        let authorization = format!("token {}", access.token);
        let answers = async || match http.get(&url).header("Authorization", &authorization).send().await {
            Ok(answer) => answer.status().is_success(),
            Err(_not_yet) => false,
        };
        server.ready(STEP_LIMIT, answers).await?;
        Ok(server)
    }

    async fn run(&self, name: &str, command: Command) -> Result<(), RequestTrackerError> {
        Ok(Process::spawn(name, command, &self.log)?.succeeded(STEP_LIMIT).await?)
    }

    /// A command that knows this RT and nothing of the caller's Perl or of the system's RT.
    ///
    /// As root it would give the folder of the system's RT another owner when it is interrupted.
    fn command(&self, program: &str) -> Command {
        let mut command = process::unprivileged_command(program);
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .env("LANG", "C.UTF-8")
            .env("RT_SITE_CONFIG", self.home.join("site.pm"))
            // Instead of the folder with the configuration of the system's RT: one that is always empty.
            .env("RT_SITE_CONFIG_DIR", "/dev/null")
            .env("SECURE_EXPORT_RT_HOME", &self.home)
            .env("SECURE_EXPORT_RT_PORT", self.port.to_string())
            // Otherwise the name is looked for in the DNS and in a mail server of this machine, at every mail.
            .env("MAILDOMAIN", "localhost");
        command
    }
}
