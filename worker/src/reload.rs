//! Rules that change while the worker runs: the file is read again at SIGHUP and when its content changes.
//!
//! Only the rules are taken: whatever else is new in the file waits for a restart. A file that cannot be used is refused,
//! and so is one with a template that fails on every alert; the rules stay as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use shared::causes::told;
use shared::settings::MAX_SETTINGS_BYTES;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Target};
use crate::metrics::{IntakeMetrics, Reload};
use crate::policy::rules::Policy;
use crate::policy::trial::{self, Verdict};

/// How often the file is looked at. Its content counts: a mounted secret or config map is swapped, not written.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long it may take to try all templates. A few seconds do for hundreds of routes that share nothing.
pub const TRIAL_PATIENCE: Duration = Duration::from_secs(60);

/// Everything that reloading works with.
pub struct Reloader {
    /// The file with the settings; without one there is only the environment, which does not change.
    pub file: Option<PathBuf>,
    /// Its [`content`] when the rules of the start were read: whatever comes while the worker starts is a change.
    pub at_start: Option<Vec<u8>>,
    pub policy: watch::Sender<Arc<Policy>>,
    /// The targets that this worker has; rules cannot bring new ones, nor change them.
    pub targets: BTreeMap<String, Target>,
    /// How long this worker remembers resolved tickets.
    pub retention: Duration,
    pub metrics: IntakeMetrics,
    pub shutdown: CancellationToken,
}

impl Reloader {
    /// Tries the rules of the start, and watches until shutdown.
    pub async fn run(self) {
        let this = Arc::new(self);
        tokio::join!(this.try_start(), this.watch());
    }

    async fn try_start(self: &Arc<Self>) {
        // There are no older rules to stay with, and a ticket with plain text beats none, so it is only told.
        let at_start = Arc::clone(&self.policy.borrow());
        let tried = self.apart(move |this| this.try_templates(&at_start)).await;
        if let Err(reason) = tried
            && !self.shutdown.is_cancelled()
        {
            tracing::error!(reason, "the rules are used all the same: {reason}");
        }
    }

    async fn watch(self: &Arc<Self>) {
        let mut seen = self.at_start.clone();
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "cannot listen for SIGHUP, changed rules need a restart: {error}");
                self.shutdown.cancelled().await;
                return;
            }
        };
        while !self.shutdown.is_cancelled() {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = self.shutdown.cancelled() => return,
            };
            let content = content(self.file.as_deref()).await;
            if asked || (content.is_some() && content != seen) {
                let read = self.apart(Self::read).await;
                if !self.shutdown.is_cancelled() {
                    self.take(read);
                }
            }
            seen = content.or(seen);
        }
    }

    /// Does what may take long where it holds nothing up; a shutdown waits for none of it.
    async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&this));
        tokio::select! {
            done = done => done.unwrap_or_else(|error| Err(told(&error))),
            () = self.shutdown.cancelled() => Err("the worker is shutting down".to_owned()),
        }
    }

    fn take(&self, read: Result<Policy, String>) {
        match read {
            Ok(policy) => {
                let rules = policy.routes().count();
                self.policy.send_replace(Arc::new(policy));
                self.metrics.reloaded(Reload::Taken);
                tracing::info!(rules, "the rules are read again, {rules} of them make tickets");
            }
            Err(reason) => {
                self.metrics.reloaded(Reload::Refused);
                tracing::error!(
                    reason,
                    "the changed settings cannot be used, the rules stay as they are: {reason}"
                );
            }
        }
    }

    fn read(&self) -> Result<Policy, String> {
        // Reading a pipe would wait for somebody who writes into it.
        let is_regular = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
        if let Some(file) = self.file.as_ref().filter(|file| !is_regular(file)) {
            return Err(format!("{} is not a regular file", file.display()));
        }
        let policy = config::load(self.file.as_deref()).map_err(|error| told(&error))?.policy;
        if let Some(new) = policy.targets().iter().find(|target| !self.targets.contains_key(*target)) {
            return Err(format!("a rule names the target {new}, which is new: restart the worker"));
        }
        // The file may describe targets anew, and give another retention: both wait for a restart.
        config::fields::check(&policy, &self.targets).map_err(|error| told(&error))?;
        if let Some(route) = policy.routes().find(|route| route.reopen_window > self.retention) {
            let name = &route.name;
            return Err(format!(
                "{name}: reopen_window is longer than the sweep.retention with which the worker runs: restart it"
            ));
        }
        // The rules before have texts that work, so nothing is lost by staying with them.
        self.try_templates(&policy)?;
        Ok(policy)
    }

    /// Tries the templates, and logs what is found and whatever else `worker check-config` would have said.
    fn try_templates(&self, policy: &Policy) -> Result<(), String> {
        for odd in policy.oddities(Timestamp::now()) {
            tracing::warn!(odd, "the rules are odd: {odd}");
        }
        let since = Instant::now();
        let ends = || self.shutdown.is_cancelled() || since.elapsed() > TRIAL_PATIENCE;
        let findings = trial::findings(policy, ends).map_err(|ended| told(&ended))?;
        for finding in &findings {
            match finding.verdict {
                Verdict::Warning => tracing::warn!(route = finding.route, "a template may fail: {finding}"),
                Verdict::Error => tracing::error!(route = finding.route, "a template fails: {finding}"),
            }
        }
        let broken = findings.into_iter().find(|finding| finding.verdict == Verdict::Error);
        broken.map_or(Ok(()), |broken| Err(broken.to_string()))
    }
}

