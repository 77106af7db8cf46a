//! A running `ingest` with an identity provider and a virtual host of its own, for every suite.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azure_simulator::alerts::{AlertRule, Kind};
use azure_simulator::identity::{IdentityProvider, Recipe, Running};
use azure_simulator::settings::Settings;
use bytes::Bytes;
use ingest::config::Config;
use ingest::server::Application;
use jiff::Timestamp;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use stack::testing::TestVhost;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const QUEUE: &str = "alerts.inbound";
pub(crate) const DEAD_QUEUE: &str = "alerts.dead";
/// The subscription that the simulated alerts are about.
pub(crate) const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// How often a test looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `ingest` with its surroundings. Ends when dropped.
pub(crate) struct TestApp {
    pub(crate) identity: Arc<Running>,
    pub(crate) vhost: Arc<TestVhost>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    client: reqwest::Client,
}

/// What a test wants otherwise than usual.
pub(crate) struct Options {
    pub(crate) request_deadline: &'static str,
    /// The pause between fetches of the keys, shorter than a settings file may ask for.
    pub(crate) refresh: Duration,
    /// More lines of the http section.
    pub(crate) http: &'static str,
    /// More lines of the trust section.
    pub(crate) trust: String,
    /// More lines of the amqp section.
    pub(crate) amqp: &'static str,
    /// Another way to the broker than the direct one.
    pub(crate) broker: Option<std::net::SocketAddr>,
    /// The lines of the spool section.
    pub(crate) spool: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_deadline: "5s",
            refresh: Duration::from_secs(3600),
            http: "",
            trust: String::new(),
            amqp: "",
            broker: None,
            spool: String::new(),
        }
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::among(identity_provider().await, TestVhost::create().await.unwrap(), options).await
    }

    pub(crate) async fn among(
        identity: impl Into<Arc<Running>>,
        vhost: impl Into<Arc<TestVhost>>,
        options: Options,
    ) -> Self {
        let (identity, vhost) = (identity.into(), vhost.into());
        let amqp_url = amqp_url(&vhost, options.broker);
        let file = settings_file(&identity, &amqp_url, &options);
        let mut config = Config::load(Some(file.path())).unwrap();
        config.auth.schedule.refresh = options.refresh;
        let application = Application::build(config).await.unwrap();
        let (port, admin_port) = (application.port(), application.admin_port());
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn({
            let shutdown = shutdown.clone();
            async move { application.run_until(shutdown).await.unwrap() }
        });
        tasks.close();
        Self {
            identity,
            vhost,
            shutdown,
            tasks,
            port,
            admin_port,
            client: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    /// Ends in an orderly way, and starts again among the same.
    pub(crate) async fn restart(self, options: Options) -> Self {
        let (identity, vhost) = (Arc::clone(&self.identity), Arc::clone(&self.vhost));
        self.shutdown.cancel();
        self.tasks.wait().await;
        Self::among(identity, vhost, options).await
    }

    /// A token as Azure Monitor presents it.
    pub(crate) fn token(&self) -> String {
        self.mint(Recipe::default())
    }

    pub(crate) fn mint(&self, recipe: Recipe) -> String {
        self.identity.directory().mint(&recipe).unwrap()
    }

    pub(crate) async fn post(&self, token: &str, body: impl Into<reqwest::Body>) -> Response {
        self.request(token, body).send().await.unwrap()
    }

    pub(crate) fn request(&self, token: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client
            .post(self.url("/v1/alerts"))
            .bearer_auth(token)
            .header("content-type", "application/json; charset=utf-8")
            .body(body)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Status and body of an admin page.
    pub(crate) async fn admin(&self, path: &str) -> (StatusCode, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin_port);
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// A connection to speak HTTP on by hand.
    pub(crate) async fn connect(&self) -> RawConnection {
        RawConnection { stream: TcpStream::connect(("127.0.0.1", self.port)).await.unwrap() }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) struct RawConnection {
    stream: TcpStream,
}

impl RawConnection {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// What arrives until it contains `text`, or until the other side is done.
    pub(crate) async fn receive_until(&mut self, text: &str) -> String {
        let mut received = Vec::new();
        while !String::from_utf8_lossy(&received).contains(text) {
            if self.stream.read_buf(&mut received).await.unwrap() == 0 {
                break;
            }
        }
        String::from_utf8(received).unwrap()
    }
}

pub(crate) async fn identity_provider() -> Running {
    IdentityProvider::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// The address of the broker that the tests use.
pub(crate) fn broker_address(vhost: &TestVhost) -> std::net::SocketAddr {
    let url: url::Url = vhost.amqp_url().parse().unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap()
}

pub(crate) fn amqp_url(vhost: &TestVhost, broker: Option<std::net::SocketAddr>) -> String {
    let mut url: url::Url = vhost.amqp_url().parse().unwrap();
    if let Some(address) = broker {
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
    }
    url.into()
}

pub(crate) fn settings_file(identity: &Running, amqp_url: &str, options: &Options) -> NamedTempFile {
    let tenant = Settings::default().tenants.remove(0);
    let audiences: Vec<_> =
        tenant.resources.iter().flat_map(|api| [&api.app_id_uri, &api.client_id]).collect();
    let Options { request_deadline, http, trust, amqp, spool, .. } = options;
    let mut file = NamedTempFile::new().unwrap();
    write!(
        file,
        r#"
[http]
listen = "127.0.0.1:0"
request_deadline = "{request_deadline}"
{http}
[admin]
listen = "127.0.0.1:0"
[amqp]
url = "{amqp_url}"
{amqp}
[spool]
{spool}
[keys]
fetch_timeout = "1s"
[trust.test]
tenant_id = "{}"
audiences = {audiences:?}
authority = "{}"
{trust}
"#,
        tenant.tenant_id,
        identity.base_url(),
    )
    .unwrap();
    file
}

/// Waits for something that comes to pass by itself. The test runner bounds the wait.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !condition().await {
        look.tick().await;
    }
}

pub(crate) fn alert(number: u64) -> Bytes {
    AlertRule::new(Kind::MetricStatic, 1, number).fire(Timestamp::from_second(1_780_000_000).unwrap()).fired()
}

/// The stable code of a problem document.
pub(crate) async fn code(answer: Response) -> String {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = answer.status().as_u16();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["status"], status);
    document["code"].as_str().unwrap().to_owned()
}

pub(crate) fn ingest(config: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ingest"));
    command.arg("--config").arg(config).kill_on_drop(true);
    command
}
