//! Simulated products that are only described, by the examples of the documentation, as desks of the contract.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use itsm_simulator::help_desk::{CiSeed, HelpDesk, PersonalChange, Switches, Ticket};
use itsm_simulator::{Effect, Fault, ItsmSimulator, Running, Settings};
use worker::connector::{
    CallSettings, Connector, ConnectorError, ConnectorSettings, WorkItem, WorkItemState,
};

use crate::desk::{Call, Deed, Desk, Held, Peculiarity, Possible, Trouble, change, draft, fault};

const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct DescribedDesk {
    simulator: Running,
    connector: Arc<dyn Connector>,
    product: Product,
}

/// How one product differs from another in the eyes of the contract.
struct Product {
    help_desk: fn(&Running) -> &HelpDesk,
    key_field: &'static str,
    /// The operation of the simulator that writes a note.
    note: &'static str,
    open: &'static str,
    /// What people see of a text that was written.
    shown: fn(&str) -> String,
    /// Why what a person closed does not read as closed.
    never_closed: Option<&'static str>,
    /// Why what was merged does not read as closed.
    never_merged: Option<&'static str>,
    /// Why it does not read with which code it was ended.
    no_codes: Option<&'static str>,
}

impl DescribedDesk {
    pub(crate) async fn zammad() -> Self {
        let product = Product {
            help_desk: Running::zammad,
            key_field: "azure_alert_id",
            note: "update",
            open: "open",
            shown: str::to_owned,
            never_closed: Some("it has one state for both, from which people reopen"),
            never_merged: None,
            no_codes: Some("it has none"),
        };
        Self::open("zammad", product).await
    }

    pub(crate) async fn servicedesk_plus() -> Self {
        let product = Product {
            help_desk: Running::servicedesk_plus,
            key_field: "udf_sline_301",
            note: "note",
            open: "Open",
            shown: html,
            never_closed: None,
            never_merged: Some("what was merged is gone"),
            no_codes: None,
        };
        Self::open("servicedesk-plus", product).await
    }

    async fn open(example: &str, product: Product) -> Self {
        let simulator = ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let base_url = format!("{}/{}", simulator.base_url(), example.replace('-', "_"));
        Self { connector: connect(example, &base_url), simulator, product }
    }

    fn help_desk(&self) -> &HelpDesk {
        (self.product.help_desk)(&self.simulator)
    }

    fn switch(&self, change: impl FnOnce(&mut Switches)) -> Possible {
        let mut switches = self.help_desk().switches();
        change(&mut switches);
        self.help_desk().configure(switches);
        Possible::Yes
    }

    fn inject(&self, fault: Fault) -> Possible {
        self.help_desk().inject(fault).unwrap();
        Possible::Yes
    }
}

/// The target of an example, but for where it lives and the secret.
fn connect(example: &str, base_url: &str) -> Arc<dyn Connector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/examples/{example}.toml"));
    let mut file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let targets = file["targets"].as_table_mut().unwrap();
    let (name, target) = targets.iter_mut().next().unwrap();
    let described = target["connector"]["http_api"].as_table_mut().unwrap();
    assert!(described["base_url"].as_str().unwrap().starts_with("https://"));
    described.insert("base_url".to_owned(), base_url.into());
    let header = described["auth"]["header"].as_table_mut().unwrap();
    assert!(header.remove("value_file").is_some());
    header.insert("value".to_owned(), "secure-export".into());
    let settings: ConnectorSettings = target["connector"].clone().try_into().unwrap();
    settings.connect(&format!("targets.{name}.connector"), &CallSettings::within(DEADLINE)).unwrap()
}

#[async_trait]
impl Desk for DescribedDesk {
    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    async fn held(&self) -> Vec<Held> {
        self.help_desk().tickets().iter().map(|ticket| held(ticket, &self.product)).collect()
    }

