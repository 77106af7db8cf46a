//! The server: all products and the control plane on one port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::control::{self, Bench};
use crate::help_desk::HelpDesk;
use crate::product::Product;
use crate::request_tracker::RequestTracker;
use crate::servicedesk_plus::SERVICEDESK_PLUS;
use crate::servicenow::ServiceNow;
use crate::settings::Settings;
use crate::zammad::ZAMMAD;

/// Entry point of the library.
#[derive(Debug)]
pub struct ItsmSimulator;

/// A simulator that serves HTTP until it is stopped.
pub struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    serving: TaskTracker,
    clock: Arc<Clock>,
    servicenow: ServiceNow,
    request_tracker: RequestTracker,
    zammad: HelpDesk,
    servicedesk_plus: HelpDesk,
}

/// The simulator cannot serve at the address.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve at {address}: choose another address or port 0")]
pub struct StartError {
    address: SocketAddr,
    #[source]
    cause: io::Error,
}

impl ItsmSimulator {
    /// Starts serving at the address; with port 0 the system chooses a free one.
    ///
    /// # Errors
    /// [`StartError`] when the address cannot be bound.
    pub async fn start(settings: Settings, address: SocketAddr) -> Result<Running, StartError> {
        let failed = |cause| StartError { address, cause };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let clock = Arc::new(Clock::default());
        let servicenow = ServiceNow::start(settings.servicenow, settings.seed, clock.clone());
        let request_tracker = RequestTracker::start(settings.request_tracker, settings.seed, clock.clone());
        let zammad = HelpDesk::start(&ZAMMAD, settings.zammad, settings.seed, clock.clone());
        let servicedesk_plus =
            HelpDesk::start(&SERVICEDESK_PLUS, settings.servicedesk_plus, settings.seed, clock.clone());
        let products: Vec<Arc<dyn Product>> = vec![
            Arc::new(servicenow.clone()),
            Arc::new(request_tracker.clone()),
            Arc::new(zammad.clone()),
            Arc::new(servicedesk_plus.clone()),
        ];
        let bench = Data::new(Bench { products, clock: clock.clone() });
        let server = HttpServer::new(move || {
            let products = bench.products.clone();
            App::new().app_data(bench.clone()).configure(control::routes).configure(|app| {
                for product in products {
                    product.routes(app);
                }
            })
        })
        .workers(settings.workers.max(1))
        .keep_alive(Duration::from_secs(75))
        .tcp_nodelay(true)
        .shutdown_timeout(5)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
        let handle = server.handle();
        let serving = TaskTracker::new();
        serving.spawn(async move {
            if let Err(cause) = server.await {
                tracing::error!(%cause, "the simulator stopped serving");
            }
        });
        serving.close();
        Ok(Running {
            address: bound,
            handle,
            serving,
            clock,
            servicenow,
            request_tracker,
            zammad,
            servicedesk_plus,
        })
    }
}

impl Running {
    /// Where it listens, without a path: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The ServiceNow instance, for control without HTTP.
    pub fn servicenow(&self) -> &ServiceNow {
        &self.servicenow
    }

    /// The Request Tracker, for control without HTTP.
    pub fn request_tracker(&self) -> &RequestTracker {
        &self.request_tracker
    }

    /// The Zammad, for control without HTTP.
    pub fn zammad(&self) -> &HelpDesk {
        &self.zammad
    }

    /// The ServiceDesk Plus, for control without HTTP.
    pub fn servicedesk_plus(&self) -> &HelpDesk {
        &self.servicedesk_plus
    }

    /// The clock of all products.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Ends when the server does.
    pub async fn ended(&self) {
        self.serving.wait().await;
    }

    /// Finishes the requests in progress, for at most five seconds, and frees the port.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        self.serving.wait().await;
    }
}
