//! A row as the API shows it: strings only, references as objects unless they are empty.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::database::{Database, Row};
use super::incident::parse_time;
use super::schema::Kind;

/// How the caller wants to see values.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    /// `sysparm_fields`; all columns when absent.
    pub(super) fields: Option<Vec<&'a str>>,
    pub(super) display: Display,
    /// Start of the links to referenced rows; no links when absent.
    pub(super) link_base: Option<String>,
    pub(super) zone: TimeZone,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Display {
    Raw,
    Label,
    Both,
}

/// One element of `result`.
pub(super) fn render(database: &Database, table: &str, row: &Row, view: &View<'_>) -> Value {
    let mut shown = Map::new();
    let mut show = |path: &str, kind: Kind| {
        shown.insert(path.to_owned(), one(database, table, row, path, kind, view));
    };
    match &view.fields {
        Some(fields) => {
            for path in fields {
                if let Some(column) = database.schema.column(table, path) {
                    show(path, column.kind);
                }
            }
        }
        None => {
            for (name, column) in database.schema.table(table).into_iter().flat_map(|table| table.columns()) {
                show(name, column.kind);
            }
        }
    }
    Value::Object(shown)
}

fn one(database: &Database, table: &str, row: &Row, path: &str, kind: Kind, view: &View<'_>) -> Value {
    let raw = match kind {
        Kind::Journal => String::new(),
        Kind::Text(_)
        | Kind::Number
        | Kind::Boolean
        | Kind::DateTime
        | Kind::Choice(_)
        | Kind::Reference(_) => database.value(table, row, path).into_owned(),
    };
    if view.display == Display::Raw && !matches!(kind, Kind::Reference(_)) {
        return Value::String(raw);
    }
    let label = label(database, kind, &raw, &view.zone);
    let link = match (&view.link_base, kind) {
        (Some(base), Kind::Reference(target)) if !raw.is_empty() => {
            Some(format!("{base}/api/now/table/{target}/{raw}"))
        }
        (Some(_) | None, _) => None,
    };
    match (view.display, link) {
        (Display::Raw, Some(link)) => json!({ "link": link, "value": raw }),
        (Display::Raw, None) => Value::String(raw),
        (Display::Label, Some(link)) => json!({ "display_value": label, "link": link }),
        (Display::Label, None) => Value::String(label),
        (Display::Both, Some(link)) => json!({ "display_value": label, "link": link, "value": raw }),
        (Display::Both, None) => json!({ "display_value": label, "value": raw }),
    }
}

fn label(database: &Database, kind: Kind, raw: &str, zone: &TimeZone) -> String {
    match kind {
        Kind::Choice(choices) => {
            choices.iter().find(|(value, _)| *value == raw).map_or(raw, |(_, label)| label).to_owned()
        }
        Kind::Reference(target) => database
            .by_sys_id(target, raw)
            .and_then(|(_, row)| row.values.get("name").or_else(|| row.values.get("number")))
            .cloned()
            .unwrap_or_default(),
        Kind::DateTime => match parse_time(raw) {
            Some(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            None => raw.to_owned(),
        },
        Kind::Text(_) | Kind::Number | Kind::Boolean | Kind::Journal => raw.to_owned(),
    }
}
