//! Maintenance windows (pure): times in which new tickets wait, and until when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use shared::settings::{self, SettingsError};

use super::brief_oddity;
use super::matching::{Facts, MatchSettings, Matcher};
use super::rules::check_name;
use super::view::AlertView;
use times::{Clocks, Times};

mod times;

/// More windows than anybody keeps in mind; each new alert is held against them all.
const MAX_WINDOWS: usize = 500;
/// A year and a day. What holds tickets for longer never ends.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Windows that follow each other without a gap, at most. A night and a day in turn need two a day.
const MAX_FOLLOWING: usize = 1_000;
/// Windows that leave no gap leave none at any time, so they are tried from an instant like any other.
const ANY_INSTANT: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Half a year later: where clocks are changed, they go otherwise.
const OTHER_HALF: Timestamp = Timestamp::constant(1_782_864_000, 0);

/// One of `[[maintenance_windows]]`, as written: either `start` and `duration`, or `from` and `until`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// How messages name it; no other window may.
    #[serde(deserialize_with = "settings::text")]
    pub name: String,
    /// Which alerts it holds; without any condition, all.
    #[serde(default, rename = "match")]
    pub conditions: MatchSettings,
    /// When it begins, again and again: a cron expression of five fields.
    pub start: Option<String>,
    /// How long it lasts each time.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<shared::settings::duration>")]
    pub duration: Option<Duration>,
    /// Where the clock hangs that `start` is read from. Default `UTC`.
    pub time_zone: Option<String>,
    /// When it begins, once: an instant of RFC 3339.
    pub from: Option<String>,
    /// When that one ends.
    pub until: Option<String>,
}

/// A new ticket waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold<'a> {
    pub until: Timestamp,
    /// The name of the window that ends then.
    pub window: &'a str,
}

/// All windows, ready to be asked.
#[derive(Debug, Default)]
pub struct Windows(Vec<Window>);

#[derive(Debug)]
struct Window {
    name: String,
    matcher: Matcher,
    times: Times,
}

/// These windows leave no gap.
#[derive(Debug, PartialEq, Eq)]
struct Endless;

impl Windows {
    /// # Errors
    /// When a window cannot be used; the message names it.
    pub fn new(settings: Vec<WindowSettings>) -> Result<Self, SettingsError> {
        if settings.len() > MAX_WINDOWS {
            let message = format!("there are more than {MAX_WINDOWS} [[maintenance_windows]]");
            return Err(SettingsError::Invalid(message));
        }
        let mut ready: Vec<Window> = Vec::new();
        for (index, window) in settings.into_iter().enumerate() {
            if let Some(twin) = ready.iter().find(|other| other.name == window.name) {
                let message = format!("two [[maintenance_windows]] are named {:?}", twin.name);
                return Err(SettingsError::Invalid(message));
            }
            ready.push(window.check(index)?);
        }
        let for_all: Vec<&Window> = ready.iter().filter(|window| window.matcher.takes_all()).collect();
        if never_end(&for_all) {
            let names: Vec<&str> = for_all.iter().map(|window| window.name.as_str()).collect();
            return Err(SettingsError::Invalid(format!(
                "the maintenance_windows {} leave no gap between them, at least for a part of the year: no ticket would be made",
                names.join(" and ")
            )));
        }
        Ok(Self(ready))
    }

    /// What is odd about the windows at this instant, though they can be used.
    pub(super) fn oddities(&self, now: Timestamp) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(move |window| {
            let name = format!("maintenance window {:?}", window.name);
            let about_time = match &window.times {
                Times::Once { until, .. } => {
                    (*until <= now).then(|| format!("the {name} is over since {until}: remove it"))
                }
                Times::Recurring { length, .. } => {
                    brief_oddity(&format!("the duration of the {name}"), length.unsigned_abs())
                }
            };
            about_time.into_iter().chain(window.matcher.oddities(&name).collect::<Vec<_>>())
        })
    }

    /// Until when a new ticket of the alert waits, if a window covers it: to the end of the last of those that overlap or
    /// follow each other. Nothing covers that end. Windows that never end hold nothing, so that no alert is lost in them.
    #[must_use]
    pub fn hold(&self, now: Timestamp, alert: &AlertView) -> Option<Hold<'_>> {
        let facts = Facts::of(alert);
        let windows: Vec<&Window> = self.0.iter().filter(|window| window.matcher.fits(&facts)).collect();
        let hold = last_of_chain(&windows, now, Clocks::Changed).ok().flatten()?;
        // A chain that runs into a time of the year in which there is no gap is as endless as one that begins in it.
        let midway = now.checked_add(hold.until.duration_since(now) / 2).ok()?;
        let ends = |at| last_of_chain(&windows, now, Clocks::AsAt(at)).is_ok();
        (ends(now) && ends(midway)).then_some(hold)
    }
}

/// Whether windows leave no gap, or none in a part of the year but where a clock is changed: that one is meant by nobody.
fn never_end(windows: &[&Window]) -> bool {
    let each = [Clocks::Changed, Clocks::AsAt(ANY_INSTANT), Clocks::AsAt(OTHER_HALF)];
    each.into_iter().any(|clocks| last_of_chain(windows, ANY_INSTANT, clocks).is_err())
}

/// Goes from end to end until nothing covers it.
fn last_of_chain<'a>(
    windows: &[&'a Window],
    from: Timestamp,
    clocks: Clocks,
) -> Result<Option<Hold<'a>>, Endless> {
    let mut last: Option<Hold<'a>> = None;
    for _ in 0..MAX_FOLLOWING {
        let reached = last.as_ref().map_or(from, |hold| hold.until);
        if reached.duration_since(from) > LONGEST_HOLD {
            return Err(Endless);
        }
        let ends = windows.iter().filter_map(|window| Some((window.times.end(reached, clocks)?, *window)));
        let Some((until, window)) = ends.max_by_key(|(until, _)| *until) else { return Ok(last) };
        last = Some(Hold { until, window: &window.name });
    }
    Err(Endless)
}

impl WindowSettings {
    fn check(self, index: usize) -> Result<Window, SettingsError> {
        let Self { name, conditions, start, duration, time_zone, from, until } = self;
        let path = format!("maintenance_windows[{index}] ({name})");
        let invalid = |what: &dyn std::fmt::Display| SettingsError::Invalid(format!("{path}: {what}"));
        check_name(&name).map_err(|what| invalid(&what))?;
        let matcher = conditions.check(&format!("{path}.match"))?;
        if (start.is_some() || duration.is_some()) && (from.is_some() || until.is_some()) {
            return Err(invalid(
                &"it has keys of both forms: keep start and duration for a window that comes again, or from and until \
                  for one that does not",
            ));
        }
        let times = match (start, duration, from, until) {
            (Some(start), Some(duration), None, None) => {
                let zone = time_zone.as_deref().unwrap_or("UTC");
                Times::recurring(&start, duration, zone).map_err(|error| invalid(&error))?
            }
            (None, None, Some(from), Some(until)) if time_zone.is_none() => {
                Times::once(&from, &until).map_err(|error| invalid(&error))?
            }
            (None, None, Some(_), Some(_)) => {
                return Err(invalid(&"from and until say their offset themselves: remove time_zone"));
            }
            (_, _, _, _) => {
                return Err(invalid(
                    &"give start and duration for a window that comes again, or from and until for one that does not",
                ));
            }
        };
        let window = Window { name, matcher, times };
        if never_end(&[&window]) {
            return Err(invalid(
                &"it leaves no gap before it begins again, changes of the clock aside: shorten duration",
            ));
        }
        Ok(window)
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    shared::settings::duration::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
