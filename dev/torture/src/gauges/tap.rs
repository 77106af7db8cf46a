//! What the broker has taken, from a queue of our own on the same exchange: nobody else's word is needed for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

const QUEUE: &str = "torture.tap";
const EXCHANGE: &str = "alerts";
const ROUTING_KEY: &str = "notification";
/// Deliveries that the broker may hand out before they are acknowledged.
const PREFETCH: u16 = 500;
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

/// Listens to everything that is published until it is dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    heard: Arc<Mutex<Heard>>,
    _listening: JoinSet<()>,
}

/// When each notification was first heard.
type Heard = BTreeMap<Uuid, Instant>;

impl Tap {
    /// Declares the queue and starts to listen. The exchange must exist already.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(crate) async fn start(amqp_url: &str) -> anyhow::Result<Self> {
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        // Durable, so that what was published just before the broker fell is heard once it is back.
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
        channel
            .queue_bind(
                QUEUE.into(),
                EXCHANGE.into(),
                ROUTING_KEY.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        connection.close(200, "done".into()).await?;
        let mut listening = JoinSet::new();
        listening.spawn(listen_for_ever(amqp_url.to_owned(), Arc::clone(&heard)));
        Ok(Self { heard, _listening: listening })
    }

    /// When the notification was first heard.
    pub(crate) fn first(&self, id: Uuid) -> Option<Instant> {
        self.lock().get(&id).copied()
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen_for_ever(amqp_url: String, heard: Arc<Mutex<Heard>>) {
    loop {
        // The broker is killed on purpose: what it still has is delivered to the next connection.
        listen(&amqp_url, &heard).await.ok();
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn listen(amqp_url: &str, heard: &Mutex<Heard>) -> lapin::Result<()> {
    let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let mut deliveries = channel
        .basic_consume(QUEUE.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        if let Some(id) = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()) {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.entry(id).or_insert_with(Instant::now);
        }
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
