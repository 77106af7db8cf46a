//! What the instance does to an incident that is written: pure business rules and data policies.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::database::Values;
use super::settings::Switches;

pub(super) const RESOLVED: &str = "6";
pub(super) const CLOSED: &str = "7";
pub(super) const CANCELED: &str = "8";

/// Fields of a resolve, in the order in which the data policy names them.
const RESOLUTION: [(&str, &str); 2] =
    [("close_code", "Resolution code"), ("close_notes", "Resolution notes")];

/// Who writes, when, and to what kind of instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub(super) switches: &'a Switches,
    pub(super) now: Timestamp,
    /// `sys_user.user_name`.
    pub(super) name: &'a str,
    /// `sys_user.sys_id`.
    pub(super) sys_id: &'a str,
    pub(super) rights: Rights,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rights {
    /// Bound by access rules and data policies.
    Integration,
    /// A person or the instance itself.
    Anything,
}

/// Why a write was aborted.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Data Policy Exception: The following fields are mandatory: {}", .0.join(", "))]
    Mandatory(Vec<String>),
    #[error("Operation against file 'incident' was aborted by Business Rule 'Check resolution code'")]
    UnknownCloseCode,
    #[error("Insufficient rights to write a closed record due to ACL")]
    Closed,
}

/// A new incident with the defaults of a stock instance.
pub(super) fn open(sent: Values, sys_id: &str, number: &str, writer: &Writer<'_>) -> Result<Values, Refusal> {
    let now = stored_time(writer.now);
    let defaults = [
        ("state", "1"),
        ("category", "inquiry"),
        ("impact", "3"),
        ("urgency", "3"),
        ("severity", "3"),
        ("notify", "1"),
        ("escalation", "0"),
        ("knowledge", "false"),
        ("reopen_count", "0"),
        ("child_incidents", "0"),
        ("made_sla", "true"),
        ("approval", "not requested"),
        ("sys_mod_count", "0"),
        ("sys_class_name", "incident"),
        ("sys_id", sys_id),
        ("number", number),
        ("sys_created_on", &now),
        ("sys_created_by", writer.name),
        ("opened_at", &now),
        ("opened_by", writer.sys_id),
    ];
    let mut values: Values =
        defaults.map(|(field, value)| (field.to_owned(), value.to_owned())).into_iter().collect();
    values.extend(sent.into_iter().filter(|(_, value)| !value.is_empty()));
    settle("1", &mut values, writer)?;
    Ok(values)
}

/// The incident after an update.
pub(super) fn change(stored: &Values, sent: Values, writer: &Writer<'_>) -> Result<Values, Refusal> {
    let before = field(stored, "state").to_owned();
    if writer.rights == Rights::Integration && !writer.switches.user_is_admin && is_final(&before) {
        return Err(Refusal::Closed);
    }
    let mut values = stored.clone();
    values.extend(sent);
    values.retain(|_, value| !value.is_empty());
    let writes = field(&values, "sys_mod_count").parse::<u64>().unwrap_or(0);
    set(&mut values, "sys_mod_count", &(writes + 1).to_string());
    settle(&before, &mut values, writer)?;
    Ok(values)
}

/// Raw values are UTC without a zone.
pub(super) fn stored_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what [`stored_time`] wrote.
pub(super) fn parse_time(stored: &str) -> Option<Timestamp> {
    let utc: DateTime = stored.replace(' ', "T").parse().ok()?;
    Some(utc.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Lets everything follow that follows from the values written.
fn settle(before: &str, values: &mut Values, writer: &Writer<'_>) -> Result<(), Refusal> {
    let now = stored_time(writer.now);
    let state = field(values, "state").to_owned();
    if writer.rights == Rights::Integration && (state == RESOLVED || state == CLOSED) {
        check_resolution(values, writer.switches)?;
    }
    if state != before {
        if is_over(before) && !is_over(&state) {
            reopen(values, &now, writer);
        }
        if state == RESOLVED {
            set(values, "resolved_at", &now);
            set(values, "resolved_by", writer.sys_id);
        }
        if is_final(&state) {
            set(values, "closed_at", &now);
            set(values, "closed_by", writer.sys_id);
        }
    }
    for (name, value) in &writer.switches.after_write {
        set(values, name, value);
    }
    let priority = priority(field(values, "impact"), field(values, "urgency"));
    set(values, "priority", priority);
    set(values, "active", if is_final(&state) { "false" } else { "true" });
    let state = field(values, "state").to_owned();
    set(values, "incident_state", &state);
    set(values, "sys_updated_on", &now);
    set(values, "sys_updated_by", writer.name);
    Ok(())
}

fn check_resolution(values: &Values, switches: &Switches) -> Result<(), Refusal> {
    let stock = RESOLUTION.into_iter();
    let own = switches.mandatory_on_resolve.iter().map(|(name, label)| (name.as_str(), label.as_str()));
    let missing: Vec<String> = stock
        .chain(own)
        .filter(|(name, _)| field(values, name).is_empty())
        .map(|(_, label)| label.to_owned())
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::Mandatory(missing));
    }
    let codes = &switches.close_codes;
    let code = field(values, "close_code");
    if !codes.is_empty() && !codes.iter().any(|known| known == code) {
        return Err(Refusal::UnknownCloseCode);
    }
    Ok(())
}

fn reopen(values: &mut Values, now: &str, writer: &Writer<'_>) {
    for gone in ["close_code", "close_notes", "resolved_at", "resolved_by", "closed_at", "closed_by"] {
        values.remove(gone);
    }
    let reopened = field(values, "reopen_count").parse::<u64>().unwrap_or(0);
    set(values, "reopen_count", &(reopened + 1).to_string());
    set(values, "reopened_time", now);
    set(values, "reopened_by", writer.sys_id);
}

/// The stock data lookup.
fn priority(impact: &str, urgency: &str) -> &'static str {
    match (impact, urgency) {
        ("1", "1") => "1",
        ("1", "2") | ("2", "1") => "2",
        ("1", "3") | ("2", "2") | ("3", "1") => "3",
        ("2", "3") | ("3", "2") => "4",
        _ => "5",
    }
}

fn is_over(state: &str) -> bool {
    state == RESOLVED || is_final(state)
}

fn is_final(state: &str) -> bool {
    state == CLOSED || state == CANCELED
}

fn field<'a>(values: &'a Values, name: &str) -> &'a str {
    values.get(name).map_or("", String::as_str)
}

fn set(values: &mut Values, name: &str, value: &str) {
    values.insert(name.to_owned(), value.to_owned());
}
