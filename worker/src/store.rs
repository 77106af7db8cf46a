//! The ledger in Postgres, and the only SQL. One function per statement, named for what it means.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};

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

/// A text as Postgres can hold it: without NUL.
#[must_use]
pub fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Applies the migrations, each under the limits that it sets itself: to build an index may take long.
///
/// # Errors
/// When the database cannot be reached, or a migration fails or was changed after it had been applied.
pub async fn migrate(database: &Database) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(database.url.expose_secret()).await?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(())
}
