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

const START_LIMIT: Duration = Duration::from_secs(120);

const STOP_GRACE: Duration = Duration::from_secs(5);

/// A RabbitMQ node with data of its own and the management plugin, reachable from this machine only.
#[derive(Debug)]
pub struct RabbitMq {
    node: Process,
    port_mapper: Process,
    amqp_port: u16,
    management_port: u16,
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
        let [amqp_port, management_port, distribution_port, mapper_port] =
            ports::free().map_err(RabbitMqError::Port)?;
        let home = folder.join("rabbitmq");
        prepare(&home, amqp_port, management_port)
            .map_err(|error| RabbitMqError::Folder(home.clone(), error))?;

        // Erlang leaves a port mapper (epmd) behind unless it finds one that runs already, so it finds ours.
        let mut mapper = process::command("epmd");
        isolate(&mut mapper, &home, mapper_port);
        let mut port_mapper = Process::spawn("epmd", mapper, &folder.join("epmd.log"))?;
        port_mapper.ready(START_LIMIT, async || accepts(mapper_port).await).await?;

        let script = if Path::new(DEBIAN).exists() { DEBIAN } else { "rabbitmq-server" };
        let mut command = process::command(script);
        isolate(&mut command, &home, mapper_port);
        command
            .env("RABBITMQ_NODENAME", format!("secure-export-{amqp_port}@localhost"))
            .env("RABBITMQ_DIST_PORT", distribution_port.to_string())
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
        let node = Process::spawn("rabbitmq", command, &folder.join("rabbitmq.log"))?;

        let mut broker = Self { node, port_mapper, amqp_port, management_port };
        let url = broker.amqp_url();
        let answers = async || {
            accepts(management_port).await
                && accepts(amqp_port).await
                && crate::amqp::connect(&url).await.is_ok()
        };
        broker.node.ready(START_LIMIT, answers).await?;
        Ok(broker)
    }

    /// The URL of the node's default vhost.
    #[must_use]
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.amqp_port)
    }

    /// The base URL of the management API, with the credentials.
    #[must_use]
    pub fn management_url(&self) -> String {
        format!("http://guest:guest@127.0.0.1:{}/api/", self.management_port)
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
