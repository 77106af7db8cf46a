//! What is made of an instance that is not well.

use std::time::Duration;

use itsm_simulator::Effect;
use itsm_simulator::servicenow::{PersonalChange, Switches};
use serde_json::json;
use worker::connector::{Connector, ConnectorError};

use crate::desk::{Desk, change, draft};

fn cancelled() -> Effect {
    Effect::ErrorInSuccess { message: "Transaction cancelled: maximum execution time exceeded".to_owned() }
}

fn status(status: u16) -> Effect {
    Effect::Answer { status, body: None, retry_after_s: None }
}

#[tokio::test]
async fn a_ticket_whose_creation_was_not_answered_is_found_again() {
    let desk = Desk::open().await;
    desk.once_written("create", Effect::Reset);
    let error = desk.connector.create(&draft("sx1:abc")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
    let found = desk.connector.find("sx1:abc").await.unwrap().remove(0);
    assert_eq!(desk.instance().tickets().len(), 1);
    assert_eq!(desk.ticket(&found).field("correlation_id"), "sx1:abc");
}

#[tokio::test]
async fn a_success_that_is_none_leaves_a_write_unknown_and_a_read_unavailable() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    for effect in [cancelled(), Effect::HtmlPage, status(500), status(502), status(504)] {
        for operation in ["create", "update", "read", "query_incident"] {
            desk.once(operation, effect.clone());
        }
        let create = desk.connector.create(&draft("sx1:def")).await.unwrap_err();
        let note = desk.connector.note(&item.id, &change("again")).await.unwrap_err();
        let read = desk.connector.read(&item.id).await.unwrap_err();
        let find = desk.connector.find("sx1:abc").await.unwrap_err();
        assert!(matches!(create, ConnectorError::Ambiguous(_)), "{effect:?}: {create}");
        assert!(matches!(note, ConnectorError::Ambiguous(_)), "{effect:?}: {note}");
        assert!(matches!(read, ConnectorError::Unavailable(_)), "{effect:?}: {read}");
        assert!(matches!(find, ConnectorError::Unavailable(_)), "{effect:?}: {find}");
    }
}

#[tokio::test]
async fn an_instance_that_is_out_of_service_may_still_have_made_the_ticket() {
    let desk = Desk::open().await;
    desk.once("create", status(503));
    let error = desk.connector.create(&draft("sx1:abc")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
}

#[tokio::test]
async fn a_deleted_or_hidden_ticket_is_gone() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    desk.once("read", Effect::Hidden);
    assert!(matches!(desk.connector.read(&item.id).await, Err(ConnectorError::Gone(_))));
    desk.person(&item, PersonalChange::Delete);
    assert!(matches!(desk.connector.read(&item.id).await, Err(ConnectorError::Gone(_))));
    assert!(matches!(desk.connector.note(&item.id, &change("x")).await, Err(ConnectorError::Gone(_))));
}

#[tokio::test]
async fn a_rate_rule_is_obeyed_for_as_long_as_it_asks() {
    let desk = Desk::with(Switches { rate_limit: Some(1), ..Switches::default() }, json!({})).await;
    desk.create("sx1:abc").await;
    let error = desk.connector.create(&draft("sx1:def")).await.unwrap_err();
    let ConnectorError::Throttled { retry_after: Some(pause), reason } = error else { panic!("{error}") };
    assert!(pause > Duration::ZERO && pause <= Duration::from_secs(3600), "{pause:?}");
    assert!(reason.contains("Rate limit"), "{reason}");
}

#[tokio::test]
async fn back_pressure_without_a_time_is_throttling_too() {
    let desk = Desk::open().await;
    desk.once("create", status(429));
    let error = desk.connector.create(&draft("sx1:abc")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Throttled { retry_after: None, .. }), "{error}");
}

#[tokio::test]
async fn a_login_page_elsewhere_is_a_wrong_address() {
    let desk = Desk::open().await;
    desk.once("create", status(302));
    let error = desk.connector.create(&draft("sx1:abc")).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(words) if words.contains("base_url")), "{error}");
}
