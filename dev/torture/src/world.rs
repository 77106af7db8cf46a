//! The whole system as processes, with a proxy on every way between two of them, so that each part can be killed,
//! stopped and cut off by itself while the others go on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;
use stack::{Description, Folder, Postgres, Process, Proxy, RabbitMq};
use tokio::sync::Mutex;

mod disk;
mod program;
mod settings;
mod start;

use self::disk::{Ballast, Disk};
use self::program::Program;
use crate::desk::Desk;
use crate::product::Product;

/// How long a program may take until it answers for the first time.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longer than the services promise to drain.
const STOP_GRACE: Duration = Duration::from_secs(40);
/// `rabbitmqctl` starts a node of its own for each command.
const CONTROL_LIMIT: Duration = Duration::from_secs(60);
/// Where Postgres keeps its data, in the folder of the world.
const DATABASE: &str = "postgres";
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// What the world consists of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where data, settings and logs are; emptied at the start.
    pub(crate) folder: PathBuf,
    /// The folder with the built programs.
    pub(crate) programs: PathBuf,
    pub(crate) ingests: usize,
    pub(crate) workers: usize,
    /// A target in each of these, with a simulator of its own; every alert goes to all of them.
    pub(crate) targets: Vec<Product>,
    /// The size of a disk of its own for Postgres, so that it can be full; none: where the folder is.
    pub(crate) database_disk_bytes: Option<u64>,
    /// TOML that is laid over the settings of every ingest.
    pub(crate) ingest_settings: String,
    /// TOML that is laid over the settings of every worker.
    pub(crate) worker_settings: String,
}

/// A process that can be killed and started again. Ingests and workers are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Ingest(usize),
    Worker(usize),
    RabbitMq,
    Postgres,
}

/// A way between two processes, with a proxy on it. Ingests and workers are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    SenderToIngest(usize),
    IngestToBroker(usize),
    /// Of all ingests: a token names one issuer, so there is one address.
    IngestsToIdentity,
    WorkerToBroker(usize),
    WorkerToDatabase(usize),
    WorkerToItsm(usize, Product),
}

/// Everything, running.
#[derive(Debug)]
pub(crate) struct World {
    folder: Folder,
    description: Description,
    desks: BTreeMap<Product, Desk>,
    ingests: usize,
    workers: usize,
    proxies: BTreeMap<Link, Proxy>,
    services: BTreeMap<Part, Mutex<Program>>,
    postgres: Mutex<Postgres>,
    rabbitmq: Mutex<RabbitMq>,
    /// In the order of their start.
    simulators: Vec<Process>,
    restarts: AtomicUsize,
    /// After what uses it, so that it is dropped later.
    database_disk: Option<Disk>,
}

/// Each ingest of a run keeps what the broker does not take.
const SPOOL: &str = "[spool]\nfolder = \"{FOLDER}/spool\"\n";

impl Plan {
    /// A plan without further settings but a spool for each ingest, in a folder of this name beside the built programs.
    ///
    /// # Errors
    /// When this program has no folder.
    pub(crate) fn new(
        name: &str,
        ingests: usize,
        workers: usize,
        targets: &[Product],
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let programs = program.parent().context("this program has no folder")?.to_owned();
        let folder = programs.parent().context("this program has no folder")?.join("torture").join(name);
        let (ingest_settings, worker_settings) = (SPOOL.to_owned(), String::new());
        Ok(Self {
            folder,
            programs,
            ingests,
            workers,
            targets: targets.to_vec(),
            database_disk_bytes: None,
            ingest_settings,
            worker_settings,
        })
    }
}

