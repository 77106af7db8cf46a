//! What templates give, what stands in for those that fail, and how much one may take.

use azure_simulator::alerts::{AlertRule, Kind};
use jiff::{SignedDuration, Timestamp};
use shared::alert::Notification;
use uuid::Uuid;

use super::*;
use crate::policy::RouteSettings;
use crate::policy::rules::tests::settings;

fn with(change: impl FnOnce(&mut RouteSettings)) -> Templates {
    let mut settings = settings();
    change(&mut settings);
    Templates::new(&settings).unwrap()
}

fn alert(body: &[u8]) -> AlertView {
    AlertView::new(Uuid::nil(), &Notification::parse(body).unwrap())
}

fn metric() -> AlertView {
    let rule = AlertRule::new(Kind::MetricStatic, 1, 1);
    alert(&rule.fire(Timestamp::UNIX_EPOCH).fired())
}

fn summary(template: &str) -> Rendered {
    let templates = with(|settings| settings.open.summary = template.to_owned());
    templates.render(&Template::Summary, &metric(), &TicketView::default())
}

fn assert_default_templates_suit(alert: &AlertView, of: &str) {
    let templates = with(|_| ());
    let transitions = [Transition::Open, Transition::Update, Transition::Resolve, Transition::Reopen];
    let notes = transitions.into_iter().map(Template::Note);
    let texts = [
        Template::CorrelationKey,
        Template::Summary,
        Template::Description,
        Template::StillFires,
        Template::Bound,
        Template::Flapping,
        Template::Storm(StormText::Summary),
        Template::Storm(StormText::Description),
        Template::Storm(StormText::Note),
    ];
    for template in texts.into_iter().chain(notes) {
        let rendered = templates.render(&template, alert, &TicketView::default());
        assert_eq!(rendered.fallback, None, "{template:?} of {of}");
        assert!(!rendered.text.trim().is_empty(), "{template:?} of {of}");
    }
}

#[test]
fn the_default_templates_suit_every_kind_of_alert() {
    for kind in Kind::all() {
        let alert_at = AlertRule::new(*kind, 1, 1).fire(Timestamp::UNIX_EPOCH);
        let later = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(5);
        let end = alert_at.resolved(later).or(alert_at.over(later));
        for body in std::iter::once(alert_at.fired()).chain(end) {
            assert_default_templates_suit(&alert(&body), kind.name());
        }
    }
}

#[test]
fn the_default_templates_suit_every_payload_of_the_corpus_if_there_is_one() {
    let Some(corpus) = std::env::var_os("SECURE_EXPORT_CORPUS") else { return };
    let mut read = 0;
    for folder in ["", "composed", "test-action"] {
        for entry in std::fs::read_dir(std::path::Path::new(&corpus).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                assert_default_templates_suit(
                    &alert(&std::fs::read(&path).unwrap()),
                    &path.display().to_string(),
                );
                read += 1;
            }
        }
    }
    assert!(read > 0, "SECURE_EXPORT_CORPUS names a folder without payloads");
}

#[test]
fn a_template_that_names_what_is_not_there_gives_the_plain_text_and_says_so() {
    let rendered = summary("{{ alert.nowhere.at_all }}");
    assert_eq!(rendered.text, metric().title);
    assert!(rendered.fallback.unwrap().contains("route.open.summary"));
}

#[test]
fn a_ticket_has_a_title_though_nothing_is_seen_of_what_its_template_gives() {
    for template in ["", " \n", "{{ '\u{200b}' }}", "\u{202e}\u{feff}"] {
        let rendered = summary(template);
        assert_eq!(rendered.text, metric().title, "{template:?}");
        assert!(rendered.fallback.unwrap().contains("gives an empty text"));
    }
}

#[test]
fn alerts_do_not_share_a_ticket_because_their_key_is_empty() {
    let templates = with(|settings| settings.correlation_key = "{{ alert.origin_id if false }}".to_owned());
    let rendered = templates.render(&Template::CorrelationKey, &metric(), &TicketView::default());
    assert_eq!(rendered.text, metric().series);
    assert!(rendered.fallback.unwrap().contains("empty"));
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let rendered = summary("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}");
    assert!(rendered.fallback.unwrap().contains("fuel"));
}

#[test]
fn a_template_that_grows_without_bound_is_stopped() {
    let rendered = summary("{% for a in range(9000) %}{{ alert.text }}{{ alert.text }}{% endfor %}");
    assert_eq!(rendered.text, metric().title);
    let failure = rendered.fallback.unwrap();
    assert!(failure.contains("renders to more than 262144 bytes"), "{failure}");
}

#[test]
fn alert_text_is_never_taken_for_a_template() {
    let mut hostile = metric();
    hostile.title = "{{ alert.id }}{% for x in range(9) %}".to_owned();
    let rendered = with(|_| ()).render(&Template::Summary, &hostile, &TicketView::default());
    assert_eq!(rendered, Rendered { text: hostile.title.clone(), fallback: None });
}

#[test]
fn a_field_that_the_product_shows_as_markup_has_a_filter_for_it() {
    let mut hostile = metric();
    hostile.title = "<img src=x> {code}".to_owned();
    let field = |filter: &str| {
        let text = format!("{{{{ alert.title | {filter} }}}}");
        let templates = with(|settings| drop(settings.open.fields.insert("u_text".to_owned(), text)));
        templates.fields(Transition::Open, &hostile, &TicketView::default()).0["u_text"].clone()
    };
    assert_eq!(field("html"), "&lt;img src=x&gt; {code}");
    assert!(!field("wiki").contains(['<', '{']));
}

#[test]
fn a_field_that_fails_is_left_out_and_the_others_are_kept() {
    let templates = with(|settings| {
        settings.open.fields.insert("category".to_owned(), "{{ alert.monitoring_service }}".to_owned());
        settings.open.fields.insert("u_team".to_owned(), "{{ alert.custom.nobody.here }}".to_owned());
    });
    let (fields, failures) = templates.fields(Transition::Open, &metric(), &TicketView::default());
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["category"]);
    assert_eq!(failures.len(), 1);
}

#[test]
fn a_text_that_is_no_template_is_refused_at_start_with_its_key() {
    let mut broken = settings();
    broken.resolve.note = "{{ alert.".to_owned();
    let error = Templates::new(&broken).unwrap_err().to_string();
    assert!(error.starts_with("route.resolve.note is not a template"), "{error}");
}

#[test]
fn the_list_of_a_storm_is_not_cut_off_however_long_its_titles_are() {
    let ticket = TicketView {
        newest: vec!["x".repeat(crate::intake::batch::MAX_TITLE_CHARS); 50],
        route: "x".repeat(40),
        alerts: 10_000,
        firing: 10_000,
        storm_since: "2026-03-22T13:58:24.371321Z".to_owned(),
        ..TicketView::default()
    };
    for text in [StormText::Description, StormText::Note] {
        let rendered = with(|_| ()).render(&Template::Storm(text), &metric(), &ticket);
        assert_eq!(rendered.fallback, None);
        assert!(rendered.text.chars().count() <= 4_000, "{text:?}: {}", rendered.text.chars().count());
    }
}
