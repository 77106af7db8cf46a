//! `azure-simulator payload`.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use anyhow::Context;
use azure_simulator::alerts::{AlertRule, Kind};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Args)]
pub(super) struct Payload {
    #[arg(value_enum)]
    kind: Kind,
    /// Print the notification that the alert is resolved, five minutes after it fired.
    #[arg(long)]
    resolved: bool,
    /// Number of the rule, which decides the names of rule and resource.
    #[arg(long, default_value_t = 1)]
    number: u64,
    /// When the alert fired; now by default.
    #[arg(long)]
    fired_at: Option<Timestamp>,
}

impl Payload {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let fired_at = self.fired_at.unwrap_or_else(Timestamp::now);
        let alert = AlertRule::new(self.kind, 0, self.number).fire(fired_at);
        let body = if self.resolved {
            alert
                .resolved(fired_at.saturating_add(SignedDuration::from_mins(5))?)
                .with_context(|| format!("azure never resolves {}: leave out --resolved", self.kind.name()))?
        } else {
            alert.fired()
        };
        let mut stdout = stdout();
        stdout.write_all(&body)?;
        writeln!(stdout)?;
        Ok(ExitCode::SUCCESS)
    }
}
