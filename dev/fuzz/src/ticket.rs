//! A webhook body on its way to a ticket: view, templates, correlation, and what the product is sent.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use shared::alert::Notification;
use uuid::Uuid;
use worker::connector::{Connector, Draft};
use worker::policy::template::{Template, TicketView, Transition};
use worker::policy::view::AlertView;
use worker::policy::{Route, RouteSettings, correlate};

use crate::product::exchange;

const TENANT: Uuid = Uuid::from_u128(1);
const DEFAULTS: &str = include_str!("../../../worker/config.default.toml");
const MADE: &[u8] =
    b"HTTP/1.1 201 Created\r\n\r\n{\"result\":{\"sys_id\":\"0123456789abcdef0123456789abcdef\"}}";
/// The longest column that is written.
const MAX_COLUMN_CHARS: usize = 4_000;
const MAX_CANDIDATES: usize = 16;

static ROUTE: LazyLock<Route> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Defaults {
        route: RouteSettings,
    }
    let mut defaults: Defaults = toml::from_str(DEFAULTS).expect("the default settings");
    defaults.route.target = vec!["target".to_owned()];
    Route::new("route", defaults.route).expect("the default route")
});

pub(crate) fn run(body: &[u8]) {
    let Ok(notification) = Notification::parse(body) else { return };
    let view = AlertView::new(TENANT, &notification);
    assert!(!view.title.is_empty() && !view.text.is_empty() && !view.series.is_empty());
    assert!(view.ci_candidates.len() <= MAX_CANDIDATES);
    let again = AlertView::new(TENANT, &notification);
    assert_eq!((&again.series, &again.text), (&view.series, &view.text), "one alert, two tickets");

    let key = correlate::key(TENANT, "target", &render(&Template::CorrelationKey, &view));
    assert_eq!(key.len(), "sx1-".len() + 64);
    for transition in [Transition::Update, Transition::Resolve, Transition::Reopen] {
        render(&Template::Note(transition), &view);
    }
    let weight = ROUTE.weight(view.level);
    let draft = Draft {
        correlation_id: key.clone(),
        summary: render(&Template::Summary, &view),
        description: render(&Template::Description, &view),
        note: render(&Template::Note(Transition::Open), &view),
        impact: weight.impact,
        urgency: weight.urgency,
        ci: None,
        fields: [("u_custom".to_owned(), view.custom.to_string())].into(),
    };
    let (made, sent) = exchange(MADE, async |product: &dyn Connector| product.create(&draft).await);
    made.expect("the product accepts every ticket");
    let sent: Value = serde_json::from_slice(&sent).expect("a ticket is JSON");
    for (column, value) in sent.as_object().expect("a ticket has columns") {
        assert_plain(column, value.as_str().expect("a column is text"));
    }
    assert_eq!(sent.get("correlation_id").and_then(Value::as_str), Some(key.as_str()));
}

/// A text of the default templates, which suit every alert.
fn render(template: &Template, view: &AlertView) -> String {
    let rendered = ROUTE.templates.render(template, view, &TicketView::default());
    assert_eq!(rendered.fallback, None, "{template:?}");
    rendered.text
}

fn assert_plain(column: &str, text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{column}: {text:?}");
    assert!(text.chars().count() <= MAX_COLUMN_CHARS, "{column} is too long");
    let lower_case = text.to_ascii_lowercase();
    assert!(
        !lower_case.contains("[code]") && !lower_case.contains("[/code]"),
        "markup in {column}: {text:?}"
    );
}
