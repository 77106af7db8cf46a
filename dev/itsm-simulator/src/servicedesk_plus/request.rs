//! Requests: creating, changing, noting, linking and reading one.

use serde_json::{Map, Value, json};

use super::{MISSING, NOT_USABLE, content_refused, forbidden, input, not_found, refused, success};
use crate::answer::Answer;
use crate::help_desk::dialect::{Visit, id_in, text_in};
use crate::help_desk::{Change, Desk, Ticket};

/// What a request may have; of some of it the simulator only knows that it exists.
const ATTRIBUTES: [&str; 24] = [
    "subject",
    "description",
    "requester",
    "status",
    "group",
    "assets",
    "udf_fields",
    "closure_info",
    "resolution",
    "priority",
    "impact",
    "impact_details",
    "urgency",
    "level",
    "mode",
    "category",
    "subcategory",
    "item",
    "technician",
    "site",
    "template",
    "request_type",
    "update_reason",
    "status_change_comments",
];

pub(super) fn create(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let change = change(visit)?;
    if change.title.is_none() {
        let message = "Value for mandatory-field is not provided";
        return Err(content_refused(visit, MISSING, "subject", message));
    }
    let id = visit.desk.create(change, visit.now).map_err(|refusal| refused(visit, refusal))?;
    answer(visit, id)
}

pub(super) fn read(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = visit.ticket().ok_or_else(not_found)?.id;
    answer(visit, id)
}

pub(super) fn update(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = visit.ticket().ok_or_else(not_found)?.id;
    let change = change(visit)?;
    visit.desk.update(id, change).map_err(|refusal| refused(visit, refusal))?;
    answer(visit, id)
}

/// A note is HTML: what arrives is kept, and whoever sends text must have escaped it.
pub(super) fn note(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = visit.ticket().ok_or_else(not_found)?.id;
    if visit.desk.settings.switches.may_not_write_notes {
        return Err(forbidden());
    }
    let sent = Value::Object(input(visit)?);
    let Some(text) = text_in(&sent, "/note/description") else {
        let message = "Value for mandatory-field is not provided";
        return Err(content_refused(visit, MISSING, "description", message));
    };
    let change = Change { texts: vec![text.clone()], ..Change::default() };
    visit.desk.update(id, change).map_err(|refusal| refused(visit, refusal))?;
    Ok(success(Map::from_iter([("note".to_owned(), json!({ "description": text }))])))
}

pub(super) fn link(visit: &mut Visit<'_>) -> Result<Answer, Answer> {
    let id = visit.ticket().ok_or_else(not_found)?.id;
    let sent = input(visit)?;
    let links = sent.get("link_requests").and_then(Value::as_array).cloned().unwrap_or_default();
    let others: Vec<Option<u64>> = links
        .iter()
        .map(|link| visit.desk.ticket(id_in(link.pointer("/linked_request/id"))?).map(|other| other.id))
        .collect();
    let Some(others) = others.into_iter().collect::<Option<Vec<u64>>>().filter(|all| !all.is_empty()) else {
        return Err(content_refused(visit, NOT_USABLE, "linked_request", "Invalid linked request"));
    };
    for other in others {
        visit.desk.link(id, other);
    }
    Ok(success(Map::from_iter([("link_requests".to_owned(), Value::Array(links))])))
}

/// What `request` in the input asks for. An attribute that does not exist is refused.
fn change(visit: &Visit<'_>) -> Result<Change, Answer> {
    let sent = input(visit)?.remove("request").unwrap_or_else(|| json!({}));
    let keys = |record: Option<&Value>| {
        let record = record.and_then(Value::as_object);
        record.map(|record| record.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let is_attribute = |name: &String| ATTRIBUTES.contains(&name.as_str());
    let is_field = |name: &String| visit.desk.fields().any(|known| known == name);
    let unknown = keys(Some(&sent)).into_iter().find(|name| !is_attribute(name));
    if let Some(name) = unknown.or_else(|| keys(sent.get("udf_fields")).into_iter().find(|it| !is_field(it)))
    {
        return Err(content_refused(visit, NOT_USABLE, &name, "EXTRA_KEY_FOUND_IN_JSON"));
    }
    let is_nameless = |it: &&str| sent.get(*it).is_some_and(|named| named.get("name").is_none());
    if let Some(field) = ["status", "group"].into_iter().find(is_nameless) {
        return Err(content_refused(visit, NOT_USABLE, field, "the simulator knows it only by its name"));
    }
    let texts = ["/description", "/closure_info/closure_comments", "/resolution/content"];
    Ok(Change {
        title: text_in(&sent, "/subject"),
        status: text_in(&sent, "/status/name"),
        group: text_in(&sent, "/group/name"),
        fields: sent.get("udf_fields").and_then(Value::as_object).cloned().unwrap_or_default(),
        texts: texts.iter().filter_map(|pointer| text_in(&sent, pointer)).collect(),
        cis: sent.get("assets").map(|assets| cis(visit, assets)).transpose()?,
    })
}

fn cis(visit: &Visit<'_>, assets: &Value) -> Result<Vec<u64>, Answer> {
    let ids = assets.as_array().map(|assets| assets.iter().map(|asset| id_in(asset.get("id"))));
    let is_known = |id: &u64| visit.desk.cis.iter().any(|ci| ci.id == *id);
    let known = ids.and_then(|mut ids| {
        ids.try_fold(Vec::new(), |mut known, id| {
            known.push(id.filter(is_known)?);
            Some(known)
        })
    });
    known.ok_or_else(|| content_refused(visit, NOT_USABLE, "assets", "Invalid value for assets"))
}

fn answer(visit: &Visit<'_>, id: u64) -> Result<Answer, Answer> {
    let ticket = visit.desk.ticket(id).ok_or_else(not_found)?;
    Ok(success(Map::from_iter([("request".to_owned(), shown(visit.desk, ticket))])))
}

/// Ids are texts, and so are times, in milliseconds.
pub(super) fn shown(desk: &Desk, ticket: &Ticket) -> Value {
    let fields: Map<String, Value> =
        desk.fields().map(|name| (name.to_owned(), json!(ticket.fields.get(name)))).collect();
    let group = Some(&ticket.group).filter(|group| !group.is_empty());
    let code = Some(&ticket.closure_code).filter(|code| !code.is_empty());
    json!({
        "id": ticket.id.to_string(),
        "subject": ticket.title,
        "status": { "name": ticket.status },
        "group": group.map(|name| json!({ "name": name })),
        "closure_info": { "closure_code": code.map(|name| json!({ "name": name })) },
        "udf_fields": fields,
        "assets": ticket.cis.iter().map(|id| json!({ "id": id.to_string() })).collect::<Vec<_>>(),
        "created_time": {
            "value": ticket.created.as_millisecond().to_string(),
            "display_value": ticket.created.strftime("%b %-d, %Y %I:%M %p").to_string(),
        },
    })
}
