//! The simulated Request Tracker as a desk of the contract.

use std::time::Duration;

use async_trait::async_trait;
use itsm_simulator::request_tracker::{CiSeed, Happening, Link, PersonalChange, Right, Switches, Ticket};
use itsm_simulator::{Effect, Fault, ItsmSimulator, Running, Settings};
use serde_json::json;
use worker::connector::request_tracker::{RequestTracker, RequestTrackerSettings};
use worker::connector::{
    CallSettings, Change, CiCandidate, Connector, ConnectorError, Finding, Presets, Verdict, WorkItem,
};
use worker::sync::binding::{CiMatch, CiSettings, bind};
use worker::sync::self_test::unusable;

use crate::desk::{Call, Deed, Desk, Held, Peculiarity, Possible, Trouble, fault};

const DEADLINE: Duration = Duration::from_secs(10);
const KEY_FIELD: &str = "Azure Alert Id";
const RESOLUTION_FIELD: &str = "Resolution";

pub(crate) struct RequestTrackerDesk {
    simulator: Running,
    connector: RequestTracker,
}

impl RequestTrackerDesk {
    pub(crate) async fn open() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut settings = Settings::default();
        settings.request_tracker.switches.custom_fields.push(RESOLUTION_FIELD.to_owned());
        let token = settings.request_tracker.token.clone();
        let simulator = ItsmSimulator::start(settings, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let settings: RequestTrackerSettings = serde_json::from_value(json!({
            "base_url": format!("{}/request-tracker", simulator.base_url()),
            "auth": {"token": {"value": token}},
            "queue": "Azure Alerts",
            "resolution_field": RESOLUTION_FIELD,
            "ci": {"catalog": "Azure CIs"},
        }))
        .unwrap();
        let connector = RequestTracker::new("desk", settings, &CallSettings::within(DEADLINE)).unwrap();
        Self { simulator, connector }
    }

    fn switch(&self, change: impl FnOnce(&mut Switches)) -> Possible {
        let mut switches = self.simulator.request_tracker().switches();
        change(&mut switches);
        self.simulator.request_tracker().configure(switches);
        Possible::Yes
    }

    fn inject(&self, fault: Fault) -> Possible {
        self.simulator.request_tracker().inject(fault).unwrap();
        Possible::Yes
    }
}

#[async_trait]
impl Desk for RequestTrackerDesk {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    async fn held(&self) -> Vec<Held> {
        self.simulator.request_tracker().tickets().iter().map(held).collect()
    }

    async fn person(&self, item: &WorkItem, deed: Deed) -> Possible {
        let change = match deed {
            Deed::Resolve => PersonalChange::Resolve,
            Deed::EndAs(code) => {
                PersonalChange::ResolveAs { field: RESOLUTION_FIELD.to_owned(), value: code.to_owned() }
            }
            Deed::Close => PersonalChange::Reject,
            Deed::Delete => PersonalChange::Delete,
            Deed::MergeInto(other) => PersonalChange::Merge { into: other.id.parse().unwrap() },
            Deed::Move => PersonalChange::Move { queue: "General".to_owned() },
        };
        self.simulator.request_tracker().change_as_person(item.id.parse().unwrap(), change).unwrap();
        Possible::Yes
    }

    async fn once(&self, call: Call, trouble: Trouble) -> Possible {
        let operation = match call {
            Call::Create => "create",
            Call::Change => "comment",
            Call::Read => "read",
            Call::Search => "query_ticket",
        };
        self.inject(fault(trouble).on(operation).times(1))
    }

    async fn peculiar(&self, peculiarity: Peculiarity) -> Possible {
        match peculiarity {
            Peculiarity::SearchLags => self.inject(Fault::new(Effect::SearchLag { ms: 3_600_000 })),
            Peculiarity::SearchLies => self.switch(|switches| switches.search_ignores_custom_fields = true),
            Peculiarity::MayNotWrite => self.switch(|switches| {
                switches.missing_rights.insert(Right::CommentOnTicket);
            }),
            Peculiarity::MandatoryField => Possible::No("a stock Request Tracker resolves without any"),
            Peculiarity::TakesResolveBack => {
                self.switch(|switches| switches.resolved_becomes = Some("open".to_owned()))
            }
        }
    }

    async fn seed_ci(&self, name: &str, arm_id: &str) -> Option<String> {
        let seed = CiSeed { name: name.to_owned(), arm_id: arm_id.to_owned(), ..CiSeed::default() };
        Some(self.simulator.request_tracker().seed_ci(seed).unwrap().to_string())
    }
}

#[tokio::test]
async fn a_user_who_may_not_see_the_key_is_found_out_before_the_first_ticket() {
    let desk = RequestTrackerDesk::open().await;
    let switched = desk.switch(|switches| {
        switches.missing_rights.insert(Right::SeeCustomField);
    });
    assert_eq!(switched, Possible::Yes);
    let reasons = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert!(reasons.contains("grant SeeCustomField and ModifyCustomField"), "{reasons}");
}

