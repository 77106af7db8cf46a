//! The life of a ticket on an instance that is well.

use std::collections::BTreeMap;
use std::time::Duration;

use itsm_simulator::servicenow::Switches;
use jiff::tz::TimeZone;
use serde_json::json;
use worker::connector::{Change, Connector, ConnectorError, Draft, WorkItemState};

use crate::desk::{Desk, change, draft};

#[tokio::test]
async fn a_ticket_is_made_noted_resolved_and_reopened_with_one_call_each() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    assert_eq!(item.state, WorkItemState::Open);
    desk.connector.note(&item.id, &change("Fired again")).await.unwrap();
    desk.connector.resolve(&item.id, &change("All is well")).await.unwrap();
    let ticket = desk.ticket(&item);
    assert_eq!(
        ["state", "close_code", "close_notes"].map(|field| ticket.field(field)),
        ["6", "Solution provided", "All is well"]
    );
    assert_eq!(desk.connector.read(&item.id).await.unwrap().state, WorkItemState::Resolved);
    desk.connector.reopen(&item.id, &change("Fired after all")).await.unwrap();
    assert_eq!(desk.connector.read(&item.id).await.unwrap().state, WorkItemState::Open);
    assert_eq!(
        ["create", "update", "read", "query_incident"].map(|operation| desk.calls(operation)),
        [1, 3, 2, 0]
    );
}

#[tokio::test]
async fn notes_are_written_though_they_read_as_empty() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    desk.connector.note(&item.id, &change("Fired\nagain [code]<script>[/code]")).await.unwrap();
    let journal = desk.ticket(&item).journal;
    let notes: Vec<&str> = journal.iter().map(|entry| entry.value.as_str()).collect();
    assert_eq!(notes, ["Fired", "Fired\nagain (code)<script>(/code)"]);
}

#[tokio::test]
async fn priority_follows_from_impact_and_urgency_whatever_is_sent() {
    let desk = Desk::open().await;
    let fields = BTreeMap::from([("priority".to_owned(), "1".to_owned())]);
    let item = desk.connector.create(&Draft { fields, ..draft("sx1:abc") }).await.unwrap();
    let ticket = desk.ticket(&item);
    assert_eq!(["impact", "urgency", "priority"].map(|field| ticket.field(field)), ["2", "1", "2"]);
}

#[tokio::test]
async fn a_long_title_ends_where_it_can_be_seen() {
    let desk = Desk::open().await;
    let summary = "ü".repeat(300);
    let item = desk.connector.create(&Draft { summary, ..draft("sx1:abc") }).await.unwrap();
    let title = desk.ticket(&item).field("short_description").to_owned();
    assert_eq!((title.chars().count(), title.chars().last()), (160, Some('…')));
}

#[tokio::test]
async fn a_correlation_id_that_would_be_cut_is_never_sent() {
    let desk = Desk::open().await;
    let error = desk.connector.create(&draft(&"a".repeat(101))).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
    let item = desk.create(&"a".repeat(100)).await;
    assert_eq!(desk.connector.find(&"a".repeat(100)).await.unwrap(), [item]);
    assert_eq!(desk.calls("create"), 1);
}

#[tokio::test]
async fn nothing_is_found_for_an_id_that_no_ticket_has() {
    let desk = Desk::open().await;
    desk.create("sx1:abc").await;
    assert_eq!(desk.connector.find("sx1:def").await.unwrap(), []);
}

#[tokio::test]
async fn the_tickets_that_two_workers_made_are_found_oldest_first_even_of_the_same_second() {
    let switches =
        Switches { user_time_zone: TimeZone::get("Pacific/Auckland").unwrap(), ..Switches::default() };
    let desk = Desk::with(switches, json!({})).await;
    let mut items = vec![desk.create("sx1:abc").await, desk.create("sx1:abc").await];
    desk.let_pass(Duration::from_secs(60));
    items.push(desk.create("sx1:abc").await);
    assert_eq!(desk.connector.find("sx1:abc").await.unwrap(), items);
}

#[tokio::test]
async fn a_double_is_resolved_as_a_duplicate_with_a_link_to_the_original() {
    let desk = Desk::open().await;
    let (original, double) = (desk.create("sx1:abc").await, desk.create("sx1:abc").await);
    desk.connector.close_double(&double.id, &original).await.unwrap();
    let ticket = desk.ticket(&double);
    let fields = ["state", "close_code", "parent_incident"].map(|field| ticket.field(field));
    assert_eq!(fields, ["6", "Duplicate", original.id.as_str()]);
    assert!(ticket.field("close_notes").contains(&original.number), "{}", ticket.field("close_notes"));
    assert_eq!(desk.ticket(&original).field("state"), "1");
}

#[tokio::test]
async fn a_ticket_that_closed_itself_reads_as_closed_and_is_not_written_to() {
    let switches = Switches { auto_close_after_s: Some(3600), ..Switches::default() };
    let desk = Desk::with(switches, json!({})).await;
    let item = desk.create("sx1:abc").await;
    desk.connector.resolve(&item.id, &change("done")).await.unwrap();
    desk.let_pass(Duration::from_secs(3601));
    assert_eq!(desk.connector.read(&item.id).await.unwrap().state, WorkItemState::Closed);
    let error = desk.connector.reopen(&item.id, &change("again")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
}

#[tokio::test]
async fn a_data_policy_is_reported_with_its_labels_and_met_by_the_routes_fields() {
    let mandatory = BTreeMap::from([("u_root_cause".to_owned(), "Root cause".to_owned())]);
    let desk =
        Desk::with(Switches { mandatory_on_resolve: mandatory, ..Switches::default() }, json!({})).await;
    let item = desk.create("sx1:abc").await;
    let error = desk.connector.resolve(&item.id, &change("done")).await.unwrap_err();
    assert!(
        matches!(&error, ConnectorError::Rejected(words) if words.contains("mandatory: Root cause")),
        "{error}"
    );
    let fields = BTreeMap::from([("u_root_cause".to_owned(), "load".to_owned())]);
    desk.connector.resolve(&item.id, &Change { fields, ..change("done") }).await.unwrap();
}

#[tokio::test]
async fn a_business_rule_that_takes_the_resolve_back_is_noticed() {
    let after_write = BTreeMap::from([("state".to_owned(), "2".to_owned())]);
    let desk = Desk::with(Switches { after_write, ..Switches::default() }, json!({})).await;
    let item = desk.create("sx1:abc").await;
    let error = desk.connector.resolve(&item.id, &change("done")).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(words) if words.contains("business rule")), "{error}");
}

#[tokio::test]
async fn an_id_that_is_none_reaches_no_address() {
    let desk = Desk::open().await;
    for id in ["", "../sys_user", "a?sysparm_fields=x", "a/b"] {
        assert!(matches!(desk.connector.read(id).await, Err(ConnectorError::Rejected(_))), "{id}");
    }
    assert!(matches!(desk.connector.find("a^ORactive=true").await, Err(ConnectorError::Rejected(_))));
    assert_eq!(desk.instance().calls().total, 0);
}
