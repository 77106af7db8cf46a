//! Settings: `config.default.toml`, a file, the environment; checked once, here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use shared::amqp::{AmqpSettings, Broker};
use shared::ops::AdminSettings;
use shared::settings::{self, SettingsError};
use shared::telemetry::LogSettings;

use crate::auth::AuthPolicy;
use crate::auth::keys::Schedule;
use crate::auth::metadata::Limits;
use crate::auth::trust::{TrustList, TrustSettings};
use crate::spool::SpoolSettings;

/// Half of what RabbitMQ 4 takes by default, since each message has headers, too: `max_message_size` in
/// <https://www.rabbitmq.com/docs/configure>.
const MOST_BODY_BYTES: usize = 8 << 20;

/// A shorter deadline no broker keeps, and Azure has given up before a longer one.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);
/// Threads, and no machine for this has so many cores.
const MOST_WORKERS: usize = 512;
/// The identity provider is nobody's to be flooded.
const LEAST_REFRESH: Duration = Duration::from_secs(60);

const DEFAULTS: &str = include_str!("../config.default.toml");

/// Settings that can be run with.
#[derive(Debug)]
pub struct Config {
    pub http: HttpSettings,
    pub admin: AdminSettings,
    pub log: LogSettings,
    pub broker: Broker,
    pub auth: AuthPolicy,
    pub trust: TrustList,
    /// Off without a folder.
    pub spool: Option<SpoolSettings>,
}

