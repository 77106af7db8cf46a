//! `tickets/search`: by a condition, which asks the database, or by a query, which asks Elasticsearch.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{shown, unprocessable, written};
use crate::answer::Answer;
use crate::help_desk::dialect::Visit;

const PER_PAGE: usize = 50;
const MOST_PER_PAGE: usize = 200;

/// One comparison of an expanded ticket.
struct Test<'a> {
    attribute: &'a str,
    operator: &'a str,
    values: Vec<&'a str>,
}

pub(super) fn search(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let mut asked = if visit.body.is_empty() { Map::new() } else { written(visit)? };
    asked.extend(visit.parameters.iter().map(|(name, value)| (name.clone(), json!(value))));
    let says = |name: &str, wanted: &str| asked.get(name).is_some_and(|value| text(value) == wanted);
    let (desk, expanded) = (&visit.desk, says("expand", "true"));
    let tests = tests(&asked)?;
    let mut found = Vec::new();
    for ticket in visit.findable() {
        let record = shown(desk, ticket, true);
        let mut all_fit = true;
        for test in &tests {
            all_fit &= test.fits(&record)?;
        }
        if all_fit || desk.settings.switches.search_ignores_condition {
            found.push(ticket);
        }
    }
    // The latest comes first unless the other order is asked for.
    if !says("order_by", "asc") {
        found.reverse();
    }
    let number = |name: &str| asked.get(name).and_then(|value| text(value).parse::<usize>().ok());
    let limit = number("per_page").or_else(|| number("limit")).unwrap_or(PER_PAGE).min(MOST_PER_PAGE);
    let skipped = number("page").unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    let page = found.into_iter().skip(skipped).take(limit);
    let body = if expanded {
        Value::Array(page.map(|ticket| shown(desk, ticket, true)).collect())
    } else {
        let records: Map<_, _> = page.map(|it| (it.id.to_string(), shown(desk, it, false))).collect();
        let ids: Vec<&Value> = records.values().filter_map(|record| record.get("id")).collect();
        json!({ "tickets": ids, "tickets_count": ids.len(), "assets": { "Ticket": records } })
    };
    Ok(Answer::json(StatusCode::OK, body))
}

fn tests(asked: &Map<String, Value>) -> Result<Vec<Test<'_>>, Answer> {
    if let Some(Value::Object(conditions)) = asked.get("condition") {
        return conditions.iter().map(|(name, condition)| test(name, condition)).collect();
    }
    let Some(Value::String(query)) = asked.get("query") else { return Ok(Vec::new()) };
    // Of the query language only `attribute:value` and words of the title are simulated.
    Ok(vec![match query.split_once(':') {
        Some((attribute, value)) => {
            Test { attribute: attribute.trim(), operator: "is", values: vec![value.trim_matches('"')] }
        }
        None => Test { attribute: "title", operator: "contains", values: vec![query] },
    }])
}

fn test<'a>(name: &'a str, condition: &'a Value) -> Result<Test<'a>, Answer> {
    let attribute = name.strip_prefix("ticket.").unwrap_or(name);
    let operator = condition.get("operator").and_then(Value::as_str).unwrap_or_default();
    let values = match condition.get("value") {
        Some(Value::String(value)) => vec![value.as_str()],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => return Err(unprocessable("Invalid selector, value missing")),
    };
    Ok(Test { attribute, operator, values })
}

impl Test<'_> {
    /// Letter case counts, as it does in `PostgreSQL`. What an unknown attribute gets is unverified.
    fn fits(&self, record: &Value) -> Result<bool, Answer> {
        let stored = record.get(self.attribute).map(text);
        let stored = stored.ok_or_else(|| unprocessable(&format!("no column tickets.{}", self.attribute)))?;
        match self.operator {
            "is" => Ok(self.values.contains(&stored.as_str())),
            "contains" => Ok(self.values.iter().any(|value| stored.contains(value))),
            other => Err(unprocessable(&format!("Invalid operator '{other}'"))),
        }
    }
}

fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_null() => String::new(),
        None => value.to_string(),
    }
}
