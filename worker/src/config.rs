//! The settings of the worker: read raw, checked once, then used as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::amqp::{AmqpSettings, Broker};
use shared::ops::AdminSettings;
use shared::settings::{self, SettingsError};
use shared::telemetry::LogSettings;
use sqlx::postgres::PgConnectOptions;

use crate::connector::{CallSettings, Connector, ConnectorSettings, TlsSettings};
use crate::policy::RouteSettings;
use crate::policy::rules::{Policy, RuleSettings};
use crate::policy::windows::WindowSettings;
use crate::sync::binding::{CiSettings, Strategies};
use crate::sync::pace::LookAgainSettings;

pub(crate) mod fields;
mod limits;

const DEFAULTS: &str = include_str!("../config.default.toml");
/// A pass over a ticket takes at most so many steps, and its lease must outlast them. The longest honest one: read, a
/// look-up for an id that leads nowhere, a write that a person forestalls and what follows from it; a few to spare.
pub const CALLS_PER_LEASE: u32 = 8;

/// All settings, ready to use.
pub struct Config {
    pub log: LogSettings,
    pub admin: AdminSettings,
    pub broker: Broker,
    pub database: Database,
    pub intake: IntakeSettings,
    pub sync: SyncSettings,
    pub sweep: SweepSettings,
    pub dead_letters: DeadLetterSettings,
    pub policy: Policy,
    pub targets: BTreeMap<String, Target>,
}

/// How to reach the ledger.
#[derive(Debug, Clone)]
pub struct Database {
    pub url: SecretString,
    pub max_connections: u32,
    pub acquire_timeout: Duration,
    pub statement_timeout: Duration,
}

/// One ITSM instance, ready to be called.
#[derive(Clone)]
pub struct Target {
    pub connector: Arc<dyn Connector>,
    pub ci: Strategies,
    pub concurrency: usize,
    pub request_deadline: Duration,
}

/// Section `[intake]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntakeSettings {
    /// Deliveries that the broker may hand out before they are acknowledged.
    pub prefetch: u16,
    /// Deliveries that are reconciled in one transaction, at most.
    pub batch: usize,
    /// Bytes of bodies after which a batch takes no more deliveries.
    pub batch_bytes: usize,
    /// How long a batch waits to fill up.
    #[serde(with = "shared::settings::duration")]
    pub linger: Duration,
    /// How long to wait before a failed batch is tried again.
    #[serde(with = "shared::settings::duration")]
    pub retry_pause: Duration,
}

/// Section `[sync]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncSettings {
    /// How often due tickets are looked for when nobody says that there are some.
    #[serde(with = "shared::settings::duration")]
    pub poll: Duration,
    /// How long a claimed ticket belongs to this worker.
    #[serde(with = "shared::settings::duration")]
    pub lease: Duration,
    /// How long outcomes wait to be recorded together.
    #[serde(with = "shared::settings::duration")]
    pub record_linger: Duration,
    /// How long calls under way may take to finish at shutdown.
    #[serde(with = "shared::settings::duration")]
    pub drain: Duration,
    pub retry: RetrySettings,
    pub double_check: DoubleCheckSettings,
    pub look_again: LookAgainSettings,
    pub ci_cache: CiCacheSettings,
}

/// Bounds of the retries: section `[sync.retry]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// The shortest wait.
    #[serde(with = "shared::settings::duration")]
    pub min: Duration,
    /// The longest wait.
    #[serde(with = "shared::settings::duration")]
    pub max: Duration,
    /// How long the ITSM may go on working on a create after we gave up waiting for its answer.
    #[serde(with = "shared::settings::duration")]
    pub look_up_after: Duration,
    /// A ticket that failed for so long is parked.
    #[serde(with = "shared::settings::duration")]
    pub give_up_after: Duration,
    /// How long a target rests after it refused our credentials.
    #[serde(with = "shared::settings::duration")]
    pub unauthorized_pause: Duration,
    /// Failures in a row, over all workers, after which a target rests.
    pub failures_before_pause: u32,
    /// The longest rest after such failures: one ticket tries then whether the target is back.
    #[serde(with = "shared::settings::duration")]
    pub max_rest: Duration,
}

