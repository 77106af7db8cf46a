//! The common alert schema, read as Azure really sends it.
//!
//! Azure gives up on a 4xx: refusing an alert for its shape loses it. So only `alertId` and
//! `monitorCondition` are required; everything else is optional, nullable and open, and a field of an
//! unexpected type counts as absent. What this reader does not know travels on in the body. The shapes from before the
//! common schema are read as the same model, see [`legacy`].
//!
//! Schema: <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema>

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub mod arm;
pub mod identity;
pub mod json;
pub mod legacy;

/// One webhook delivery, borrowed from the body it was read from.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    pub essentials: Essentials<'a>,
    /// The part whose shape depends on the monitoring service, as received.
    pub context: Option<&'a RawValue>,
    /// The custom properties of the alert rule, as received.
    pub custom_properties: Option<&'a RawValue>,
    pub schema: Schema,
}

/// How Azure wrote a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    Common,
    /// A shape from before it, which has less to say: the operator should change the action group, see
    /// [`legacy::ADVICE`].
    Legacy,
}

/// The part that every alert has, whatever raised it.
#[derive(Debug, Clone)]
pub struct Essentials<'a> {
    /// Never empty. Opaque: usually an ARM id, compared without case.
    pub alert_id: Cow<'a, str>,
    pub condition: Condition,
    pub alert_rule: Option<Cow<'a, str>>,
    /// Documented as `alertRuleId`, delivered as `alertRuleID` too; either is read.
    pub alert_rule_id: Option<Cow<'a, str>>,
    pub severity: Option<Severity>,
    pub signal_type: Option<Cow<'a, str>>,
    pub monitoring_service: Option<Cow<'a, str>>,
    pub target_ids: Vec<Cow<'a, str>>,
    pub configuration_items: Vec<Cow<'a, str>>,
    pub origin_alert_id: Option<Cow<'a, str>>,
    /// To the microsecond, which is what the ledger can hold.
    pub fired_at: Option<Timestamp>,
    /// To the microsecond. Not every Resolved notification has it.
    pub resolved_at: Option<Timestamp>,
    pub description: Option<Cow<'a, str>>,
    pub investigation_link: Option<Cow<'a, str>>,
}

/// The monitor condition: the only state of an alert that Azure reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    Fired,
    Resolved,
}

/// Azure's severity, from the most urgent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, schemars::JsonSchema, Serialize,
)]
pub enum Severity {
    Sev0,
    Sev1,
    Sev2,
    Sev3,
    Sev4,
}

/// Why a body is not an alert.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    #[error("the body is not UTF-8")]
    NotUtf8,
    #[error("the body is not JSON that can be read: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error(
        "neither the common alert schema nor a known older shape with an identity and a state; set \"Enable the common \
         alert schema\" to Yes on this action of the action group (useCommonAlertSchema)"
    )]
    Unknown,
    #[error("`data.essentials.{0}` is missing or empty")]
    Missing(&'static str),
    #[error("`data.essentials.monitorCondition` is neither Fired nor Resolved")]
    UnknownCondition,
}

impl<'a> Notification<'a> {
    /// Reads a body as received.
    ///
    /// # Errors
    /// A [`ShapeError`] when the body is not JSON or lacks what identifies an alert and its condition.
    pub fn parse(body: &'a [u8]) -> Result<Self, ShapeError> {
        let text = std::str::from_utf8(body).map_err(|_| ShapeError::NotUtf8)?;
        let text = text.trim_start_matches('\u{feff}');
        match Self::common(text)? {
            Some(notification) => Ok(notification),
            None => legacy::read(text).ok_or(ShapeError::Unknown),
        }
    }

    /// `None` without `data.essentials`.
    fn common(text: &'a str) -> Result<Option<Self>, ShapeError> {
        let Some(RawEnvelope { data: Some(data) }) = object(text)? else { return Ok(None) };
        let Some(data): Option<RawData<'a>> = object(data.get())? else { return Ok(None) };
        let Some(essentials) = data.essentials else { return Ok(None) };
        let Some(essentials): Option<RawEssentials<'a>> = object(essentials.get())? else { return Ok(None) };
        Ok(Some(Self {
            essentials: essentials.try_into()?,
            context: data.alert_context,
            custom_properties: data.custom_properties,
            schema: Schema::Common,
        }))
    }
}

impl Essentials<'_> {
    /// The subscription ids, in lower case, that the alert id and the target ids name. May repeat.
    pub fn subscriptions(&self) -> impl Iterator<Item = String> + '_ {
        std::iter::once(&self.alert_id).chain(&self.target_ids).filter_map(|id| arm::subscription(id))
    }
}

