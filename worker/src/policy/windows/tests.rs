//! Until when tickets wait, over nights, weekends and changes of the clock; and which windows are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn windows(settings: Value) -> Result<Windows, String> {
    let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    Windows::new(settings).map_err(|error| error.to_string())
}

fn night(zone: &str) -> Value {
    json!({"name": "night", "start": "0 18 * * MON-FRI", "duration": "14h", "time_zone": zone})
}

fn weekend() -> Value {
    json!({"name": "weekend", "start": "0 8 * * SAT", "duration": "48h", "time_zone": "Europe/Berlin"})
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn assert_held(windows: &Windows, now: &str, until: Option<&str>) {
    let hold = windows.hold(at(now), &AlertView::default());
    assert_eq!(hold.map(|hold| hold.until), until.map(at), "at {now}");
}

#[test]
fn a_window_covers_its_start_and_not_its_end() {
    let windows = windows(json!([night("UTC")])).unwrap();
    // A Wednesday.
    assert_held(&windows, "2026-11-25T17:59:59.999Z", None);
    assert_held(&windows, "2026-11-25T18:00:00Z", Some("2026-11-26T08:00:00Z"));
    assert_held(&windows, "2026-11-25T18:00:00.001Z", Some("2026-11-26T08:00:00Z"));
    assert_held(&windows, "2026-11-26T07:59:59.999Z", Some("2026-11-26T08:00:00Z"));
    assert_held(&windows, "2026-11-26T08:00:00Z", None);
    // A Sunday.
    assert_held(&windows, "2026-11-29T20:00:00Z", None);
}

#[test]
fn windows_that_follow_each_other_hold_until_the_last_has_ended() {
    let windows = windows(json!([weekend(), night("Europe/Berlin")])).unwrap();
    // From Friday evening through Saturday morning to Monday morning.
    assert_held(&windows, "2026-11-27T18:00:00+01:00", Some("2026-11-30T08:00:00+01:00"));
    let hold = windows.hold(at("2026-11-27T18:00:00+01:00"), &AlertView::default()).unwrap();
    assert_eq!(hold.window, "weekend");
}

#[test]
fn of_windows_that_overlap_the_one_that_ends_last_counts() {
    let window = |name: &str, from: &str, until: &str| json!({"name": name, "from": from, "until": until});
    let windows = windows(json!([
        window("long", "2026-11-28T20:00:00Z", "2026-11-29T06:00:00Z"),
        window("short", "2026-11-28T20:00:00Z", "2026-11-28T22:00:00Z"),
        window("later", "2026-11-29T05:00:00Z", "2026-11-29T07:00:00+00:00"),
        window("after a gap", "2026-11-29T07:00:01Z", "2026-11-29T09:00:00Z"),
    ]))
    .unwrap();
    assert_held(&windows, "2026-11-28T21:00:00Z", Some("2026-11-29T07:00:00Z"));
}

#[test]
fn a_window_holds_only_the_alerts_that_it_is_for() {
    let mut window = night("UTC");
    window["match"] = json!({"severity": ["Sev2", "Sev3", "Sev4"]});
    let windows = windows(json!([window])).unwrap();
    let alert = |severity: &str| AlertView { severity: severity.to_owned(), ..AlertView::default() };
    assert!(windows.hold(at("2026-11-25T20:00:00Z"), &alert("Sev3")).is_some());
    assert_eq!(windows.hold(at("2026-11-25T20:00:00Z"), &alert("Sev0")), None);
}

/// In Berlin the clock goes from 2:00 to 3:00 on 29 March 2026, and from 3:00 back to 2:00 on 25 October.
#[test]
fn a_window_begins_by_the_clock_on_the_wall_and_lasts_as_long_as_it_says() {
    let daily = |start: &str| {
        let window = json!({"name": "x", "start": start, "duration": "4h", "time_zone": "Europe/Berlin"});
        windows(json!([window])).unwrap()
    };
    let midnight = daily("0 0 * * *");
    assert_held(&midnight, "2026-03-29T00:00:00+01:00", Some("2026-03-29T05:00:00+02:00"));
    assert_held(&midnight, "2026-10-25T00:00:00+02:00", Some("2026-10-25T03:00:00+01:00"));
    // A start that the clock leaves out comes with the change, in the same night.
    let left_out = daily("30 2 * * *");
    assert_held(&left_out, "2026-03-29T01:59:59+01:00", None);
    assert_held(&left_out, "2026-03-29T03:00:00+02:00", Some("2026-03-29T07:00:00+02:00"));
    // One that comes twice counts once, the first time.
    let twice = daily("30 2 * * *");
    assert_held(&twice, "2026-10-25T02:30:00+02:00", Some("2026-10-25T05:30:00+01:00"));
    assert_held(&twice, "2026-10-25T02:30:00+01:00", Some("2026-10-25T05:30:00+01:00"));
}

#[test]
fn the_program_knows_time_zones_where_the_system_has_none() {
    assert!(jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").is_ok());
}

#[test]
fn a_window_that_cannot_be_used_is_named() {
    let refuse = |window: Value, expected: &str| {
        let error = windows(json!([night("UTC"), window])).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let with = |start: &str, duration: &str| json!({"name": "x", "start": start, "duration": duration});
    refuse(night("UTC"), "two [[maintenance_windows]] are named \"night\"");
    refuse(json!({"name": "x"}), "maintenance_windows[1] (x): give start and duration");
    refuse(json!({"name": "x", "start": "0 1 * * *"}), "give start and duration");
    refuse(json!({"name": "x", "from": "2026-11-29T00:00:00Z"}), "give start and duration");
    refuse(json!({"name": "x\u{1b}", "from": "2026-11-29T00:00:00Z"}), "a name has");
    refuse(with("0 0 1 * * *", "1h"), "start = \"0 0 1 * * *\" is no cron expression");
    refuse(with("evening", "1h"), "is no cron expression, which has five fields: minute, hour,");
    refuse(with("", "1h"), "start = \"\" is no cron expression, which has five fields");
    refuse(with("61 * * * *", "1h"), "start = \"61 * * * *\": \"61\" is no minute, which is 0 to 59");
    refuse(
        with("0 18 * * MON-FUN", "1h"),
        "\"MON-FUN\" is no day of the week, which is 0 to 7 or SUN to SAT",
    );
    refuse(with("0 18 * * *", "soon"), "no duration, which is numbers with units in quotes");
    refuse(with("0 0 31 2 *", "1h"), "never comes");
    refuse(with("0 18 * * *", "0s"), "duration must be above 0s");
    refuse(with("0 0 1 1 *", "8785h"), "duration must be above 0s, and 366 days at most");
    refuse(with("0 18 * * *", "24h"), "it leaves no gap before it begins again");
    refuse(with("* * * * *", "1m"), "it leaves no gap before it begins again");
    refuse(json!({"name": "x", "strat": "0 1 * * *"}), "unknown field `strat`");
    let mut both = with("0 18 * * *", "1h");
    both["until"] = json!("2026-11-29T00:00:00Z");
    refuse(both, "maintenance_windows[1] (x): it has keys of both forms: keep start and duration");
    refuse(
        json!({"name": "x", "from": "2026-11-29T00:00:00Z", "until": "soon"}),
        "until = \"soon\" is no instant",
    );
    refuse(
        json!({"name": "x", "from": "2026-11-29T00:00:00Z", "until": "2026-11-29T00:00:00Z"}),
        "until must be after from",
    );
    let mut elsewhere = with("0 18 * * *", "1h");
    elsewhere["time_zone"] = json!("Europe/Brelin");
    refuse(elsewhere.clone(), "time_zone = \"Europe/Brelin\" is not known");
    elsewhere["time_zone"] = json!("");
    refuse(elsewhere, "time_zone is empty: give one");
}

/// Without the hour that Berlin has twice in October, and New York a week later, there would be no gap at all.
#[test]
fn the_name_of_a_window_is_a_text() {
    let window = json!([{"name": true, "start": "0 18 * * *", "duration": "14h"}]);
    let error = settings::reread::<Vec<WindowSettings>>(window).unwrap_err().to_string();
    assert!(
        error.contains("expected a text in quotes such as \"true\" or \"1\" for key `[0].name`"),
        "{error}"
    );
}

#[test]
fn windows_whose_only_gap_is_made_by_a_change_of_the_clock_are_refused_as_well() {
    let window = |name: &str, start: &str, duration: &str, zone: &str| json!({"name": name, "start": start, "duration": duration, "time_zone": zone});
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let error = windows(json!([window("x", "0 18 * * *", "24h", zone)])).unwrap_err();
        assert!(error.contains("(x): it leaves no gap before it begins again"), "{error}");
        let halves =
            json!([window("day", "0 6 * * *", "12h", zone), window("night", "0 18 * * *", "12h", zone)]);
        assert!(windows(halves).unwrap_err().contains("day and night leave no gap"), "{zone}");
        assert!(windows(json!([window("x", "0 18 * * *", "23h 59m", zone)])).is_ok(), "{zone}");
    }
}

#[test]
fn windows_of_two_zones_that_leave_a_gap_in_a_part_of_the_year_alone_are_refused_or_hold_nothing_then() {
    let pair = |day: &str, conditions: Value| {
        let night = json!({"name": "night", "start": "0 18 * * *", "duration": "14h", "time_zone": "Europe/Berlin", "match": conditions});
        json!([night, {"name": "day", "start": day, "duration": "10h", "match": conditions}])
    };
    // No gap in summer, and none in winter.
    for day in ["0 6 * * *", "0 7 * * *"] {
        assert!(windows(pair(day, json!({}))).unwrap_err().contains("for a part of the year"), "{day}");
    }
    let alert = AlertView { severity: "Sev2".to_owned(), ..AlertView::default() };
    let some = windows(pair("0 6 * * *", json!({"severity": ["Sev2"]}))).unwrap();
    assert_eq!(some.hold(at("2026-07-01T10:00:00Z"), &alert), None);
    // The last night of winter.
    assert_eq!(some.hold(at("2026-03-28T22:00:00Z"), &alert), None);
    assert_eq!(some.hold(at("2026-01-05T10:00:00Z"), &alert).unwrap().until, at("2026-01-05T16:00:00Z"));
    let others = windows(pair("0 7 * * *", json!({"severity": ["Sev2"]}))).unwrap();
    assert_eq!(others.hold(at("2026-07-01T10:00:00Z"), &alert).unwrap().until, at("2026-07-02T06:00:00Z"));
    assert_eq!(others.hold(at("2026-01-05T10:00:00Z"), &alert), None);
}

#[test]
fn windows_for_all_alerts_that_leave_no_gap_between_them_are_refused() {
    let half = |name: &str, start: &str| json!({"name": name, "start": start, "duration": "12h"});
    let error = windows(json!([half("day", "0 6 * * *"), half("night", "0 18 * * *")])).unwrap_err();
    assert!(error.contains("day and night leave no gap"), "{error}");
}

#[test]
fn windows_that_never_end_for_an_alert_hold_nothing_of_it() {
    let half = |name: &str, start: &str, severity: &[&str]| json!({"name": name, "start": start, "duration": "12h", "match": {"severity": severity}});
    let halves = || {
        json!([half("day", "0 6 * * *", &["Sev3", "Sev4"]), half("night", "0 18 * * *", &["Sev2", "Sev3"])])
    };
    let windows = windows(halves()).unwrap();
    let alert = |severity: &str| AlertView { severity: severity.to_owned(), ..AlertView::default() };
    let noon = at("2026-11-25T12:00:00Z");
    assert_eq!(windows.hold(noon, &alert("Sev3")), None);
    assert_eq!(windows.hold(noon, &alert("Sev4")).unwrap().until, at("2026-11-25T18:00:00Z"));
    let mut in_berlin = halves();
    in_berlin
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|window| window["time_zone"] = json!("Europe/Berlin"));
    assert_eq!(self::windows(in_berlin).unwrap().hold(noon, &alert("Sev3")), None);
}

#[test]
fn what_is_odd_about_a_window_is_told_with_its_name() {
    let mut night = night("UTC");
    night["match"] = json!({"severity": "Sev9"});
    let windows = windows(json!([
        night,
        {"name": "blink", "start": "0 1 * * *", "duration": "30ms"},
        {"name": "over", "from": "2026-11-28T20:00:00Z", "until": "2026-11-29T06:00:00Z"},
    ]))
    .unwrap();
    let odd = |now: &str| windows.oddities(at(now)).collect::<Vec<_>>();
    let before = odd("2026-11-29T05:59:59Z");
    assert_eq!(before.len(), 2, "{before:?}");
    assert!(before[0].starts_with(
        "no alert has the severity \"Sev9\" of the maintenance window \"night\"; there are: Sev0"
    ));
    assert!(
        before[1].starts_with("the duration of the maintenance window \"blink\" is 30ms, less than a second")
    );
    let over = "the maintenance window \"over\" is over since 2026-11-29T06:00:00Z: remove it";
    assert_eq!(odd("2026-11-29T06:00:00Z").last().unwrap(), over);
}

fn any_window() -> impl Strategy<Value = Value> {
    let zones = vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"];
    let days = vec!["*", "MON-FRI", "SAT", "SUN,WED"];
    let recurring = (0..60_u8, 0..24_u8, prop::sample::select(days), prop::sample::select(zones));
    let recurring = (recurring, 1..20 * 60_u32).prop_map(|((minute, hour, day, zone), minutes)| {
        json!({"start": format!("{minute} {hour} * * {day}"), "duration": format!("{minutes}m"), "time_zone": zone})
    });
    let once = (0..400 * 24_i64, 1..200 * 24_i64).prop_map(|(from, hours)| {
        let from = ANY_INSTANT + SignedDuration::from_hours(from);
        json!({"from": from, "until": from + SignedDuration::from_hours(hours)})
    });
    prop_oneof![3 => recurring, 1 => once]
}

proptest! {
    #[test]
    fn a_hold_ends_in_the_future_when_nothing_covers_it_and_every_instant_before_has_the_same_end(
        all in prop::collection::vec(any_window(), 0..4), minute in 0..366 * 24 * 60_i64, part in 0.0..1.0_f64
    ) {
        let named = all.into_iter().enumerate().map(|(index, mut window)| {
            window["name"] = json!(format!("window {index}"));
            window
        });
        // Some of these leave no gap.
        let Ok(windows) = windows(named.collect()) else { return Ok(()) };
        let (now, alert) = (ANY_INSTANT + SignedDuration::from_mins(minute), AlertView::default());
        let Some(hold) = windows.hold(now, &alert) else { return Ok(()) };
        prop_assert!(hold.until > now);
        prop_assert!(hold.until.duration_since(now) <= LONGEST_HOLD);
        prop_assert_eq!(windows.hold(hold.until, &alert), None);
        let between = now + hold.until.duration_since(now).mul_f64(part);
        prop_assert_eq!(windows.hold(between, &alert).map(|later| later.until), Some(hold.until));
    }
}
