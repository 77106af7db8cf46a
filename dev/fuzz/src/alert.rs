//! A webhook body, as anybody with a token may send it.

use std::borrow::Cow;

use jiff::Timestamp;
use shared::alert::legacy::ADVICE;
use shared::alert::{Notification, Schema, arm};
use uuid::Uuid;

const TENANT: Uuid = Uuid::from_u128(1);

pub(crate) fn run(body: &[u8]) {
    let notification = match Notification::parse(body) {
        Ok(notification) => notification,
        Err(error) => return crate::assert_one_line(&error.to_string()),
    };
    let id = notification.id(TENANT);
    let essentials = &notification.essentials;
    let key = essentials.key(TENANT);
    let again = Notification::parse(body).expect("what was read once can be read again");
    assert_eq!(again.id(TENANT), id, "the same body is another notification");
    assert_ne!(notification.id(Uuid::nil()), id, "two tenants share a notification");

    let mut shouted = notification.clone();
    shouted.essentials.alert_id = Cow::Owned(essentials.alert_id.to_ascii_uppercase());
    assert_eq!(shouted.id(TENANT), id, "an alert id is compared with case");
    assert_eq!(shouted.essentials.key(TENANT), key);

    assert!(!essentials.alert_id.trim().is_empty() && !essentials.alert_id.contains('\0'));
    for at in [essentials.fired_at, essentials.resolved_at].into_iter().flatten() {
        assert!(at >= Timestamp::UNIX_EPOCH);
        assert_eq!(
            Timestamp::from_microsecond(at.as_microsecond()).ok(),
            Some(at),
            "the ledger would round it"
        );
    }
    for text in essentials.target_ids.iter().chain(&essentials.configuration_items) {
        assert!(!text.trim().is_empty() && !text.contains('\0'));
        assert!(text.contains(arm::name(text)));
        assert!(!arm::is_resource(text) || arm::subscription(text).is_some());
    }
    for subscription in essentials.subscriptions() {
        assert!(!subscription.is_empty() && !subscription.contains('/'));
        assert_eq!(subscription.to_ascii_lowercase(), subscription);
    }
    if notification.schema == Schema::Legacy {
        assert!(essentials.description.as_deref().is_some_and(|text| text.ends_with(ADVICE)));
        assert!(
            essentials.subscriptions().next().is_some() || !essentials.alert_id.contains("/subscriptions/")
        );
    }
    survives_a_proxy(body, id);
}

/// A proxy may write the same JSON in another way.
fn survives_a_proxy(body: &[u8], id: Uuid) {
    let text = std::str::from_utf8(body).expect("it was read");
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text.trim_start_matches('\u{feff}')) else {
        return;
    };
    let rewritten = value.to_string();
    let read = Notification::parse(rewritten.as_bytes()).expect("the same JSON, written in another way");
    assert_eq!(read.id(TENANT), id, "the same JSON is another notification");
}
