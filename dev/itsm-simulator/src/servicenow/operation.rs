//! What each method does to a table.

use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::database::{Search, Values};
use super::instance::Instance;
use super::parameters::Parameters;
use super::problem::Problem;
use super::query::Case;
use super::render::render;
use crate::answer::Answer;
use crate::fault::Strike;

/// A call of the Table API, read from its request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) parameters: Parameters,
    pub(super) accept: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
    /// Start of this instance's URLs as the caller sees them.
    pub(super) base: String,
}

/// What a path names.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) version: Version,
    pub(super) table: String,
    pub(super) sys_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    /// Answers 404 to a search that finds nothing.
    First,
    Latest,
}

impl Target {
    /// Reads a path such as `/api/now/v2/table/incident/0f3a…`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/api/now/")?;
        let (version, rest) = match (rest.strip_prefix("v1/"), rest.strip_prefix("v2/")) {
            (Some(rest), _) => (Version::First, rest),
            (None, Some(rest)) => (Version::Latest, rest),
            (None, None) => (Version::Latest, rest),
        };
        let rest = rest.strip_prefix("table/")?.trim_end_matches('/');
        let (table, sys_id) = match rest.split_once('/') {
            Some((table, sys_id)) => (table, Some(sys_id.to_owned())),
            None => (rest, None),
        };
        let is_deeper = sys_id.as_ref().is_some_and(|sys_id| sys_id.contains('/'));
        let target = Self { version, table: table.to_owned(), sys_id };
        (!table.is_empty() && !is_deeper).then_some(target)
    }

    /// The operation by which a call is counted and by which faults choose it.
    pub(super) fn operation(&self, method: &Method) -> &'static str {
        match (method.as_str(), self.table.as_str(), &self.sys_id) {
            ("POST", ..) => "create",
            ("PATCH" | "PUT", ..) => "update",
            ("DELETE", ..) => "delete",
            ("GET", "incident", Some(_)) => "read",
            ("GET", "incident", None) => "query_incident",
            ("GET", "cmdb_key_value", _) => "query_key_value",
            ("GET", "sys_journal_field", _) => "query_journal",
            ("GET", "sys_choice", _) => "query_choice",
            ("GET", table, _) if table.starts_with("cmdb_ci") => "query_ci",
            ("GET", ..) => "query_other",
            _ => "other",
        }
    }
}

/// Does what was asked, under the conditions that faults impose.
pub(super) fn act(
    instance: &mut Instance,
    asked: &Asked,
    strike: &Strike,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let table = asked.target.table.as_str();
    let known = instance.database.schema.name_of(table);
    let table = known.ok_or_else(|| Problem::InvalidTable(table.to_owned()))?;
    let sys_id = asked.target.sys_id.as_deref();
    match (asked.method.as_str(), sys_id) {
        ("GET", Some(_)) if strike.hidden => Err(Problem::NoRecord),
        ("GET", Some(sys_id)) => show(instance, asked, StatusCode::OK, table, sys_id),
        ("GET", None) => list(instance, asked, strike, table, now),
        ("POST", None) => {
            let sent = written(asked, table)?;
            let sys_id = instance.create(sent, now).map_err(Problem::Write)?;
            let location = format!("{}/api/now/table/{table}/{sys_id}", asked.base);
            Ok(show(instance, asked, StatusCode::CREATED, table, &sys_id)?.with("Location", location))
        }
        ("PATCH" | "PUT", Some(sys_id)) => {
            let sent = written(asked, table)?;
            let found = instance.database.by_sys_id(table, sys_id).filter(|_| !strike.hidden);
            let (position, _) = found.ok_or(Problem::NoRecord)?;
            instance.update(position, sent, now).map_err(Problem::Write)?;
            show(instance, asked, StatusCode::OK, table, sys_id)
        }
        ("DELETE", Some(_)) => Err(Problem::NoRights),
        _ => Err(Problem::MethodNotAllowed),
    }
}

fn show(
    instance: &Instance,
    asked: &Asked,
    status: StatusCode,
    table: &str,
    sys_id: &str,
) -> Result<Answer, Problem> {
    let (_, row) = instance.database.by_sys_id(table, sys_id).ok_or(Problem::NoRecord)?;
    let view = asked.parameters.view(&asked.base, instance.settings.switches.user_time_zone.clone());
    Ok(Answer::json(status, json!({ "result": render(&instance.database, table, row, &view) })))
}