impl World {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// When a part does not come up: its log's end is in the message.
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        ensure!(plan.ingests > 0 && plan.workers > 0 && !plan.targets.is_empty(), "a part is missing");
        Disk::unmount_left(&plan.folder.join(DATABASE));
        let folder = Folder::take(&plan.folder)?;
        let database_disk = database_disk(plan);
        let (postgres, rabbitmq) =
            tokio::join!(Postgres::start(folder.path()), RabbitMq::start(folder.path()));
        let (postgres, rabbitmq) = (postgres?, rabbitmq?);
        let addresses = start::addresses(plan.workers)?;
        let description = Description::new(&addresses, rabbitmq.amqp_url(), postgres.url());
        let mut world = Self {
            folder,
            description,
            desks: BTreeMap::new(),
            ingests: plan.ingests,
            workers: plan.workers,
            proxies: BTreeMap::new(),
            services: BTreeMap::new(),
            postgres: Mutex::new(postgres),
            rabbitmq: Mutex::new(rabbitmq),
            simulators: Vec::new(),
            restarts: AtomicUsize::new(0),
            database_disk,
        };
        world.start_identity(plan, &addresses).await?;
        for target in &plan.targets {
            world.start_itsm(plan, *target).await?;
        }
        world.start_ingests(plan, &addresses).await?;
        world.start_workers(plan, &addresses).await?;
        Ok(world)
    }

    /// Ends everything and leaves the logs.
    pub(crate) async fn stop(self) {
        let Self { services, simulators, postgres, rabbitmq, proxies, folder, database_disk, .. } = self;
        let (postgres, rabbitmq) = (postgres.into_inner(), rabbitmq.into_inner());
        // Those that are stopped can neither answer nor hear that they shall end.
        postgres.signal(Signal::CONT);
        rabbitmq.signal(Signal::CONT);
        for (_, program) in services {
            program.into_inner().stop(STOP_GRACE).await;
        }
        drop(proxies);
        for simulator in simulators {
            simulator.stop(Signal::TERM, STOP_GRACE).await;
        }
        tokio::join!(postgres.stop(), rabbitmq.stop());
        drop((database_disk, folder));
    }

    /// Where everything is, straight and past the proxies.
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// The base URLs of the ingests, through their proxies.
    pub(crate) fn ingest_urls(&self) -> Vec<String> {
        let of = |link: &Link| match link {
            Link::SenderToIngest(_) => Some(url(self.proxies.get(link)?)),
            Link::IngestToBroker(_)
            | Link::IngestsToIdentity
            | Link::WorkerToBroker(_)
            | Link::WorkerToDatabase(_)
            | Link::WorkerToItsm(..) => None,
        };
        self.proxies.keys().filter_map(of).collect()
    }

    /// The desk of a target's simulated product, past the proxies.
    ///
    /// # Errors
    /// When there is no such target.
    pub(crate) fn desk(&self, target: Product) -> anyhow::Result<Desk> {
        self.desks.get(&target).cloned().with_context(|| format!("there is no target {target}"))
    }

    pub(crate) fn ingests(&self) -> usize {
        self.ingests
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Every way with a proxy.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.proxies.keys().cloned().collect()
    }

    /// The proxy on a way.
    ///
    /// # Errors
    /// When there is no such way.
    pub(crate) fn proxy(&self, link: &Link) -> anyhow::Result<&Proxy> {
        self.proxies.get(link).with_context(|| format!("there is no {link:?}"))
    }

    /// The process id of a service that runs; none while it is killed or started.
    pub(crate) fn pid(&self, part: Part) -> Option<i32> {
        self.services.get(&part)?.try_lock().ok()?.pid()
    }

    /// Kills a part with SIGKILL; it stays away until [`World::start_again`].
    ///
    /// # Errors
    /// When there is no such part.
    pub(crate) async fn kill(&self, part: Part) -> anyhow::Result<()> {
        match part {
            Part::RabbitMq => self.rabbitmq.lock().await.kill().await,
            Part::Postgres => self.postgres.lock().await.kill().await,
            Part::Ingest(_) | Part::Worker(_) => self.service(part)?.lock().await.kill().await,
        }
        Ok(())
    }

    /// Starts a part again, where it was and with what it had. Servers are waited for, services are not: what they
    /// need may be away.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start_again(&self, part: Part) -> anyhow::Result<()> {
        match part {
            Part::RabbitMq => self.rabbitmq.lock().await.start_again().await?,
            Part::Postgres => self.postgres.lock().await.start_again().await?,
            Part::Ingest(_) | Part::Worker(_) => self.service(part)?.lock().await.start()?,
        }
        Ok(())
    }

    /// Sends a signal to a part: SIGSTOP and SIGCONT.
    ///
    /// # Errors
    /// When there is no such part.
    pub(crate) async fn signal(&self, part: Part, signal: Signal) -> anyhow::Result<()> {
        match part {
            Part::RabbitMq => self.rabbitmq.lock().await.signal(signal),
            Part::Postgres => self.postgres.lock().await.signal(signal),
            Part::Ingest(_) | Part::Worker(_) => self.service(part)?.lock().await.signal(signal),
        }
        Ok(())
    }

    /// Runs `rabbitmqctl` on the node.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let command = self.rabbitmq.lock().await.control(arguments);
        let running = tokio::process::Command::from(command).kill_on_drop(true).output();
        let Output { status, stderr, .. } = tokio::time::timeout(CONTROL_LIMIT, running)
            .await
            .with_context(|| format!("rabbitmqctl {arguments:?} hangs"))??;
        ensure!(status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&stderr).trim());
        Ok(())
    }

    /// Takes all the room that is left to Postgres, until the ballast is dropped.
    ///
    /// # Errors
    /// When Postgres has no disk of its own.
    pub(crate) async fn fill_database_disk(&self) -> anyhow::Result<Ballast> {
        self.database_disk.as_ref().context("Postgres has no disk of its own")?.fill().await
    }

    /// Whether Postgres can be left without room.
    pub(crate) fn has_database_disk(&self) -> bool {
        self.database_disk.is_some()
    }

    /// Starts every service again that ends by itself, as a supervisor does. Never returns.
    pub(crate) async fn supervise(&self) {
        loop {
            for program in self.services.values() {
                // Whoever holds it is about to kill or to start it.
                let Ok(mut program) = program.try_lock() else { continue };
                if let Some(ended) = program.has_ended().await {
                    println!("        {ended}");
                    self.restarts.fetch_add(1, Ordering::Relaxed);
                    if let Err(error) = program.start() {
                        println!("        {error}");
                    }
                }
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    /// How often a service has ended by itself.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }

    fn service(&self, part: Part) -> anyhow::Result<&Mutex<Program>> {
        self.services.get(&part).with_context(|| format!("there is no {part:?}"))
    }
}

/// Without the right to mount one the world goes on, and whoever wants to fill the disk is told that there is none.
fn database_disk(plan: &Plan) -> Option<Disk> {
    match Disk::mount(&plan.folder.join(DATABASE), plan.database_disk_bytes?) {
        Ok(disk) => Some(disk),
        Err(error) => {
            println!("        no disk of its own for Postgres, so it will not be full: {error:#}");
            None
        }
    }
}

fn url(proxy: &Proxy) -> String {
    format!("http://{}", proxy.address())
}
