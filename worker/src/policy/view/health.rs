//! The health of Azure's services and of single resources.

use serde_json::Value;

use super::part::{first, joined, list, text};
use super::plain_text;
use super::sheet::Sheet;

/// Services that a ticket names, and regions of each.
const MAX_SERVICES: usize = 20;
const MAX_REGIONS: usize = 40;

/// `Service issue ABCD-123 in West Europe: errors of Storage`.
pub(super) fn service_headline(context: &Value) -> String {
    let title =
        plain_text::from_html(&first(context, &["/properties/title", "/properties/defaultLanguageTitle"]));
    let subject = joined(incident_type(context), " ", &text(context, "/properties/trackingId"));
    let region = text(context, "/properties/region");
    let named = title.to_lowercase().contains(&region.to_lowercase());
    let place = joined(&subject, " in ", if named { "" } else { &region });
    joined(&place, ": ", &title)
}

pub(super) fn tell_service(context: &Value, sheet: &mut Sheet) {
    let property = |name: &str| text(context, &format!("/properties/{name}"));
    sheet.line(
        "Issue",
        plain_text::from_html(&first(context, &["/properties/title", "/properties/defaultLanguageTitle"])),
    );
    sheet.line("Type", property("incidentType"));
    sheet.line("Stage", property("stage"));
    sheet.line("Status", text(context, "/status"));
    sheet.line("Tracking id", property("trackingId"));
    let services = impacted(context);
    if services.is_empty() {
        sheet.line("Impacted", joined(&property("service"), ": ", &property("region")));
    }
    services.iter().for_each(|service| sheet.line("Impacted", service));
    sheet.line("Impact since", property("impactStartTime"));
    sheet.line("Impact until", property("impactMitigationTime"));
    let news = first(context, &["/properties/communication", "/properties/defaultLanguageContent"]);
    sheet.block("Communication", &plain_text::from_html(&news));
}

/// `node-01 is Unavailable: restarted after a failure of its host`.
pub(super) fn resource_headline(resource: &str, context: &Value) -> String {
    let status = text(context, "/properties/currentHealthStatus");
    let title = text(context, "/properties/title");
    let title = if title == status { "" } else { &title };
    let state = if status.is_empty() { String::new() } else { joined(resource, " is ", &status) };
    joined(&state, ": ", title)
}

pub(super) fn tell_resource(context: &Value, sheet: &mut Sheet) {
    let property = |name: &str| text(context, &format!("/properties/{name}"));
    sheet.line("What happened", property("title"));
    sheet.line("Details", plain_text::from_html(&property("details")));
    sheet.line("Health now", property("currentHealthStatus"));
    sheet.line("Health before", property("previousHealthStatus"));
    sheet.line("Cause", cause(&property("cause")));
    sheet.line("Type", property("type"));
    sheet.line("Status", text(context, "/status"));
    sheet.line("Happened at", text(context, "/eventTimestamp"));
    sheet.line("Correlation id", text(context, "/correlationId"));
}

fn incident_type(context: &Value) -> &'static str {
    match text(context, "/properties/incidentType").to_ascii_lowercase().as_str() {
        "incident" => "Service issue",
        "maintenance" => "Planned maintenance",
        "security" => "Security advisory",
        "actionrequired" => "Action required",
        "informational" => "Health advisory",
        _ => "Service health",
    }
}

/// Whether somebody of the house did it is what one asks first.
fn cause(cause: &str) -> String {
    match cause {
        "PlatformInitiated" => "Azure (PlatformInitiated)".to_owned(),
        "UserInitiated" => "a user or process of yours (UserInitiated)".to_owned(),
        other => other.to_owned(),
    }
}

/// `Storage: West Europe, North Europe` for each service.
fn impacted(context: &Value) -> Vec<String> {
    let services = list(context, "/properties/impactedServices").into_iter().take(MAX_SERVICES);
    let told = services.map(|service| {
        let regions = list(&service, "/ImpactedRegions");
        let regions: Vec<String> =
            regions.iter().take(MAX_REGIONS).map(|region| text(region, "/RegionName")).collect();
        joined(&text(&service, "/ServiceName"), ": ", &regions.join(", "))
    });
    told.filter(|service| !service.is_empty()).collect()
}