impl Condition {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "Fired",
            Self::Resolved => "Resolved",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Fired, Self::Resolved]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl Severity {
    pub const ALL: [Self; 5] = [Self::Sev0, Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sev0 => "Sev0",
            Self::Sev1 => "Sev1",
            Self::Sev2 => "Sev2",
            Self::Sev3 => "Sev3",
            Self::Sev4 => "Sev4",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawData<'a> {
    #[serde(borrow)]
    essentials: Option<&'a RawValue>,
    #[serde(borrow)]
    alert_context: Option<&'a RawValue>,
    #[serde(borrow)]
    custom_properties: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEssentials<'a> {
    #[serde(borrow)]
    alert_id: Option<&'a RawValue>,
    #[serde(borrow)]
    monitor_condition: Option<&'a RawValue>,
    #[serde(borrow)]
    alert_rule: Option<&'a RawValue>,
    #[serde(borrow)]
    alert_rule_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "alertRuleID")]
    alert_rule_id_as_delivered: Option<&'a RawValue>,
    #[serde(borrow)]
    severity: Option<&'a RawValue>,
    #[serde(borrow)]
    signal_type: Option<&'a RawValue>,
    #[serde(borrow)]
    monitoring_service: Option<&'a RawValue>,
    #[serde(borrow, rename = "alertTargetIDs")]
    alert_target_ids: Option<&'a RawValue>,
    #[serde(borrow)]
    configuration_items: Option<&'a RawValue>,
    #[serde(borrow)]
    origin_alert_id: Option<&'a RawValue>,
    #[serde(borrow)]
    fired_date_time: Option<&'a RawValue>,
    #[serde(borrow)]
    resolved_date_time: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    investigation_link: Option<&'a RawValue>,
}

impl<'a> TryFrom<RawEssentials<'a>> for Essentials<'a> {
    type Error = ShapeError;

    fn try_from(raw: RawEssentials<'a>) -> Result<Self, ShapeError> {
        let condition = text(raw.monitor_condition).ok_or(ShapeError::Missing("monitorCondition"))?;
        Ok(Self {
            alert_id: text(raw.alert_id).ok_or(ShapeError::Missing("alertId"))?,
            condition: Condition::parse(&condition).ok_or(ShapeError::UnknownCondition)?,
            alert_rule: text(raw.alert_rule),
            alert_rule_id: text(raw.alert_rule_id).or_else(|| text(raw.alert_rule_id_as_delivered)),
            severity: text(raw.severity).as_deref().and_then(Severity::parse),
            signal_type: text(raw.signal_type),
            monitoring_service: text(raw.monitoring_service),
            target_ids: texts(raw.alert_target_ids),
            configuration_items: texts(raw.configuration_items),
            origin_alert_id: text(raw.origin_alert_id),
            fired_at: text(raw.fired_date_time).as_deref().and_then(instant),
            resolved_at: text(raw.resolved_date_time).as_deref().and_then(instant),
            description: text(raw.description),
            investigation_link: text(raw.investigation_link),
        })
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON object as `T`; `None` for JSON that is not an object. serde would read an array into a struct too.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<Option<T>, ShapeError> {
    if !json.trim_start().starts_with('{') {
        return serde_json::from_str::<&RawValue>(json).map(|_| None).map_err(ShapeError::NotJson);
    }
    serde_json::from_str(json).map(Some).map_err(ShapeError::NotJson)
}

/// A string that says something, without NUL, which Postgres cannot hold, and without half a character.
fn text<'a>(raw: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    let raw = raw?;
    let borrowed = serde_json::from_str(raw.get()).map(|Text(text)| text).ok();
    let text = borrowed.or_else(|| json::read(raw).map(Cow::Owned))?;
    if text.trim().is_empty() {
        return None;
    }
    Some(if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text })
}

/// A list of strings; a lone string counts as a list of one, and items that are not strings are skipped.
fn texts<'a>(raw: Option<&'a RawValue>) -> Vec<Cow<'a, str>> {
    let Some(value) = raw else { return Vec::new() };
    match serde_json::from_str::<Vec<&'a RawValue>>(value.get()) {
        Ok(items) => items.into_iter().filter_map(|item| text(Some(item))).collect(),
        Err(_) => text(Some(value)).into_iter().collect(),
    }
}

