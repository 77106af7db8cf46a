//! The admin listener: `/livez`, `/readyz` (each dependency and why not) and `/metrics`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, get};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

/// How long a process may take to say whether it is ready.
const READINESS_PATIENCE: Duration = Duration::from_secs(3);

/// Section `[admin]` of both services. Nothing here asks who is calling: keep it off the public network.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    pub listen: SocketAddr,
}

/// What this process depends on, and whether it has it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    dependencies: Arc<Mutex<BTreeMap<&'static str, Status>>>,
}

/// One dependency, reported by whoever uses it.
#[derive(Debug, Clone)]
pub struct Dependency {
    health: Health,
    name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Status {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Health {
    /// Adds a dependency; the process is not ready before it was reported [`up`](Dependency::up).
    #[must_use]
    pub fn dependency(&self, name: &'static str) -> Dependency {
        let dependency = Dependency { health: self.clone(), name };
        dependency.down("not reached yet");
        dependency
    }

    /// Whether every dependency is up.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.lock().values().all(|status| status.ready)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Status>> {
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dependency {
    pub fn up(&self) {
        self.health.lock().insert(self.name, Status { ready: true, reason: None });
    }

    /// Says why the dependency cannot be used, in words for an operator and without secrets.
    pub fn down(&self, reason: &str) {
        self.health.lock().insert(self.name, Status { ready: false, reason: Some(reason.to_owned()) });
    }
}

/// Starts the admin listener; `more` adds a service's own admin routes. The server must be awaited or spawned.
///
/// # Errors
/// When the address cannot be bound.
pub fn admin_server(
    settings: &AdminSettings,
    health: Health,
    registry: Registry,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<(Server, SocketAddr)> {
    let registry = Data::new(registry);
    let health = Data::new(health);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&health))
            .app_data(Data::clone(&registry))
            .service(livez)
            .service(readyz)
            .service(metrics)
            .configure(more.clone())
    })
    .workers(1)
    .disable_signals()
    .bind(settings.listen)?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    Ok((server.run(), address))
}

/// Asks the process that listens here whether it is ready, and what it says about its dependencies: a health check
/// for container images, which have no HTTP client.
///
/// # Errors
/// When nobody answers within 3 seconds.
pub async fn ask_readiness(listen: SocketAddr) -> Result<(bool, String), reqwest::Error> {
    // A listener on every address is asked on the loopback one.
    let ip = match listen.ip() {
        IpAddr::V4(ip) => IpAddr::V4(if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip }),
        IpAddr::V6(ip) => IpAddr::V6(if ip.is_unspecified() { Ipv6Addr::LOCALHOST } else { ip }),
    };
    let url = format!("http://{}/readyz", SocketAddr::new(ip, listen.port()));
    // A proxy of the environment has no business between us and ourselves.
    let client = reqwest::Client::builder().no_proxy().timeout(READINESS_PATIENCE).build()?;
    let answer = client.get(url).send().await?;
    Ok((answer.status().is_success(), answer.text().await?))
}

#[get("/livez")]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

#[get("/readyz")]
async fn readyz(health: Data<Health>) -> HttpResponse {
    let dependencies = health.lock().clone();
    let ready = dependencies.values().all(|status| status.ready);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(serde_json::json!({ "ready": ready, "dependencies": dependencies }))
}

#[get("/metrics")]
async fn metrics(registry: Data<Registry>) -> HttpResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_every_dependency_was_reported_up() {
        let health = Health::default();
        let (broker, database) = (health.dependency("amqp"), health.dependency("database"));
        assert!(!health.ready());
        broker.up();
        assert!(!health.ready());
        database.up();
        assert!(health.ready());
        broker.down("gone");
        assert!(!health.ready());
    }
}