/// When a second work item of a ticket is looked for: section `[sync.double_check]`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoubleCheckSettings {
    /// The first time; each later one after twice the wait.
    #[serde(with = "shared::settings::duration")]
    pub after: Duration,
    /// The longest wait.
    #[serde(with = "shared::settings::duration")]
    pub until: Duration,
}

/// Section `[sync.ci_cache]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CiCacheSettings {
    /// Answers of the CMDB that are remembered.
    pub capacity: u64,
    /// How long a configuration item that was found is remembered.
    #[serde(with = "shared::settings::duration")]
    pub found: Duration,
    /// How long one that was not found is not looked for again.
    #[serde(with = "shared::settings::duration")]
    pub missing: Duration,
}

/// Section `[sweep]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepSettings {
    /// How often the ledger is looked over.
    #[serde(with = "shared::settings::duration")]
    pub interval: Duration,
    /// How often what is old is removed.
    #[serde(with = "shared::settings::duration")]
    pub forget_every: Duration,
    /// How long notifications, calls, and tickets that have ended are kept.
    #[serde(with = "shared::settings::duration")]
    pub retention: Duration,
}

/// Section `[dead_letters]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSettings {
    /// Letters that may wait in the ledger; the others wait on their queue.
    pub max_waiting: u32,
    /// Bytes of bodies of letters that may wait in the ledger.
    pub max_waiting_bytes: u64,
    /// How long to wait before a letter that the ledger did not take is tried again.
    #[serde(with = "shared::settings::duration")]
    pub retry_pause: Duration,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    log: LogSettings,
    admin: AdminSettings,
    amqp: AmqpSettings,
    /// The ledger: section `[database]`.
    database: RawDatabase,
    intake: IntakeSettings,
    sync: SyncSettings,
    sweep: SweepSettings,
    dead_letters: DeadLetterSettings,
    route: RouteSettings,
    /// Rules that are asked in order before `[route]`; the first that is for an alert decides.
    #[serde(default)]
    routes: Vec<RuleSettings>,
    /// While one covers an alert, a new ticket of it waits for the window's end.
    #[serde(default)]
    maintenance_windows: Vec<WindowSettings>,
    /// Where tickets are made, each under a name of your choice.
    #[serde(default)]
    targets: BTreeMap<String, RawTarget>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    /// `postgres://user:password@host:5432/name`, or `url_file`.
    #[schemars(with = "Option<String>")]
    url: Option<SecretString>,
    /// A file that holds the address.
    url_file: Option<PathBuf>,
    /// Connections of the pool at most.
    max_connections: u32,
    /// The longest wait for a connection of the pool.
    #[serde(with = "shared::settings::duration")]
    acquire_timeout: Duration,
    /// A statement that takes longer is given up; the longest of ours takes milliseconds.
    #[serde(with = "shared::settings::duration")]
    statement_timeout: Duration,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    /// Calls to it at a time, from this worker.
    #[serde(default = "RawTarget::concurrency")]
    concurrency: usize,
    /// The longest wait for an answer.
    #[serde(default = "RawTarget::request_deadline", with = "shared::settings::duration")]
    request_deadline: Duration,
    connector: ConnectorSettings,
    #[serde(default)]
    tls: TlsSettings,
    #[serde(default)]
    ci: CiSettings,
}

impl RawTarget {
    fn concurrency() -> usize {
        32
    }

    fn request_deadline() -> Duration {
        Duration::from_secs(10)
    }
}

/// Reads and checks the settings.
///
/// # Errors
/// The first setting that cannot be used, and what to change.
pub fn load(file: Option<&Path>) -> Result<Config, SettingsError> {
    settings::load::<RawConfig>(DEFAULTS, file)?.try_into()
}

