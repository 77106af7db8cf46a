//! Whether a target can be worked with: what its connector relies on, and its strategies for configuration items.

use uuid::Uuid;

use crate::config::Target;
use crate::connector::{CiCandidate, CiWay, ConnectorError, Finding, Presets, Verdict};
use crate::policy::rules::Policy;

/// What the routes and the settings of a target would have written there on tickets.
#[must_use]
pub fn presets(name: &str, target: &Target, policy: &Policy) -> Presets {
    let mut presets =
        Presets { ci: target.ci.default.clone(), ways: target.ci.ways.clone(), ..Presets::default() };
    for route in policy.routes().filter(|route| route.targets.iter().any(|one| one == name)) {
        presets.fields.extend(route.templates.field_names().map(|(_, name)| name.to_owned()));
        presets.wont_fix.extend(route.wont_fix.codes().map(str::to_owned));
    }
    presets
}

/// Tries everything, with names that nothing has, and leaves nothing behind.
///
/// # Errors
/// When the product could not be asked, or does not accept the credentials.
pub async fn check(target: &Target, presets: &Presets) -> Result<Vec<Finding>, ConnectorError> {
    let mut findings = target.connector.check().await?;
    findings.extend(target.connector.check_presets(presets).await?);
    if !presets.wont_fix.is_empty() && !target.connector.gives_resolutions() {
        let unknown = "say where the connector finds the resolution code of a ticket, or leave route.people.wont_fix \
                       empty for this target: it has no effect";
        findings.push(Finding {
            subject: "resolution codes of people".to_owned(),
            verdict: Verdict::Limited(unknown.to_owned()),
        });
    }
    for way in &target.ci.ways {
        let nobody = format!("self-test-{}", Uuid::now_v7());
        let candidate = match way {
            CiWay::ArmId | CiWay::Tag => CiCandidate::ArmId(format!("/subscriptions/{nobody}")),
            CiWay::Name => CiCandidate::Name(nobody),
        };
        // A ticket without its configuration item is better than none.
        let refused = |reason| {
            Verdict::Limited(format!("change the target's `ci`, or what the user may see: {reason}"))
        };
        let subject = format!("configuration items by {}", way.name());
        findings.push(Finding::of_extra(
            &subject,
            target.connector.find_cis(*way, &candidate).await,
            refused,
        )?);
    }
    Ok(findings)
}

/// Every reason for which no ticket can be kept in the target, or none.
#[must_use]
pub fn unusable(findings: &[Finding]) -> Option<String> {
    let reasons: Vec<String> = findings
        .iter()
        .filter_map(|finding| match &finding.verdict {
            Verdict::Unusable(what) => Some(format!("{}: {what}", finding.subject)),
            Verdict::Fine | Verdict::Limited(_) => None,
        })
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
