//! A running simulator and a client that is its integration user.

use std::net::{Ipv4Addr, SocketAddr};

use itsm_simulator::servicenow::{ServiceNow, Switches};
use itsm_simulator::{ItsmSimulator, Running, Settings};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

pub(crate) struct World {
    pub(crate) simulator: Running,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Switches::default()).await
    }

    pub(crate) async fn with(switches: Switches) -> Self {
        // A second test of the same process finds the provider installed already.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let mut settings = Settings::default();
        settings.servicenow.switches = switches;
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulator = ItsmSimulator::start(settings, anywhere).await.unwrap();
        Self { simulator, client: Client::new() }
    }

    pub(crate) fn servicenow(&self) -> &ServiceNow {
        self.simulator.servicenow()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    /// A call of the Table API as the integration user.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.url(&format!("/servicenow/api/now/table/{path}"));
        self.client
            .request(method, url)
            .header("Accept", "application/json")
            .basic_auth("secure-export", Some("secure-export"))
    }

    pub(crate) async fn create(&self, record: Value) -> Value {
        let answer = self.call(Method::POST, "incident").json(&record).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        result(answer).await
    }

    pub(crate) async fn update(&self, incident: &Value, record: Value) -> Response {
        let path = format!("incident/{}", text(incident, "sys_id"));
        self.call(Method::PATCH, &path).json(&record).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        result(answer).await
    }

    /// How many rows a query finds.
    pub(crate) async fn count(&self, table: &str, query: &str) -> usize {
        let call = self.call(Method::GET, table).query(&[("sysparm_query", query)]);
        result(call.send().await.unwrap()).await.as_array().unwrap().len()
    }
}

pub(crate) async fn body(answer: Response) -> Value {
    answer.json().await.unwrap()
}

pub(crate) async fn result(answer: Response) -> Value {
    body(answer).await["result"].clone()
}

pub(crate) fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap()
}
