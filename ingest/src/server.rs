//! The program as one value: built from settings, run until a token is cancelled. Tests run the same one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use prometheus_client::registry::Registry;
use shared::amqp::{Publisher, TopologyError};
use shared::ops::{self, Health};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arrival::observe;
use crate::auth::{Authenticator, metadata};
use crate::config::{Config, HttpSettings};
use crate::metrics::Metrics;
use crate::receive::{self, Inbox};
use crate::reminder::Reminders;
use crate::spool::{FolderError, Spool};

/// Azure delivers in bursts; a connection that says nothing for longer only takes the place of another.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// What a connection may take to say goodbye.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(1);
/// What the background tasks may take to leave after the last request.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// A running `ingest`: bound, connected as far as the broker lets it, ready to be awaited.
pub struct Application {
    public: Server,
    admin: Server,
    address: SocketAddr,
    admin_address: SocketAddr,
    /// Of the tasks that requests need, so they outlive the last request.
    tasks: TaskTracker,
    tasks_end: CancellationToken,
}

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error(transparent)]
    Spool(#[from] FolderError),
    #[error("no HTTPS client for the signing keys: {0}")]
    Client(#[source] reqwest::Error),
}

impl Application {
    /// Binds both listeners, connects to the broker and starts to fetch keys. Broker and identity provider may be
    /// down: then requests get 503 until they are back, or go to the spool in the broker's place.
    ///
    /// # Errors
    /// When an address cannot be bound, the broker's topology is not ours, or the spool's folder cannot be used.
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let (tasks, tasks_end) = (TaskTracker::new(), CancellationToken::new());
        let health = Health::default();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);

        let authenticator = Authenticator::start(
            config.trust,
            config.auth,
            &metadata::client().map_err(BuildError::Client)?,
            &metrics,
            health.dependency("signing_keys"),
            &tasks_end,
            &tasks,
        );
        let (broker_health, spool_health) = match &config.spool {
            Some(_) => {
                let (broker, spool) = health.either("amqp", "spool");
                (broker, Some(spool))
            }
            None => (health.dependency("amqp"), None),
        };
        let publisher =
            Publisher::start(config.broker, "ingest", broker_health, tasks_end.clone(), &tasks).await?;
        let spool = match config.spool.zip(spool_health) {
            Some((settings, health)) => {
                let (publisher, metrics) = (publisher.clone(), metrics.spool.clone());
                Some(Spool::start(settings, publisher, metrics, health, tasks_end.clone(), &tasks).await?)
            }
            None => None,
        };
        let inbox = Inbox {
            publisher,
            spool,
            metrics,
            reminders: Reminders::default(),
            max_body_bytes: config.http.max_body_bytes.get(),
        };

        let (public, address) =
            listen(&config.http, Data::new(authenticator), Data::new(inbox)).map_err(|source| {
                BuildError::Listen { key: "http.listen", address: config.http.listen, source }
            })?;
        let (admin, admin_address) =
            ops::admin_server(&config.admin, health, registry, |_| {}).map_err(|source| {
                BuildError::Listen { key: "admin.listen", address: config.admin.listen, source }
            })?;
        Ok(Self { public, admin, address, admin_address, tasks, tasks_end })
    }

    /// The port of the public listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The port of the admin listener.
    #[must_use]
    pub fn admin_port(&self) -> u16 {
        self.admin_address.port()
    }

    /// Serves until `shutdown`, then stops accepting, finishes the requests at hand and leaves, in bounded time.
    ///
    /// # Errors
    /// When a listener fails for good.
    pub async fn run_until(self, shutdown: CancellationToken) -> io::Result<()> {
        let (address, admin_address) = (self.address, self.admin_address);
        tracing::info!(%address, %admin_address, "ingest listens on {address}, admin on {admin_address}");
        let (public, admin) = (self.public.handle(), self.admin.handle());
        let stop = async {
            shutdown.cancelled().await;
            public.stop(true).await;
            self.tasks_end.cancel();
            self.tasks.close();
            if tokio::time::timeout(FAREWELL_LIMIT, self.tasks.wait()).await.is_err() {
                tracing::warn!("background tasks did not end in time");
            }
            admin.stop(true).await;
        };
        // A listener that ends before it is told to takes the other with it.
        let serve = async {
            let outcome =
                tokio::select! { outcome = self.public => outcome, outcome = self.admin => outcome };
            shutdown.cancel();
            outcome
        };
        let (outcome, ()) = tokio::join!(serve, stop);
        tracing::info!("ingest ended");
        outcome
    }
}

fn listen(
    http: &HttpSettings,
    authenticator: Data<Authenticator>,
    inbox: Data<Inbox>,
) -> io::Result<(Server, SocketAddr)> {
    let time_limit = http.request_deadline;
    let server = HttpServer::new(move || {
        let metrics = inbox.metrics.clone();
        App::new()
            .app_data(Data::clone(&authenticator))
            .app_data(Data::clone(&inbox))
            .wrap(from_fn(move |request, next| observe(request, next, metrics.clone(), time_limit)))
            .configure(receive::routes)
    })
    .workers(http.workers.get())
    // actix counts per worker.
    .max_connections(http.max_connections.get().div_ceil(http.workers.get()))
    .client_request_timeout(time_limit)
    .client_disconnect_timeout(DISCONNECT_LIMIT)
    // An answer is one small packet: waiting for more to send with it only delays Azure.
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(time_limit.as_secs() + 1)
    .disable_signals()
    .bind(http.listen)?;
    let address = server.addrs().first().copied().unwrap_or(http.listen);
    Ok((server.run(), address))
}