/// The JSON Schema of a file with settings.
///
/// # Errors
/// When the defaults cannot be read.
pub fn schema() -> Result<serde_json::Value, SettingsError> {
    settings::schema::<RawConfig>("Settings of the worker of secure-export", DEFAULTS)
}

impl TryFrom<RawConfig> for Config {
    type Error = SettingsError;

    fn try_from(raw: RawConfig) -> Result<Self, SettingsError> {
        limits::check(&raw)?;
        let mut targets = BTreeMap::new();
        for (name, target) in raw.targets {
            let target = checked_target(&name, target, raw.sync.lease)?;
            targets.insert(name, target);
        }
        check(
            usize::from(raw.intake.prefetch) >= raw.intake.batch,
            "intake.batch must be at most intake.prefetch: the broker hands out no more",
        )?;
        check(raw.sync.retry.min <= raw.sync.retry.max, "sync.retry.min must be at most sync.retry.max")?;
        check(
            raw.dead_letters.max_waiting > 0 && raw.dead_letters.max_waiting_bytes > 0,
            "dead_letters.max_waiting and max_waiting_bytes must be above 0",
        )?;
        check(
            raw.sync.double_check.after.saturating_mul(2) <= raw.sync.double_check.until,
            "sync.double_check.after must be at most half of sync.double_check.until",
        )?;
        let url = settings::secret("database.url", raw.database.url, raw.database.url_file)?;
        let postgres =
            ["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme));
        check(
            postgres && url.expose_secret().parse::<PgConnectOptions>().is_ok(),
            "database.url is not postgres://user:password@host:port/name",
        )?;
        raw.log.check()?;
        let policy = Policy::new(raw.route, raw.routes, raw.maintenance_windows)?;
        check(
            policy.routes().all(|route| raw.sweep.retention >= route.reopen_window),
            "sweep.retention must be at least route.reopen_window: a ticket is reopened as long as it is kept",
        )?;
        for route in policy.routes() {
            let Some(unknown) = route.targets.iter().find(|target| !targets.contains_key(*target)) else {
                continue;
            };
            let known: Vec<_> = targets.keys().map(String::as_str).collect();
            return Err(SettingsError::Invalid(format!(
                "{}: target = {unknown:?} is not a section [targets.NAME]; there are: {}",
                route.name,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        }
        fields::check(&policy, &targets)?;
        Ok(Self {
            log: raw.log,
            admin: raw.admin,
            broker: raw.amqp.try_into()?,
            database: Database {
                url,
                max_connections: raw.database.max_connections,
                acquire_timeout: raw.database.acquire_timeout,
                statement_timeout: raw.database.statement_timeout,
            },
            intake: raw.intake,
            sync: raw.sync,
            sweep: raw.sweep,
            dead_letters: raw.dead_letters,
            policy,
            targets,
        })
    }
}

fn checked_target(name: &str, raw: RawTarget, lease: Duration) -> Result<Target, SettingsError> {
    limits::check_name(name)?;
    let key = format!("targets.{name}");
    limits::check_target(&key, &raw)?;
    check(
        lease >= raw.request_deadline.saturating_mul(CALLS_PER_LEASE),
        &format!("sync.lease must be at least {CALLS_PER_LEASE} times {key}.request_deadline"),
    )?;
    let authorities = raw.tls.check(&format!("{key}.tls"))?;
    let calls = CallSettings { deadline: raw.request_deadline, authorities };
    let connector = raw.connector.connect(&format!("{key}.connector"), &calls)?;
    let ci = raw.ci.check(&format!("{key}.ci"))?;
    Ok(Target { connector, ci, concurrency: raw.concurrency, request_deadline: raw.request_deadline })
}

fn check(holds: bool, otherwise: &str) -> Result<(), SettingsError> {
    if holds { Ok(()) } else { Err(SettingsError::Invalid(otherwise.to_owned())) }
}

#[cfg(test)]
pub(crate) mod tests;