#[tokio::test]
async fn a_user_who_may_not_make_tickets_is_found_out_before_the_first_one() {
    let desk = RequestTrackerDesk::open().await;
    let switched = desk.switch(|switches| {
        switches.missing_rights.insert(Right::CreateTicket);
    });
    assert_eq!(switched, Possible::Yes);
    let reasons = unusable(&desk.connector.check().await.unwrap()).unwrap();
    assert_eq!(reasons, "make tickets: grant CreateTicket on the queue");
}

#[tokio::test]
async fn a_catalog_that_is_not_there_limits_the_target_and_does_not_end_its_work() {
    let desk = RequestTrackerDesk::open().await;
    assert_eq!(desk.switch(|switches| switches.catalogs.truncate(1)), Possible::Yes);
    let findings = desk.connector.check().await.unwrap();
    assert_eq!(unusable(&findings), None);
    assert_eq!(limits(findings), ["catalog \"Azure CIs\""]);
}

#[tokio::test]
async fn custom_fields_and_a_default_item_that_are_not_there_are_found_without_a_ticket() {
    let desk = RequestTrackerDesk::open().await;
    let asset = desk.seed_ci("web-07", "").await.unwrap();
    let presets = |fields: &[&str], ci: &str| Presets {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ci: Some(ci.to_owned()),
        ..Presets::default()
    };
    let right = desk.connector.check_presets(&presets(&["Subject", "CF.Severity"], &asset)).await.unwrap();
    assert_eq!((right.len(), limits(right)), (2, Vec::new()));
    let wrong = desk.connector.check_presets(&presets(&["CF.Severety"], "99")).await.unwrap();
    assert_eq!(limits(wrong), ["custom fields of the route", "default configuration item"]);
    assert!(desk.held().await.is_empty());
}

#[tokio::test]
async fn an_asset_that_a_ticket_does_not_refer_to_afterwards_is_not_called_bound() {
    let desk = RequestTrackerDesk::open().await;
    let item = desk.connector.create(&crate::desk::draft("sx1-1")).await.unwrap();
    let change =
        Change { ci: Some("99".to_owned()), note: "Now there is one".to_owned(), ..Change::default() };
    let error = desk.connector.note(&item.id, &change).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(reason) if reason.contains("asset 99")), "{error}");
    assert_eq!(desk.simulator.request_tracker().calls().of("comment"), 0, "nobody is told that there is one");
}

#[tokio::test]
async fn a_name_like_that_of_a_hundred_others_is_uncertain_and_not_unknown() {
    let desk = RequestTrackerDesk::open().await;
    for number in 0..100 {
        desk.seed_ci(&format!("web-{number}"), "").await.unwrap();
    }
    let strategies = CiSettings { default: "1".to_owned(), ..CiSettings::default() }.check("ci").unwrap();
    let candidates = [CiCandidate::Name("web".to_owned())];
    let matched = bind(&desk.connector, &strategies, &candidates).await.unwrap();
    assert!(matches!(matched, CiMatch::Ambiguous(_)), "{matched:?}");
}

#[tokio::test]
async fn only_the_first_ticket_is_read_back() {
    let desk = RequestTrackerDesk::open().await;
    for number in 0..3 {
        desk.connector.create(&crate::desk::draft(&format!("sx1-{number}"))).await.unwrap();
    }
    let calls = desk.simulator.request_tracker().calls();
    assert_eq!(["create", "read", "query_ticket"].map(|operation| calls.of(operation)), [3, 1, 0]);
}

fn limits(findings: Vec<Finding>) -> Vec<String> {
    let is_limited = |finding: &Finding| matches!(finding.verdict, Verdict::Limited(_));
    findings.into_iter().filter(is_limited).map(|finding| finding.subject).collect()
}

fn held(ticket: &Ticket) -> Held {
    let texts = ticket.history.iter().filter_map(|event| match &event.what {
        Happening::Created { content } | Happening::Commented { content } => Some(content.clone()),
        Happening::Status { .. }
        | Happening::Subject { .. }
        | Happening::CustomField { .. }
        | Happening::Linked { .. }
        | Happening::Moved { .. }
        | Happening::Merged { .. } => None,
    });
    let links = ticket.refers_to.iter();
    Held {
        id: ticket.id.to_string(),
        key: ticket.custom_field(KEY_FIELD).to_owned(),
        summary: ticket.subject.clone(),
        texts: texts.collect(),
        ci: links.clone().find_map(|link| match link {
            Link::Asset { id } => Some(id.to_string()),
            Link::Ticket { .. } | Link::External { .. } => None,
        }),
        links: links
            .filter_map(|link| match link {
                Link::Ticket { id } => Some(id.to_string()),
                Link::Asset { .. } | Link::External { .. } => None,
            })
            .collect(),
    }
}
