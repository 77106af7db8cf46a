//! Which alert a notification is about, and which notifications are the same one delivered again (pure).

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Essentials, Notification};

/// Identifies one alert instance: a hash over its tenant and its alert id in lower case.
///
/// `Fired` and `Resolved` of one instance carry the same alert id; its length is not bounded by Azure, a hash's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertKey(pub [u8; 32]);

impl AlertKey {
    /// The key of what has this id, which is compared without case.
    #[must_use]
    pub fn new(tenant_id: Uuid, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(tenant_id.as_bytes());
        hash.update(id.to_lowercase());
        Self(hash.finalize().into())
    }
}

impl Notification<'_> {
    /// The id of this notification: the same for every delivery of it, another for any other.
    ///
    /// Azure sends no delivery id, so the id is taken from what distinguishes one report of an alert from
    /// the next: alert, condition and the two instants.
    #[must_use]
    pub fn id(&self, tenant_id: Uuid) -> Uuid {
        let Essentials { condition, fired_at, resolved_at, .. } = &self.essentials;
        let AlertKey(alert) = self.essentials.key(tenant_id);
        let mut hash = Sha256::new();
        hash.update(alert);
        hash.update(condition.as_str());
        for instant in [fired_at, resolved_at] {
            hash.update(instant.map_or(i64::MIN, |at| at.as_microsecond()).to_be_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(digest.split_at(16).0);
        Uuid::new_v8(id)
    }
}

impl Essentials<'_> {
    #[must_use]
    pub fn key(&self, tenant_id: Uuid) -> AlertKey {
        AlertKey::new(tenant_id, &self.alert_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);

    fn id(alert_id: &str, condition: &str, fired: &str, resolved: &str) -> Uuid {
        let body = format!(
            r#"{{"data":{{"essentials":{{"alertId":"{alert_id}","monitorCondition":"{condition}","firedDateTime":"{fired}","resolvedDateTime":"{resolved}"}}}}}}"#
        );
        Notification::parse(body.as_bytes()).unwrap().id(TENANT)
    }

    #[test]
    fn a_repeated_delivery_has_the_same_id_whatever_the_case_of_the_alert_id() {
        let once = id("/Alerts/A", "Fired", "2026-03-22T13:58:24.3713213Z", "");
        assert_eq!(once, id("/alerts/a", "fired", "2026-03-22T13:58:24.3713213Z", ""));
    }

    #[test]
    fn another_alert_condition_or_instant_is_another_notification() {
        let ids = [
            id("/a", "Fired", "2026-03-22T13:58:24Z", ""),
            id("/b", "Fired", "2026-03-22T13:58:24Z", ""),
            id("/a", "Resolved", "2026-03-22T13:58:24Z", ""),
            id("/a", "Fired", "2026-03-22T13:58:25Z", ""),
            id("/a", "Resolved", "2026-03-22T13:58:24Z", "2026-03-22T14:58:24Z"),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn the_same_alert_id_in_another_tenant_is_another_alert() {
        let body = br#"{"data":{"essentials":{"alertId":"/a","monitorCondition":"Fired"}}}"#;
        let read = Notification::parse(body).unwrap();
        assert_ne!(read.essentials.key(TENANT), read.essentials.key(Uuid::from_u128(2)));
        assert_ne!(read.id(TENANT), read.id(Uuid::from_u128(2)));
    }
}
