//! `ingest verify-token`: which check a token fails, and what to change.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;

use crate::auth::metadata::{self, Metadata};
use crate::auth::refusal::Refusal;
use crate::auth::token::{PresentedToken, Yardstick};
use crate::config::Config;

pub(super) async fn run(config: Config, file: &Path) -> anyhow::Result<ExitCode> {
    let limit = config.auth.max_token_bytes;
    let text = read(file, limit).with_context(|| format!("cannot read {}", file.display()))?;
    let token = text.trim();
    let mut report = Report { out: std::io::stdout(), passed: true };
    match examine(&config, token, &mut report).await? {
        Ok(()) if report.passed => {
            report.line(
                "the token is accepted, for alerts about the subscriptions that its [trust] entry allows",
            )?;
        }
        Ok(()) => report.line("the token is refused")?,
        Err(refusal) => {
            report.check(
                "readable, from a trusted tenant, naming a key that the tenant publishes",
                Err(refusal),
            )?;
            report.line("the token is refused; the other checks could not be made")?;
        }
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes every check that can be made. The inner error is a refusal after which there is nothing to check against.
async fn examine(config: &Config, token: &str, report: &mut Report) -> anyhow::Result<Result<(), Refusal>> {
    let limit = config.auth.max_token_bytes;
    if token.len() > limit {
        return Ok(Err(Refusal::TooLong { limit }));
    }
    let presented = match PresentedToken::read(token) {
        Ok(presented) => presented,
        Err(refusal) => return Ok(Err(refusal)),
    };
    report.check("an RS256 token of Entra's form", Ok(()))?;
    let trust = match config.trust.entry(presented.tenant_id, presented.audience()) {
        Ok(trust) => trust,
        Err(refusal) => return Ok(Err(refusal)),
    };
    report.check(&format!("from a trusted tenant: [trust.{}]", trust.name), Ok(()))?;
    let (authority, version) = (trust.authority.clone(), presented.version);
    let metadata =
        Metadata::new(metadata::client()?, config.auth.limits, authority, presented.tenant_id, version);
    let keys = metadata
        .fetch()
        .await
        .context("the tenant's keys cannot be fetched, so the token cannot be checked")?;
    let Some(key) = keys.keys.get(&presented.key_id) else {
        return Ok(Err(Refusal::SigningKey { key_id: presented.key_id }));
    };
    report.check("naming a key that the tenant publishes (kid)", Ok(()))?;
    let yardstick = Yardstick { trust, issuer: &keys.issuer, key, now: Timestamp::now() };
    for (check, outcome) in presented.checks(&yardstick) {
        report.check(&check.to_string(), outcome)?;
    }
    Ok(Ok(()))
}

/// At most one byte more than a token may have, from a file or standard input.
fn read(file: &Path, limit: usize) -> std::io::Result<String> {
    // A token from a file usually ends with a line break.
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(3);
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(limit).read_to_string(&mut text)?;
    }
    Ok(text)
}

struct Report {
    out: std::io::Stdout,
    passed: bool,
}

impl Report {
    fn check(&mut self, name: &str, outcome: Result<(), Refusal>) -> std::io::Result<()> {
        match outcome {
            Ok(()) => self.line(&format!("✓ {name}")),
            Err(refusal) => {
                self.passed = false;
                self.line(&format!("✗ {name}\n    {refusal}\n    → {}", refusal.remedy()))
            }
        }
    }

    fn line(&mut self, text: &str) -> std::io::Result<()> {
        writeln!(self.out, "{text}")
    }
}
