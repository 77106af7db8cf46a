//! The pages that searches answer.

use actix_web::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::operation::Asked;
use super::problem::Problem;
use super::render::View;
use super::settings::Right;
use super::{search, sql};
use crate::answer::Answer;
use crate::fault::Strike;

const PER_PAGE: usize = 20;
const MOST_PER_PAGE: usize = 100;

pub(super) fn tickets(
    desk: &Desk,
    asked: &Asked,
    strike: &Strike,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let comparisons = sql::parse(parameter(asked, "query")).map_err(Problem::BadRequest)?;
    let found = search::tickets(desk, &comparisons, strike.born_by(now)).map_err(Problem::BadRequest)?;
    let view = View { desk, base: &asked.base };
    let records = found.into_iter().filter(|_| !strike.hidden).map(|ticket| view.ticket(ticket)).collect();
    let are_all_shown = !desk.settings.switches.lacks(Right::ShowTicket);
    Ok(page(asked, "ticket", records, are_all_shown.then_some(())))
}

pub(super) fn assets(desk: &Desk, asked: &Asked, strike: &Strike) -> Result<Answer, Problem> {
    let comparisons = sql::parse(parameter(asked, "query")).map_err(Problem::BadRequest)?;
    let found = search::assets(desk, &comparisons).map_err(Problem::BadRequest)?;
    let view = View { desk, base: &asked.base };
    let records = found.into_iter().filter(|_| !strike.hidden).map(|asset| view.asset(asset)).collect();
    Ok(page(asked, "asset", records, None))
}

/// One page of what was found; without `counted` the total stays unsaid, as where rights may hide rows.
fn page(asked: &Asked, kind: &str, mut found: Vec<Map<String, Value>>, counted: Option<()>) -> Answer {
    order(asked, &mut found);
    let number = |name: &str| parameter(asked, name).parse().ok().filter(|number| *number > 0);
    let per_page = number("per_page").unwrap_or(PER_PAGE).min(MOST_PER_PAGE);
    let page = number("page").unwrap_or(1);
    let fields: Vec<&str> = parameter(asked, "fields").split(',').map(str::trim).collect();
    let start = (page - 1).saturating_mul(per_page);
    let items: Vec<Value> =
        found.iter().skip(start).take(per_page).map(|record| item(asked, kind, record, &fields)).collect();
    let total = counted.map(|()| found.len());
    let mut body = json!({
        "total": total,
        "pages": total.map(|total| total.div_ceil(per_page)),
        "count": items.len(),
        "page": page,
        "per_page": per_page,
        "items": items,
    });
    if start.saturating_add(per_page) < found.len()
        && let Some(body) = body.as_object_mut()
    {
        let query: String = asked
            .parameters
            .iter()
            .filter(|(name, _)| name != "page")
            .fold(format!("page={}", page + 1), |query, (name, value)| {
                query + "&" + name + "=" + &escaped(value)
            });
        body.insert("next_page".to_owned(), json!(format!("{}/{kind}s?{query}", asked.base)));
    }
    Answer::json(StatusCode::OK, body)
}

/// An item has its id as a string, unlike the record itself.
fn item(asked: &Asked, kind: &str, record: &Map<String, Value>, fields: &[&str]) -> Value {
    let id = record.get("id").map(Value::to_string).unwrap_or_default();
    let mut item = Map::new();
    for field in fields {
        if let Some(value) = record.get(*field) {
            item.insert((*field).to_owned(), value.clone());
        }
    }
    item.insert("_url".to_owned(), json!(format!("{}/{kind}/{id}", asked.base)));
    item.insert("type".to_owned(), json!(kind));
    item.insert("id".to_owned(), json!(id));
    Value::Object(item)
}

fn order(asked: &Asked, found: &mut [Map<String, Value>]) {
    let by = parameter(asked, "orderby");
    if !by.is_empty() && by != "id" {
        found.sort_by_key(|record| record.get(by).map(Value::to_string));
    }
    if parameter(asked, "order").eq_ignore_ascii_case("DESC") {
        found.reverse();
    }
}

fn parameter<'a>(asked: &'a Asked, wanted: &str) -> &'a str {
    asked.parameters.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str())
}

fn escaped(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}
