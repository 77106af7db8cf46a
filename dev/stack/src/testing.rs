//! What tests share: one Postgres and one RabbitMQ per test run, a database and a vhost per test.
//!
//! `stack with` starts the two and names them in the environment; `make test` runs all tests that way. With
//! `--request-tracker` it also starts a Request Tracker, as `make test-real` does.

mod database;
mod request_tracker;
mod vhost;

use std::fmt;

use thiserror::Error;

pub use self::{
    database::TestDatabase,
    request_tracker::{
        REQUEST_TRACKER_ADMIN_TOKEN, REQUEST_TRACKER_LIMITED_TOKEN, REQUEST_TRACKER_TOKEN,
        REQUEST_TRACKER_URL, TestRequestTracker,
    },
    vhost::TestVhost,
};

/// The URL of a Postgres database whose user may create databases.
pub const DATABASE_URL: &str = "SECURE_EXPORT_TEST_DATABASE_URL";
/// The URL of a RabbitMQ node's default vhost.
pub const AMQP_URL: &str = "SECURE_EXPORT_TEST_AMQP_URL";
/// The base URL of the same node's management API, with credentials.
pub const RABBITMQ_API: &str = "SECURE_EXPORT_TEST_RABBITMQ_API";

/// The servers that this test run may use.
#[derive(Clone, Debug)]
pub struct TestServices {
    pub database_url: String,
    pub amqp_url: String,
    pub rabbitmq_api: String,
}

/// Why a test does not have what it needs. Tests unwrap it, so its `Debug` is made for reading, too.
#[derive(Error)]
pub enum TestError {
    #[error(
        "{0} is not set: run the tests with `make test`, or a few with `target/debug/stack with -- cargo test …`"
    )]
    NotSet(&'static str),
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("RabbitMQ: {0}")]
    RabbitMq(#[from] lapin::Error),
    #[error("RabbitMQ's management API: {0}")]
    Management(#[from] reqwest::Error),
    #[error(
        "{0} is not set: run the tests with `make test-real`, or a few with \
         `target/debug/stack with --request-tracker -- cargo test …`"
    )]
    NoRequestTracker(&'static str),
    #[error("Request Tracker: {0}")]
    RequestTracker(#[source] reqwest::Error),
    #[error("Request Tracker did not do that: {0}")]
    RequestTrackerRefused(String),
    #[error("not a URL: {0}")]
    Url(#[from] url::ParseError),
}

impl fmt::Debug for TestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl TestServices {
    /// The servers that the environment names.
    ///
    /// # Errors
    /// When a variable is not set; the message says how to run the tests.
    pub fn from_env() -> Result<Self, TestError> {
        let read = |name| std::env::var(name).map_err(|_unset| TestError::NotSet(name));
        Ok(Self {
            database_url: read(DATABASE_URL)?,
            amqp_url: read(AMQP_URL)?,
            rabbitmq_api: read(RABBITMQ_API)?,
        })
    }
}

/// Runs the last request of a value that is being dropped to its end.
///
/// A drop can happen inside a runtime that may not be blocked, or while it shuts down, so this one has a thread.
fn finish(request: impl Future<Output = ()> + Send + 'static) {
    let run = || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(request);
        }
    };
    // A failure costs some disk space until the test run ends, and a panic here would hide the test's own.
    std::thread::spawn(run).join().ok();
}
