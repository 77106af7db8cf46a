//! A broker, a ledger, an ITSM and some workers, all of one test's own.

use std::cell::RefCell;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use azure_simulator::alerts::{Alert, AlertRule, Kind};
use bytes::Bytes;
use itsm_simulator::servicenow::{ServiceNow, Ticket};
use itsm_simulator::{ItsmSimulator, Running, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::alert::Notification;
use shared::amqp::Publisher;
use shared::message::Message;
use shared::ops::Health;
use sqlx::PgPool;
use stack::testing::{TestDatabase, TestVhost};
use stack::{Process, Proxy};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;
use worker::app::Application;
use worker::config;
use worker::store::{self, dead_letters, listing};

pub(crate) const TENANT: Uuid = Uuid::from_u128(0x5ec0_de00);
pub(crate) const INBOUND: &str = "alerts.inbound";
pub(crate) const DEAD: &str = "alerts.dead";
/// Far more than any of these tests needs; what is not settled by then never will be.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct World {
    pub(crate) vhost: TestVhost,
    pub(crate) pool: PgPool,
    pub(crate) publisher: Publisher,
    itsm: Running,
    _database: TestDatabase,
    shutdown: CancellationToken,
    workers: Vec<JoinHandle<anyhow::Result<()>>>,
    /// Workers that are processes of their own.
    processes: RefCell<Vec<Process>>,
    settings: tempfile::NamedTempFile,
    logs: tempfile::TempDir,
}

/// What differs from the usual world.
#[derive(Default)]
pub(crate) struct Differences<'a> {
    /// TOML that is added to the settings of the workers.
    pub(crate) settings: &'a str,
    /// A port through which the workers reach the database.
    pub(crate) database_port: Option<u16>,
}

impl Differences<'_> {
    /// A line of the usual world, unless the settings have one of their own.
    fn unless<'a>(&self, key: &str, line: &'a str) -> &'a str {
        if self.settings.contains(key) { "" } else { line }
    }
}

impl World {
    pub(crate) async fn with_workers(workers: usize) -> Self {
        Self::build(workers, &Differences::default()).await
    }

