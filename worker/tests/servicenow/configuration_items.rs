//! Finding configuration items, and refusing to guess.

use std::collections::BTreeMap;

use itsm_simulator::servicenow::{CiSeed, Switches};
use serde_json::json;
use worker::connector::{Change, CiCandidate, Connector, ConnectorError, Draft};
use worker::sync::binding::{CiMatch, CiSettings, bind};

use crate::desk::{Desk, change, draft};

const ID: &str = "/subscriptions/A1/resourceGroups/Prod/providers/Microsoft.Compute/virtualMachines/Web-07";

fn by_id() -> CiCandidate {
    CiCandidate::ArmId(ID.to_owned())
}

fn by_name(name: &str) -> CiCandidate {
    CiCandidate::Name(name.to_owned())
}

fn machine(name: &str, object_id: &str) -> CiSeed {
    CiSeed { name: name.to_owned(), object_id: object_id.to_owned(), ..CiSeed::default() }
}

fn server(name: &str, fqdn: &str) -> CiSeed {
    let class = "cmdb_ci_linux_server".to_owned();
    CiSeed { class, name: name.to_owned(), fqdn: fqdn.to_owned(), ..CiSeed::default() }
}

fn status(seed: CiSeed, install_status: &str) -> CiSeed {
    let fields = BTreeMap::from([("install_status".to_owned(), install_status.to_owned())]);
    CiSeed { fields, ..seed }
}

async fn matched(desk: &Desk, candidates: &[CiCandidate]) -> Result<CiMatch, ConnectorError> {
    bind(&desk.connector, &CiSettings::default().check("ci").unwrap(), candidates).await
}

async fn found(desk: &Desk, candidates: &[CiCandidate]) -> Option<String> {
    match matched(desk, candidates).await.unwrap() {
        CiMatch::Found { id, .. } => Some(id),
        CiMatch::NotFound | CiMatch::Default { .. } => None,
        CiMatch::Ambiguous(reason) => panic!("{reason}"),
    }
}

#[tokio::test]
async fn an_item_is_found_by_azure_id_before_name_and_bound_to_the_ticket() {
    let desk = Desk::open().await;
    desk.seed(server("web-07", ""));
    let by_azure = desk.seed(machine("other", ID));
    desk.seed(machine("other", "/subscriptions/b"));
    let ci = found(&desk, &[by_name("web-07"), by_id()]).await;
    assert_eq!(ci.as_deref(), Some(by_azure.as_str()));
    let item = desk.connector.create(&Draft { ci, ..draft("sx1:abc") }).await.unwrap();
    assert_eq!(desk.ticket(&item).field("cmdb_ci"), by_azure);
}

