//! Logging in, and what is checked before the first ticket.

use std::collections::BTreeSet;
use std::time::Duration;

use itsm_simulator::Effect;
use itsm_simulator::servicenow::{CiSeed, Switches};
use serde_json::json;
use worker::connector::{Connector, ConnectorError, Finding, Presets, Verdict};
use worker::sync::self_test::unusable;

use crate::desk::Desk;

#[tokio::test]
async fn a_stock_instance_passes_the_check() {
    let desk = Desk::open().await;
    desk.create("sx1:abc").await;
    for finding in desk.connector.check().await.unwrap() {
        assert_eq!(finding.verdict, Verdict::Fine, "{}", finding.subject);
    }
}

#[tokio::test]
async fn a_name_and_a_password_will_do() {
    let auth = json!({"auth": {"basic": {"username": "secure-export", "password": "secure-export"}}});
    let desk = Desk::with(Switches::default(), auth).await;
    assert_eq!(unusable(&desk.connector.check().await.unwrap()), None);
    assert_eq!(desk.calls("token"), 0);
}

#[tokio::test]
async fn wrong_credentials_are_reported_and_not_shown() {
    let desk = Desk::open().await;
    for auth in [
        json!({"auth": {"basic": {"username": "secure-export", "password": "hush"}}}),
        json!({"auth": {"oauth": {"client_id": "secure-export", "client_secret": "hush"}}}),
    ] {
        let error = desk.another(&auth).check().await.unwrap_err();
        assert!(matches!(&error, ConnectorError::Unauthorized(words) if !words.contains("hush")), "{error}");
    }
}

#[tokio::test]
async fn one_token_serves_many_calls() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    for _ in 0..3 {
        desk.connector.read(&item.id).await.unwrap();
    }
    assert_eq!(desk.calls("token"), 1);
}

#[tokio::test]
async fn a_token_that_expires_on_its_way_is_renewed_and_nothing_is_written_twice() {
    let desk = Desk::open().await;
    desk.create("sx1:abc").await;
    desk.once("create", Effect::TokenExpired);
    desk.create("sx1:def").await;
    assert_eq!(desk.calls("token"), 2);
    assert_eq!(desk.instance().tickets().len(), 2);
}

#[tokio::test]
async fn the_rest_of_a_tokens_life_is_used_though_it_is_short() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    desk.let_pass(Duration::from_secs(1770));
    // It is given the same token, which has half a minute left.
    let another = desk.another(&json!({}));
    for _ in 0..3 {
        another.read(&item.id).await.unwrap();
    }
    assert_eq!(desk.calls("token"), 2);
}

#[tokio::test]
async fn no_session_is_kept() {
    let desk = Desk::open().await;
    let item = desk.create("sx1:abc").await;
    desk.connector.read(&item.id).await.unwrap();
    assert_eq!(desk.instance().calls().with_cookie, 0);
}

#[tokio::test]
async fn a_resolution_code_that_the_instance_does_not_know_is_found_at_the_start() {
    let close_codes = vec!["Solved (Permanently)".to_owned(), "Not solved".to_owned()];
    let desk = Desk::with(Switches { close_codes, ..Switches::default() }, json!({})).await;
    let words = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert!(
        words.contains("\"Solution provided\"") && words.contains("Not solved, Solved (Permanently)"),
        "{words}"
    );
    let findings = desk.another(&json!({"close_code": "Not solved"})).check().await.unwrap();
    assert_eq!(unusable(&findings), None);
    let limited = |finding: &&Finding| matches!(finding.verdict, Verdict::Limited(_));
    let subjects: Vec<_> = findings.iter().filter(limited).map(|finding| &*finding.subject).collect();
    assert_eq!(subjects, ["duplicate_close_code"]);
}

#[tokio::test]
async fn a_list_of_resolution_codes_that_may_not_be_read_is_no_obstacle() {
    let desk = Desk::open().await;
    desk.once("query_choice", Effect::Answer { status: 403, body: None, retry_after_s: None });
    let findings = desk.connector.check().await.unwrap();
    let told = |what: &str| what.contains("let the user read sys_choice");
    assert!(
        findings.iter().any(|finding| matches!(&finding.verdict, Verdict::Limited(what) if told(what))),
        "{findings:?}"
    );
    assert_eq!(unusable(&findings), None);
}

