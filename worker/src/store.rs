//! The ledger in Postgres, and the only SQL. One function per statement, named for what it means.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::config::Database;

pub mod alerts;
pub mod claims;
pub mod listing;
pub mod outcomes;
pub mod retention;
pub mod targets;
pub mod tickets;

/// The schema, embedded; `worker migrate` applies it.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// A statement that takes longer is given up; the longest of ours takes milliseconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Postgres ends a transaction that a stopped worker holds open, so that others can go on.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a pool. Connections are made when they are needed, so a database that is down is no error here.
///
/// # Errors
/// When the URL cannot be read.
pub fn pool(database: &Database) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = database.url.expose_secret().parse()?;
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    let options = options.application_name("secure-export-worker").options([
        ("statement_timeout", milliseconds(STATEMENT_TIMEOUT)),
        ("idle_in_transaction_session_timeout", milliseconds(IDLE_IN_TRANSACTION_TIMEOUT)),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(database.max_connections)
        .acquire_timeout(database.acquire_timeout)
        .connect_lazy_with(options))
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

/// Whether trying the same again may help: the database is away, or two transactions got in each other's way.
#[must_use]
pub fn is_passing(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(error) = error {
        // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection, rollback
        // (deadlock, serialisation), resources, operator intervention, system.
        let code = error.code().unwrap_or_default();
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class));
    }
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}
