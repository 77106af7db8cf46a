//! Azure Resource Manager ids, as far as alerts need them:
//! `/subscriptions/{id}/resourceGroups/{group}/providers/{namespace}/{type}/{name}[/{type}/{name}…]`.
//! They are compared without case, and Azure mixes cases within one payload.

/// The subscription id that an ARM id names, in lower case.
#[must_use]
pub fn subscription(id: &str) -> Option<String> {
    segment_after(id, "subscriptions").map(str::to_ascii_lowercase)
}

/// The resource group that an ARM id names, as written.
#[must_use]
pub fn resource_group(id: &str) -> Option<&str> {
    segment_after(id, "resourceGroups")
}

/// Whether the text is the ARM id of a resource, not of a subscription or a group alone.
#[must_use]
pub fn is_resource(id: &str) -> bool {
    id.starts_with('/') && subscription(id).is_some() && segment_after(id, "providers").is_some()
}

/// The type of the resource with those that it is a part of, such as `microsoft.compute/virtualmachines`, in lower case.
#[must_use]
pub fn resource_type(id: &str) -> Option<String> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    // The last provider counts: an id of an extension names its host's first.
    let mut kind = None;
    while let Some(segment) = segments.next() {
        if segment.eq_ignore_ascii_case("providers") {
            kind = segments.next().map(str::to_ascii_lowercase);
        } else if let Some(kind) = &mut kind {
            kind.push('/');
            kind.push_str(&segment.to_ascii_lowercase());
            // The segment after a type is a name.
            segments.next();
        }
    }
    kind.filter(|kind| kind.contains('/'))
}

/// The name of the resource: the last segment of its id, or the text itself when it is no id.
#[must_use]
pub fn name(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}

fn segment_after<'a>(id: &'a str, key: &str) -> Option<&'a str> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    segments.find(|segment| segment.eq_ignore_ascii_case(key))?;
    segments.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str =
        "/subscriptions/A1/resourcegroups/Prod/providers/Microsoft.Compute/virtualMachines/Web-01";

    #[test]
    fn the_parts_of_an_id_are_found_whatever_their_case() {
        assert_eq!(subscription(MACHINE).as_deref(), Some("a1"));
        assert_eq!(resource_group(MACHINE), Some("Prod"));
        assert_eq!(name(MACHINE), "Web-01");
        assert!(is_resource(MACHINE));
    }

    #[test]
    fn the_type_of_a_resource_has_no_names_in_it() {
        assert_eq!(resource_type(MACHINE).as_deref(), Some("microsoft.compute/virtualmachines"));
        let database = "/subscriptions/a/resourceGroups/g/providers/Microsoft.Sql/servers/s/databases/d";
        assert_eq!(resource_type(database).as_deref(), Some("microsoft.sql/servers/databases"));
        let extension = format!("{MACHINE}/providers/Microsoft.Insights/metricAlerts/m");
        assert_eq!(resource_type(&extension).as_deref(), Some("microsoft.insights/metricalerts"));
        assert_eq!(resource_type("/subscriptions/a"), None);
        assert_eq!(resource_type("/subscriptions/a/providers/Microsoft.Sql"), None);
    }

    #[test]
    fn what_is_no_id_has_no_parts_but_its_name() {
        assert_eq!(subscription("web-01"), None);
        assert_eq!(subscription("/subscriptions/"), None);
        assert_eq!(name("web-01"), "web-01");
        assert!(!is_resource("/subscriptions/a1"));
        assert!(!is_resource("web-01"));
    }
}
