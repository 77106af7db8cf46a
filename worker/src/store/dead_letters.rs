//! Dead letters: what operators see of them, and what they decided.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde::Serialize;
use shared::message::Envelope;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::listing::{instant, maybe_instant};
use super::storable;

/// A dead message on its way into the ledger.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The same for the same message, however often it dies.
    pub digest: [u8; 32],
    pub died_at: Timestamp,
    pub reason: String,
    pub origin_queue: Option<String>,
    pub tenant_id: Option<Uuid>,
    pub received_at: Option<Timestamp>,
    pub alert_id: Option<String>,
    pub envelope: Envelope,
    pub body: Vec<u8>,
}

/// How the broker delivered a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    First,
    /// It was delivered before, so it may be in the ledger already.
    Again,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    New,
    /// The message was there, and has died once more.
    DiedAgain,
    /// It was there and waits.
    Known,
}

/// Letters that wait for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Waiting {
    pub letters: i64,
    /// Bytes of their bodies.
    pub bytes: i64,
}

/// Which letters to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `waiting`, `replayed` or `discarded`.
    pub state: Option<String>,
    /// A part of the reason.
    pub reason: Option<String>,
    pub letter: Option<Uuid>,
    pub limit: u32,
}

/// A letter in a list.
#[derive(Debug, FromRow, Serialize)]
pub struct LetterLine {
    pub dead_letter_id: Uuid,
    /// `waiting`, `replayed` or `discarded`.
    pub state: String,
    #[serde(serialize_with = "instant")]
    pub state_since: SqlTimestamp,
    #[serde(serialize_with = "instant")]
    pub first_died_at: SqlTimestamp,
    #[serde(serialize_with = "instant")]
    pub last_died_at: SqlTimestamp,
    pub deaths: i64,
    pub reason: String,
    pub origin_queue: Option<String>,
    pub message_id: Option<String>,
    pub tenant_id: Option<Uuid>,
    pub schema_version: Option<i64>,
    #[serde(serialize_with = "maybe_instant")]
    pub received_at: Option<SqlTimestamp>,
    pub traceparent: Option<String>,
    pub alert_id: Option<String>,
    pub body_bytes: i64,
}

/// The message of a letter.
#[derive(Debug, Clone)]
pub struct Content {
    pub envelope: Envelope,
    pub body: Vec<u8>,
}

/// Which letters can be claimed for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimable {
    /// Those that wait.
    Waiting,
    /// Also those that were replayed or discarded before.
    Any,
}

/// What an operator did with a letter.
#[derive(Debug, FromRow, Serialize)]
pub struct ActionLine {
    #[serde(serialize_with = "instant")]
    pub acted_at: SqlTimestamp,
    /// `replayed` or `discarded`.
    pub action: String,
    pub operator: String,
    pub because: Option<String>,
}

/// Stores a letter. One that waits and was delivered before is taken for the same death: the worker ended between the
/// commit and the acknowledgement. In any other case it waits from now on, whatever was done with it before.
///
/// # Errors
/// When the database fails.
pub async fn store(
    connection: &mut PgConnection,
    letter: &Letter,
    delivered: Delivered,
) -> Result<Stored, sqlx::Error> {
    let envelope =
        serde_json::to_string(&letter.envelope).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let text = |text: Option<&str>| text.map(|text| storable(text.to_owned()));
    let new: Option<bool> = sqlx::query_scalar(
        "INSERT INTO dead_letters AS known
             (dead_letter_id, digest, first_died_at, last_died_at, reason, origin_queue, message_id, tenant_id,
              schema_version, received_at, traceparent, alert_id, envelope, body)
         VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (digest) DO UPDATE
         SET state = 'waiting', deaths = known.deaths + 1, last_died_at = excluded.last_died_at,
             reason = excluded.reason, origin_queue = excluded.origin_queue,
             state_since = CASE WHEN known.state = 'waiting' THEN known.state_since ELSE now() END
         WHERE NOT ($14 AND known.state = 'waiting')
         RETURNING deaths = 1",
    )
    .bind(Uuid::now_v7())
    .bind(letter.digest.as_slice())
    .bind(letter.died_at.to_sqlx())
    .bind(storable(letter.reason.clone()))
    .bind(text(letter.origin_queue.as_deref()))
    .bind(text(letter.envelope.message_id.as_deref()))
    .bind(letter.tenant_id)
    .bind(letter.envelope.schema_version())
    .bind(letter.received_at.map(ToSqlx::to_sqlx))
    .bind(text(letter.envelope.traceparent()))
    .bind(text(letter.alert_id.as_deref()))
    .bind(envelope)
    .bind(letter.body.as_slice())
    .bind(delivered == Delivered::Again)
    .fetch_optional(connection)
    .await?;
    Ok(match new {
        Some(true) => Stored::New,
        Some(false) => Stored::DiedAgain,
        None => Stored::Known,
    })
}

