//! Rules that change while the worker runs: the file is read again at SIGHUP and when its content changes.
//!
//! Only the rules are taken: whatever else is new in the file waits for a restart. A file that cannot be used is refused,
//! and so is one with a template that fails on every alert; the rules stay as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shared::causes::told;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Target};
use crate::metrics::{IntakeMetrics, Reload};
use crate::policy::rules::Policy;
use crate::policy::trial::{self, Finding, Verdict};

/// How often the file is looked at. Its content counts: a mounted secret or config map is swapped, not written.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Everything that reloading works with.
pub struct Reloader {
    /// The file with the settings; without one there is only the environment, which does not change.
    pub file: Option<PathBuf>,
    pub policy: watch::Sender<Arc<Policy>>,
    /// The targets that this worker has; rules cannot bring new ones, nor change them.
    pub targets: BTreeMap<String, Target>,
    pub metrics: IntakeMetrics,
    pub shutdown: CancellationToken,
}

/// Tries the templates and logs what was found, which `worker check-config` would have said before.
pub fn tried(policy: &Policy) -> Vec<Finding> {
    for odd in policy.oddities(Timestamp::now()) {
        tracing::warn!(odd, "the rules are odd: {odd}");
    }
    let findings = trial::findings(policy);
    for finding in &findings {
        match finding.verdict {
            Verdict::Warning => tracing::warn!(route = finding.route, "a template may fail: {finding}"),
            Verdict::Error => tracing::error!(route = finding.route, "a template fails: {finding}"),
        }
    }
    findings
}

impl Reloader {
    /// Watches until shutdown.
    pub async fn run(self) {
        let mut seen = self.content().await;
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
            let content = self.content().await;
            if asked || (content.is_some() && content != seen) {
                self.reload();
            }
            seen = content.or(seen);
        }
    }

    fn reload(&self) {
        match self.read() {
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
        // The rules before have texts that work, so nothing is lost by staying with them.
        if let Some(broken) = tried(&policy).into_iter().find(|finding| finding.verdict == Verdict::Error) {
            return Err(broken.to_string());
        }
        if let Some(new) = policy.targets().iter().find(|target| !self.targets.contains_key(*target)) {
            return Err(format!("a rule names the target {new}, which is new: restart the worker"));
        }
        // The file may describe targets anew, which waits for a restart.
        config::fields::check(&policy, &self.targets).map_err(|error| told(&error))?;
        Ok(policy)
    }

    async fn content(&self) -> Option<Vec<u8>> {
        let file = self.file.as_ref()?;
        let is_regular = tokio::fs::metadata(file).await.is_ok_and(|metadata| metadata.is_file());
        if is_regular { tokio::fs::read(file).await.ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::config::tests::NEEDED;

    fn read(line: &str) -> Result<Policy, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{line}\n{NEEDED}").unwrap();
        reloader(file.path()).read()
    }

    fn reloader(file: &Path) -> Reloader {
        let config = config::load(Some(file)).unwrap();
        Reloader {
            file: Some(file.to_owned()),
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
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{NEEDED}").unwrap();
        let mut reloader = reloader(file.path());
        reloader.file = Some(pipe);
        assert!(reloader.read().unwrap_err().ends_with("is not a regular file"));
    }

    #[test]
    fn rules_with_a_template_that_fails_on_every_alert_are_refused() {
        let refusal = read("route.open.summary = '{{ alert.sumary }}'").unwrap_err();
        assert!(refusal.starts_with("route: route.open.summary fails on every alert"), "{refusal}");
        assert!(read("route.open.fields.team = '{{ alert.custom.team }}'").is_ok());
        assert!(read("route.open.summary = '{{ alert.rule }}'").is_ok());
    }
}
