//! How small and how large the settings may be: what is beyond would panic, hang or spin once the worker runs.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::fmt::friendly::SpanPrinter;
use shared::settings::SettingsError;

use super::{RawConfig, RawTarget};
use crate::policy::LONGEST;

/// Deadlines meet no less; it is also what Postgres counts in, and there 0 means none.
const SHORTEST: Duration = Duration::from_millis(1);
/// Whoever waits for company is waited for.
const LONGEST_LINGER: Duration = Duration::from_secs(60);
/// One connection listens for due tickets, so there must be another. A pool has room for all of them from the start.
const CONNECTIONS: RangeInclusive<u32> = 2..=1000;
const CONCURRENCY: RangeInclusive<usize> = 1..=4096;
/// A hundred looks a second are more than any ITSM should bear for it.
const LOOKS_PER_MINUTE: RangeInclusive<u32> = 1..=6000;

/// Names stand in tables and in labels of metrics.
const LONGEST_TARGET_NAME: usize = 64;

/// Checks each setting by itself.
pub(super) fn check(raw: &RawConfig) -> Result<(), SettingsError> {
    let RawConfig { database, intake, sync, sweep, dead_letters, route, .. } = raw;
    number("database.max_connections", database.max_connections, &CONNECTIONS)?;
    number("sync.look_again.per_minute", sync.look_again.per_minute, &LOOKS_PER_MINUTE)?;
    number("intake.prefetch", intake.prefetch, &(1..=u16::MAX))?;
    number("intake.batch", intake.batch, &(1..=usize::from(u16::MAX)))?;
    for (key, wait) in [
        ("database.acquire_timeout", database.acquire_timeout),
        ("database.statement_timeout", database.statement_timeout),
        ("intake.retry_pause", intake.retry_pause),
        ("sync.poll", sync.poll),
        ("sync.lease", sync.lease),
        ("sync.retry.min", sync.retry.min),
        ("sync.retry.max", sync.retry.max),
        ("sync.double_check.after", sync.double_check.after),
        ("sync.double_check.until", sync.double_check.until),
        ("sweep.interval", sweep.interval),
        ("dead_letters.retry_pause", dead_letters.retry_pause),
    ] {
        duration(key, wait, &(SHORTEST..=LONGEST))?;
    }
    for (key, may_be_none) in [
        ("sync.drain", sync.drain),
        ("sync.retry.look_up_after", sync.retry.look_up_after),
        ("sync.retry.give_up_after", sync.retry.give_up_after),
        ("sync.retry.unauthorized_pause", sync.retry.unauthorized_pause),
        ("sync.retry.max_rest", sync.retry.max_rest),
        ("sync.look_again.every", sync.look_again.every),
        ("sync.ci_cache.found", sync.ci_cache.found),
        ("sync.ci_cache.missing", sync.ci_cache.missing),
        ("sweep.forget_every", sweep.forget_every),
        ("sweep.retention", sweep.retention),
        ("route.reopen_window", route.reopen_window),
    ] {
        duration(key, may_be_none, &(Duration::ZERO..=LONGEST))?;
    }
    for (key, linger) in [("intake.linger", intake.linger), ("sync.record_linger", sync.record_linger)] {
        duration(key, linger, &(Duration::ZERO..=LONGEST_LINGER))?;
    }
    Ok(())
}

/// Checks the name of a target, which stands in keys, logs, metrics and on screens.
pub(super) fn check_name(target: &str) -> Result<(), SettingsError> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if (1..=LONGEST_TARGET_NAME).contains(&target.len()) && target.chars().all(plain) {
        return Ok(());
    }
    Err(SettingsError::Invalid(format!(
        "targets.{target:?}: the name of a target must be 1 to {LONGEST_TARGET_NAME} letters (A to Z), digits, -, _ or ."
    )))
}

/// Checks each setting of the target under `key` by itself.
pub(super) fn check_target(key: &str, raw: &RawTarget) -> Result<(), SettingsError> {
    number(&format!("{key}.concurrency"), raw.concurrency, &CONCURRENCY)?;
    duration(&format!("{key}.request_deadline"), raw.request_deadline, &(SHORTEST..=LONGEST))
}

