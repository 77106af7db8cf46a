//! Servers that are killed keep what they had promised to keep.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use sqlx::{Connection as _, PgConnection};
use stack::{Postgres, RabbitMq};

const QUEUE: &str = "kept";
const PERSISTENT: u8 = 2;

#[tokio::test]
async fn a_killed_postgres_comes_back_where_it_was_with_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Postgres::start(folder.path()).await.unwrap();
    let url = server.url();
    let mut session = PgConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 1 AS one").execute(&mut session).await.unwrap();

    server.kill().await;
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().await.unwrap();

    assert_eq!(server.url(), url);
    let mut session = PgConnection::connect(&url).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT one FROM kept").fetch_one(&mut session).await.unwrap();
    assert_eq!(one, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_killed_rabbitmq_comes_back_where_it_was_with_what_was_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = RabbitMq::start(folder.path()).await.unwrap();
    let url = node.amqp_url();
    let channel = open(&url).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    // RabbitMQ 3.10 can lose track of a quorum queue that is killed in the moment of its birth, so not one of those.
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await.unwrap();
    let (options, properties) =
        (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(PERSISTENT));
    let sent = channel.basic_publish("".into(), QUEUE.into(), options, b"one", properties);
    sent.await.unwrap().await.unwrap();

    node.kill().await;
    assert!(Connection::connect(&url, ConnectionProperties::default()).await.is_err());
    node.start_again().await.unwrap();

    assert_eq!(node.amqp_url(), url);
    let kept = open(&url).await.basic_get(QUEUE.into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(kept.unwrap().data, b"one");
    node.stop().await;
}

async fn open(url: &str) -> Channel {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}