/// Section `[http]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where Azure's alerts arrive. TLS ends in front of it.
    pub listen: SocketAddr,
    /// Larger bodies are answered with 413. An alert of Azure Monitor is at most 256 KiB.
    pub max_body_bytes: NonZeroUsize,
    /// For the whole request: token, body and the broker's confirmation. Azure itself waits about 10 seconds.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "settings::duration")]
    pub request_deadline: Duration,
    /// Threads that serve requests.
    pub workers: NonZeroUsize,
    /// Over all workers.
    pub max_connections: NonZeroUsize,
    /// Longer tokens are refused unread.
    pub max_token_bytes: NonZeroUsize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    http: HttpSettings,
    admin: AdminSettings,
    log: LogSettings,
    amqp: AmqpSettings,
    /// The signing keys of the tenants: section `[keys]`.
    keys: KeySettings,
    /// What is remembered of tokens: section `[tokens]`.
    tokens: TokenSettings,
    /// What the broker could not take yet: section `[spool]`.
    spool: RawSpoolSettings,
    /// Who may deliver alerts, each under a name of your choice.
    #[serde(default)]
    trust: BTreeMap<String, TrustSettings>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeySettings {
    /// The signing keys of each tenant are fetched this often.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "settings::duration")]
    refresh: Duration,
    /// A token with an unknown key makes them be fetched again, at most this often per tenant and token version.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "settings::duration")]
    unknown_kid_interval: Duration,
    /// For each request to the identity provider, and there are two per fetch.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "settings::duration")]
    fetch_timeout: Duration,
    /// More keys than these are taken for a mistake.
    max_keys: NonZeroUsize,
    /// Larger answers of the identity provider are not read.
    max_response_bytes: NonZeroUsize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenSettings {
    /// Verified tokens whose signature is not checked again until they expire.
    remembered_max: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSpoolSettings {
    /// A folder of this ingest alone, on a disk that outlives it; without one there is no spool.
    folder: Option<PathBuf>,
    /// What the spool may take on disk; beyond it ingest answers 503.
    max_bytes: NonZeroU64,
    /// How long a request waits for the broker before its notification goes to disk.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "settings::duration")]
    patience: Duration,
}

impl Config {
    /// # Errors
    /// When the settings cannot be read or cannot be run with; the message names the key and what to change.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        settings::load::<Settings>(DEFAULTS, file)?.try_into()
    }
}

/// The JSON Schema of a file with settings.
///
/// # Errors
/// When the defaults cannot be read.
pub fn schema() -> Result<serde_json::Value, SettingsError> {
    settings::schema::<Settings>("Settings of the ingest of secure-export", DEFAULTS)
}

impl TryFrom<Settings> for Config {
    type Error = SettingsError;

    fn try_from(raw: Settings) -> Result<Self, SettingsError> {
        check(raw.http.max_body_bytes.get() <= MOST_BODY_BYTES, || {
            format!(
                "http.max_body_bytes is above {MOST_BODY_BYTES}: brokers take no message that is much larger, and an \
                 alert of Azure Monitor is at most 256 KiB"
            )
        })?;
        check(DEADLINES.contains(&raw.http.request_deadline), || {
            "http.request_deadline must be between 100ms and 10s: Azure waits about 10 s".to_owned()
        })?;
        check(raw.http.workers.get() <= MOST_WORKERS, || {
            format!(
                "http.workers is above {MOST_WORKERS}: each is a thread, and more than cores are of no use"
            )
        })?;
        check(raw.keys.refresh >= LEAST_REFRESH, || {
            "keys.refresh is below 1m: a new key is fetched at once when a token names it".to_owned()
        })?;
        Ok(Self {
            auth: AuthPolicy {
                schedule: Schedule {
                    refresh: raw.keys.refresh,
                    unknown_kid_interval: raw.keys.unknown_kid_interval,
                },
                limits: Limits {
                    timeout: raw.keys.fetch_timeout,
                    max_keys: raw.keys.max_keys.get(),
                    max_response_bytes: raw.keys.max_response_bytes.get(),
                },
                max_token_bytes: raw.http.max_token_bytes.get(),
                remembered_max: raw.tokens.remembered_max,
            },
            spool: raw.spool.folder.filter(|folder| !folder.as_os_str().is_empty()).map(|folder| {
                SpoolSettings { folder, max_bytes: raw.spool.max_bytes.get(), patience: raw.spool.patience }
            }),
            http: raw.http,
            admin: raw.admin,
            log: checked_log(raw.log)?,
            trust: raw.trust.try_into()?,
            broker: raw.amqp.try_into()?,
        })
    }
}

fn check(fits: bool, otherwise: impl FnOnce() -> String) -> Result<(), SettingsError> {
    if fits { Ok(()) } else { Err(SettingsError::Invalid(otherwise())) }
}

fn checked_log(log: LogSettings) -> Result<LogSettings, SettingsError> {
    log.check()?;
    Ok(log)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match shared::settings::duration::deserialize(deserializer)? {
        Duration::ZERO => Err(serde::de::Error::custom("a duration above zero is needed, such as \"5s\"")),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Result<Config, String> {
        let file = format!("{DEFAULTS}\n{more}");
        settings::load::<Settings>(&file, None).and_then(Config::try_from).map_err(|error| error.to_string())
    }

    const TRUST: &str =
        "[trust.test]\ntenant_id = \"00000000-0000-0000-0000-000000000001\"\naudiences = [\"api://test\"]\n";

    #[test]
    fn the_defaults_lack_only_whom_to_trust_and_where_the_broker_is() {
        assert!(config("").unwrap_err().contains("[trust.NAME]"));
        assert!(config(TRUST).unwrap_err().contains("amqp.url"));
    }

    #[test]
    fn a_body_that_no_broker_takes_is_not_to_be_accepted() {
        let error = |bytes: usize| {
            let file = DEFAULTS.replace("max_body_bytes = 1048576", &format!("max_body_bytes = {bytes}"));
            settings::load::<Settings>(&file, None).and_then(Config::try_from).unwrap_err().to_string()
        };
        assert!(error(MOST_BODY_BYTES + 1).contains("http.max_body_bytes is above 8388608"));
        assert!(!error(MOST_BODY_BYTES).contains("max_body_bytes"));
    }

    #[test]
    fn the_example_of_a_trust_section_can_be_taken_as_it_stands() {
        let (_, example) = DEFAULTS.split_once("# [trust.production]\n").unwrap();
        let settings =
            example.lines().map(|line| line.trim_start_matches("# ")).filter(|line| line.contains(" = "));
        let example = settings.fold("[trust.production]\n".to_owned(), |text, line| text + line + "\n");
        let file = DEFAULTS.replace("# url = ", "url = ") + &example;
        let config = settings::load::<Settings>(&file, None).and_then(Config::try_from).unwrap();
        let trust = config.trust.entry(uuid::Uuid::nil(), None).unwrap();
        assert_eq!(trust.role.as_deref(), Some("ActionGroupsSecureWebhook"));
        assert_eq!(config.trust.risks().count(), 0);
    }

    /// The defaults with a broker and a tenant, and with one line replaced.
    fn with(line: &str, replaced: &str) -> Result<Config, String> {
        assert!(DEFAULTS.contains(line), "{line}");
        let file = DEFAULTS.replace("# url = ", "url = ").replace(line, replaced) + TRUST;
        settings::load::<Settings>(&file, None).and_then(Config::try_from).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_program_would_hang_or_panic_with_is_refused_with_its_limit() {
        for (line, key, fitting, others) in [
            (
                "request_deadline = \"5s\"",
                "request_deadline",
                ["\"100ms\"", "\"10s\""],
                ["\"99ms\"", "\"10001ms\""],
            ),
            ("workers = 2", "workers", ["1", "512"], ["513", "100000"]),
            ("max_in_flight = 1024", "max_in_flight", ["1", "65536"], ["65537", "9223372036854775807"]),
            ("refresh = \"1h\"", "refresh", ["\"1m\"", "\"24h\""], ["\"59s\"", "\"1ns\""]),
        ] {
            for value in fitting {
                assert!(with(line, &format!("{key} = {value}")).is_ok(), "{key} = {value}");
            }
            for value in others {
                let error = with(line, &format!("{key} = {value}")).unwrap_err();
                assert!(error.contains(key), "{key} = {value}: {error}");
            }
        }
    }

    #[test]
    fn a_spool_without_the_name_of_a_folder_is_off() {
        let line = "# folder = \"/var/lib/ingest/spool\"";
        assert!(with(line, "folder = \"\"").unwrap().spool.is_none());
        assert!(with(line, "folder = \"/x\"").unwrap().spool.is_some());
    }

    #[test]
    fn an_unknown_section_is_named() {
        assert!(config("[surprise]\nx = 1").unwrap_err().contains("surprise"));
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        for (key, value) in
            [("request_deadline = \"5s\"", "request_deadline = \"0s\""), ("workers = 2", "workers = 0")]
        {
            let file = DEFAULTS.replace(key, value);
            let error = settings::load::<Settings>(&file, None).unwrap_err().to_string();
            assert!(error.contains("http"), "{error}");
        }
    }
}
