//! From the queue into the ledger, when things go wrong.

use bytes::Bytes;
use lapin::BasicProperties;
use tokio::time::Instant;

use crate::world::{DEAD, Differences, INBOUND, World, database_proxy, in_world, metric, until};

#[test]
fn a_message_that_is_not_ours_goes_to_the_dead_letters_alone() {
    in_world(async {
        let world = World::with_workers(1).await;
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        let strangers: [(BasicProperties, &[u8]); 3] = [
            (BasicProperties::default(), b"hello"),
            (crate::world::message(Bytes::new()).properties(), b"[1,2,3]"),
            (crate::world::message(Bytes::new()).properties(), b"{\"data\":{\"essentials\":{}}}"),
        ];
        for (properties, body) in strangers {
            let connection =
                lapin::Connection::connect(world.vhost.amqp_url(), lapin::ConnectionProperties::default());
            let channel = connection.await.unwrap().create_channel().await.unwrap();
            let options = lapin::options::BasicPublishOptions::default();
            channel
                .basic_publish("alerts".into(), "notification".into(), options, body, properties)
                .await
                .unwrap();
        }
        world.publisher.publish(&crate::world::message(metric(1).fired()), deadline).await.unwrap();
        world.settled(1).await;
        until("three dead letters", async || (world.dead_letters().await.len() == 3).then_some(())).await;
        assert_eq!(world.incident().field("state"), "1");
        assert_eq!(world.vhost.depth(INBOUND).await.unwrap(), 0);
        assert!(
            world.dead_letters().await.iter().all(|letter| letter.origin_queue.as_deref() == Some(INBOUND))
        );
        world.stop().await;
    });
}

#[test]
fn a_database_behind_a_network_that_swallows_everything_is_given_up_and_asked_anew() {
    in_world(async {
        let proxy = database_proxy().await;
        let differences = Differences {
            database_port: Some(proxy.address().port()),
            settings: "database.statement_timeout = \"1s\"",
        };
        let world = World::build(1, &differences).await;
        world.send(metric(0).fired()).await;
        world.settled(1).await;

        // What is sent from here on over the connections that there are, nobody ever answers.
        proxy.strand();
        world.send(metric(1).fired()).await;
        world.settled(2).await;
        assert_eq!(world.snow().tickets().len(), 2);
        world.stop().await;
    });
}

#[test]
fn a_database_that_is_down_pauses_intake_and_nothing_is_lost() {
    in_world(async {
        let proxy = database_proxy().await;
        let differences =
            Differences { database_port: Some(proxy.address().port()), ..Differences::default() };
        let world = World::build(1, &differences).await;
        world.send(metric(0).fired()).await;
        world.settled(1).await;

        proxy.refuse();
        proxy.cut();
        let alerts: Vec<Bytes> = (1..50).map(|number| metric(number).fired()).collect();
        world.send_all(alerts).await;
        let heard: i64 =
            sqlx::query_scalar("SELECT count(*) FROM notifications").fetch_one(&world.pool).await.unwrap();
        assert_eq!(heard, 1, "nothing reaches the ledger while it is away");

        proxy.resume();
        world.settled(50).await;
        assert_eq!(world.snow().tickets().len(), 50);
        assert!(world.dead_letters().await.is_empty());
        world.stop().await;
    });
}

#[test]
fn a_queue_with_other_arguments_is_a_start_up_error_that_names_it() {
    in_world(async {
        let world = World::with_workers(0).await;
        world.vhost.delete_queue(INBOUND).await.unwrap();
        let connection =
            lapin::Connection::connect(world.vhost.amqp_url(), lapin::ConnectionProperties::default());
        let channel = connection.await.unwrap().create_channel().await.unwrap();
        let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(INBOUND.into(), durable, Default::default()).await.unwrap();
        let error = world.application().await.err().unwrap().to_string();
        assert!(error.contains(INBOUND) && error.contains("inequivalent arg"), "{error}");
        world.stop().await;
    });
}

#[test]
fn a_database_that_takes_no_writes_pauses_intake_and_buries_nothing() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.send(metric(0).fired()).await;
        world.settled(1).await;
        let refuse = async |statement: &'static str| {
            sqlx::query(statement).execute(&world.pool).await.unwrap();
        };
        refuse("ALTER TABLE alerts RENAME TO alerts_elsewhere").await;
        world.send_all((1..20).map(|number| metric(number).fired()).collect()).await;
        until("the broker has handed them out", async || {
            (world.vhost.depth(INBOUND).await.unwrap() == 0).then_some(())
        })
        .await;
        assert!(world.dead_letters().await.is_empty());
        refuse("ALTER TABLE alerts_elsewhere RENAME TO alerts").await;
        world.settled(20).await;
        assert!(world.dead_letters().await.is_empty());
        assert_eq!(world.snow().tickets().len(), 20);
        world.stop().await;
    });
}

#[test]
fn a_poison_message_that_the_dead_letters_do_not_take_is_kept_until_they_do_and_holds_nobody_up() {
    in_world(async {
        let mut world = World::with_workers(1).await;
        // Nobody declares its queues once more after both of its parts have heard something.
        let poison = crate::world::message(Bytes::from_static(b"[1]"));
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        world.publisher.publish(&crate::world::message(Bytes::from_static(b"[0]")), deadline).await.unwrap();
        until("the first is a dead letter", async || (world.dead_letters().await.len() == 1).then_some(()))
            .await;
        world.send(metric(9).fired()).await;
        world.settled(1).await;
        world.vhost.unbind(DEAD, "alerts", "dead").await.unwrap();
        world.publisher.publish(&poison, deadline).await.unwrap();
        for number in 0..3 {
            world.send(metric(number).fired()).await;
            world.settled(i64::try_from(number).unwrap() + 2).await;
        }
        assert_eq!(world.snow().tickets().len(), 4);
        world.vhost.bind(DEAD, "alerts", "dead").await.unwrap();
        until("it is a dead letter, too", async || (world.dead_letters().await.len() == 2).then_some(()))
            .await;

        world.vhost.unbind(DEAD, "alerts", "dead").await.unwrap();
        let poison = crate::world::message(Bytes::from_static(b"[2]"));
        world.publisher.publish(&poison, deadline).await.unwrap();
        world.send(metric(3).fired()).await;
        world.settled(5).await;
        world.stop_workers().await;
        until("it is back on the queue", async || {
            (world.vhost.depth(INBOUND).await.unwrap() == 1).then_some(())
        })
        .await;
        let left = world.vhost.take(INBOUND, 1).await.unwrap().remove(0);
        assert_eq!(left.data, b"[2]");
        world.stop().await;
    });
}
