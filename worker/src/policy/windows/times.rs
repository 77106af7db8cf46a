//! When a window is there: again and again by the clock on a wall, or once.

use std::time::Duration;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{ANY_INSTANT, LONGEST_HOLD};

/// What stands in an expression, in its order, and which values it has.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31 or L for the last"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT"),
];

#[derive(Debug)]
pub(super) enum Times {
    Recurring { start: Box<Cron>, zone: TimeZone, length: SignedDuration },
    Once { from: Timestamp, until: Timestamp },
}

/// How the clocks go by which windows begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clocks {
    /// As people change them, for summer and back.
    Changed,
    /// As at this instant, for ever.
    AsAt(Timestamp),
}

impl Times {
    pub(super) fn recurring(start: &str, duration: Duration, zone: &str) -> Result<Self, String> {
        let cron = cron(start).map_err(|error| not_cron(start, &error))?;
        if zone.trim().is_empty() {
            return Err(
                "time_zone is empty: give one such as \"Europe/Berlin\", or remove it for UTC".to_owned()
            );
        }
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("time_zone = {zone:?} is not known; give one such as \"Europe/Berlin\""))?;
        if cron.find_next_occurrence(&ANY_INSTANT.to_zoned(zone.clone()), true).is_err() {
            return Err(format!("start = {start:?} never comes"));
        }
        match SignedDuration::try_from(duration) {
            Ok(length) if length > SignedDuration::ZERO && length <= LONGEST_HOLD => {
                Ok(Self::Recurring { start: Box::new(cron), zone, length })
            }
            Ok(_) | Err(_) => Err("duration must be above 0s, and 366 days at most".to_owned()),
        }
    }

    pub(super) fn once(from: &str, until: &str) -> Result<Self, String> {
        let instant = |key: &str, text: &str| {
            let refused = |error| {
                format!("{key} = {text:?} is no instant such as \"2026-12-24T18:00:00+01:00\": {error}")
            };
            text.parse::<Timestamp>().map_err(refused)
        };
        let (from, until) = (instant("from", from)?, instant("until", until)?);
        if until <= from || until.duration_since(from) > LONGEST_HOLD {
            return Err("until must be after from, by 366 days at most".to_owned());
        }
        Ok(Self::Once { from, until })
    }

    /// When the window that covers this instant ends, if it does cover it. It covers its start, and not its end.
    pub(super) fn end(&self, at: Timestamp, clocks: Clocks) -> Option<Timestamp> {
        let end = match self {
            Self::Once { from, until } => (*from <= at).then_some(*until)?,
            // They last equally long: the one that began last ends last.
            Self::Recurring { start, zone, length } => {
                let zone = match clocks {
                    Clocks::Changed => zone.clone(),
                    Clocks::AsAt(instant) => zone.to_offset(instant).to_time_zone(),
                };
                let began = start.find_previous_occurrence(&at.to_zoned(zone), true).ok()?;
                began.timestamp().checked_add(*length).ok()?
            }
        };
        (end > at).then_some(end)
    }
}

fn cron(text: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text)
}

/// What is wrong with an expression: how many fields it has, or which of them cannot stand there.
fn not_cron(start: &str, error: &CronError) -> String {
    let given: Vec<&str> = start.split_whitespace().collect();
    if given.len() != FIELDS.len() {
        return format!(
            "start = {start:?} is no cron expression, which has five fields: minute, hour, day of the month, month and \
             day of the week, such as \"0 18 * * MON-FRI\""
        );
    }
    let alone = |at: usize, field: &str| {
        let fields = (0..FIELDS.len()).map(|index| if index == at { field } else { "*" });
        cron(&fields.collect::<Vec<_>>().join(" "))
    };
    let wrong = given.iter().zip(FIELDS).enumerate().find(|(at, (field, _))| alone(*at, field).is_err());
    match wrong {
        Some((_, (field, (name, values)))) => format!(
            "start = {start:?}: {field:?} is no {name}, which is {values}, or a list, range or step of these; such as in \
             \"0 18 * * MON-FRI\""
        ),
        None => format!("start = {start:?} is no cron expression such as \"0 18 * * MON-FRI\": {error}"),
    }
}
