//! The ledger in Postgres, and the only SQL. One function per statement, named for what it means.

use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};

use crate::config::Database;

pub mod alerts;
pub mod claims;
pub mod dead_letters;
pub mod listing;
pub mod locked;
pub mod looks;
pub mod outcomes;
pub mod retention;
pub mod storms;
pub mod targets;
pub mod tickets;
pub mod waiting;

/// The schema, embedded; `worker migrate` applies it.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Work that takes so much longer than a statement may has a database that is not there any more, whatever its
/// connections look like.
const SILENCE_MARGIN: Duration = Duration::from_secs(5);

/// Opens a pool. Connections are made when they are needed, so a database that is down is no error here.
///
/// # Errors
/// When the URL cannot be read.
pub fn pool(database: &Database) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = database.url.expose_secret().parse()?;
    let limit = session_limit(database.statement_timeout).to_string();
    let options = options.application_name("secure-export-worker").options([
        ("statement_timeout", limit.clone()),
        // Of a worker that was stopped in the middle, so that others can go on.
        ("idle_in_transaction_session_timeout", limit),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(database.max_connections)
        .acquire_timeout(database.acquire_timeout)
        .connect_lazy_with(options))
}

/// The database of a worker that goes on whatever becomes of it.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: PgPool,
    silence_limit: Duration,
}

impl Ledger {
    /// Opens a pool, see [`pool`].
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn open(database: &Database) -> Result<Self, sqlx::Error> {
        let silence_limit = database.statement_timeout.saturating_add(SILENCE_MARGIN);
        Ok(Self { pool: pool(database)?, silence_limit })
    }

    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Does something with a connection, and gives up when all of it takes longer than a single statement may, and a
    /// margin. The connection is closed then: on a network that swallows bytes it would never come back to the pool.
    ///
    /// # Errors
    /// Those of `work`; that there was no connection, or no answer in time.
    pub async fn with<T, E: From<sqlx::Error>>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.pool.acquire().await?;
        if let Ok(outcome) = tokio::time::timeout(self.silence_limit, work(&mut connection)).await {
            return outcome;
        }
        connection.close_on_drop();
        let silent = std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer");
        Err(sqlx::Error::Io(silent).into())
    }
}

/// Whether the schema is the one this build was written for.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema_is_current(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(pool).await?;
    if !exists {
        return Ok(false);
    }
    let applied: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    Ok(applied >= MIGRATIONS.iter().map(|migration| migration.version).max())
}

/// What a failed statement means for what it was to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The data will never be taken.
    Data,
    /// Two transactions got in each other's way: at once again.
    Conflict,
    /// Something about the database, be it down, read-only, misconfigured or being restored: later again.
    Database,
}

/// Classifies an error. Whatever is not surely the fault of the data is not, since data that is at fault is set aside.
///
/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[must_use]
pub fn failure(error: &sqlx::Error) -> Failure {
    if matches!(error, sqlx::Error::Encode(_)) {
        return Failure::Data;
    }
    let sqlx::Error::Database(error) = error else { return Failure::Database };
    let code = error.code().unwrap_or_default();
    match code.get(..2) {
        // A row that is referred to went away just now.
        _ if error.is_foreign_key_violation() => Failure::Conflict,
        Some("22" | "23") => Failure::Data,
        Some("40") => Failure::Conflict,
        _ => Failure::Database,
    }
}

/// A duration as statements take it, a thousand years at most: what is longer has no end that an instant could tell.
fn milliseconds(duration: Duration) -> i64 {
    const MOST: i64 = 1_000 * 365 * 86_400_000;
    i64::try_from(duration.as_millis()).unwrap_or(MOST).min(MOST)
}

/// A duration as settings of a session take it: milliseconds, 24 days at most. Postgres refuses the connection over
/// more: <https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-STATEMENT-TIMEOUT>.
fn session_limit(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Characters that are kept of why something failed.
const MAX_DETAIL_CHARS: usize = 500;

/// A text as Postgres can hold it: without NUL.
#[must_use]
pub fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Why something failed, as the ledger keeps it for people: a product's own words can be endless.
#[must_use]
pub fn detail(text: &str) -> String {
    storable(text.chars().take(MAX_DETAIL_CHARS).collect())
}

/// Applies the migrations, each under the limits that it sets itself: to build an index may take long. Only reaching
/// the database has a limit of ours, as long as a connection of the pool may take.
///
/// # Errors
/// When the database cannot be reached, or a migration fails or was changed after it had been applied.
pub async fn migrate(database: &Database) -> anyhow::Result<()> {
    let connecting = PgConnection::connect(database.url.expose_secret());
    let connected = tokio::time::timeout(database.acquire_timeout, connecting).await;
    let mut connection = connected.context("it does not answer within database.acquire_timeout")??;
    MIGRATIONS.run(&mut connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_something_failed_is_kept_short_and_without_nul() {
        assert_eq!(detail(&"ä".repeat(MAX_DETAIL_CHARS + 1)), "ä".repeat(MAX_DETAIL_CHARS));
        assert_eq!(detail("a\0b"), "a\u{fffd}b");
    }

    #[test]
    fn a_limit_of_a_session_is_one_that_postgres_takes() {
        assert_eq!(session_limit(Duration::from_secs(30)), 30_000);
        assert_eq!(session_limit(Duration::from_secs(25 * 86_400)), i32::MAX);
        assert_eq!(session_limit(Duration::MAX), i32::MAX);
    }

    #[tokio::test]
    async fn a_migration_gives_up_on_a_database_that_accepts_and_says_nothing() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database = Database {
            url: format!("postgres://u:p@{}/x", silent.local_addr().unwrap()).into(),
            max_connections: 2,
            acquire_timeout: Duration::from_millis(50),
            statement_timeout: Duration::from_secs(30),
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), migrate(&database)).await;
        let error = outcome.expect("it should have given up").unwrap_err();
        assert!(error.to_string().contains("database.acquire_timeout"), "{error:#}");
    }
}