fn list(
    instance: &Instance,
    asked: &Asked,
    strike: &Strike,
    table: &str,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let (database, switches) = (&instance.database, &instance.settings.switches);
    let parameters = &asked.parameters;
    let query = parameters.query(database, table);
    let finds_nothing = strike.hidden || (query.ignored > 0 && switches.invalid_query_returns_no_rows);
    let search = Search {
        query: &query,
        case: if switches.case_sensitive { Case::Counts } else { Case::Ignored },
        born_by: strike.born_by(now),
    };
    let found = if finds_nothing { Vec::new() } else { database.search(table, search) };
    if found.is_empty() && asked.target.version == Version::First {
        return Err(Problem::NoRecord);
    }
    let view = parameters.view(&asked.base, instance.settings.switches.user_time_zone.clone());
    let (offset, limit) = (parameters.offset(), parameters.limit());
    let page = found.iter().skip(offset).take(limit);
    let shown: Vec<Value> = page.map(|row| render(database, table, row, &view)).collect();
    let mut answer = Answer::json(StatusCode::OK, json!({ "result": shown }));
    if !parameters.is_on("sysparm_no_count") {
        answer = answer.with("X-Total-Count", found.len().to_string());
    }
    if !parameters.is_on("sysparm_suppress_pagination_header") {
        answer = answer.with("Link", pages(asked, offset, limit, found.len()));
    }
    Ok(answer)
}

/// The record in the body of a write.
fn written(asked: &Asked, table: &str) -> Result<Values, Problem> {
    let (Some(accept), Some(content_type)) = (&asked.accept, &asked.content_type) else {
        return Err(Problem::BadRequest("the headers Accept and Content-Type are needed"));
    };
    if !["application/json", "application/*", "*/*"].iter().any(|known| accept.contains(known)) {
        return Err(Problem::NotAcceptable);
    }
    if !content_type.starts_with("application/json") {
        return Err(Problem::UnsupportedMediaType);
    }
    let body: Value = serde_json::from_slice(&asked.body)
        .map_err(|_| Problem::BadRequest("the payload is not valid JSON"))?;
    // Of several records only the first is processed.
    let first = match body {
        Value::Array(records) => records.into_iter().next().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => body,
    };
    let Value::Object(record) = first else {
        return Err(Problem::BadRequest("the payload is not a record"));
    };
    // The role of an integration user writes incidents and only reads everything else.
    if table == "incident" { Ok(texts(record)) } else { Err(Problem::NoRights) }
}

/// All values are text to the instance, whatever JSON calls them.
fn texts(record: Map<String, Value>) -> Values {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    record.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

fn pages(asked: &Asked, offset: usize, limit: usize, total: usize) -> String {
    let url = format!("{}/api/now/table/{}", asked.base, asked.target.table);
    let page = |offset: usize, rel: &str| {
        format!("<{url}?sysparm_limit={limit}&sysparm_offset={offset}>;rel=\"{rel}\"")
    };
    let last = total.saturating_sub(1).checked_div(limit).unwrap_or(0) * limit;
    let mut links = vec![page(0, "first")];
    if offset > 0 {
        links.push(page(offset.saturating_sub(limit), "prev"));
    }
    if offset + limit < total {
        links.push(page(offset + limit, "next"));
    }
    links.push(page(last, "last"));
    links.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_table_or_a_record_in_any_version() {
        let check = |path: &str, expected: Option<(Version, &str, Option<&str>)>| {
            let target = Target::parse(path);
            let parts = target.as_ref().map(|t| (t.version, t.table.as_str(), t.sys_id.as_deref()));
            assert_eq!(parts, expected, "{path}");
        };
        check("/api/now/table/incident", Some((Version::Latest, "incident", None)));
        check("/api/now/v1/table/incident/", Some((Version::First, "incident", None)));
        check("/api/now/v2/table/incident/ab12", Some((Version::Latest, "incident", Some("ab12"))));
        check("/api/now/table/", None);
        check("/api/now/table/incident/ab12/more", None);
        check("/api/now/stats/incident", None);
    }
}