    async fn person(&self, item: &WorkItem, deed: Deed) -> Possible {
        if let (Deed::EndAs(_), Some(why)) = (&deed, self.product.no_codes) {
            return Possible::No(why);
        }
        let change = match (deed, self.product.never_closed, self.product.never_merged) {
            (Deed::EndAs(code), ..) => PersonalChange::CloseAs { code: code.to_owned() },
            (Deed::Close, Some(why), _) | (Deed::MergeInto(_), _, Some(why)) => return Possible::No(why),
            (Deed::Resolve, ..) => PersonalChange::Resolve,
            (Deed::Close, None, _) => PersonalChange::Close,
            (Deed::Delete, ..) => PersonalChange::Delete,
            (Deed::MergeInto(other), _, None) => PersonalChange::Merge { into: other.id.parse().unwrap() },
            (Deed::Move, ..) => PersonalChange::Move { group: "Service Desk".to_owned() },
        };
        self.help_desk().change_as_person(item.id.parse().unwrap(), change).unwrap();
        Possible::Yes
    }

    async fn once(&self, call: Call, trouble: Trouble) -> Possible {
        let operation = match call {
            Call::Create => "create",
            Call::Change => self.product.note,
            Call::Read => "read",
            Call::Search => "search",
        };
        self.inject(fault(trouble).on(operation).times(1))
    }

    async fn peculiar(&self, peculiarity: Peculiarity) -> Possible {
        match peculiarity {
            Peculiarity::SearchLags => self.inject(Fault::new(Effect::SearchLag { ms: 3_600_000 })),
            Peculiarity::SearchLies => self.switch(|switches| switches.search_ignores_condition = true),
            Peculiarity::MayNotWrite => self.switch(|switches| switches.may_not_write_notes = true),
            Peculiarity::MandatoryField => {
                self.switch(|switches| switches.mandatory_on_resolve.push("Root cause".to_owned()))
            }
            Peculiarity::TakesResolveBack => {
                let open = self.product.open.to_owned();
                self.switch(|switches| switches.resolved_becomes = Some(open))
            }
        }
    }

    async fn seed_ci(&self, name: &str, arm_id: &str) -> Option<String> {
        let seed = CiSeed { name: name.to_owned(), arm_id: arm_id.to_owned() };
        self.help_desk().seed_ci(seed).ok().map(|id| id.to_string())
    }
}

#[tokio::test]
async fn a_resolve_that_is_refused_again_and_again_writes_no_notes() {
    for desk in [DescribedDesk::servicedesk_plus().await, DescribedDesk::zammad().await] {
        let item = desk.connector.create(&draft("sx1-a")).await.unwrap();
        let before = desk.held().await[0].texts.clone();
        assert_eq!(desk.peculiar(Peculiarity::MandatoryField).await, Possible::Yes);
        for _ in 0..3 {
            let error = desk.connector.resolve(&item.id, &change("done")).await.unwrap_err();
            assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
        }
        assert_eq!(desk.held().await[0].texts, before);
    }
}

#[tokio::test]
async fn a_change_whose_note_is_refused_is_not_taken_for_one_that_was_not_made() {
    let desk = DescribedDesk::servicedesk_plus().await;
    let item = desk.connector.create(&draft("sx1-a")).await.unwrap();
    assert_eq!(desk.peculiar(Peculiarity::MayNotWrite).await, Possible::Yes);
    let resolved = desk.connector.resolve(&item.id, &change("done")).await.unwrap_err();
    assert!(matches!(resolved, ConnectorError::Ambiguous(_)), "{resolved}");
    assert_eq!(desk.connector.read(&item.id).await.unwrap().state, WorkItemState::Resolved);
    let reopened = desk.connector.reopen(&item.id, &change("again")).await.unwrap_err();
    assert!(matches!(reopened, ConnectorError::Ambiguous(_)), "{reopened}");
    assert_eq!(desk.connector.read(&item.id).await.unwrap().state, WorkItemState::Open);
}

/// What a browser makes of it.
fn html(text: &str) -> String {
    assert!(!text.replace("<br>", "").contains(['<', '>', '\n']), "{text}");
    [("<br>", "\n"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (written, shown)| text.replace(written, shown))
}

fn held(ticket: &Ticket, product: &Product) -> Held {
    Held {
        id: ticket.id.to_string(),
        key: ticket.field(product.key_field).to_owned(),
        summary: ticket.title.clone(),
        texts: ticket.texts.iter().map(|text| (product.shown)(text)).collect(),
        ci: ticket.cis.first().map(ToString::to_string),
        links: ticket.links.iter().map(ToString::to_string).collect(),
    }
}
