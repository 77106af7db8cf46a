//! What a ticket says about an alert: its title and its text. One place decides which family tells of a kind.

use serde_json::Value;

use super::part::{joined, scalar};
use super::sheet::Sheet;
use super::{AlertView, activity, detection, health, log, metric};
use crate::kind::Kind;

/// `[Sev2] cpu-high on web-01: Percentage CPU 97.5 > 90`.
pub(super) fn title(view: &AlertView, kind: Kind) -> String {
    let headline = headline(view, kind);
    // What happened says it all where it names the resource; the rule is called the same every time.
    let says_it_all = matches!(kind, Kind::ServiceHealth | Kind::ResourceHealth | Kind::CostBudget);
    let named =
        if says_it_all && !headline.is_empty() { headline } else { joined(&subject(view), ": ", &headline) };
    let test = if view.is_test { "[Test] " } else { "" };
    let severity = if view.severity.is_empty() { String::new() } else { format!("[{}] ", view.severity) };
    let title = format!("{test}{severity}{named}");
    // In a list of alerts, a line break would make two of one.
    title
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

pub(super) fn plain(view: &AlertView, kind: Kind) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Severity", &view.severity);
    sheet.line("Rule", &view.rule);
    sheet.line("Source", &view.monitoring_service);
    view.targets.iter().for_each(|target| sheet.line("Resource", target));
    // What tells that an incident is over fired when it was.
    if view.fired_at != view.resolved_at {
        sheet.line("Fired at", &view.fired_at);
    }
    sheet.line("Resolved at", &view.resolved_at);
    tell(kind, &view.context, &mut sheet);
    view.dimensions.iter().for_each(|dimension| sheet.line(&dimension.name, &dimension.value));
    for (name, value) in view.custom.as_object().into_iter().flatten() {
        sheet.line(name, scalar(value).unwrap_or_default());
    }
    sheet.line("Alert", &view.id);
    sheet.link("Alert in the portal", &view.links.alert);
    sheet.link("Resource in the portal", &view.links.resource);
    sheet.link("Investigate", &super::links::given(&view.link));
    let query = [&view.links.query, &view.links.query_api].into_iter().find(|link| !link.is_empty());
    sheet.link("Query results", query.map_or("", String::as_str));
    let description = view.description.trim();
    let gap = if description.is_empty() { "" } else { "\n\n" };
    let test =
        if view.is_test { "This is a test: somebody pressed the test button of the portal.\n\n" } else { "" };
    format!("{test}{description}{gap}{}", sheet.finish())
}

/// The rule and what it is about. An alert without a rule is called by its description or its source.
fn subject(view: &AlertView) -> String {
    let name = [&view.rule, &view.description, &view.monitoring_service];
    let name = name.into_iter().find(|text| !text.is_empty()).map_or("Azure Monitor alert", String::as_str);
    joined(name, " on ", &view.resource)
}

/// What happened, in a few words, or nothing.
fn headline(view: &AlertView, kind: Kind) -> String {
    let context = &view.context;
    let resolved = view.condition == "Resolved";
    match kind {
        // The value of a Resolved is a calm one, or none.
        Kind::MetricStatic
        | Kind::MetricDynamic
        | Kind::MetricMultiResource
        | Kind::MetricCustom
        | Kind::WebTest
        | Kind::LogV2
        | Kind::SimpleLog
        | Kind::LogV1
        | Kind::ApplicationInsightsV1
            if resolved =>
        {
            String::new()
        }
        Kind::MetricStatic
        | Kind::MetricDynamic
        | Kind::MetricMultiResource
        | Kind::MetricCustom
        | Kind::WebTest => metric::headline(context),
        Kind::LogV2 | Kind::SimpleLog | Kind::LogV1 | Kind::ApplicationInsightsV1 => log::headline(context),
        Kind::ActivityAdministrative
        | Kind::ActivityPolicy
        | Kind::ActivityAutoscale
        | Kind::ActivitySecurity
        | Kind::ActivityRecommendation => activity::headline(kind, context),
        Kind::ServiceHealth => health::service_headline(context),
        Kind::ResourceHealth => health::resource_headline(&view.resource, context),
        Kind::SmartDetection => detection::smart_headline(context),
        Kind::Prometheus => detection::prometheus_headline(context),
        Kind::CostBudget => detection::budget_headline(context),
        // The rule of a backup alert is called by what went wrong; its description says more.
        Kind::AzureBackup if !view.rule.is_empty() => view.description.clone(),
        Kind::AzureBackup | Kind::Other => String::new(),
    }
}

