//! Processes that die without a word, and processes that are stopped for a while and know nothing of it.

use std::time::Duration;

use rustix::process::Signal;

use super::Victims;
use crate::schedule::Kind;
use crate::world::{Part, World};

/// Kills or stops a process, and brings it back after `length`.
///
/// # Errors
/// When it does not come back.
pub(crate) async fn strike(
    victims: Victims<'_>,
    kind: Kind,
    subject: usize,
    length: Duration,
) -> anyhow::Result<()> {
    let world = victims.world;
    let part = part(world, kind, subject);
    if matches!(kind, Kind::StopWorker | Kind::StopBroker | Kind::StopDatabase) {
        world.signal(part, Signal::STOP).await?;
        victims.last(length).await;
        return world.signal(part, Signal::CONT).await;
    }
    world.kill(part).await?;
    victims.last(length).await;
    world.start_again(part).await
}

fn part(world: &World, kind: Kind, subject: usize) -> Part {
    if kind == Kind::KillIngest {
        Part::Ingest(subject % world.ingests() + 1)
    } else if matches!(kind, Kind::KillWorker | Kind::StopWorker) {
        Part::Worker(subject % world.workers() + 1)
    } else if matches!(kind, Kind::KillBroker | Kind::StopBroker) {
        Part::RabbitMq
    } else {
        Part::Postgres
    }
}
