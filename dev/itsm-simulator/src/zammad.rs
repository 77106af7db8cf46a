//! Zammad: tickets and their articles, as its REST API shows them.
//!
//! Read from its documentation and its source, <https://github.com/zammad/zammad>, not from a running one.
//! What is said to be unverified is a guess of ours.

mod search;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ending::Manner;
use crate::help_desk::dialect::{Dialect, Route, Visit, Words, id_in, text_in};
use crate::help_desk::{Change, Desk, Refusal, Ticket};
use crate::request::header;

/// A ticket's number is a text that looks like an id and is none.
const FIRST_NUMBER: u64 = 81_001;

pub(crate) const ZAMMAD: Dialect = Dialect {
    name: "zammad",
    prefix: "/zammad/api/v1",
    words: Words {
        statuses: &["new", "open", "pending reminder", "pending close", "closed", "merged"],
        in_work: "open",
        // It knows no difference.
        resolved: "closed",
        closed: "closed",
        done: &["closed", "merged"],
        merged: Some("merged"),
        fields: &["azure_alert_id", "azure_resource_id"],
        title_limit: 250,
        arm_id: None,
    },
    manner: Manner {
        page: "<!DOCTYPE html><html><head><title>Zammad Helpdesk</title></head><body>Sign in</body></html>",
        failure,
    },
    admit,
    route,
};

fn admit(request: &HttpRequest, token: Option<&str>) -> Result<(), Answer> {
    let proof = header(request, &AUTHORIZATION).and_then(|sent| sent.strip_prefix("Token token="));
    // The words are unverified.
    let refusal = || failure(StatusCode::UNAUTHORIZED, "Authentication required");
    proof.filter(|sent| token == Some(*sent)).map(|_| ()).ok_or_else(refusal)
}