    pub(crate) async fn build(workers: usize, differences: &Differences<'_>) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let (vhost, database) = (TestVhost::create().await.unwrap(), TestDatabase::create().await.unwrap());
        let itsm = ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut url: Url = database.url().parse().unwrap();
        if let Some(port) = differences.database_port {
            url.set_port(Some(port)).unwrap();
        }
        let mut settings = tempfile::NamedTempFile::new().unwrap();
        write!(
            settings,
            r#"
            admin.listen = "127.0.0.1:0"
            amqp.url = "{amqp}"
            database.url = "{url}"
            {route}
            sync.poll = "200ms"
            sync.retry.min = "50ms"
            sync.retry.max = "500ms"
            {look_up_after}
            {more}
            [targets.snow]
            request_deadline = "2s"
            [targets.snow.connector.servicenow]
            base_url = "{itsm}/servicenow"
            auth.basic = {{ username = "secure-export", password = "secure-export" }}
            "#,
            amqp = vhost.amqp_url(),
            itsm = itsm.base_url(),
            route = differences.unless("route.target", r#"route.target = "snow""#),
            more = differences.settings,
            look_up_after = differences.unless("look_up_after", r#"sync.retry.look_up_after = "200ms""#),
        )
        .unwrap();
        let config = config::load(Some(settings.path())).unwrap();
        let pool = store::pool(&config::Database {
            url: database.url().to_owned().into(),
            ..config.database.clone()
        })
        .unwrap();
        store::MIGRATIONS.run(&pool).await.unwrap();
        let shutdown = CancellationToken::new();
        let publisher = Publisher::start(
            config.broker,
            "test",
            Health::default().dependency("amqp"),
            shutdown.clone(),
            &TaskTracker::new(),
        )
        .await
        .unwrap();
        let mut world = Self {
            vhost,
            pool,
            publisher,
            itsm,
            _database: database,
            shutdown,
            workers: Vec::new(),
            processes: RefCell::default(),
            settings,
            logs: tempfile::tempdir().unwrap(),
        };
        for _ in 0..workers {
            world.start_worker().await;
        }
        world
    }

    pub(crate) async fn application(&self) -> anyhow::Result<Application> {
        let config = config::load(Some(self.settings.path())).unwrap();
        Application::build(config, Some(self.settings.path().to_owned()), self.shutdown.child_token()).await
    }

    pub(crate) async fn start_worker(&mut self) {
        let application = self.application().await.unwrap();
        self.workers.push(tokio::task::spawn_local(application.run()));
    }

    /// Starts a worker as a process of its own, with these variables over the settings.
    pub(crate) fn process(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args(["run", "--config"]).arg(self.settings.path()).envs(variables.iter().copied());
        Process::spawn(name, command, &self.logs.path().join(name)).unwrap()
    }

    /// Runs a command of the worker to its end.
    pub(crate) async fn command(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> std::process::Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("--config").arg(self.settings.path()).args(arguments).envs(variables.iter().copied());
        command.kill_on_drop(true).output().await.unwrap()
    }

    /// All dead letters in the ledger, the one that died last first.
    pub(crate) async fn dead_letters(&self) -> Vec<dead_letters::LetterLine> {
        let filter = dead_letters::Filter { limit: 10_000, ..dead_letters::Filter::default() };
        dead_letters::list(&self.pool, &filter).await.unwrap()
    }

    /// Lets a process run until the world ends.
    pub(crate) fn keep(&self, process: Process) {
        self.processes.borrow_mut().push(process);
    }

    /// What a worker of this world is started with.
    pub(crate) fn settings_file(&self) -> &std::path::Path {
        self.settings.path()
    }

    pub(crate) fn snow(&self) -> &ServiceNow {
        self.itsm.servicenow()
    }

    /// Puts a body on the queue as `ingest` does.
    pub(crate) async fn send(&self, body: Bytes) {
        let message = message(body);
        let deadline = Instant::now() + PATIENCE;
        until("the publisher is connected", async || {
            self.publisher.publish(&message, deadline).await.is_ok().then_some(())
        })
        .await;
    }

    pub(crate) async fn send_all(&self, bodies: Vec<Bytes>) {
        let sends = bodies.into_iter().map(|body| self.send(body));
        futures_util::StreamExt::collect::<Vec<()>>(futures_util::StreamExt::buffer_unordered(
            futures_util::stream::iter(sends),
            64,
        ))
        .await;
    }

    /// Waits until nothing is queued, and no ticket is due or claimed.
    pub(crate) async fn settled(&self, notifications: i64) {
        self.settled_within(PATIENCE, notifications).await;
    }

    /// The same for an ITSM that takes its time.
    pub(crate) async fn settled_within(&self, patience: Duration, notifications: i64) {
        until_within(patience, "everything is settled", async || {
            let heard: i64 = sqlx::query_scalar("SELECT coalesce(sum(deliveries), 0) FROM notifications")
                .fetch_one(&self.pool)
                .await
                .unwrap();
            let due: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM tickets WHERE due_at IS NOT NULL OR lease_until IS NOT NULL",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            (heard >= notifications && due == 0).then_some(())
        })
        .await;
    }

    /// The only incident there is.
    pub(crate) fn incident(&self) -> Ticket {
        let mut all = self.snow().tickets();
        assert_eq!(all.len(), 1, "there should be one incident");
        all.remove(0)
    }

    pub(crate) async fn tickets(&self) -> Vec<listing::TicketLine> {
        let filter = listing::Filter { limit: 10_000, ..listing::Filter::default() };
        listing::tickets(&self.pool, &filter).await.unwrap()
    }

    /// Stops the workers that run now; others may be started after.
    pub(crate) async fn stop_workers(&mut self) {
        self.shutdown.cancel();
        for worker in self.workers.drain(..) {
            worker.await.unwrap().unwrap();
        }
        self.shutdown = CancellationToken::new();
    }

    pub(crate) async fn stop(mut self) {
        self.stop_workers().await;
        self.itsm.stop().await;
    }
}

/// Runs a test where workers, which actix makes thread-bound, can be started.
pub(crate) fn in_world<F: Future<Output = ()>>(test: F) {
    actix_web::rt::System::new().block_on(test);
}

pub(crate) fn message(body: Bytes) -> Message {
    let id = Notification::parse(&body).map_or(Uuid::nil(), |notification| notification.id(TENANT));
    Message { id, tenant_id: TENANT, received_at: Timestamp::now(), traceparent: None, body }
}

/// Stands between the workers of a world and the database.
pub(crate) async fn database_proxy() -> Proxy {
    let database: Url = std::env::var("SECURE_EXPORT_TEST_DATABASE_URL").unwrap().parse().unwrap();
    let upstream = (database.host_str().unwrap().to_owned(), database.port().unwrap());
    let upstream = tokio::net::lookup_host(upstream).await.unwrap().next().unwrap();
    Proxy::start(upstream).await.unwrap()
}

/// A metric alert of the rule with this number.
pub(crate) fn metric(number: u64) -> Alert {
    rule(number).fire(at("2026-03-22T13:58:24.3713213Z"))
}

/// A sample of the portal's test button.
pub(crate) fn press(minute: u8) -> Bytes {
    let mut sample: Value = serde_json::from_slice(&metric(1).fired()).unwrap();
    let essentials = &mut sample["data"]["essentials"];
    essentials["alertId"] = json!(
        "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.AlertsManagement/alerts/\
         12345678-1234-1234-1234-1234567890ab"
    );
    essentials["firedDateTime"] = json!(format!("2026-03-22T13:{minute:02}:00Z"));
    sample.to_string().into()
}

pub(crate) fn rule(number: u64) -> AlertRule {
    AlertRule::new(kind("metric-static"), 7, number)
}

pub(crate) fn kind(name: &str) -> Kind {
    *Kind::all().iter().find(|kind| kind.name() == name).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn minutes_after(alert: &Alert, minutes: i64) -> Timestamp {
    alert.fired_at() + jiff::SignedDuration::from_mins(minutes)
}

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask).await
}

async fn until_within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < patience, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