/// How many letters wait, and how large they are.
///
/// # Errors
/// When the database fails.
pub async fn waiting(executor: impl PgExecutor<'_>) -> Result<Waiting, sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*) AS letters, coalesce(sum(body_bytes), 0)::bigint AS bytes
         FROM dead_letters WHERE state = 'waiting'",
    )
    .fetch_one(executor)
    .await
}

/// The letters that the filter lets through, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(executor: impl PgExecutor<'_>, filter: &Filter) -> Result<Vec<LetterLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT dead_letter_id, state, state_since, first_died_at, last_died_at, deaths, reason, origin_queue,
                message_id, tenant_id, schema_version, received_at, traceparent, alert_id, body_bytes
         FROM dead_letters
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR position($2 IN reason) > 0)
           AND ($3::uuid IS NULL OR dead_letter_id = $3)
         ORDER BY last_died_at DESC, dead_letter_id DESC LIMIT $4",
    )
    .bind(&filter.state)
    .bind(&filter.reason)
    .bind(filter.letter)
    .bind(i64::from(filter.limit))
    .fetch_all(executor)
    .await
}

/// The message of a letter.
///
/// # Errors
/// When the database fails.
pub async fn content(executor: impl PgExecutor<'_>, letter: Uuid) -> Result<Option<Content>, sqlx::Error> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("SELECT envelope, body FROM dead_letters WHERE dead_letter_id = $1")
            .bind(letter)
            .fetch_optional(executor)
            .await?;
    row.map(read).transpose()
}

/// The message of a letter, which is locked until the transaction ends: a discard, another replay or another death
/// waits for what becomes of this one. `None` when there is no such letter, or when it does not wait and has to.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    connection: &mut PgConnection,
    letter: Uuid,
    claimable: Claimable,
) -> Result<Option<Content>, sqlx::Error> {
    let row: Option<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT envelope, body FROM dead_letters
         WHERE dead_letter_id = $1 AND (state = 'waiting' OR $2) FOR UPDATE",
    )
    .bind(letter)
    .bind(claimable == Claimable::Any)
    .fetch_optional(connection)
    .await?;
    row.map(read).transpose()
}

/// What was done with a letter, in order.
///
/// # Errors
/// When the database fails.
pub async fn actions(executor: impl PgExecutor<'_>, letter: Uuid) -> Result<Vec<ActionLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT acted_at, action, operator, because FROM dead_letter_actions
         WHERE dead_letter_id = $1 ORDER BY acted_at",
    )
    .bind(letter)
    .fetch_all(executor)
    .await
}

/// Records that a letter was published again, in the transaction that claimed it: see [`claim`].
///
/// # Errors
/// When the database fails.
pub async fn mark_replayed(
    connection: &mut PgConnection,
    letter: Uuid,
    operator: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH replayed AS (
             UPDATE dead_letters SET state = 'replayed', state_since = now()
             WHERE dead_letter_id = $1 RETURNING dead_letter_id)
         INSERT INTO dead_letter_actions (dead_letter_id, action, operator)
         SELECT dead_letter_id, 'replayed', $2 FROM replayed",
    )
    .bind(letter)
    .bind(operator)
    .execute(connection)
    .await?;
    Ok(())
}

/// Discards those of the letters that wait, with the record of it; answers which.
///
/// # Errors
/// When the database fails.
pub async fn discard(
    executor: impl PgExecutor<'_>,
    letters: &[Uuid],
    operator: &str,
    because: &str,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH discarded AS (
             UPDATE dead_letters SET state = 'discarded', state_since = now()
             WHERE dead_letter_id = ANY($1) AND state = 'waiting' RETURNING dead_letter_id)
         INSERT INTO dead_letter_actions (dead_letter_id, action, operator, because)
         SELECT dead_letter_id, 'discarded', $2, $3 FROM discarded RETURNING dead_letter_id",
    )
    .bind(letters)
    .bind(operator)
    .bind(because)
    .fetch_all(executor)
    .await
}

fn read((envelope, body): (String, Vec<u8>)) -> Result<Content, sqlx::Error> {
    let envelope = serde_json::from_str(&envelope).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Content { envelope, body })
}
