//! What each method does to a resource.

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::desk::{Desk, Draft};
use super::listing;
use super::problem::Problem;
use super::render::View;
use super::settings::Right;
use crate::answer::Answer;
use crate::fault::Strike;
use crate::request::Pairs;

/// A call, read from its request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) parameters: Pairs,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
    /// Start of the URLs as the caller sees them.
    pub(super) base: String,
}

/// What a path names.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Target {
    About,
    NewTicket,
    Ticket(u64),
    Comment(u64),
    Tickets,
    Assets,
    Asset(u64),
    Queue(String),
    Catalog(String),
    Nothing,
}

impl Target {
    /// Reads a path such as `/ticket/20/comment`.
    pub(super) fn parse(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["rt"] => Self::About,
            ["ticket"] => Self::NewTicket,
            ["ticket", id] => id.parse().map_or(Self::Nothing, Self::Ticket),
            ["ticket", id, "comment"] => id.parse().map_or(Self::Nothing, Self::Comment),
            ["tickets"] => Self::Tickets,
            ["assets"] => Self::Assets,
            ["asset", id] => id.parse().map_or(Self::Nothing, Self::Asset),
            ["queue", queue] => Self::Queue((*queue).to_owned()),
            ["catalog", catalog] => Self::Catalog((*catalog).to_owned()),
            _ => Self::Nothing,
        }
    }

    /// The operation by which a call is counted and by which faults choose it.
    pub(super) fn operation(&self, method: &Method) -> &'static str {
        match (self, method.as_str()) {
            (Self::About, "GET") => "about",
            (Self::NewTicket, "POST") => "create",
            (Self::Ticket(_), "GET") => "read",
            (Self::Ticket(_), "PUT") => "update",
            (Self::Comment(_), "POST") => "comment",
            (Self::Tickets, "GET") => "query_ticket",
            (Self::Assets, "GET") => "query_asset",
            (Self::Asset(_), "GET") => "read_asset",
            (Self::Queue(_), "GET") => "read_queue",
            (Self::Catalog(_), "GET") => "read_catalog",
            _ => "other",
        }
    }
}

/// Does what was asked, under the conditions that faults impose.
pub(super) fn act(
    desk: &mut Desk,
    asked: &Asked,
    strike: &Strike,
    now: Timestamp,
) -> Result<Answer, Problem> {
    match (&asked.target, asked.method.as_str()) {
        (Target::About, "GET") => Ok(Answer::json(StatusCode::OK, json!({ "Version": "5.0.3" }))),
        (Target::NewTicket, "POST") => create(desk, asked, now),
        (Target::Ticket(id), "GET") => {
            let ticket = desk.effective(*id).filter(|_| !strike.hidden).ok_or(Problem::NotFound)?;
            if desk.settings.switches.lacks(Right::ShowTicket) {
                return Err(Problem::Forbidden);
            }
            let shown = View { desk, base: &asked.base }.ticket(ticket);
            Ok(Answer::json(StatusCode::OK, Value::Object(shown)))
        }
        (Target::Ticket(id), "PUT") => {
            let found = desk.effective(*id).filter(|_| !strike.hidden);
            let id = found.ok_or(Problem::NothingToUpdate)?.id;
            update(desk, id, &written(asked)?, now)
        }
        (Target::Comment(id), "POST") => {
            let found = desk.effective(*id).filter(|_| !strike.hidden);
            let is_allowed = !desk.settings.switches.lacks(Right::CommentOnTicket);
            let id = found.filter(|_| is_allowed).ok_or(Problem::CommentRefused)?.id;
            comment(desk, id, &written(asked)?, now)
        }
        (Target::Tickets, "GET") => listing::tickets(desk, asked, strike, now),
        (Target::Assets, "GET") => listing::assets(desk, asked, strike),
        (Target::Asset(id), "GET") => {
            let asset = desk.asset(*id).filter(|_| !strike.hidden).ok_or(Problem::NotFound)?;
            let shown = View { desk, base: &asked.base }.asset(asset);
            Ok(Answer::json(StatusCode::OK, Value::Object(shown)))
        }
        // An unknown queue is forbidden and not missing.
        (Target::Queue(queue), "GET") => {
            let shown = View { desk, base: &asked.base }.queue(queue).ok_or(Problem::Forbidden)?;
            Ok(Answer::json(StatusCode::OK, shown))
        }
        (Target::Catalog(catalog), "GET") => {
            let shown = View { desk, base: &asked.base }.catalog(catalog).ok_or(Problem::Forbidden)?;
            Ok(Answer::json(StatusCode::OK, shown))
        }
        (Target::Nothing, _) => Err(Problem::NotFound),
        _ => Err(Problem::MethodNotAllowed),
    }
}

