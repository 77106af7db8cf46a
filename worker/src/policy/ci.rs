//! What an alert says about the configuration item it concerns, the surest first.

use serde_json::Value;
use shared::alert::{Essentials, arm};

use crate::connector::CiCandidate;

/// Of ids and of names each; more would only be more look-ups for the same alert.
const MAX_OF_A_KIND: usize = 8;
/// Longer texts name nothing in a CMDB; ARM ids stay far below.
const MAX_CHARS: usize = 1_000;
/// Keys under which a context names the resource behind the alert, in lower case.
const RESOURCE_KEYS: [&str; 4] = ["linkedresourceid", "resourceid", "_resourceid", "microsoft.resourceid"];

/// The candidates in order: the targets, configuration items that are resource ids, resource ids in the
/// context (an Azure Backup alert names the vault as target and the machine only there), then plain names.
#[must_use]
pub fn candidates(
    essentials: &Essentials<'_>,
    context: &Value,
    dimensions: &[(String, String)],
) -> Vec<CiCandidate> {
    let mut found = Vec::new();
    let mut add = |candidate: CiCandidate| {
        let (CiCandidate::ArmId(text) | CiCandidate::Name(text)) = &candidate;
        let kind = std::mem::discriminant(&candidate);
        let of_kind = found.iter().filter(|other| std::mem::discriminant(*other) == kind).count();
        if of_kind < MAX_OF_A_KIND && text.len() <= MAX_CHARS && !found.contains(&candidate) {
            found.push(candidate);
        }
    };
    let linked = context.as_object().into_iter().flatten().filter_map(|(key, value)| {
        RESOURCE_KEYS.contains(&key.to_lowercase().as_str()).then(|| value.as_str()).flatten()
    });
    let ids = (essentials.target_ids.iter().map(AsRef::as_ref))
        .chain(essentials.configuration_items.iter().map(AsRef::as_ref))
        .chain(linked)
        .chain(dimensions.iter().map(|(_, value)| value.as_str()));
    ids.filter(|id| arm::is_resource(id)).for_each(|id| add(CiCandidate::ArmId(id.to_lowercase())));
    let names = essentials.configuration_items.iter().map(AsRef::as_ref);
    let computers = dimensions.iter().filter(|(name, _)| name.eq_ignore_ascii_case("computer"));
    names
        .chain(computers.map(|(_, value)| value.as_str()))
        .filter(|name| !arm::is_resource(name))
        .for_each(|name| add(CiCandidate::Name(name.to_lowercase())));
    essentials
        .target_ids
        .iter()
        .filter(|id| arm::is_resource(id))
        .for_each(|id| add(CiCandidate::Name(arm::name(id).to_lowercase())));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::alert::Notification;

    use super::*;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/Vault";
    const MACHINE: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/Web-01";

    #[test]
    fn the_target_comes_first_then_linked_resources_then_names() {
        let body = json!({"data": {"essentials": {
            "alertId": "/a", "monitorCondition": "Fired",
            "alertTargetIDs": [VAULT], "configurationItems": ["Vault"]}}})
        .to_string();
        let read = Notification::parse(body.as_bytes()).unwrap();
        let context = json!({"linkedResourceId": MACHINE, "other": VAULT});
        let dimensions = [("Computer".to_owned(), "WEB-01".to_owned())];
        let found = candidates(&read.essentials, &context, &dimensions);
        let expected = [
            CiCandidate::ArmId(VAULT.to_lowercase()),
            CiCandidate::ArmId(MACHINE.to_lowercase()),
            CiCandidate::Name("vault".into()),
            CiCandidate::Name("web-01".into()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_alert_without_a_resource_has_no_candidates() {
        let body = br#"{"data":{"essentials":{"alertId":"/a","monitorCondition":"Fired","alertTargetIDs":["/subscriptions/s"]}}}"#;
        let read = Notification::parse(body).unwrap();
        assert!(candidates(&read.essentials, &Value::Null, &[]).is_empty());
    }
}
