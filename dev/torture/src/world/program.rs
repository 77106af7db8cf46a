//! A program that is started, killed and started again.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use stack::{Process, ProcessError};

use super::Plan;

/// How to start a program, and its process when it runs.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Program {
    /// A program of the plan's, which does not run yet. Its log is named like it.
    pub(super) fn new(plan: &Plan, name: &str, program: &str, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            path: plan.programs.join(program),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            log: plan.folder.join(format!("{name}.log")),
            process: None,
        }
    }

    /// Starts it and does not wait; one that runs already is killed.
    pub(super) fn start(&mut self) -> Result<(), ProcessError> {
        self.process = None;
        self.process = Some(self.spawn()?);
        Ok(())
    }

    /// Starts it and waits until `url` answers with success.
    pub(super) async fn start_and_wait(mut self, url: &str, limit: Duration) -> anyhow::Result<Process> {
        self.start()?;
        self.ready(url, limit).await?;
        self.process.context("it was just started")
    }

    /// Waits until `url` answers with success.
    pub(super) async fn ready(&mut self, url: &str, limit: Duration) -> anyhow::Result<()> {
        let http = stack::http_client()?;
        let process = self.process.as_mut().with_context(|| format!("{} does not run", self.name))?;
        let answers = async || match http.get(url).send().await {
            Ok(answer) => answer.status().is_success(),
            Err(_not_yet) => false,
        };
        Ok(process.ready(limit, answers).await?)
    }

    /// Runs it until it has done what it is for.
    pub(super) async fn run_to_its_end(self, limit: Duration) -> Result<(), ProcessError> {
        self.spawn()?.succeeded(limit).await
    }

    /// Kills it; whoever watches over it leaves it so.
    pub(super) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// How it ended, if it ended by itself.
    pub(super) async fn has_ended(&mut self) -> Option<ProcessError> {
        let process = self.process.as_mut()?;
        // Looks once: what runs has not ended by now.
        tokio::time::timeout(Duration::ZERO, process.ended()).await.ok()
    }

    /// Asks it to end and waits; kills it after `grace`.
    pub(super) async fn stop(self, grace: Duration) {
        if let Some(process) = self.process {
            // One that is stopped cannot hear the request.
            process.signal(Signal::CONT);
            process.stop(Signal::TERM, grace).await;
        }
    }

    fn spawn(&self) -> Result<Process, ProcessError> {
        let mut command = stack::command(&self.path);
        // Logs are read in files and in error messages.
        command.args(&self.arguments).env("NO_COLOR", "1");
        Process::spawn(&self.name, command, &self.log)
    }
}
