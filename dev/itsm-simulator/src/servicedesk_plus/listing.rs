//! Lists of requests and of assets.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{SUCCESS, input, plain_failure, request};
use crate::answer::Answer;
use crate::help_desk::dialect::Visit;

const ROWS: usize = 10;
const MOST_ROWS: usize = 100;

pub(super) fn requests(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let records = visit.findable().map(|ticket| request::shown(visit.desk, ticket)).collect();
    list(visit, "requests", records)
}

pub(super) fn assets(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let field = visit.desk.dialect.words.arm_id.unwrap_or_default();
    let cis = visit.desk.cis.iter().filter(|_| !visit.strike.hidden);
    let asset = |id: &u64, name: &str, arm_id: &str| {
        let value = Some(arm_id).filter(|arm_id| !arm_id.is_empty());
        json!({ "id": id.to_string(), "name": name, "udf_fields": { field: value } })
    };
    let records = cis.map(|ci| asset(&ci.id, &ci.seed.name, &ci.seed.arm_id)).collect();
    list(visit, "assets", records)
}

/// The page that `list_info` asks for; unlike everywhere else the status of a list is a list.
fn list(visit: &Visit<'_>, name: &str, mut records: Vec<Value>) -> Result<Answer, Answer> {
    let info = input(visit)?.remove("list_info").unwrap_or_default();
    if !visit.desk.settings.switches.search_ignores_condition {
        for criterion in several(info.get("search_criteria")) {
            narrow(&mut records, criterion)?;
        }
    }
    // They came oldest first; what comes first without an order is unverified.
    if info.get("sort_order").and_then(Value::as_str) != Some("asc") {
        records.reverse();
    }
    let number = |name: &str, otherwise: usize| {
        let asked = info.get(name).and_then(Value::as_u64).and_then(|asked| usize::try_from(asked).ok());
        asked.unwrap_or(otherwise)
    };
    let (start, rows) = (number("start_index", 1).max(1) - 1, number("row_count", ROWS).min(MOST_ROWS));
    let wanted: Vec<&str> = several(info.get("fields_required")).filter_map(Value::as_str).collect();
    let page: Vec<Value> =
        records.iter().skip(start).take(rows).map(|record| reduced(record, &wanted)).collect();
    Ok(Answer::json(
        StatusCode::OK,
        json!({
            "response_status": [{ "status_code": SUCCESS, "status": "success" }],
            "list_info": {
                "has_more_rows": records.len() > start.saturating_add(rows),
                "start_index": start + 1,
                "row_count": page.len(),
            },
            name: page,
        }),
    ))
}

/// Keeps what fits. A field that does not exist is ignored and so finds everything. That letter case does
/// not count is unverified.
fn narrow(records: &mut Vec<Value>, criterion: &Value) -> Result<(), Answer> {
    let says = |name: &str| criterion.get(name).and_then(Value::as_str).unwrap_or_default();
    if says("logical_operator").eq_ignore_ascii_case("or") {
        return Err(plain_failure(StatusCode::BAD_REQUEST, "the simulator joins criteria only by and"));
    }
    let pointer = format!("/{}", says("field").replace('.', "/"));
    let wanted: Vec<String> = [criterion.get("value"), criterion.get("values")]
        .into_iter()
        .flat_map(several)
        .filter_map(|value| Some(value.as_str()?.to_lowercase()))
        .collect();
    let fits: fn(&str, &str) -> bool = match says("condition") {
        "is" => |stored, wanted| stored == wanted,
        "contains" => |stored, wanted| stored.contains(wanted),
        _ => return Err(plain_failure(StatusCode::BAD_REQUEST, "Invalid condition in search_criteria")),
    };
    records.retain(|record| match record.pointer(&pointer) {
        None => true,
        Some(stored) => {
            let stored = stored.as_str().unwrap_or_default().to_lowercase();
            wanted.iter().any(|wanted| fits(&stored, wanted))
        }
    });
    Ok(())
}

/// One or several: the product takes either.
fn several(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let one = value.map_or(&[][..], std::slice::from_ref);
    value.and_then(Value::as_array).map_or(one, Vec::as_slice).iter()
}

/// Only the id and what was asked for.
fn reduced(record: &Value, wanted: &[&str]) -> Value {
    let Some(record) = record.as_object().filter(|_| !wanted.is_empty()) else { return record.clone() };
    let is_shown = |name: &str| name == "id" || wanted.contains(&name);
    let shown = record.iter().filter(|(name, _)| is_shown(name));
    Value::Object(shown.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}
