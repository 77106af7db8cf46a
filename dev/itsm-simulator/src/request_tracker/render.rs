//! Records as REST 2.0 shows them.

use serde_json::{Map, Value, json};

use super::asset::{ARM_ID, Asset};
use super::desk::Desk;
use super::settings::{Right, Switches};
use super::ticket::{Link, Ticket};

/// The ids before it belong to custom fields that nobody asks for.
const FIRST_CUSTOM_FIELD: usize = 2;

/// A view of the records with links that begin with `base`.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) desk: &'a Desk,
    pub(super) base: &'a str,
}

impl View<'_> {
    pub(super) fn ticket(self, ticket: &Ticket) -> Map<String, Value> {
        let id = ticket.id.to_string();
        let switches = self.switches();
        let queue = position(&switches.queues, &ticket.queue);
        let values = |name: &str| ticket.custom_fields.get(name).map(String::as_str);
        let mut links = vec![self.named("self", "ticket", json!(ticket.id), &id)];
        links.extend(ticket.refers_to.iter().map(|link| match link {
            Link::Asset { id } => self.named("refers-to", "asset", json!(id.to_string()), &id.to_string()),
            Link::Ticket { id } => self.named("refers-to", "ticket", json!(id.to_string()), &id.to_string()),
            Link::External { uri } => json!({ "ref": "refers-to", "type": "external", "_url": uri }),
        }));
        links.push(json!({ "ref": "comment", "_url": format!("{}/ticket/{id}/comment", self.base) }));
        Map::from_iter(
            [
                ("id", json!(ticket.id)),
                ("Type", json!("ticket")),
                ("Subject", json!(ticket.subject)),
                ("Status", json!(ticket.status)),
                ("Priority", json!(ticket.priority)),
                ("Queue", self.reference("queue", &queue)),
                ("EffectiveId", self.reference("ticket", &id)),
                ("Created", json!(ticket.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
                ("CustomFields", self.custom_fields(&switches.custom_fields, FIRST_CUSTOM_FIELD, values)),
                ("_hyperlinks", json!(links)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    pub(super) fn asset(self, asset: &Asset) -> Map<String, Value> {
        let catalog = position(&self.switches().catalogs, &asset.seed.catalog);
        let arm_id = Some(asset.seed.arm_id.as_str()).filter(|arm_id| !arm_id.is_empty());
        let first = FIRST_CUSTOM_FIELD + self.switches().custom_fields.len();
        let fields = [ARM_ID.to_owned()];
        Map::from_iter(
            [
                ("id", json!(asset.id)),
                ("Name", json!(asset.seed.name)),
                ("Status", json!(asset.seed.status)),
                ("Catalog", self.reference("catalog", &catalog)),
                ("CustomFields", self.custom_fields(&fields, first, |_| arm_id)),
                ("_hyperlinks", json!([self.named("self", "asset", json!(asset.id), &asset.id.to_string())])),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    /// A queue by its name or its id.
    pub(super) fn queue(self, wanted: &str) -> Option<Value> {
        let (name, id) = named_or_numbered(&self.switches().queues, wanted)?;
        let mut links = vec![self.named("self", "queue", json!(id), &id.to_string())];
        if !self.switches().lacks(Right::CreateTicket) {
            let url = format!("{}/ticket?Queue={id}", self.base);
            links.push(json!({ "ref": "create", "type": "ticket", "_url": url }));
        }
        let fields: Vec<Value> = if self.switches().lacks(Right::SeeCustomField) {
            Vec::new()
        } else {
            let names = self.switches().custom_fields.iter().zip(FIRST_CUSTOM_FIELD..);
            names
                .map(|(name, id)| {
                    let mut field =
                        self.named("customfield", "customfield", json!(id.to_string()), &id.to_string());
                    if let Some(field) = field.as_object_mut() {
                        field.insert("name".to_owned(), json!(name));
                    }
                    field
                })
                .collect()
        };
        Some(json!({
            "id": id,
            "Name": name,
            "Description": name,
            "Lifecycle": "default",
            "Disabled": "0",
            "TicketCustomFields": fields,
            "_hyperlinks": links,
        }))
    }

    /// A catalog by its name or its id.
    pub(super) fn catalog(self, wanted: &str) -> Option<Value> {
        let (name, id) = named_or_numbered(&self.switches().catalogs, wanted)?;
        Some(json!({
            "id": id,
            "Name": name,
            "Description": name,
            "Lifecycle": "assets",
            "Disabled": "0",
            "_hyperlinks": [self.named("self", "catalog", json!(id), &id.to_string())],
        }))
    }

    pub(super) fn reference(self, kind: &str, id: &str) -> Value {
        json!({ "type": kind, "id": id, "_url": format!("{}/{kind}/{id}", self.base) })
    }

    fn named(self, reference: &str, kind: &str, id: Value, path: &str) -> Value {
        json!({ "ref": reference, "type": kind, "id": id, "_url": format!("{}/{kind}/{path}", self.base) })
    }

    fn custom_fields<'v>(
        self,
        names: &[String],
        first: usize,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Value {
        if self.switches().lacks(Right::SeeCustomField) {
            return json!([]);
        }
        let shown = names.iter().zip(first..).map(|(name, id)| {
            let mut field = self.reference("customfield", &id.to_string());
            if let Some(field) = field.as_object_mut() {
                field.insert("name".to_owned(), json!(name));
                field.insert("values".to_owned(), json!(Vec::from_iter(value(name))));
            }
            field
        });
        Value::Array(shown.collect())
    }

    fn switches(&self) -> &Switches {
        &self.desk.settings.switches
    }
}

fn named_or_numbered<'a>(names: &'a [String], wanted: &str) -> Option<(&'a String, u64)> {
    names.iter().zip(1_u64..).find(|(name, id)| name.eq_ignore_ascii_case(wanted) || id.to_string() == wanted)
}

fn position(names: &[String], name: &str) -> String {
    names.iter().position(|known| known == name).map_or(0, |position| position + 1).to_string()
}
