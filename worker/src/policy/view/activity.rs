//! Events of the activity log: who did what to which resource, and what came of it.

use serde_json::Value;

use super::part::{first, joined, list, text};
use super::sheet::Sheet;
use crate::kind::Kind;

/// Policies that a ticket names.
const MAX_POLICIES: usize = 5;

pub(super) fn headline(kind: Kind, context: &Value) -> String {
    let scaling = scaling(context);
    let event = if kind == Kind::ActivitySecurity {
        let found =
            joined(&text(context, "/properties/category"), " ", &text(context, "/properties/threatStatus"));
        if found.is_empty() {
            first(context, &["/properties/alertDisplayName", "/properties/title"])
        } else {
            found
        }
    } else if kind == Kind::ActivityAutoscale && !scaling.is_empty() {
        format!("scaled from {scaling}")
    } else if kind == Kind::ActivityRecommendation {
        text(context, "/properties/recommendationName")
    } else {
        String::new()
    };
    if event.is_empty() { done(context) } else { event }
}

pub(super) fn tell(context: &Value, sheet: &mut Sheet) {
    sheet.line("Event", text(context, "/Activity Log Event Description"));
    sheet.line("Operation", operation(context));
    sheet.line("Status", joined(&text(context, "/status"), ", ", &text(context, "/subStatus")));
    sheet.line("Caller", text(context, "/caller"));
    sheet.line("Happened at", text(context, "/eventTimestamp"));
    sheet.line("Level", text(context, "/level"));
    let property = |name: &str| text(context, &format!("/properties/{name}"));
    let of_a_kind = [
        ("Description", "description"),
        ("Message", "message"),
        ("Failure", "statusMessage"),
        ("Threat", "category"),
        ("Threat status", "threatStatus"),
        ("Action taken", "actionTaken"),
        ("Threat severity", "severity"),
        ("File", "filePath"),
        ("Found by", "protectionType"),
        ("Compromised", "compromisedEntity"),
        ("Recommendation", "recommendationName"),
        ("Recommendation category", "recommendationCategory"),
        ("Recommendation impact", "recommendationImpact"),
        ("Risk", "recommendationRisk"),
    ];
    for (name, key) in of_a_kind {
        let value = property(key);
        // Azure fills in the operation where there is no message.
        if value != operation(context) {
            sheet.line(name, value);
        }
    }
    sheet.line("Scaled", scaling(context));
    sheet.link("Recommendation details", &super::links::given(&property("recommendationResourceLink")));
    for policy in list(context, "/properties/policies").iter().take(MAX_POLICIES) {
        sheet.line("Policy", policy_of(policy));
    }
    for step in list(context, "/properties/remediationSteps") {
        sheet.line("To do", step.as_str().unwrap_or_default());
    }
    sheet.line("Correlation id", text(context, "/correlationId"));
}

/// `Microsoft.Compute/virtualMachines/restart/action Succeeded by operator@example.com`.
fn done(context: &Value) -> String {
    let outcome = joined(&operation(context), " ", &text(context, "/status"));
    if outcome.is_empty() { outcome } else { joined(&outcome, " by ", &text(context, "/caller")) }
}

fn operation(context: &Value) -> String {
    first(context, &["/operationName", "/authorization/action"])
}

fn scaling(context: &Value) -> String {
    let [from, to] = ["old", "new"].map(|age| text(context, &format!("/properties/{age}InstancesCount")));
    if from.is_empty() || to.is_empty() { String::new() } else { format!("{from} to {to} instances") }
}

fn policy_of(policy: &Value) -> String {
    let name = first(
        policy,
        &["/policyDefinitionReferenceId", "/policyDefinitionDisplayName", "/policyDefinitionName"],
    );
    let effect = text(policy, "/policyDefinitionEffect");
    joined(&joined(&name, ", effect ", &effect), ", assigned as ", &text(policy, "/policyAssignmentName"))
}
