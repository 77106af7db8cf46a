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
    format!("{test}{severity}{named}")
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
    use proptest::prelude::*;
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
    fn a_test_says_so_first_and_each_press_is_a_series_of_its_own() {
        let sample = |minute: usize| {
            let body = json!({"data": {"essentials": {
                "alertId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.AlertsManagement/alerts/12345678-1234-1234-1234-1234567890ab",
                "alertRule": "test-metricAlertRule", "severity": "Sev4", "monitorCondition": "Fired",
                "monitoringService": "Platform", "alertTargetIDs": ["/subscriptions/11111111-1111-1111-1111-111111111111/x"],
                "firedDateTime": format!("2026-07-01T10:{minute:02}:00Z")}}});
            view(body.to_string().as_bytes())
        };
        assert_eq!(sample(1).title, "[Test] [Sev4] test-metricAlertRule on x");
        assert!(sample(1).is_test && sample(1).never_resolves);
        assert!(sample(1).text.starts_with("This is a test"), "{}", sample(1).text);
        assert_eq!(sample(1).series, sample(1).series);
        assert_ne!(sample(1).series, sample(2).series);
    }

    #[test]
    fn all_that_tells_of_one_incident_is_one_series_and_another_incident_another() {
        let series = |body: &[u8]| view(body).series;
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        for kind in [Sent::ServiceHealth, Sent::ResourceHealth] {
            let alert = AlertRule::new(kind, 1, 1).fire(at(0));
            assert_eq!(series(&alert.fired()), series(&alert.over(at(9)).unwrap()), "{}", kind.name());
            let other = AlertRule::new(kind, 1, 2).fire(at(0));
            assert_ne!(series(&alert.fired()), series(&other.fired()), "{}", kind.name());
        }
    }

    #[test]
    fn an_incident_that_is_over_is_resolved_though_azure_calls_it_fired() {
        let alert = AlertRule::new(Sent::ServiceHealth, 1, 1).fire(Timestamp::UNIX_EPOCH);
        let over = view(&alert.over("2026-07-01T10:12:00Z".parse().unwrap()).unwrap());
        assert_eq!(
            (over.condition.as_str(), over.resolved_at.as_str()),
            ("Resolved", "2026-07-01T10:12:00Z")
        );
        assert_eq!(view(&alert.fired()).resolved_at, "");
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

    fn any_part() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            prop::sample::select(vec![
                "PT-5M",
                "[{\"ServiceName\":7}]",
                "<p",
                "&#xfffffff;",
                "https://",
                "True",
                "Resolved"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name = prop::sample::select(vec![
                "name",
                "value",
                "ServiceName",
                "ImpactedRegions",
                "metricValue",
                "trackingId",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..4).prop_map(|pairs| pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()),
            ]
        })
    }

    /// Every place of a document, as a JSON pointer.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        for (name, inner) in value.as_object().into_iter().flatten() {
            places(inner, &format!("{at}/{}", escaped(name)), found);
        }
        for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
            places(inner, &format!("{at}/{index}"), found);
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_at_any_place_of_an_alert_it_has_a_title_and_a_text(
            kind in prop::sample::select(Sent::all().to_vec()),
            parts in prop::collection::vec((any::<prop::sample::Index>(), any_part()), 0..4),
        ) {
            let body = AlertRule::new(kind, 1, 1).fire(Timestamp::UNIX_EPOCH).fired();
            let mut document: Value = serde_json::from_slice(&body).unwrap();
            for (index, part) in parts {
                let mut all = Vec::new();
                places(&document["data"], "", &mut all);
                all.retain(|place| !matches!(place.as_str(), "" | "/essentials"));
                let place: &String = index.get(&all);
                *document["data"].pointer_mut(place).unwrap() = part;
            }
            document["data"]["essentials"]["alertId"] = json!("/a");
            document["data"]["essentials"]["monitorCondition"] = json!("Fired");
            let view = view(document.to_string().as_bytes());
            prop_assert!(!view.title.is_empty() && !view.series.is_empty());
            prop_assert!(view.text.contains("Alert: /a\n"), "{}", view.text);
        }
    }
}