fn number<N: PartialOrd + Display>(
    key: &str,
    value: N,
    limits: &RangeInclusive<N>,
) -> Result<(), SettingsError> {
    if limits.contains(&value) {
        return Ok(());
    }
    let (least, most) = (limits.start(), limits.end());
    Err(SettingsError::Invalid(format!("{key} must be {least} to {most}, not {value}")))
}

fn duration(key: &str, value: Duration, limits: &RangeInclusive<Duration>) -> Result<(), SettingsError> {
    if limits.contains(&value) {
        return Ok(());
    }
    let [least, most, value] = [limits.start(), limits.end(), &value]
        .map(|duration| SpanPrinter::new().unsigned_duration_to_string(duration));
    Err(SettingsError::Invalid(format!("{key} must be {least} to {most}, not {value}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NEEDED, load_text, refusal};

    fn assert_taken(line: &str) {
        let outcome = load_text(&format!("{line}\n{NEEDED}"));
        assert!(outcome.is_ok(), "{line}: {}", outcome.err().unwrap());
    }

    #[test]
    fn what_is_at_a_limit_is_taken_and_what_is_beyond_is_refused_with_key_and_limit() {
        let cases = [
            ("database.max_connections", "2", "1", "2 to 1000"),
            ("database.max_connections", "1000", "4294967295", "2 to 1000"),
            ("database.acquire_timeout", "'1ms'", "'0s'", "1ms to 87600h"),
            ("database.statement_timeout", "'1ms'", "'1us'", "1ms to 87600h"),
            ("database.statement_timeout", "'87600h'", "'87601h'", "1ms to 87600h"),
            ("intake.batch", "1000", "9223372036854775807", "1 to 65535"),
            ("intake.batch", "1", "1001", "at most intake.prefetch"),
            ("intake.prefetch", "250", "249", "at most intake.prefetch"),
            ("intake.prefetch", "65535", "0", "1 to 65535"),
            ("intake.linger", "'1m'", "'61s'", "0s to 1m, not 1m 1s"),
            ("intake.retry_pause", "'1ms'", "'0s'", "1ms to 87600h"),
            ("amqp.max_in_flight", "65536", "65537", "above 65536"),
            ("sync.poll", "'1ms'", "'0s'", "1ms to 87600h"),
            ("sync.lease", "'87600h'", "'87601h'", "1ms to 87600h"),
            ("sync.record_linger", "'0s'", "'2m'", "0s to 1m"),
            ("sync.drain", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.retry.min", "'1ms'", "'0s'", "1ms to 87600h"),
            ("sync.retry.max", "'87600h'", "'87601h'", "1ms to 87600h"),
            ("sync.retry.look_up_after", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.retry.give_up_after", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.retry.unauthorized_pause", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.retry.max_rest", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.double_check.after", "'1ms'", "'0s'", "1ms to 87600h"),
            ("sync.double_check.until", "'87600h'", "'87601h'", "1ms to 87600h"),
            ("sync.look_again.every", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.look_again.per_minute", "6000", "0", "1 to 6000"),
            ("sync.ci_cache.found", "'0s'", "'87601h'", "0s to 87600h"),
            ("sync.ci_cache.missing", "'0s'", "'87601h'", "0s to 87600h"),
            ("sweep.interval", "'1ms'", "'0s'", "1ms to 87600h"),
            ("sweep.forget_every", "'0s'", "'87601h'", "0s to 87600h"),
            ("sweep.retention", "'87600h'", "'87601h'", "0s to 87600h"),
            ("route.reopen_window", "'0s'", "'87601h'", "0s to 87600h"),
            ("dead_letters.retry_pause", "'1ms'", "'0s'", "1ms to 87600h"),
            ("targets.snow.concurrency", "4096", "4097", "1 to 4096"),
            ("targets.snow.concurrency", "1", "0", "1 to 4096"),
            ("targets.snow.request_deadline", "'1ms'", "'0s'", "1ms to 87600h"),
        ];
        for (key, taken, refused, limit) in cases {
            assert_taken(&format!("{key} = {taken}"));
            let error = refusal(&format!("{key} = {refused}\n{NEEDED}"));
            assert!(error.contains(key) && error.contains(limit), "{key} = {refused}: {error}");
        }
    }
}
