//! The real Request Tracker of this test run as a desk of the contract, and what only it can show.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stack::Proxy;
use stack::request_tracker::{CATALOG, KEY_FIELD, OTHER_QUEUE, QUEUE, RESOURCE_FIELD};
use stack::testing::TestRequestTracker;
use url::Url;
use uuid::Uuid;
use worker::connector::request_tracker::{RequestTracker, RequestTrackerSettings};
use worker::connector::{CallSettings, Connector, ConnectorError, WorkItem};
use worker::sync::self_test::unusable;

use crate::desk::{Call, Deed, Desk, Held, Peculiarity, Possible, Trouble, draft};

/// A real server takes seconds when several tests ask at once.
const DEADLINE: Duration = Duration::from_secs(60);
/// Long enough for a ticket to be made, and not too long to wait for an answer that never comes.
const SHORT_DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct RealDesk {
    tracker: TestRequestTracker,
    connector: RequestTracker,
    mark: String,
}

impl RealDesk {
    pub(crate) async fn open() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let tracker = TestRequestTracker::from_env().unwrap();
        let connector = connector(&tracker, &tracker.access().token, DEADLINE);
        Self { tracker, connector, mark: format!("-{}", Uuid::now_v7().simple()) }
    }
}

/// A connector for one of the users.
fn connector(tracker: &TestRequestTracker, token: &str, deadline: Duration) -> RequestTracker {
    RequestTracker::new("desk", settings(&tracker.access().base_url, token), &CallSettings::within(deadline))
        .unwrap()
}

fn settings(base_url: &str, token: &str) -> RequestTrackerSettings {
    serde_json::from_value(json!({
        "base_url": base_url,
        "auth": {"token": {"value": token}},
        "queue": QUEUE,
        "key_field": KEY_FIELD,
        "ci": {"catalog": CATALOG, "arm_id_field": RESOURCE_FIELD},
    }))
    .unwrap()
}

#[async_trait]
impl Desk for RealDesk {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn mark(&self) -> &str {
        &self.mark
    }

    async fn held(&self) -> Vec<Held> {
        let query = format!("'CF.{{{KEY_FIELD}}}' LIKE '{}'", self.mark);
        let mut held = Vec::new();
        for id in self.tracker.find_tickets(&query).await.unwrap() {
            let ticket = self.tracker.ticket(id).await.unwrap();
            held.push(as_held(&ticket, self.tracker.texts(id).await.unwrap()));
        }
        held
    }

    async fn person(&self, item: &WorkItem, deed: Deed) -> Possible {
        let id = item.id.parse().unwrap();
        match deed {
            Deed::Resolve => self.tracker.set_status(id, "resolved").await.unwrap(),
            Deed::EndAs(_) => return Possible::No("its queue has no field for codes"),
            Deed::Close => self.tracker.set_status(id, "rejected").await.unwrap(),
            Deed::Delete => self.tracker.set_status(id, "deleted").await.unwrap(),
            Deed::MergeInto(other) => self.tracker.merge(id, other.id.parse().unwrap()).await.unwrap(),
            Deed::Move => return Possible::No("the other queue is closed to the user, a test of its own"),
        }
        Possible::Yes
    }

    async fn once(&self, _call: Call, _trouble: Trouble) -> Possible {
        Possible::No("a real server does not fail on demand")
    }

    async fn peculiar(&self, _peculiarity: Peculiarity) -> Possible {
        Possible::No("all tests share one server, whose set-up stays as it is")
    }

    async fn seed_ci(&self, name: &str, arm_id: &str) -> Option<String> {
        Some(self.tracker.create_asset(name, arm_id).await.unwrap().to_string())
    }
}

/// A ticket as people see it.
fn as_held(ticket: &Value, texts: Vec<String>) -> Held {
    let field = |name: &str| {
        let fields = ticket["CustomFields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["name"] == name).unwrap();
        field["values"][0].as_str().unwrap_or_default().to_owned()
    };
    let linked = |kind: &str| {
        let links = ticket["_hyperlinks"].as_array().unwrap().iter();
        let links = links.filter(move |link| link["ref"] == "refers-to" && link["type"] == kind);
        links.map(|link| link["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    Held {
        id: ticket["id"].to_string(),
        key: field(KEY_FIELD),
        summary: ticket["Subject"].as_str().unwrap().to_owned(),
        texts,
        ci: linked("asset").pop(),
        links: linked("ticket"),
    }
}

#[tokio::test]
async fn a_ticket_whose_creation_was_not_answered_is_found_again() {
    let tracker = TestRequestTracker::from_env().unwrap();
    let url: Url = tracker.access().base_url.parse().unwrap();
    let proxy = Proxy::start(([127, 0, 0, 1], url.port().unwrap()).into()).await.unwrap();
    let through = settings(&format!("http://{}", proxy.address()), &tracker.access().token);
    let connector = RequestTracker::new("desk", through, &CallSettings::within(SHORT_DEADLINE)).unwrap();
    let key = format!("sx1-{}", Uuid::now_v7());
    proxy.hold_answers();
    let error = connector.create(&draft(&key)).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
    proxy.resume();
    assert_eq!(connector.find(&key).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_who_cannot_fill_the_key_in_is_found_out_before_the_first_ticket() {
    let tracker = TestRequestTracker::from_env().unwrap();
    let limited = connector(&tracker, &tracker.access().limited_token, DEADLINE);
    let reasons = unusable(&limited.check().await.unwrap()).unwrap();
    assert!(reasons.contains("grant SeeCustomField and ModifyCustomField"), "{reasons}");
    let nobody = connector(&tracker, "1-2-3", DEADLINE).check().await.unwrap_err();
    assert!(matches!(nobody, ConnectorError::Unauthorized(_)), "{nobody}");
}

#[tokio::test]
async fn a_ticket_that_was_moved_where_the_user_may_not_go_is_refused_and_not_gone() {
    let tracker = TestRequestTracker::from_env().unwrap();
    let connector = connector(&tracker, &tracker.access().token, DEADLINE);
    let item = connector.create(&draft(&format!("sx1-{}", Uuid::now_v7()))).await.unwrap();
    tracker.move_to(item.id.parse().unwrap(), OTHER_QUEUE).await.unwrap();
    // Gone would mean another ticket for the same alert.
    let error = connector.read(&item.id).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
}