fn tell(kind: Kind, context: &Value, sheet: &mut Sheet) {
    match kind {
        Kind::MetricStatic
        | Kind::MetricDynamic
        | Kind::MetricMultiResource
        | Kind::MetricCustom
        | Kind::WebTest => metric::tell(context, sheet),
        Kind::LogV2 | Kind::SimpleLog | Kind::LogV1 | Kind::ApplicationInsightsV1 => {
            log::tell(context, sheet)
        }
        Kind::ActivityAdministrative
        | Kind::ActivityPolicy
        | Kind::ActivityAutoscale
        | Kind::ActivitySecurity
        | Kind::ActivityRecommendation => activity::tell(context, sheet),
        Kind::ServiceHealth => health::tell_service(context, sheet),
        Kind::ResourceHealth => health::tell_resource(context, sheet),
        Kind::SmartDetection => detection::tell_smart(context, sheet),
        Kind::Prometheus => detection::tell_prometheus(context, sheet),
        Kind::CostBudget => detection::tell_budget(context, sheet),
        Kind::AzureBackup => detection::tell_backup(context, sheet),
        // Criteria of an unknown kind are told all the same: they say what was measured.
        Kind::Other => metric::tell(context, sheet),
    }
}

#[cfg(test)]
mod tests {
    use azure_simulator::alerts::{AlertRule, Kind as Sent};
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;
    use shared::alert::Notification;
    use uuid::Uuid;

    use super::*;

    fn view(body: &[u8]) -> AlertView {
        AlertView::new(Uuid::nil(), &Notification::parse(body).unwrap())
    }

    fn told(view: &AlertView) -> String {
        format!("# {}\nkind {}, {}\n\n{}", view.title, view.kind, view.condition, view.text)
    }

    #[test]
    fn the_text_of_every_kind_of_alert_says_what_an_engineer_on_call_asks_first() {
        let fired_at: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
        let later = fired_at + SignedDuration::from_mins(12);
        for kind in Sent::all() {
            let alert = AlertRule::new(*kind, 1, 1).fire(fired_at);
            let end = alert.resolved(later).or(alert.over(later));
            let texts: Vec<_> =
                std::iter::once(alert.fired()).chain(end).map(|body| told(&view(&body))).collect();
            insta::assert_snapshot!(kind.name(), texts.join("\n---\n\n"));
        }
    }

    #[test]
    fn the_kind_of_every_alert_that_azure_sends_is_recognised() {
        for sent in Sent::all() {
            let view = view(&AlertRule::new(*sent, 1, 1).fire(Timestamp::UNIX_EPOCH).fired());
            let expected = match sent.name() {
                "webtest" => "web_test".to_owned(),
                // The same kind, of a rule that is split by resource.
                "log-v2-resource-centric" => "log_v2".to_owned(),
                name => name.replace('-', "_"),
            };
            assert_eq!(view.kind, expected);
            assert!(!view.is_test);
            let tells_its_end =
                sent.resolves() || matches!(view.kind, "service_health" | "resource_health" | "azure_backup");
            assert_eq!(view.never_resolves, !tells_its_end, "{}", view.kind);
        }
    }

    #[test]
    fn every_payload_of_the_corpus_is_recognised_and_told_if_there_is_one() {
        let Some(corpus) = std::env::var_os("SECURE_EXPORT_CORPUS") else { return };
        let mut read = 0;
        for folder in ["", "composed", "test-action", "context-only"] {
            let mut paths: Vec<_> = std::fs::read_dir(std::path::Path::new(&corpus).join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .collect();
            paths.sort();
            for path in paths {
                let mut body: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                if folder == "context-only" {
                    let essentials = json!({"alertId": "/a", "monitorCondition": "Fired"});
                    body = json!({"data": {"essentials": essentials, "alertContext": body["alertContext"]}});
                }
                let view = view(body.to_string().as_bytes());
                let name = path.display();
                assert_ne!(view.kind, "other", "{name}");
                assert_eq!(
                    view.is_test,
                    folder == "test-action" || view.title.starts_with("[Test]"),
                    "{name}"
                );
                for markup in ["<p>", "<br", "<td", "&nbsp;", ": null"] {
                    assert!(!view.text.contains(markup), "{name}: {}", view.text);
                }
                eprintln!("corpus: {name}\n{}", told(&view));
                read += 1;
            }
        }
        assert!(read > 0, "SECURE_EXPORT_CORPUS names a folder without payloads");
    }
}
