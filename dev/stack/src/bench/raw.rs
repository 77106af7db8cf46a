//! The broker alone: what ingest is measured against.

use anyhow::ensure;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions};
use lapin::{Channel, Confirmation, ConnectionProperties};
use shared::message::Message;
use tokio::time::Instant;
use uuid::Uuid;

/// As many as ingest opens.
const CHANNELS: usize = 4;

/// Confirmed publishes a second of one body straight to the queue of ingest, which is left empty.
pub(crate) async fn publishes_per_second(
    amqp_url: &str,
    body: &Bytes,
    count: u64,
    concurrency: usize,
) -> anyhow::Result<f64> {
    let connection = lapin::Connection::connect(amqp_url, ConnectionProperties::default()).await?;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channels.push(channel);
    }
    let message = Message {
        id: Uuid::nil(),
        tenant_id: Uuid::nil(),
        received_at: Timestamp::now(),
        traceparent: None,
        body: body.clone(),
    };
    let begin = Instant::now();
    stream::iter(channels.iter().cycle().take(usize::try_from(count)?))
        .map(|channel| publish(channel, &message))
        .buffer_unordered(concurrency)
        .try_collect::<Vec<()>>()
        .await?;
    let elapsed = begin.elapsed().as_secs_f64();
    if let Some(channel) = channels.first() {
        channel.queue_purge("alerts.inbound".into(), QueuePurgeOptions::default()).await?;
    }
    connection.close(200, "done".into()).await?;
    Ok(count as f64 / elapsed)
}

async fn publish(channel: &Channel, message: &Message) -> anyhow::Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = message.properties();
    let confirmation = channel
        .basic_publish("alerts".into(), "notification".into(), options, &message.body, properties)
        .await?
        .await?;
    ensure!(confirmation == Confirmation::Ack(None), "the broker did not take it: {confirmation:?}");
    Ok(())
}
