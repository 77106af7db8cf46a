//! Starts the parts of a world one after the other, each with settings in which every other one is behind a proxy.

use anyhow::{Context, bail};
use stack::cast::{self, Addresses};
use stack::{Description, Proxy, ports};
use tokio::sync::Mutex;

use super::program::Program;
use super::{Link, Part, Plan, START_LIMIT, World, settings, url};
use crate::desk::Desk;
use crate::product::Product;

impl World {
    pub(super) async fn start_identity(&mut self, plan: &Plan, addresses: &Addresses) -> anyhow::Result<()> {
        let proxy = self.through(Link::IngestsToIdentity, &addresses.identity).await?;
        let public = format!("http://{proxy}");
        let settings = self.write("identity.toml", &cast::identity(&self.description))?;
        let arguments =
            ["identity", "--listen", &addresses.identity, "--settings", &settings, "--public-url", &public];
        let ready = format!(
            "http://{}/{}/v2.0/.well-known/openid-configuration",
            addresses.identity, self.description.tenant_id
        );
        let program = Program::new(plan, "identity", "azure-simulator", &arguments);
        self.simulators.push(program.start_and_wait(&ready, START_LIMIT).await?);
        Ok(())
    }

    pub(super) async fn start_itsm(&mut self, plan: &Plan, target: Product) -> anyhow::Result<()> {
        let [port] = ports::free()?;
        let address = loopback(port);
        let settings = self.write("itsm.toml", &cast::itsm(&self.description))?;
        let arguments = ["--listen", &address, "--settings", &settings];
        let ready = format!("http://{address}/_control/summary");
        let program = Program::new(plan, &format!("itsm-{target}"), "itsm-simulator", &arguments);
        self.simulators.push(program.start_and_wait(&ready, START_LIMIT).await?);
        self.desks.insert(target, Desk::new(target, &format!("http://{address}"))?);
        for worker in 1..=plan.workers {
            self.through(Link::WorkerToItsm(worker, target), &address).await?;
        }
        Ok(())
    }

    pub(super) async fn start_ingests(&mut self, plan: &Plan, addresses: &Addresses) -> anyhow::Result<()> {
        let broker = authority(&self.description.amqp_url)?;
        let identity = self.proxy(&Link::IngestsToIdentity)?.address().to_string();
        for number in 1..=plan.ingests {
            let [port, admin] = ports::free()?;
            let (ingest, ingest_admin) = (loopback(port), loopback(admin));
            let amqp = self.through(Link::IngestToBroker(number), &broker).await?;
            self.through(Link::SenderToIngest(number), &ingest).await?;
            let own = Addresses { identity: identity.clone(), ingest, ingest_admin, ..addresses.clone() };
            let amqp_url = self.description.amqp_url.replace(&broker, &amqp);
            let seen = Description { amqp_url, ..self.description.clone() };
            // Each has a folder of its own for what it keeps.
            let name = format!("ingest-{number}");
            let extra = plan.ingest_settings.replace("{FOLDER}", &self.path(&name));
            let settings = settings::laid_over(&cast::ingest(&own, &seen), &extra)?;
            let settings = self.write(&format!("{name}.toml"), &settings)?;
            let mut program = Program::new(plan, &name, "ingest", &["serve", "--config", &settings]);
            program.start()?;
            program.ready(&format!("http://{}/readyz", own.ingest_admin), START_LIMIT).await?;
            self.services.insert(Part::Ingest(number), Mutex::new(program));
        }
        Ok(())
    }

    pub(super) async fn start_workers(&mut self, plan: &Plan, addresses: &Addresses) -> anyhow::Result<()> {
        let broker = authority(&self.description.amqp_url)?;
        let database = authority(&self.description.database_url)?;
        for (admin, number) in addresses.worker_admins.iter().zip(1..) {
            let amqp = self.through(Link::WorkerToBroker(number), &broker).await?;
            let postgres = self.through(Link::WorkerToDatabase(number), &database).await?;
            let seen = Description {
                amqp_url: self.description.amqp_url.replace(&broker, &amqp),
                database_url: self.description.database_url.replace(&database, &postgres),
                ..self.description.clone()
            };
            let mut targets = Vec::new();
            for target in &plan.targets {
                let proxy = self.proxy(&Link::WorkerToItsm(number, *target))?;
                targets.push((*target, format!("{}/{target}", url(proxy))));
            }
            let text = settings::with_targets(&cast::worker(admin, &seen), &targets)?;
            let settings = settings::laid_over(&text, &plan.worker_settings)?;
            let name = format!("worker-{number}");
            let settings = self.write(&format!("{name}.toml"), &settings)?;
            if number == 1 {
                let migrate = Program::new(plan, "migrate", "worker", &["migrate", "--config", &settings]);
                migrate.run_to_its_end(START_LIMIT).await?;
            }
            let mut program = Program::new(plan, &name, "worker", &["run", "--config", &settings]);
            program.start()?;
            program.ready(&format!("http://{admin}/readyz"), START_LIMIT).await?;
            self.services.insert(Part::Worker(number), Mutex::new(program));
        }
        Ok(())
    }

    /// Puts a proxy on a way and returns its address.
    async fn through(&mut self, link: Link, upstream: &str) -> anyhow::Result<String> {
        let proxy = Proxy::start(upstream.parse()?).await?;
        let address = proxy.address().to_string();
        self.proxies.insert(link, proxy);
        Ok(address)
    }

    /// The path of something in the world's folder, as an argument.
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a settings file and returns its path as an argument.
    fn write(&self, name: &str, settings: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        std::fs::write(&path, settings).with_context(|| format!("cannot write {path}"))?;
        Ok(path)
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The `host:port` of a URL.
fn authority(text: &str) -> anyhow::Result<String> {
    let parsed = url::Url::parse(text)?;
    match (parsed.host_str(), parsed.port()) {
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        (_, None) | (None, _) => bail!("{text} names no host and port"),
    }
}

/// Addresses of what is there once, and of the workers.
pub(super) fn addresses(workers: usize) -> anyhow::Result<Addresses> {
    let [identity, itsm, ingest, ingest_admin] = ports::free()?.map(loopback);
    let mut worker_admins = Vec::new();
    for _ in 0..workers {
        let [port] = ports::free()?;
        worker_admins.push(loopback(port));
    }
    Ok(Addresses { identity, itsm, ingest, ingest_admin, worker_admins })
}
