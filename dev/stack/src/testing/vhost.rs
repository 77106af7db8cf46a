//! A RabbitMQ vhost per test.

use lapin::{
    Connection,
    message::Delivery,
    options::{
        BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
        QueuePurgeOptions,
    },
    types::FieldTable,
};
use reqwest::{Client, Method};
use url::Url;
use uuid::Uuid;

use super::{TestError, TestServices, finish};
use crate::amqp;

/// A vhost of its own, removed when this is dropped with its queues and connections.
#[derive(Debug)]
pub struct TestVhost {
    name: String,
    amqp_url: Url,
    management: Url,
}

impl TestVhost {
    /// Creates a vhost on the RabbitMQ of this test run.
    ///
    /// # Errors
    /// When there is none, see [`TestServices::from_env`], or it does not answer.
    pub async fn create() -> Result<Self, TestError> {
        Self::create_on(&TestServices::from_env()?).await
    }

    /// Creates a vhost on another RabbitMQ, for what would disturb the tests that share one.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn create_on(services: &TestServices) -> Result<Self, TestError> {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut amqp_url: Url = services.amqp_url.parse()?;
        amqp_url.set_path(&name);
        let vhost = Self { name, amqp_url, management: services.rabbitmq_api.parse()? };
        vhost.manage(Method::PUT, &format!("vhosts/{}", vhost.name)).await?;
        Ok(vhost)
    }

    /// The URL to connect with.
    #[must_use]
    pub fn amqp_url(&self) -> &str {
        self.amqp_url.as_str()
    }

    /// The vhost's name, for requests to the management API.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many messages wait in `queue`, without those that a consumer holds unacknowledged.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn depth(&self, queue: &str) -> Result<u32, TestError> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        Ok(declared.message_count())
    }

    /// Takes at most `limit` waiting messages off `queue`, oldest first.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn take(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, TestError> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let mut messages = Vec::new();
        while messages.len() < limit {
            let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? else {
                break;
            };
            message.ack(BasicAckOptions::default()).await?;
            messages.push(message.delivery);
        }
        // Closing waits until the acknowledgements before it have arrived.
        connection.close(200, "done".into()).await?;
        Ok(messages)
    }

    /// Empties `queue`.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn purge(&self, queue: &str) -> Result<(), TestError> {
        let channel = self.connect().await?.create_channel().await?;
        channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Deletes `queue` with its messages; its consumers are cancelled.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), TestError> {
        let channel = self.connect().await?.create_channel().await?;
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    /// Lets `exchange` hand nothing with this key to `queue` any more.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn unbind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), TestError> {
        let channel = self.connect().await?.create_channel().await?;
        channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await?;
        Ok(())
    }

    /// Routes messages of an exchange with a key to a queue.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), TestError> {
        let channel = self.connect().await?.create_channel().await?;
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await?;
        Ok(())
    }

    /// Sends a request without a body to the management API; `path` is relative to `/api/`.
    ///
    /// # Errors
    /// When the answer is not a success.
    pub async fn manage(&self, method: Method, path: &str) -> Result<(), TestError> {
        Client::new().request(method, self.management.join(path)?).send().await?.error_for_status()?;
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, TestError> {
        Ok(amqp::connect(self.amqp_url()).await?)
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        if let Ok(url) = self.management.join(&format!("vhosts/{}", self.name)) {
            finish(async move {
                Client::new().delete(url).send().await.ok();
            });
        }
    }
}
