//! The simulated ServiceNow as a desk of the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use itsm_simulator::servicenow::{CiSeed, PersonalChange, Switches, Ticket};
use itsm_simulator::{Effect, Fault, ItsmSimulator, Running, Settings};
use serde_json::json;
use worker::connector::servicenow::{ServiceNow, ServiceNowSettings};
use worker::connector::{CallSettings, Connector, WorkItem};

use crate::desk::{Call, Deed, Desk, Held, Peculiarity, Possible, Trouble, fault};

const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct ServiceNowDesk {
    simulator: Running,
    connector: ServiceNow,
}

impl ServiceNowDesk {
    pub(crate) async fn open() -> Self {
        let simulator = ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let settings: ServiceNowSettings = serde_json::from_value(json!({
            "base_url": format!("{}/servicenow", simulator.base_url()),
            "auth": {"oauth": {"client_id": "secure-export", "client_secret": "secure-export"}},
        }))
        .unwrap();
        let connector = ServiceNow::new("desk", settings, &CallSettings::within(DEADLINE)).unwrap();
        Self { simulator, connector }
    }

    fn person_does(&self, item: &WorkItem, change: PersonalChange) -> Possible {
        self.simulator.servicenow().change_as_person(&item.number, change).unwrap();
        Possible::Yes
    }

    fn switch(&self, change: impl FnOnce(&mut Switches)) -> Possible {
        let mut switches = self.simulator.servicenow().switches();
        change(&mut switches);
        self.simulator.servicenow().configure(switches);
        Possible::Yes
    }

    fn inject(&self, fault: Fault) -> Possible {
        self.simulator.servicenow().inject(fault).unwrap();
        Possible::Yes
    }
}

#[async_trait]
impl Desk for ServiceNowDesk {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    async fn held(&self) -> Vec<Held> {
        self.simulator.servicenow().tickets().iter().map(held).collect()
    }

    async fn person(&self, item: &WorkItem, deed: Deed) -> Possible {
        let edit = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            PersonalChange::Edit { fields: pairs.collect() }
        };
        match deed {
            Deed::Resolve => {
                self.person_does(item, edit(&[("state", "6"), ("close_code", "Solution provided")]))
            }
            Deed::EndAs(code) => self.person_does(item, edit(&[("state", "6"), ("close_code", code)])),
            Deed::Close => self.person_does(item, PersonalChange::Close),
            Deed::Delete => self.person_does(item, PersonalChange::Delete),
            Deed::Move => self.person_does(item, edit(&[("assignment_group", "network")])),
            Deed::MergeInto(other) => {
                assert_ne!(other.id, item.id);
                Possible::No("incidents are not merged")
            }
        }
    }

    async fn once(&self, call: Call, trouble: Trouble) -> Possible {
        let operation = match call {
            Call::Create => "create",
            Call::Change => "update",
            Call::Read => "read",
            Call::Search => "query_incident",
        };
        self.inject(fault(trouble).on(operation).times(1))
    }

    async fn peculiar(&self, peculiarity: Peculiarity) -> Possible {
        match peculiarity {
            Peculiarity::SearchLags => self.inject(Fault::new(Effect::SearchLag { ms: 3_600_000 })),
            Peculiarity::SearchLies => Possible::No("only on a table without the column, a test of its own"),
            Peculiarity::MayNotWrite => {
                let refused = Effect::Answer { status: 403, body: None, retry_after_s: None };
                self.inject(Fault::new(refused).on("update"))
            }
            Peculiarity::MandatoryField => self.switch(|switches| {
                switches.mandatory_on_resolve =
                    BTreeMap::from([("u_root_cause".to_owned(), "Root cause".to_owned())]);
            }),
            Peculiarity::TakesResolveBack => self.switch(|switches| {
                switches.after_write = BTreeMap::from([("state".to_owned(), "2".to_owned())]);
            }),
        }
    }

    async fn seed_ci(&self, name: &str, arm_id: &str) -> Option<String> {
        let seed = CiSeed { name: name.to_owned(), object_id: arm_id.to_owned(), ..CiSeed::default() };
        Some(self.simulator.servicenow().seed_ci(seed).unwrap())
    }
}

fn held(ticket: &Ticket) -> Held {
    let text = |name: &str| Some(ticket.field(name).to_owned()).filter(|text| !text.is_empty());
    let journal = ticket.journal.iter().map(|entry| entry.value.clone());
    Held {
        id: ticket.sys_id.clone(),
        key: ticket.field("correlation_id").to_owned(),
        summary: ticket.field("short_description").to_owned(),
        texts: text("description").into_iter().chain(journal).collect(),
        ci: text("cmdb_ci"),
        links: text("parent_incident").into_iter().collect(),
    }
}