/// What tells whether the file has changed. One that is too long is new as well, and refused when it is read again.
pub async fn content(file: Option<&Path>) -> Option<Vec<u8>> {
    let file = file?;
    if !tokio::fs::metadata(file).await.is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    let mut content = Vec::new();
    let file = tokio::fs::File::open(file).await.ok()?;
    file.take(MAX_SETTINGS_BYTES + 1).read_to_end(&mut content).await.ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::config::tests::NEEDED;

    fn read(line: &str) -> Result<Policy, String> {
        reloader(settings(line).path()).read()
    }

    /// A file with what is needed, and this.
    fn settings(line: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{line}\n{NEEDED}").unwrap();
        file
    }

    fn reloader(file: &Path) -> Reloader {
        let config = config::load(Some(file)).unwrap();
        Reloader {
            file: Some(file.to_owned()),
            at_start: None,
            retention: config.sweep.retention,
            policy: watch::Sender::new(Arc::new(config.policy)),
            targets: config.targets,
            metrics: IntakeMetrics::register(&mut Registry::default()),
            shutdown: CancellationToken::new(),
        }
    }

    #[test]
    fn a_pipe_in_place_of_the_file_is_refused_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("worker.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let file = settings("");
        let mut reloader = reloader(file.path());
        reloader.file = Some(pipe);
        assert!(reloader.read().unwrap_err().ends_with("is not a regular file"));
    }

    #[test]
    fn a_reopen_window_is_no_longer_than_the_running_worker_remembers() {
        let file = settings("sweep.retention = '720h'");
        let reloader = reloader(file.path());
        std::fs::write(
            file.path(),
            format!("sweep.retention = '2000h'\nroute.reopen_window = '2000h'\n{NEEDED}"),
        )
        .unwrap();
        assert!(config::load(Some(file.path())).is_ok(), "a new worker takes it");
        assert!(reloader.read().unwrap_err().starts_with("route: reopen_window is longer"));
    }

    #[test]
    fn a_shutdown_does_not_wait_until_all_templates_are_tried() {
        let file = settings("");
        let reloader = reloader(file.path());
        assert!(reloader.read().is_ok());
        reloader.shutdown.cancel();
        assert!(reloader.read().unwrap_err().contains("not all were tried"));
    }

    #[tokio::test]
    async fn a_shutdown_does_not_wait_for_a_single_template_either() {
        let file = settings("");
        let reloader = Arc::new(reloader(file.path()));
        let (begins, begun) = tokio::sync::oneshot::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let work = reloader.apart(move |_| {
            begins.send(()).unwrap();
            // Until the test is over.
            ends.recv().unwrap_err();
            Ok(())
        });
        let (done, ()) = tokio::join!(work, async {
            begun.await.unwrap();
            reloader.shutdown.cancel();
        });
        assert!(done.unwrap_err().contains("shutting down"));
        drop(end);
    }

    #[test]
    fn a_field_that_a_target_does_not_take_as_it_runs_is_refused_whatever_the_file_makes_of_the_target() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let described = |text: &str| std::fs::write(file.path(), text).unwrap();
        described(NEEDED);
        let reloader = reloader(file.path());
        let anew = NEEDED.replace(".servicenow]", ".request_tracker]\n    queue = \"Alerts\"");
        described(&format!("route.open.fields.state = 'x'\n{anew}"));
        assert!(config::load(Some(file.path())).is_ok(), "another product may take it");
        let refusal = reloader.read().unwrap_err();
        assert!(
            refusal.starts_with("route: route.open.fields.state cannot be set in target \"snow\""),
            "{refusal}"
        );
    }

    #[test]
    fn rules_with_a_template_that_fails_on_every_alert_are_refused() {
        let refusal = read("route.open.summary = '{{ alert.sumary }}'").unwrap_err();
        assert!(refusal.starts_with("route: route.open.summary fails on every alert"), "{refusal}");
        assert!(read("route.open.fields.team = '{{ alert.custom.team }}'").is_ok());
        assert!(read("route.open.summary = '{{ alert.rule }}'").is_ok());
    }
}