fn route(method: &str, parts: &[&str]) -> Route {
    let (operation, act): (_, fn(&mut Visit<'_>) -> _) = match (method, parts) {
        ("POST", ["tickets"]) => ("create", create),
        ("GET" | "POST", ["tickets", "search"]) => ("search", search::search),
        ("GET", ["tickets", _]) => ("read", read),
        ("PUT", ["tickets", _]) => ("update", update),
        ("POST", ["ticket_articles"]) => ("article", article),
        ("PUT", ["ticket_merge", _, _]) => ("merge", merge),
        ("POST", ["links", "add"]) => ("link", link),
        _ => ("other", |_| Err(failure(StatusCode::NOT_FOUND, "No route matches this address"))),
    };
    Route { operation, act }
}

fn create(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let sent = written(visit)?;
    for (name, other) in [("title", "title"), ("group", "group_id"), ("customer", "customer_id")] {
        if !sent.contains_key(name) && !sent.contains_key(other) {
            // The words are unverified.
            return Err(unprocessable(&format!("Missing required value for field '{other}'!")));
        }
    }
    let change = change(visit.desk, &sent)?;
    let id = visit.desk.create(change, visit.now).map_err(refused)?;
    answer(visit, id, StatusCode::CREATED)
}

fn read(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = known(visit)?;
    answer(visit, id, StatusCode::OK)
}

fn update(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = known(visit)?;
    let sent = written(visit)?;
    if sent.contains_key("article") && visit.desk.settings.switches.may_not_write_notes {
        return Err(forbidden());
    }
    let change = change(visit.desk, &sent)?;
    visit.desk.update(id, change).map_err(refused)?;
    answer(visit, id, StatusCode::OK)
}

fn article(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let sent = written(visit)?;
    let id = id_in(sent.get("ticket_id")).unwrap_or_default();
    let id = visit.ticket_by(&id.to_string()).ok_or_else(|| not_found(&id.to_string()))?.id;
    if visit.desk.settings.switches.may_not_write_notes {
        return Err(forbidden());
    }
    let body = body_of(&Value::Object(sent))?;
    let change = Change { texts: vec![body.clone()], ..Change::default() };
    visit.desk.update(id, change).map_err(refused)?;
    Ok(Answer::json(StatusCode::CREATED, json!({ "ticket_id": id, "body": body })))
}

/// Failures are a 200, too.
fn merge(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let failed = |message: &str| json!({ "result": "failed", "message": message });
    let into = visit.parts.get(2).and_then(|number| visit.desk.tickets.iter().find(|it| is_of(it, number)));
    let body = match (visit.ticket(), into) {
        (_, None) => failed("The target ticket number could not be found."),
        (None, _) => failed("The source ticket could not be found."),
        (Some(from), Some(into)) => {
            let (from, into) = (from.id, into.id);
            visit.desk.merge(from, into).map_err(refused)?;
            json!({ "result": "success" })
        }
    };
    Ok(Answer::json(StatusCode::OK, body))
}

/// One end is named by its id and the other by its number. It does not mind a link that is there already.
fn link(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let sent = Value::Object(written(visit)?);
    let number = text_in(&sent, "/link_object_source_number").unwrap_or_default();
    let target = id_in(sent.get("link_object_target_value")).and_then(|id| visit.desk.ticket(id));
    let source = visit.desk.tickets.iter().find(|ticket| is_of(ticket, &number));
    // What a ticket that does not exist gets is unverified.
    let (Some(target), Some(source)) = (target, source) else { return Err(not_found(&number)) };
    let (target, source) = (target.id, source.id);
    visit.desk.link(target, source);
    Ok(Answer::json(StatusCode::CREATED, json!({ "link_object_target_value": target })))
}

/// What a body asks for. What it does not know it drops without a word.
fn change(desk: &Desk, sent: &Map<String, Value>) -> Result<Change, Answer> {
    let record = Value::Object(sent.clone());
    let named = |name: &str, ids: &[String]| {
        let id = id_in(sent.get(&format!("{name}_id"))).and_then(|id| usize::try_from(id).ok());
        text_in(&record, &format!("/{name}")).or_else(|| ids.get(id?.checked_sub(1)?).cloned())
    };
    let statuses = desk.dialect.words.statuses.iter().map(|&name| name.to_owned());
    Ok(Change {
        title: text_in(&record, "/title"),
        status: named("state", &statuses.collect::<Vec<_>>()),
        group: named("group", &desk.settings.switches.groups),
        fields: desk.fields().filter_map(|name| Some((name.to_owned(), sent.get(name)?.clone()))).collect(),
        texts: sent.get("article").map(body_of).transpose()?.into_iter().collect(),
        cis: None,
    })
}

fn body_of(article: &Value) -> Result<String, Answer> {
    let missing = || unprocessable("Need at least an 'article body' field.");
    text_in(article, "/body").filter(|body| !body.is_empty()).ok_or_else(missing)
}

fn answer(visit: &Visit<'_>, id: u64, status: StatusCode) -> Result<Answer, Answer> {
    let ticket = visit.desk.ticket(id).ok_or_else(|| not_found(&id.to_string()))?;
    Ok(Answer::json(status, shown(visit.desk, ticket, visit.parameter("expand") == Some("true"))))
}

/// Names appear only in an expanded ticket.
fn shown(desk: &Desk, ticket: &Ticket, expanded: bool) -> Value {
    let statuses = desk.dialect.words.statuses.iter().zip(1..).find(|(name, _)| **name == ticket.status);
    let groups = desk.settings.switches.groups.iter().zip(1..).find(|(name, _)| **name == ticket.group);
    let mut shown = Map::from_iter(
        [
            ("id", json!(ticket.id)),
            ("number", json!(number(ticket))),
            ("title", json!(ticket.title)),
            ("state_id", json!(statuses.map(|(_, id): (_, u64)| id))),
            ("group_id", json!(groups.map(|(_, id): (_, u64)| id))),
            ("created_at", json!(ticket.created.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    shown.extend(desk.fields().map(|name| (name.to_owned(), json!(ticket.fields.get(name)))));
    if expanded {
        shown.insert("state".to_owned(), json!(ticket.status));
        shown.insert("group".to_owned(), json!(ticket.group));
    }
    Value::Object(shown)
}

fn number(ticket: &Ticket) -> String {
    (FIRST_NUMBER - 1 + ticket.id).to_string()
}

fn is_of(ticket: &Ticket, wanted: &str) -> bool {
    !ticket.deleted && number(ticket) == wanted
}

fn known(visit: &Visit<'_>) -> Result<u64, Answer> {
    let asked = visit.parts.get(1).copied().unwrap_or_default();
    visit.ticket().map(|ticket| ticket.id).ok_or_else(|| not_found(asked))
}

fn written(visit: &Visit<'_>) -> Result<Map<String, Value>, Answer> {
    // The words are unverified.
    serde_json::from_slice(visit.body).map_err(|_| failure(StatusCode::BAD_REQUEST, "Invalid JSON"))
}

/// To a token without the permission `admin` a newer one says "Error ID …: Please contact your
/// administrator." instead of some of these words; the status is the same.
fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoSuchTicket(id) => not_found(&id.to_string()),
        Refusal::NoSuchStatus(name) => unprocessable(&format!("No lookup value found for 'state': {name:?}")),
        Refusal::NoSuchGroup(name) => unprocessable(&format!("No lookup value found for 'group': {name:?}")),
        Refusal::Mandatory(name) => unprocessable(&format!("Missing required value for field '{name}'!")),
        Refusal::TitleTooLong(limit) => {
            unprocessable(&format!("Title is too long (maximum is {limit} characters)"))
        }
        Refusal::MergedIntoItself(_) => unprocessable("Can't merge ticket with itself!"),
        full @ (Refusal::Full { .. } | Refusal::NoConfigurationItems(_)) => {
            failure(StatusCode::INSUFFICIENT_STORAGE, &full.to_string())
        }
    }
}

fn not_found(id: &str) -> Answer {
    failure(StatusCode::NOT_FOUND, &format!("Couldn't find Ticket with 'id'={id}"))
}

fn forbidden() -> Answer {
    failure(StatusCode::FORBIDDEN, "Not authorized")
}

fn unprocessable(message: &str) -> Answer {
    failure(StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn failure(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, json!({ "error": message }))
}