#[tokio::test]
async fn an_item_that_a_business_rule_takes_away_again_is_not_called_bound() {
    let after_write = BTreeMap::from([("cmdb_ci".to_owned(), String::new())]);
    let desk = Desk::with(Switches { after_write, ..Switches::default() }, json!({})).await;
    let ci = Some(desk.seed(machine("web-07", ID)));
    let item = desk.create("sx1:abc").await;
    let change = Change { ci, ..change("Now there is one") };
    for written in [
        desk.connector.note(&item.id, &change).await,
        desk.connector.resolve(&item.id, &change).await,
        desk.connector.reopen(&item.id, &change).await,
    ] {
        let error = written.unwrap_err();
        assert!(
            matches!(&error, ConnectorError::Rejected(words) if words.contains("does not show configuration item")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn letter_case_does_not_matter_even_where_the_database_minds_it() {
    let desk = Desk::with(Switches { case_sensitive: true, ..Switches::default() }, json!({})).await;
    let machine = desk.seed(machine("web-07", &ID.to_lowercase()));
    assert_eq!(found(&desk, &[by_id()]).await, Some(machine.clone()));
    assert_eq!(found(&desk, &[by_name("WEB-07")]).await, Some(machine));
}

#[tokio::test]
async fn a_server_comes_before_the_machine_of_its_name_and_goes_by_its_domain_name_too() {
    let desk = Desk::open().await;
    desk.seed(machine("web-07", ""));
    let server = desk.seed(server("web-07", "web-07.example.com"));
    assert_eq!(found(&desk, &[by_name("web-07")]).await, Some(server.clone()));
    assert_eq!(found(&desk, &[by_name("web-07.example.com")]).await, Some(server));
}

#[tokio::test]
async fn an_item_is_found_by_its_tag() {
    let desk = Desk::open().await;
    let tags = BTreeMap::from([("azure_resource_id".to_owned(), ID.to_owned())]);
    let tagged = desk.seed(CiSeed { tags, ..machine("x", "") });
    assert_eq!(found(&desk, &[by_id()]).await, Some(tagged));
}

#[tokio::test]
async fn two_items_are_refused_by_name() {
    let desk = Desk::open().await;
    let ids = [desk.seed(server("web-07", "")), desk.seed(server("web-07", ""))];
    let CiMatch::Ambiguous(reason) = matched(&desk, &[by_name("web-07")]).await.unwrap() else {
        panic!("one of two was taken");
    };
    assert!(ids.iter().all(|id| reason.contains(id)), "{reason}");
    desk.seed(server("web-08", ""));
    let both = matched(&desk, &[by_name("web-07"), by_name("web-08")]).await.unwrap();
    assert_eq!(both, CiMatch::Ambiguous(reason), "another name says nothing about which of the two it is");
}

#[tokio::test]
async fn a_name_tells_which_of_two_items_with_the_same_azure_id_it_is_and_never_a_third() {
    let desk = Desk::open().await;
    let one = desk.seed(machine("web-07", ID));
    desk.seed(machine("web-07-old", ID));
    assert_eq!(found(&desk, &[by_id(), by_name("web-07")]).await, Some(one));
    desk.seed(machine("web-08", ""));
    assert!(matches!(matched(&desk, &[by_id(), by_name("web-08")]).await, Ok(CiMatch::Ambiguous(_))));
}

#[tokio::test]
async fn a_page_of_tags_that_is_full_of_retired_items_leaves_the_one_that_is_alive_uncertain() {
    let desk = Desk::open().await;
    let tagged = |name: &str| {
        let tags = BTreeMap::from([("azure_resource_id".to_owned(), ID.to_owned())]);
        CiSeed { tags, ..machine(name, "") }
    };
    for number in 0..4 {
        desk.seed(status(tagged(&format!("old-{number}")), "7"));
    }
    desk.seed(tagged("web-07"));
    assert!(matches!(matched(&desk, &[by_id()]).await, Ok(CiMatch::Ambiguous(_))));
}

#[tokio::test]
async fn a_retired_namesake_does_not_count() {
    let desk = Desk::open().await;
    desk.seed(status(server("web-07", ""), "7"));
    desk.seed(status(server("web-07", ""), "100"));
    assert_eq!(found(&desk, &[by_name("web-07")]).await, None);
    let alive = desk.seed(server("web-07", ""));
    assert_eq!(found(&desk, &[by_name("web-07")]).await, Some(alive));
}

#[tokio::test]
async fn a_column_that_the_class_does_not_have_is_reported_and_no_item_taken() {
    let settings = json!({"ci": {"arm_id_tables": ["cmdb_ci"]}});
    let desk = Desk::with(Switches::default(), settings).await;
    desk.seed(machine("web-07", ID));
    let error = matched(&desk, &[by_id()]).await.unwrap_err();
    assert!(
        matches!(&error, ConnectorError::Rejected(words) if words.contains("cmdb_ci ignores a condition on object_id")),
        "{error}"
    );
}

#[tokio::test]
async fn a_class_that_the_instance_does_not_have_does_not_hide_the_others() {
    let settings =
        json!({"ci": {"arm_id_tables": ["cmdb_ci_unknown", "cmdb_ci_vm_object", "cmdb_ci_missing"]}});
    let desk = Desk::with(Switches::default(), settings).await;
    let machine = desk.seed(machine("web-07", ""));
    assert_eq!(found(&desk, &[by_id(), by_name("web-07")]).await, Some(machine));
    let error = matched(&desk, &[by_id()]).await.unwrap_err().to_string();
    assert!(error.contains("cmdb_ci_unknown") && error.contains("cmdb_ci_missing"), "{error}");
}

#[tokio::test]
async fn a_name_that_means_something_to_the_query_language_is_not_asked_for() {
    let desk = Desk::open().await;
    desk.seed(machine("web-07", ID));
    for name in ["x^ORnameISNOTEMPTY", "javascript:gs.getUserID()", "", "a\nb"] {
        assert_eq!(found(&desk, &[by_name(name)]).await, None, "{name:?}");
    }
    assert_eq!(desk.instance().calls().total, 0);
}