fn create(desk: &mut Desk, asked: &Asked, now: Timestamp) -> Result<Answer, Problem> {
    let sent = written(asked)?;
    let switches = &desk.settings.switches;
    let wanted = text(&sent, "Queue");
    if wanted.is_empty() {
        return Err(Problem::BadRequest("Could not create ticket. Queue not set".to_owned()));
    }
    if switches.lacks(Right::CreateTicket) {
        return Err(Problem::QueueRefused(wanted));
    }
    let known = switches.queues.iter().find(|queue| queue.eq_ignore_ascii_case(&wanted));
    let queue = known.ok_or(Problem::QueueRefused(wanted))?.clone();
    let mut status = text(&sent, "Status");
    if status.is_empty() {
        status = switches.statuses.active.first().cloned().unwrap_or_default();
    } else if !switches.statuses.at_creation.contains(&status) {
        let message = format!("New tickets can not have status '{status}' in this queue.");
        return Err(Problem::BadRequest(message));
    }
    let content = text(&sent, "Content");
    if !content.is_empty() && text(&sent, "ContentType").is_empty() {
        return Err(content_type_missing());
    }
    let draft = Draft {
        queue,
        subject: text(&sent, "Subject"),
        content,
        status,
        priority: text(&sent, "Priority"),
        requestor: text(&sent, "Requestor"),
        custom_fields: custom_fields(&sent),
        refers_to: texts(&sent, "RefersTo").iter().filter_map(|link| desk.link(link)).collect(),
    };
    let id = desk.create(draft, now).map_err(Problem::Write)?.to_string();
    let created = View { desk, base: &asked.base }.reference("ticket", &id);
    // The real one answers a path without host here.
    let path = asked.base.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let location = format!("/{}/ticket/{id}", path.map_or("", |(_, path)| path));
    Ok(Answer::json(StatusCode::CREATED, created).with("Location", location))
}

/// Says what became of each change, and 200 whatever became of them.
fn update(desk: &mut Desk, id: u64, sent: &Map<String, Value>, now: Timestamp) -> Result<Answer, Problem> {
    let mut sentences = Vec::new();
    let about = |sentence: String| format!("Ticket {id}: {sentence}");
    if sent.contains_key("Queue") {
        let queue = text(sent, "Queue");
        let is_known = desk.settings.switches.queues.iter().any(|known| known.eq_ignore_ascii_case(&queue));
        // The integration user may not move tickets.
        let refusal =
            if is_known { "Permission Denied".to_owned() } else { format!("Queue {queue} does not exist") };
        sentences.push(about(refusal));
    }
    if sent.contains_key("Status") {
        sentences.extend(desk.set_status(id, &text(sent, "Status"), now).map(about));
    }
    if sent.contains_key("Subject") {
        sentences.extend(desk.set_subject(id, &text(sent, "Subject"), now).map(about));
    }
    for (name, value) in custom_fields(sent) {
        sentences.extend(desk.set_custom_field(id, &name, &value, now));
    }
    for link in texts(sent, "AddRefersTo") {
        sentences.push(desk.add_link(id, &link, now));
    }
    Ok(Answer::json(StatusCode::OK, json!(sentences)))
}

fn comment(desk: &mut Desk, id: u64, sent: &Map<String, Value>, now: Timestamp) -> Result<Answer, Problem> {
    if text(sent, "ContentType").is_empty() {
        return Err(content_type_missing());
    }
    desk.comment(id, &text(sent, "Content"), now);
    let mut sentences = vec!["Comments added".to_owned()];
    if sent.contains_key("Status") {
        sentences.extend(desk.set_status(id, &text(sent, "Status"), now));
    }
    Ok(Answer::json(StatusCode::CREATED, json!(sentences)))
}

fn content_type_missing() -> Problem {
    Problem::BadRequest("ContentType is a required field for application/json".to_owned())
}

/// The record in the body of a write.
fn written(asked: &Asked) -> Result<Map<String, Value>, Problem> {
    if !asked.content_type.as_ref().is_some_and(|sent| sent.starts_with("application/json")) {
        return Err(Problem::UnsupportedMediaType);
    }
    serde_json::from_slice(&asked.body)
        .map_err(|_| Problem::BadRequest("JSON object must be a HASH".to_owned()))
}

fn custom_fields(sent: &Map<String, Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(fields)) = sent.get("CustomFields") else { return BTreeMap::new() };
    fields.keys().map(|name| (name.clone(), text(fields, name))).collect()
}

fn text(sent: &Map<String, Value>, name: &str) -> String {
    texts(sent, name).into_iter().next().unwrap_or_default()
}

/// One value or several: the product takes a list wherever it takes a text.
fn texts(sent: &Map<String, Value>, name: &str) -> Vec<String> {
    match sent.get(name) {
        None | Some(Value::Null | Value::Object(_)) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(number @ (Value::Number(_) | Value::Bool(_))) => vec![number.to_string()],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}