#[tokio::test]
async fn a_table_that_ignores_correlation_ids_is_found_at_the_start() {
    let desk = Desk::with(Switches::default(), json!({"table": "sys_user"})).await;
    let words = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert!(words.contains("ignores"), "{words}");
    assert!(matches!(desk.connector.find("sx1:abc").await, Err(ConnectorError::Rejected(_))));
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_named() {
    let desk = Desk::with(Switches::default(), json!({"table": "incidentx"})).await;
    let words = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert!(words.contains("incidentx"), "{words}");
}

#[tokio::test]
async fn a_column_that_may_not_be_read_is_named() {
    let desk = Desk::open().await;
    desk.create("sx1:abc").await;
    let row =
        json!({"result": [{"sys_id": "9d385017c611228701d22104cc95c371", "number": "INC1", "state": "1"}]});
    desk.once("query_incident", Effect::Answer { status: 200, body: Some(row), retry_after_s: None });
    let words = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert!(words.contains("let the user read the columns correlation_id,"), "{words}");
}

#[tokio::test]
async fn resolution_codes_that_the_instance_does_not_have_or_show_are_found_and_hold_nothing_up() {
    let desk = Desk::open().await;
    desk.create("sx1:abc").await;
    let verdict = async |code: &str| {
        let presets = Presets { wont_fix: BTreeSet::from([code.to_owned()]), ..Presets::default() };
        desk.connector.check_presets(&presets).await.unwrap().remove(0).verdict
    };
    assert_eq!(verdict("known ERROR").await, Verdict::Fine);
    let Verdict::Limited(words) = verdict("Wont fix").await else { panic!("it is no code") };
    assert!(words.starts_with("Wont fix are none of this instance's codes: Duplicate, "), "{words}");

    let blind =
        json!({"result": [{"sys_id": "a", "number": "INC1", "state": "1", "correlation_id": "sx1:abc"}]});
    let answer = || Effect::Answer { status: 200, body: Some(blind.clone()), retry_after_s: None };
    desk.once("query_incident", answer());
    let Verdict::Limited(words) = verdict("Known error").await else { panic!("it cannot be read") };
    assert!(words.contains("let the user read the column close_code"), "{words}");
    desk.once("query_incident", answer());
    assert_eq!(unusable(&desk.connector.check().await.unwrap()), None, "tickets need no code");
}

#[tokio::test]
async fn columns_and_a_default_item_that_are_not_there_are_found_without_a_write() {
    let desk = Desk::open().await;
    let ci = desk.seed(CiSeed { name: "web-07".to_owned(), ..CiSeed::default() });
    let presets = |field: &str, ci: &str| Presets {
        fields: BTreeSet::from([field.to_owned(), "work_notes".to_owned()]),
        ci: Some(ci.to_owned()),
        ..Presets::default()
    };
    // Without a ticket nobody can tell which columns there are.
    let blind = desk.connector.check_presets(&presets("u_misspelt", &ci)).await.unwrap();
    assert!(blind.iter().all(|finding| finding.verdict == Verdict::Fine), "{blind:?}");
    desk.create("sx1:abc").await;
    let right = desk.connector.check_presets(&presets("category", &ci)).await.unwrap();
    assert!(right.iter().all(|finding| finding.verdict == Verdict::Fine), "{right:?}");
    for unknown in ["9d385017c611228701d22104cc95c371", "web-07"] {
        let wrong = desk.connector.check_presets(&presets("u_misspelt", unknown)).await.unwrap();
        let limits: Vec<_> = wrong
            .iter()
            .filter_map(|finding| match &finding.verdict {
                Verdict::Limited(what) => Some(&**what),
                Verdict::Fine | Verdict::Unusable(_) => None,
            })
            .collect();
        let [fields, item] = &limits[..] else { panic!("{limits:?}") };
        assert!(
            fields.contains("no columns u_misspelt that") && item.contains("set ci.default"),
            "{limits:?}"
        );
    }
    assert_eq!((desk.calls("create"), desk.calls("update")), (1, 0));
}
