//! The worker as a whole: what runs side by side, and in which order it stops.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::registry::Registry;
use shared::amqp::Publisher;
use shared::ops::{self, Health};
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::dead_letters::collector::Collector;
use crate::intake::consumer::Intake;
use crate::metrics::{DeadLetterMetrics, IntakeMetrics, SyncMetrics};
use crate::reload::{self, Reloader};
use crate::store::{self, Ledger};
use crate::sweep::Sweep;
use crate::sync::recorder::Recorder;
use crate::sync::{TargetLoop, wake};

/// Outcomes that may wait to be recorded; passes wait when there are more.
const OUTCOMES_WAITING: usize = 1_024;
/// How long the start waits for the database before it says that it has none.
const SCHEMA_PATIENCE: Duration = Duration::from_secs(60);
const SCHEMA_PAUSE: Duration = Duration::from_millis(500);
/// How long the connections to the database may take to close.
const GOODBYE: Duration = Duration::from_secs(2);

/// A worker that is ready to run.
pub struct Application {
    admin: actix_web::dev::Server,
    admin_address: SocketAddr,
    parts: Parts,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    drain: Duration,
}

struct Parts {
    intake: Intake,
    collector: Collector,
    loops: Vec<TargetLoop>,
    recorder: Recorder,
    sweep: Sweep,
    reloader: Reloader,
    ledger: Ledger,
    bells: BTreeMap<String, Arc<Notify>>,
}

