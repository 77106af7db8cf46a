//! The broker takes nothing more, or is given what is no alert.

use std::time::Duration;

use anyhow::ensure;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use uuid::Uuid;

use super::Victims;
use crate::world::World;

/// As ordinary as RabbitMQ's own default, and more than any disk has.
const DISK_FREE: &str = "100MB";
const MORE_THAN_THERE_IS: &str = "1000000GB";

const POLICY: &str = "torture-full";
const POISON: &str = "poison of a fault run, no alert: ";

/// The disk alarm: publishers are blocked, consumers go on.
///
/// # Errors
/// When the broker does not take the limit.
pub(crate) async fn alarm(victims: Victims<'_>, length: Duration) -> anyhow::Result<()> {
    let set = victims.world.rabbitmqctl(&["set_disk_free_limit", MORE_THAN_THERE_IS]).await;
    if set.is_ok() {
        victims.last(length).await;
    }
    // A command that failed may have taken effect.
    insist(victims.world, &["set_disk_free_limit", DISK_FREE]).await.and(set)
}

/// The queue is at its limit and rejects what is published.
///
/// # Errors
/// When the broker does not take the policy.
pub(crate) async fn full(victims: Victims<'_>, length: Duration) -> anyhow::Result<()> {
    let limit = r#"{"max-length": 1, "overflow": "reject-publish"}"#;
    let policy = ["set_policy", POLICY, "^alerts\\.inbound$", limit, "--apply-to", "queues"];
    if let Err(error) = victims.world.rabbitmqctl(&policy).await {
        // It may have taken effect. If it has not, there is no policy to clear, which is an error too.
        victims.world.rabbitmqctl(&["clear_policy", POLICY]).await.ok();
        return Err(error);
    }
    victims.last(length).await;
    insist(victims.world, &["clear_policy", POLICY]).await
}

/// Publishes what is no alert, as another program on the broker would.
///
/// # Errors
/// When the broker does not take it.
pub(crate) async fn poison(world: &World) -> anyhow::Result<()> {
    let url = &world.description().amqp_url;
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    // Each its own: the ledger takes two of the same content for one that died twice.
    let body = format!("{POISON}{}", Uuid::now_v7());
    let publish =
        channel.basic_publish("alerts".into(), "notification".into(), options, body.as_bytes(), properties);
    let confirmation = publish.await?.await?;
    connection.close(200, "done".into()).await?;
    ensure!(confirmation == Confirmation::Ack(None), "the broker does not take it: {confirmation:?}");
    Ok(())
}

/// Whether a dead letter is one that [`poison`] made.
pub(crate) fn is_poison(body: &[u8]) -> bool {
    body.starts_with(POISON.as_bytes())
}

/// Undoes what was done, whatever else happens to the broker meanwhile.
async fn insist(world: &World, arguments: &[&str]) -> anyhow::Result<()> {
    const TRIES: usize = 30;
    let mut outcome = world.rabbitmqctl(arguments).await;
    for _ in 1..TRIES {
        if outcome.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        outcome = world.rabbitmqctl(arguments).await;
    }
    outcome
}
