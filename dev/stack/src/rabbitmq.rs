//! A private RabbitMQ node.

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

/// The start script of Debian's package. The one in PATH wants to be root and changes to the user `rabbitmq`.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Likewise the one that speaks to a node.
const DEBIAN_CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

const START_LIMIT: Duration = Duration::from_secs(120);

const STOP_GRACE: Duration = Duration::from_secs(5);

/// A RabbitMQ node with data of its own and the management plugin, reachable from this machine only.
#[derive(Debug)]
pub struct RabbitMq {
    node: Process,
    port_mapper: Process,
    folder: PathBuf,
    ports: Ports,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    management: u16,
    distribution: u16,
    mapper: u16,
}

/// Why there is no node.
#[derive(Debug, Error)]
pub enum RabbitMqError {
    #[error("cannot prepare the folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("no free ports")]
    Port(#[source] io::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl RabbitMq {
    /// Starts an empty node in `folder`/rabbitmq; its log is `folder`/rabbitmq.log.
    ///
    /// # Errors
    /// When RabbitMQ is not installed, or does not come up within two minutes.
    pub async fn start(folder: &Path) -> Result<Self, RabbitMqError> {
        let [amqp, management, distribution, mapper] = ports::free().map_err(RabbitMqError::Port)?;
        let ports = Ports { amqp, management, distribution, mapper };
        let home = folder.join("rabbitmq");
        prepare(&home, amqp, management).map_err(|error| RabbitMqError::Folder(home.clone(), error))?;

        // Erlang leaves a port mapper (epmd) behind unless it finds one that runs already, so it finds ours.
        let mut command = process::command("epmd");
        isolate(&mut command, &home, mapper);
        let mut port_mapper = Process::spawn("epmd", command, &folder.join("epmd.log"))?;
        port_mapper.ready(START_LIMIT, async || accepts(mapper).await).await?;

        let node = spawn_node(folder, ports)?;
        let mut broker = Self { node, port_mapper, folder: folder.to_owned(), ports };
        broker.ready().await?;
        Ok(broker)
    }

    /// Kills the node; what it had confirmed is on disk.
    pub async fn kill(&mut self) {
        self.node.kill().await;
    }

    /// Starts the node again after [`RabbitMq::kill`], on the same ports and the same data.
    ///
    /// # Errors
    /// When it does not come up within two minutes.
    pub async fn start_again(&mut self) -> Result<(), RabbitMqError> {
        self.node = spawn_node(&self.folder, self.ports)?;
        Ok(self.ready().await?)
    }

    /// Stops the node with SIGSTOP, or lets it go on with SIGCONT.
    pub fn signal(&self, signal: Signal) {
        self.node.signal(signal);
    }

    async fn ready(&mut self) -> Result<(), ProcessError> {
        let (url, management) = (self.amqp_url(), self.ports.management);
        let answers = async || accepts(management).await && crate::amqp::connect(&url).await.is_ok();
        self.node.ready(START_LIMIT, answers).await
    }

    /// The URL of the node's default vhost.
    #[must_use]
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// The base URL of the management API, with the credentials.
    #[must_use]
    pub fn management_url(&self) -> String {
        format!("http://guest:guest@127.0.0.1:{}/api/", self.ports.management)
    }

    /// A command that runs `rabbitmqctl` against the node.
    #[must_use]
    pub fn control(&self, arguments: &[&str]) -> Command {
        let script = if Path::new(DEBIAN_CONTROL).exists() { DEBIAN_CONTROL } else { "rabbitmqctl" };
        let mut command = process::command(script);
        let home = self.folder.join("rabbitmq");
        isolate(&mut command, &home, self.ports.mapper);
        command
            .env("RABBITMQ_NODENAME", node_name(self.ports))
            .env("RABBITMQ_CONF_ENV_FILE", home.join("rabbitmq-env.conf"))
            .args(arguments);
        command
    }

    /// The processes, for supervision.
    pub fn processes(&mut self) -> [&mut Process; 2] {
        [&mut self.port_mapper, &mut self.node]
    }

    /// Ends the node, then its port mapper.
    ///
    /// The node is killed: its data is thrown away, and an orderly shutdown takes five seconds to save it.
    pub async fn stop(self) {
        self.node.stop(Signal::KILL, STOP_GRACE).await;
        self.port_mapper.stop(Signal::TERM, STOP_GRACE).await;
    }
}

fn node_name(ports: Ports) -> String {
    format!("secure-export-{}@localhost", ports.amqp)
}

fn spawn_node(folder: &Path, ports: Ports) -> Result<Process, ProcessError> {
    let home = folder.join("rabbitmq");
    let script = if Path::new(DEBIAN).exists() { DEBIAN } else { "rabbitmq-server" };
    let mut command = process::command(script);
    isolate(&mut command, &home, ports.mapper);
    command
        .env("RABBITMQ_NODENAME", node_name(ports))
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", home.join("data"))
        .env("RABBITMQ_LOG_BASE", home.join("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config"))
        .env("RABBITMQ_CONF_ENV_FILE", home.join("rabbitmq-env.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        // The script then becomes the node instead of waiting for it, so that a signal reaches the node.
        .env("RUNNING_UNDER_SYSTEMD", "true");
    Process::spawn("rabbitmq", command, &folder.join("rabbitmq.log"))
}

/// Writes the node's configuration.
fn prepare(home: &Path, amqp_port: u16, management_port: u16) -> io::Result<()> {
    fs::create_dir_all(home)?;
    let configuration = format!(
        "listeners.tcp.default = 127.0.0.1:{amqp_port}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management_port}\n\
         disk_free_limit.absolute = 100MB\n\
         log.console.level = info\n"
    );
    fs::write(home.join("rabbitmq.conf"), configuration)?;
    fs::write(home.join("rabbitmq-env.conf"), "")?;
    fs::write(home.join("enabled_plugins"), "[rabbitmq_management].\n")
}

/// Keeps the machine's own RabbitMQ and Erlang settings out, and ours in.
fn isolate(command: &mut Command, home: &Path, mapper_port: u16) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .current_dir(home)
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("ERL_EPMD_PORT", mapper_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
}

async fn accepts(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
