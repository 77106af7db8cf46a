//! Where an engineer clicks next. Nothing but addresses of the Azure portal is made from ids, and nothing but an
//! `https` address is taken over from an alert.

use serde::Serialize;
use shared::alert::arm;
use url::Url;
use uuid::Uuid;

const PUBLIC_PORTAL: &str = "portal.azure.com";
/// The portals of the national clouds. Which cloud an alert comes from, only its own links say.
///
/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
const NATIONAL_PORTALS: [&str; 2] = ["portal.azure.us", "portal.azure.cn"];
/// Longer addresses are not passed on: products cut them.
const MAX_CHARS: usize = 2_000;

/// The links of an alert; those that it does not give rise to are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Links {
    /// The alert in the portal.
    pub alert: String,
    /// The resource in the portal: the one that the context or a dimension names, or else the first target.
    pub resource: String,
    /// The results of the query, filtered to the dimensions where Azure says how.
    pub query: String,
    /// The same for programs.
    pub query_api: String,
}

/// The portal that the links of an alert lead to.
pub(super) fn portal(investigation: &str, query: &str) -> &'static str {
    let host_of = |link: &str| Url::parse(link).ok().and_then(|url| url.host_str().map(str::to_owned));
    let hosts: Vec<String> = [investigation, query].into_iter().filter_map(host_of).collect();
    let national = NATIONAL_PORTALS.into_iter().find(|portal| hosts.iter().any(|host| host == portal));
    national.unwrap_or(PUBLIC_PORTAL)
}

/// Only alerts of this provider have a page; those of budgets have not.
pub(super) fn alert(portal: &str, id: &str) -> String {
    if !id.starts_with('/') || !id.to_ascii_lowercase().contains("/microsoft.alertsmanagement/alerts/") {
        return String::new();
    }
    let id = encoded(id, "");
    fitting(format!(
        "https://{portal}/#view/Microsoft_Azure_Monitoring_Alerts/AlertDetails.ReactView/alertId/{id}"
    ))
}

/// The page of a resource, a group or a subscription.
pub(super) fn resource(portal: &str, tenant_id: Uuid, id: &str) -> String {
    if !id.starts_with('/') || arm::subscription(id).is_none() {
        return String::new();
    }
    fitting(format!("https://{portal}/#@{tenant_id}/resource{}", encoded(id.trim_end_matches('/'), "/")))
}

/// A link that an alert brings along, as it is.
pub(super) fn given(link: &str) -> String {
    let plain = !link.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>'));
    let https = Url::parse(link).is_ok_and(|url| url.scheme() == "https");
    if plain && https { fitting(link.to_owned()) } else { String::new() }
}

fn fitting(link: String) -> String {
    if link.chars().nth(MAX_CHARS).is_some() { String::new() } else { link }
}

/// Percent-encodes all that is not plain, but what is kept on purpose.
fn encoded(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') || kept.contains(c) {
            encoded.push(c);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_addresses_that_nothing_can_break_out_of() {
        let id = "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/a\" onclick=x";
        assert_eq!(
            alert(PUBLIC_PORTAL, id),
            "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts/AlertDetails.ReactView/alertId/\
             %2Fsubscriptions%2Fs%2Fproviders%2FMicrosoft.AlertsManagement%2Falerts%2Fa%22%20onclick%3Dx"
        );
        assert_eq!(
            resource("portal.azure.us", Uuid::nil(), "/subscriptions/s/resourceGroups/my (group)/"),
            "https://portal.azure.us/#@00000000-0000-0000-0000-000000000000/resource/subscriptions/s/resourceGroups/\
             my%20%28group%29"
        );
    }

    #[test]
    fn what_has_no_page_has_no_link() {
        let budget = "/subscriptions/s/providers/Microsoft.CostManagement/alerts/b";
        assert_eq!(alert(PUBLIC_PORTAL, budget), "");
        assert_eq!(resource(PUBLIC_PORTAL, Uuid::nil(), "web-01"), "");
    }

    #[test]
    fn only_a_secure_address_is_taken_over() {
        assert_eq!(
            given("https://portal.azure.com#@t/blade/x%20y"),
            "https://portal.azure.com#@t/blade/x%20y"
        );
        for link in ["javascript:alert(1)", "http://a", "https://a b", "https://a\"><script>", "", "no link"]
        {
            assert_eq!(given(link), "", "{link}");
        }
        assert_eq!(given(&format!("https://a/{}", "x".repeat(MAX_CHARS))), "");
    }

    #[test]
    fn the_links_of_an_alert_say_which_cloud_it_comes_from() {
        assert_eq!(portal("https://portal.azure.us/#view/x", ""), "portal.azure.us");
        assert_eq!(portal("", "https://portal.azure.cn#@t/blade"), "portal.azure.cn");
        assert_eq!(portal("https://portal.azure.us.example.com/", "no link"), PUBLIC_PORTAL);
    }
}
