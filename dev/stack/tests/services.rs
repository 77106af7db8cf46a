//! The servers that `stack with` starts, as the tests of other crates use them.

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use sqlx::{Connection as _, PgConnection};
use stack::testing::{TestDatabase, TestServices, TestVhost};

#[tokio::test]
async fn a_database_is_there_until_it_is_dropped_even_while_somebody_is_connected() {
    let database = TestDatabase::create().await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query("CREATE TABLE alerts (id int)").execute(&mut connection).await.unwrap();

    let url = database.url().to_owned();
    drop(database);
    assert!(PgConnection::connect(&url).await.is_err());
    assert!(connection.ping().await.is_err());
}

#[tokio::test]
async fn two_databases_do_not_see_each_other() {
    let (one, other) = (TestDatabase::create().await.unwrap(), TestDatabase::create().await.unwrap());
    let mut connection = PgConnection::connect(one.url()).await.unwrap();
    sqlx::query("CREATE TABLE alerts (id int)").execute(&mut connection).await.unwrap();
    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    assert!(sqlx::query("SELECT FROM alerts").execute(&mut connection).await.is_err());
}

#[tokio::test]
async fn messages_in_a_vhost_can_be_counted_taken_and_purged() {
    let vhost = TestVhost::create().await.unwrap();
    let connection = Connection::connect(vhost.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    channel
        .queue_declare("alerts".into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    for body in ["one", "two", "three"] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel.basic_publish("".into(), "alerts".into(), options, body.as_bytes(), properties);
        sent.await.unwrap().await.unwrap();
    }

    assert_eq!(vhost.depth("alerts").await.unwrap(), 3);
    let taken = vhost.take("alerts", 2).await.unwrap();
    let bodies: Vec<&[u8]> = taken.iter().map(|message| message.data.as_slice()).collect();
    assert_eq!(bodies, [b"one".as_slice(), b"two"]);
    assert_eq!(vhost.depth("alerts").await.unwrap(), 1);
    vhost.purge("alerts").await.unwrap();
    assert_eq!(vhost.depth("alerts").await.unwrap(), 0);
    vhost.delete_queue("alerts").await.unwrap();
    assert!(vhost.depth("alerts").await.is_err());
}

#[tokio::test]
async fn a_vhost_is_gone_when_it_is_dropped() {
    let vhost = TestVhost::create().await.unwrap();
    let url = vhost.amqp_url().to_owned();
    drop(vhost);
    assert!(Connection::connect(&url, ConnectionProperties::default()).await.is_err());
}

#[test]
fn the_environment_names_all_servers() {
    TestServices::from_env().unwrap();
}