impl Application {
    /// Sets everything up; `file` is where the rules are read again when they change. Nothing is consumed or called before [`run`](Self::run).
    ///
    /// # Errors
    /// When the schema is not the one this build needs, the broker has queues with other arguments, or the
    /// admin address is taken.
    pub async fn build(
        config: Config,
        file: Option<PathBuf>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let at_start = reload::content(file.as_deref()).await;
        let tasks = TaskTracker::new();
        let (health, mut registry) = (Health::default(), Registry::default());
        let (intake_metrics, sync_metrics) =
            (IntakeMetrics::register(&mut registry), SyncMetrics::register(&mut registry));
        let dead_letter_metrics = DeadLetterMetrics::register(&mut registry);
        let ledger = Ledger::open(&config.database).context("database.url cannot be read")?;
        require_schema(ledger.pool(), &shutdown).await?;
        let amqp = health.dependency("amqp");
        let buries = health.dependency("amqp_dead_letters");
        let database = health.dependency("database");
        database.up();
        let name = "secure-export worker";
        let publisher =
            Publisher::start(config.broker.clone(), name, buries, shutdown.clone(), &tasks).await?;
        let (policy, policies) = watch::channel(Arc::new(config.policy));
        let (worker, drain) = (worker_name(), config.sync.drain);
        let bells: BTreeMap<String, Arc<Notify>> =
            config.targets.keys().map(|name| (name.clone(), Arc::default())).collect();
        let reloader = Reloader {
            file,
            at_start,
            retention: config.sweep.retention,
            policy,
            targets: config.targets.clone(),
            metrics: intake_metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let (done, outcomes) = mpsc::channel(OUTCOMES_WAITING);
        let loops = config.targets.into_iter().map(|(name, target)| TargetLoop {
            due: bells.get(&name).cloned().unwrap_or_default(),
            name,
            target,
            ledger: ledger.clone(),
            policies: policies.clone(),
            settings: config.sync.clone(),
            metrics: sync_metrics.clone(),
            worker: worker.clone(),
            done: done.clone(),
            shutdown: shutdown.clone(),
        });
        let loops = loops.collect();
        let recorder = Recorder {
            ledger: ledger.clone(),
            retry: config.sync.retry,
            linger: config.sync.record_linger,
            double_check: config.sync.double_check,
            metrics: sync_metrics.clone(),
            bells: bells.clone(),
            done: outcomes,
        };
        let sweep = Sweep {
            ledger: ledger.clone(),
            policies: policies.clone(),
            settings: config.sweep,
            look_again: config.sync.look_again,
            metrics: sync_metrics,
            dead_letters: dead_letter_metrics.clone(),
            bells: bells.clone(),
            shutdown: shutdown.clone(),
        };
        let collector = Collector {
            broker: config.broker.clone(),
            ledger: ledger.clone(),
            settings: config.dead_letters,
            metrics: dead_letter_metrics,
            health: health.dependency("dead_letters"),
            shutdown: shutdown.clone(),
        };
        let intake = Intake {
            broker: config.broker,
            ledger: ledger.clone(),
            publisher,
            policies,
            settings: config.intake,
            metrics: intake_metrics,
            amqp,
            database,
            shutdown: shutdown.clone(),
        };
        let (admin, admin_address) = ops::admin_server(&config.admin, health, registry, |_| {})
            .context("admin.listen cannot be bound")?;
        let parts = Parts { intake, collector, loops, recorder, sweep, reloader, ledger, bells };
        Ok(Self { admin, admin_address, parts, shutdown, tasks, drain })
    }

    /// Where `/readyz` and `/metrics` answer.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Works until shutdown: takes no more work, finishes what is under way, records it, leaves.
    ///
    /// # Errors
    /// When a part ends before shutdown, which none should: a worker that does half its work is better restarted.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { admin, admin_address, parts, shutdown, tasks, drain } = self;
        tracing::info!(%admin_address, "worker started");
        let Parts { intake, collector, loops, recorder, sweep, reloader, ledger, bells } = parts;
        let admin_handle = admin.handle();
        let mut running = JoinSet::new();
        running.spawn(async move {
            if let Err(error) = admin.await {
                tracing::error!(%error, "the admin listener failed: {error}");
            }
        });
        running.spawn(intake.run());
        running.spawn(collector.run());
        running.spawn(sweep.run());
        running.spawn(reloader.run());
        running.spawn(wake::listen(ledger.pool().clone(), bells, shutdown.clone()));
        // The loops own the senders, so the recorder ends when the last of them does.
        loops.into_iter().for_each(|target| drop(running.spawn(target.run())));
        running.spawn(recorder.run());
        let early = tokio::select! {
            // Asked first: a part that hears of the shutdown sooner has not ended by itself.
            biased;
            () = shutdown.cancelled() => None,
            ended = running.join_next() => ended,
        };
        shutdown.cancel();
        tasks.close();
        admin_handle.stop(false).await;
        let finished = async {
            while running.join_next().await.is_some() {}
            tasks.wait().await;
        };
        if tokio::time::timeout(drain, finished).await.is_err() {
            tracing::warn!(
                ?drain,
                "not everything was finished within {drain:?}; the leases run out and others go on"
            );
        }
        if tokio::time::timeout(GOODBYE, ledger.pool().close()).await.is_err() {
            tracing::debug!("the database did not say goodbye in time");
        }
        tracing::info!("worker stopped");
        match early {
            None => Ok(()),
            Some(Ok(())) => {
                anyhow::bail!("a part of the worker ended by itself: see the log, and restart it")
            }
            Some(Err(error)) => Err(error).context("a part of the worker failed: please report this"),
        }
    }
}

async fn require_schema(pool: &PgPool, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let started = tokio::time::Instant::now();
    loop {
        let outcome = store::schema_is_current(pool).await;
        match outcome {
            Ok(true) => return Ok(()),
            Ok(false) if started.elapsed() > SCHEMA_PATIENCE => {
                anyhow::bail!("the database has not the schema of this version: run `worker migrate`")
            }
            Err(error)
                if started.elapsed() > SCHEMA_PATIENCE || store::failure(&error) == store::Failure::Data =>
            {
                return Err(error).context("the database cannot be used");
            }
            Ok(false) => tracing::info!("waiting for `worker migrate`"),
            Err(error) => tracing::warn!(%error, "waiting for the database: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(SCHEMA_PAUSE) => {}
            () = shutdown.cancelled() => anyhow::bail!("stopped while waiting for the database"),
        }
    }
}

/// Host and process: what an operator needs to find the worker that holds a lease.
fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}