/// An instant since 1970; one before it is no time at which Azure could have watched anything.
fn instant(text: &str) -> Option<Timestamp> {
    let precise: Timestamp = text.trim().parse().ok()?;
    Timestamp::from_microsecond(precise.as_microsecond()).ok().filter(|at| *at >= Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn essentials(fields: &str) -> String {
        format!(r#"{{"schemaId":"azureMonitorCommonAlertSchema","data":{{"essentials":{{{fields}}}}}}}"#)
    }

    #[test]
    fn an_alert_needs_no_more_than_an_id_and_a_condition() {
        let body = essentials(r#""alertId":"/a","monitorCondition":"Fired""#);
        let notification = Notification::parse(body.as_bytes()).unwrap();
        assert_eq!(notification.essentials.alert_id, "/a");
        assert_eq!(notification.essentials.condition, Condition::Fired);
        assert!(notification.essentials.target_ids.is_empty());
        assert!(notification.context.is_none());
    }

    #[test]
    fn a_field_of_an_unexpected_type_counts_as_absent() {
        let body = essentials(
            r#""alertId":"/a","monitorCondition":"Resolved","severity":3,"alertRule":null,"alertTargetIDs":{"x":1},
               "configurationItems":["web",null,7,""],"firedDateTime":"yesterday","description":["no"]"#,
        );
        let read = Notification::parse(body.as_bytes()).unwrap().essentials;
        assert_eq!(read.severity, None);
        assert_eq!(read.alert_rule, None);
        assert!(read.target_ids.is_empty());
        assert_eq!(read.configuration_items, ["web"]);
        assert_eq!(read.fired_at, None);
        assert_eq!(read.description, None);
    }

    #[test]
    fn the_rule_id_is_read_in_either_spelling() {
        for spelling in ["alertRuleId", "alertRuleID"] {
            let body =
                essentials(&format!(r#""alertId":"/a","monitorCondition":"Fired","{spelling}":"/rule""#));
            let read = Notification::parse(body.as_bytes()).unwrap().essentials;
            assert_eq!(read.alert_rule_id.as_deref(), Some("/rule"), "{spelling}");
        }
    }

    #[test]
    fn seven_fractional_digits_are_kept_to_the_microsecond() {
        let body = essentials(
            r#""alertId":"/a","monitorCondition":"Fired","firedDateTime":"2026-03-22T13:58:24.3713213Z""#,
        );
        let read = Notification::parse(body.as_bytes()).unwrap().essentials;
        assert_eq!(read.fired_at.unwrap().to_string(), "2026-03-22T13:58:24.371321Z");
    }

    #[test]
    fn an_instant_before_azure_counts_as_absent() {
        for text in ["0000-06-01T00:00:00Z", "-004800-06-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            let body =
                essentials(&format!(r#""alertId":"/a","monitorCondition":"Fired","firedDateTime":"{text}""#));
            assert_eq!(Notification::parse(body.as_bytes()).unwrap().essentials.fired_at, None, "{text}");
        }
    }

    #[test]
    fn a_nul_in_a_text_is_replaced() {
        let body = essentials(r#""alertId":"/a\u0000b","monitorCondition":"Fired""#);
        assert_eq!(Notification::parse(body.as_bytes()).unwrap().essentials.alert_id, "/a\u{fffd}b");
    }

    #[test]
    fn half_a_character_in_a_text_is_replaced() {
        let body = essentials(r#""alertId":"/a\ud83d","monitorCondition":"Fired","alertRule":"\ude00b""#);
        let read = Notification::parse(body.as_bytes()).unwrap().essentials;
        assert_eq!(read.alert_id, "/a\u{fffd}");
        assert_eq!(read.alert_rule.as_deref(), Some("\u{fffd}b"));
    }

    #[test]
    fn a_subscription_is_found_in_the_alert_id_and_in_every_target() {
        let body = essentials(
            r#""alertId":"/subscriptions/AAA/providers/x","monitorCondition":"Fired","alertTargetIDs":["/subscriptions/bbb/x","plain"]"#,
        );
        let read = Notification::parse(body.as_bytes()).unwrap().essentials;
        assert_eq!(read.subscriptions().collect::<Vec<_>>(), ["aaa", "bbb"]);
    }

    #[test]
    fn what_is_no_alert_says_why() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let duplicate = essentials(r#""alertId":"/a","alertId":"/b","monitorCondition":"Fired""#);
        let unknown = essentials(r#""alertId":"/a","monitorCondition":"Maybe""#);
        let nameless = essentials(r#""alertId":" ","monitorCondition":"Fired""#);
        let cases: [(&[u8], &str); 11] = [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe", "not UTF-8"),
            (b"[]", "common alert schema"),
            (b"null", "common alert schema"),
            (br#"["azureMonitorCommonAlertSchema",{}]"#, "common alert schema"),
            (br#"{"data":{"essentials":["/a","Fired"]}}"#, "common alert schema"),
            (deep.as_bytes(), "common alert schema"),
            (duplicate.as_bytes(), "duplicate field"),
            (unknown.as_bytes(), "neither Fired nor Resolved"),
            (nameless.as_bytes(), "`data.essentials.alertId` is missing"),
        ];
        for (body, reason) in cases {
            let error = Notification::parse(body).unwrap_err().to_string();
            assert!(error.contains(reason), "{error} does not say {reason}");
        }
    }
}
