//! A simulated instance, and connectors that are set up for it.

use std::collections::BTreeMap;
use std::time::Duration;

use itsm_simulator::servicenow::{CiSeed, PersonalChange, ServiceNow as Instance, Switches, Ticket};
use itsm_simulator::{Effect, Fault, ItsmSimulator, Running, Settings};
use serde_json::{Value, json};
use worker::connector::servicenow::{ServiceNow, ServiceNowSettings};
use worker::connector::{CallSettings, Change, Connector, Draft, WorkItem};

const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Desk {
    simulator: Running,
    pub(crate) connector: ServiceNow,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(Switches::default(), json!({})).await
    }

    /// An instance with these quirks, and a connector with some other settings than the usual.
    pub(crate) async fn with(switches: Switches, settings: Value) -> Self {
        // Another test of this process may have been first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let simulator = ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        simulator.servicenow().configure(switches);
        let connector = connect(&simulator, &settings);
        Self { simulator, connector }
    }

    /// Another worker's connector to the same instance.
    pub(crate) fn another(&self, settings: &Value) -> ServiceNow {
        connect(&self.simulator, settings)
    }

    pub(crate) fn instance(&self) -> &Instance {
        self.simulator.servicenow()
    }

    pub(crate) fn let_pass(&self, time: Duration) {
        self.simulator.clock().advance(time);
    }

    /// The next call of this operation suffers the effect.
    pub(crate) fn once(&self, operation: &str, effect: Effect) {
        self.instance().inject(Fault::new(effect).on(operation).times(1)).unwrap();
    }

    /// The next call of this operation is carried out and then suffers the effect.
    pub(crate) fn once_written(&self, operation: &str, effect: Effect) {
        self.instance().inject(Fault::new(effect).on(operation).times(1).after_write()).unwrap();
    }

    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.instance().calls().of(operation)
    }

    pub(crate) fn ticket(&self, item: &WorkItem) -> Ticket {
        self.instance().ticket(&item.number).unwrap()
    }

    pub(crate) fn person(&self, item: &WorkItem, change: PersonalChange) {
        self.instance().change_as_person(&item.number, change).unwrap();
    }

    pub(crate) fn seed(&self, seed: CiSeed) -> String {
        self.instance().seed_ci(seed).unwrap()
    }

    pub(crate) async fn create(&self, correlation_id: &str) -> WorkItem {
        self.connector.create(&draft(correlation_id)).await.unwrap()
    }
}

pub(crate) fn draft(correlation_id: &str) -> Draft {
    Draft {
        correlation_id: correlation_id.to_owned(),
        summary: "CPU of web-07 is high".to_owned(),
        description: "Above 90 %".to_owned(),
        note: "Fired".to_owned(),
        impact: 2,
        urgency: 1,
        ci: None,
        fields: BTreeMap::new(),
    }
}

pub(crate) fn change(note: &str) -> Change {
    Change { note: note.to_owned(), ..Change::default() }
}

fn connect(simulator: &Running, changes: &Value) -> ServiceNow {
    let mut settings = json!({
        "base_url": format!("{}/servicenow", simulator.base_url()),
        "auth": {"oauth": {"client_id": "secure-export", "client_secret": "secure-export"}},
    });
    for (key, value) in changes.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let settings: ServiceNowSettings = serde_json::from_value(settings).unwrap();
    ServiceNow::new("targets.desk.connector.servicenow", settings, &CallSettings::within(DEADLINE)).unwrap()
}
