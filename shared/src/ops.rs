//! The admin listener: `/livez`, `/readyz` (each dependency and why not) and `/metrics`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, get};
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::telemetry;

/// How long a process may take to say whether it is ready.
const READINESS_PATIENCE: Duration = Duration::from_secs(3);

/// Section `[admin]` of both services. Nothing here asks who is calling: keep it off the public network.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub listen: SocketAddr,
}

/// What this process depends on, and whether it has it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    dependencies: Arc<Mutex<Statuses>>,
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
    /// Another dependency that does the same work, by its name: while either is up, the process can do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative: Option<&'static str>,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    dependencies: Statuses,
}

type Statuses = BTreeMap<&'static str, Status>;

impl Health {
    /// Adds a dependency; the process is not ready before it was reported [`up`](Dependency::up).
    #[must_use]
    pub fn dependency(&self, name: &'static str) -> Dependency {
        let dependency = Dependency { health: self.clone(), name };
        let status = Status { ready: false, reason: Some("not reached yet".to_owned()), alternative: None };
        self.lock().insert(name, status);
        dependency
    }

    /// Adds two dependencies of which one is enough.
    #[must_use]
    pub fn either(&self, first: &'static str, second: &'static str) -> (Dependency, Dependency) {
        let both = (self.dependency(first), self.dependency(second));
        for (name, alternative) in [(first, second), (second, first)] {
            if let Some(status) = self.lock().get_mut(name) {
                status.alternative = Some(alternative);
            }
        }
        both
    }

    /// Whether every dependency, or its alternative, is up.
    #[must_use]
    pub fn ready(&self) -> bool {
        ready(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Statuses> {
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dependency {
    pub fn up(&self) {
        self.report(Verdict::Up, None);
    }

    /// Usable, with something that an operator should know.
    pub fn up_with(&self, remark: &str) {
        self.report(Verdict::Up, Some(remark));
    }

    /// Says why the dependency cannot be used, in words for an operator and without secrets.
    pub fn down(&self, reason: &str) {
        self.report(Verdict::Down, Some(reason));
    }

    fn report(&self, verdict: Verdict, reason: Option<&str>) {
        if let Some(status) = self.health.lock().get_mut(self.name) {
            status.ready = matches!(verdict, Verdict::Up);
            status.reason = reason.map(str::to_owned);
        }
    }
}

enum Verdict {
    Up,
    Down,
}

fn ready(statuses: &Statuses) -> bool {
    let alternative = |status: &Status| status.alternative.and_then(|name| statuses.get(name));
    statuses.values().all(|status| status.ready || alternative(status).is_some_and(|other| other.ready))
}

/// Starts the admin listener; `more` adds a service's own admin routes. The server must be awaited or spawned.
///
/// # Errors
/// When the address cannot be bound.
pub fn admin_server(
    settings: &AdminSettings,
    health: Health,
    mut registry: Registry,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<(Server, SocketAddr)> {
    telemetry::register(&mut registry);
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
    let ready = ready(&dependencies);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(Readiness { ready, remark: remark(&dependencies), dependencies })
}

/// Says that a process is ready without a dependency, and what takes its place.
fn remark(statuses: &Statuses) -> Option<String> {
    let replaced = statuses.iter().find_map(|(name, status)| {
        let alternative = status.alternative.filter(|_| !status.ready)?;
        statuses.get(alternative).filter(|other| other.ready).map(|_| (name, alternative))
    });
    replaced.map(|(name, alternative)| format!("{name} is down and {alternative} takes its place"))
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

    #[test]
    fn of_two_alternatives_one_is_enough_whichever_it_is() {
        let health = Health::default();
        let (broker, spool) = health.either("amqp", "spool");
        assert!(!health.ready());
        spool.up_with("3 wait");
        assert!(health.ready());
        assert_eq!(remark(&health.lock()).unwrap(), "amqp is down and spool takes its place");
        broker.up();
        spool.down("full");
        assert!(health.ready());
        broker.down("gone");
        assert!(!health.ready());
    }
}
