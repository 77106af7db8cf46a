//! The fields of work items that the description sets itself, so that no route may. Pure.

use std::collections::BTreeSet;
use std::slice::from_ref;

use serde_json::Value;

use super::super::Occasion;
use super::super::text::folded;
use super::interface::{Interface, changes, doubles, drafts};
use super::request::Request;

/// Their names, folded. They are found once, when the settings are read, and serve for those and for every ticket.
#[derive(Debug)]
pub(super) struct OwnFields {
    /// What tickets are found again by and moved with. A route that sets one would lose them, on whatever occasion.
    always: BTreeSet<String>,
    /// What else `create` sets, for some tickets at least. A later change of it is the route's to make.
    create: BTreeSet<String>,
    /// Likewise of `note`.
    note: BTreeSet<String>,
}

impl OwnFields {
    pub(super) fn of(interface: &Interface) -> Self {
        let (drafts, changes, doubles) = (drafts(), changes(), doubles());
        let Interface { shape, create, read, note, resolve, reopen, close_double, .. } = interface;
        let routes_write: Vec<&Request> =
            [from_ref(create), note, resolve, reopen].into_iter().flatten().collect();
        // The addresses at which a route writes tell the requests about work items from those about their notes, whose
        // fields only share names with those. What is sent to where a work item is read is about it in any case.
        let set = |requests: &[Request], samples: &[Value]| -> BTreeSet<String> {
            let places = requests.iter().flat_map(|request| {
                let is_of_items = request.path == read.path;
                let others = routes_write.iter().filter(move |other| {
                    other.path == request.path || is_of_items && other.path == create.path
                });
                others.filter_map(move |other| Some((request, other.fields_at.as_ref()?)))
            });
            places.flat_map(|(request, at)| request.names_at(at, samples)).map(|name| folded(&name)).collect()
        };
        let moved = [set(resolve, &changes), set(reopen, &changes), set(close_double, &doubles)]
            .into_iter()
            .flatten();
        let shown = [&shape.id, &shape.key, &shape.state].into_iter().flat_map(|at| at.parts());
        let written = create.ways_to("key").into_iter().map(str::to_owned);
        Self {
            always: moved.chain(shown.chain(written).map(|name| folded(&name))).collect(),
            create: set(from_ref(create), &drafts),
            note: set(note, &changes),
        }
    }

    pub(super) fn has(&self, occasion: Occasion, field: &str) -> bool {
        let field = folded(field);
        let of_the_act = match occasion {
            Occasion::Create => self.create.contains(&field),
            Occasion::Note => self.note.contains(&field),
            // What these set is never a route's.
            Occasion::Resolve | Occasion::Reopen => false,
        };
        of_the_act || self.always.contains(&field)
    }
}

#[cfg(test)]
mod tests {
    use Occasion::{Create, Note, Reopen, Resolve};

    use super::super::HttpApiSettings;
    use super::*;

    const OCCASIONS: [Occasion; 4] = [Create, Note, Resolve, Reopen];

    fn of(settings: toml::Table) -> OwnFields {
        let settings: HttpApiSettings = settings.try_into().unwrap();
        OwnFields::of(&settings.check("t").unwrap().0)
    }

    fn of_example(file: &str, target: &str) -> OwnFields {
        let path = format!("{}/../docs/examples/{file}.toml", env!("CARGO_MANIFEST_DIR"));
        let example: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let mut described = example["targets"][target]["connector"]["http_api"].as_table().unwrap().clone();
        let login: toml::Table = "bearer.value = 'hush'".parse().unwrap();
        described.insert("auth".to_owned(), login.into());
        of(described)
    }

    /// A product that shows the key and the state by other names than it takes them by.
    fn of_product(create: &str, resolve: &str) -> OwnFields {
        let text = format!(
            r#"
            base_url = "https://itsm.example.com"
            auth.bearer.value = "hush"
            item = {{ id = "/id", key = "/custom/0/text", state = "/status/name", resolved = ["Solved"] }}
            create = {{ method = "POST", path = "tickets", json = {{ {create} }}, item = "", fields_at = "" }}
            find = {{ method = "GET", path = "tickets", query = {{ key = "{{{{ key }}}}" }}, item = "" }}
            read = {{ method = "GET", path = "tickets/{{{{ id }}}}", item = "" }}
            note = [{{ method = "PUT", path = "tickets/{{{{ id }}}}", json = {{}} }}]
            resolve = [{resolve}]
            close_double = [{{ method = "PUT", path = "tickets/{{{{ id }}}}", json = {{ merged_id = 9 }} }}]
            "#
        );
        of(text.parse().unwrap())
    }

    #[test]
    fn no_route_sets_what_tickets_are_found_by_or_moved_with_on_whatever_occasion() {
        let zammad = of_example("zammad", "zammad");
        let servicedesk = of_example("servicedesk-plus", "servicedesk");
        for occasion in OCCASIONS {
            for field in ["id", "state", "azure_alert_id", "Azure_Alert_ID", " state ", "STATE"] {
                assert!(zammad.has(occasion, field), "{occasion:?} {field:?}");
            }
            for field in ["id", "status", "udf_fields", "udf_sline_301", "UDF_Sline_301"] {
                assert!(servicedesk.has(occasion, field), "{occasion:?} {field:?}");
            }
        }
    }

    #[test]
    fn what_is_written_by_another_name_than_it_is_shown_by_is_no_routes_either() {
        let key = r#"custom_fields = [{ tracking = "{{ key | upper }}" }], title = "{{ summary }}""#;
        let state = r#"{ method = "PUT", path = "tickets/{{id}}", json = { status_id = 5 } }"#;
        let own = of_product(key, state);
        for occasion in OCCASIONS {
            for field in ["custom_fields", "tracking", "status_id", "merged_id"] {
                assert!(own.has(occasion, field), "{occasion:?} {field:?}");
            }
        }
    }

    #[test]
    fn a_change_may_set_what_only_new_tickets_have_from_the_description() {
        let zammad = of_example("zammad", "zammad");
        for field in ["priority", "group", "title"] {
            assert!(zammad.has(Create, field), "{field}");
            assert!([Note, Resolve, Reopen].iter().all(|occasion| !zammad.has(*occasion, field)), "{field}");
        }
        assert!(OCCASIONS.iter().all(|occasion| !zammad.has(*occasion, "owner")));
    }

    #[test]
    fn what_a_request_sets_for_some_tickets_alone_is_its_own_for_all() {
        let key = r#"
            tracking = "{{ key }}", page = "{{ 'on call' if urgency == 5 else none }}", server = "{{ ci }}",
            major = "{{ 'yes' if impact > 3 and urgency == 2 and not ci else none }}"
        "#
        .replace('\n', " ");
        let own = of_product(
            &key,
            r#"{ method = "PUT", path = "tickets/{{ id }}", json = { asset = "{{ ci }}" } }"#,
        );
        for field in ["page", "server", "major", "asset"] {
            assert!(own.has(Create, field), "{field}");
        }
        assert!(own.has(Resolve, "asset") && !own.has(Note, "page"));
    }

    #[test]
    fn a_field_of_a_note_at_an_address_of_its_own_is_none_of_the_ticket() {
        let key = r#"tracking = "{{ key }}""#;
        let resolve = |path: &str| {
            format!(
                r#"{{ method = "POST", path = "tickets/{{{{ id }}}}{path}", json = {{ type = "end" }} }}"#
            )
        };
        assert!(!of_product(key, &resolve("/notes")).has(Create, "type"));
        assert!(of_product(key, &resolve("")).has(Create, "type"));
    }
}
