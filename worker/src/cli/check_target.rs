//! `worker check-target`: what would keep a target from being worked with, found out without a ticket.

use std::process::ExitCode;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::output::{Format, answer, answer_json, one_line};
use crate::config::Config;
use crate::connector::{ConnectorError, Finding, Verdict};
use crate::sync::self_test::{self, unusable};

/// What became of asking one target.
struct Report<'a> {
    target: &'a str,
    outcome: Result<Vec<Finding>, ConnectorError>,
}

pub(super) async fn run(config: &Config, name: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let known = || config.targets.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let targets = config.targets.iter().filter(|(target, _)| name.is_none_or(|name| name == *target));
    let reports = join_all(targets.map(async |(target, settings)| Report {
        target,
        outcome: self_test::check(settings, &self_test::presets(target, settings, &config.policy)).await,
    }))
    .await;
    anyhow::ensure!(!reports.is_empty(), "there is no such section [targets.NAME]; there are: {}", known());
    match format {
        Format::Text => reports.iter().flat_map(Report::lines).try_for_each(|line| answer(&line))?,
        Format::Json => answer_json(&reports.iter().map(Report::json).collect::<Vec<_>>())?,
    }
    let all_usable = reports.iter().all(Report::is_usable);
    Ok(if all_usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report<'_> {
    fn is_usable(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|findings| unusable(findings).is_none())
    }

    fn lines(&self) -> Vec<String> {
        let target = self.target;
        let findings = match &self.outcome {
            Ok(findings) => findings,
            Err(error) => {
                let told = one_line(&error.to_string());
                return vec![format!("{target} cannot be asked, {}: {told}", remedy(error))];
            }
        };
        let word = if self.is_usable() { "can be used" } else { "cannot be used" };
        let mut lines = vec![format!("{target} {word}")];
        lines.extend(findings.iter().map(|Finding { subject, verdict }| {
            let (name, change) = told(verdict);
            let change = change.map(|change| format!(": {change}")).unwrap_or_default();
            format!("  {name:<8}  {}", one_line(&format!("{subject}{change}")))
        }));
        lines
    }

    fn json(&self) -> Value {
        let (findings, error) = match &self.outcome {
            Ok(findings) => (findings.as_slice(), Value::Null),
            Err(error) => {
                let said = error.to_string();
                (&[][..], json!({ "class": error.name(), "message": said, "change": remedy(error) }))
            }
        };
        let findings: Vec<Value> = findings
            .iter()
            .map(|Finding { subject, verdict }| {
                let (name, change) = told(verdict);
                json!({ "subject": subject, "verdict": name, "change": change })
            })
            .collect();
        json!({ "target": self.target, "usable": self.is_usable(), "error": error, "findings": findings })
    }
}

fn told(verdict: &Verdict) -> (&'static str, Option<&str>) {
    match verdict {
        Verdict::Fine => ("fine", None),
        Verdict::Limited(change) => ("limited", Some(change)),
        Verdict::Unusable(change) => ("unusable", Some(change)),
    }
}

/// What to look at first when a product could not be asked.
fn remedy(error: &ConnectorError) -> &'static str {
    match error {
        ConnectorError::Unauthorized(_) => {
            "check `auth` of the connector, and that the user is active and may use the API"
        }
        ConnectorError::Unavailable(_) | ConnectorError::Ambiguous(_) => {
            "check `base_url`, and that DNS, proxy and firewall let this machine reach it"
        }
        ConnectorError::Throttled { .. } => "try again later, or raise the limit of calls for the user",
        ConnectorError::Rejected(_) | ConnectorError::Gone(_) => "check the settings of the connector",
    }
}
