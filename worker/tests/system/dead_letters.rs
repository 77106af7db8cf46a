//! Dead letters: from their queue into the ledger, and what an operator can do with them.

use std::process::Output;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions};
use lapin::types::AMQPValue;
use serde_json::Value;
use shared::message::Message;
use tokio::time::Instant;
use uuid::Uuid;
use worker::store::dead_letters::{self, Claimable};

use crate::world::{DEAD, Differences, INBOUND, World, database_proxy, in_world, message, metric, until};

impl World {
    async fn publish_raw(&self, key: &str, properties: BasicProperties, body: &[u8]) {
        let connection = lapin::Connection::connect(self.vhost.amqp_url(), Default::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = BasicPublishOptions::default();
        channel.basic_publish("alerts".into(), key.into(), options, body, properties).await.unwrap();
        connection.close(200, "done".into()).await.unwrap();
    }

    async fn stored(&self, count: usize) -> Vec<dead_letters::LetterLine> {
        until("the dead letters are stored", async || {
            let letters = self.dead_letters().await;
            (letters.len() == count).then_some(letters)
        })
        .await
    }

    async fn somebody_waits_for_a_lock(&self) {
        until("somebody waits for a lock", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            (waiting > 0).then_some(())
        })
        .await;
    }

    async fn dead_letters_command(&self, arguments: &[&str]) -> Output {
        self.command(&[&["dead-letters"], arguments].concat(), &[]).await
    }
}

/// A notification of this alert that died as if its cause had been elsewhere, and is as good as any.
async fn dead(world: &World, number: u64) -> Message {
    let sound = message(metric(number).fired());
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    world
        .publisher
        .dead_letter(&sound.properties(), &sound.body, "a bug, since mended", deadline)
        .await
        .unwrap();
    sound
}

fn json(output: &Output) -> Value {
    let answer = serde_json::from_slice(&output.stdout);
    assert!(answer.is_ok(), "{answer:?}: {}", String::from_utf8_lossy(&output.stderr));
    answer.unwrap()
}

fn assert_harmless(output: &Output) {
    let raw = output.stdout.iter().find(|byte| (**byte < 0x20 && **byte != b'\n') || **byte == 0x7f);
    assert!(raw.is_none(), "{raw:?} reaches the terminal");
}

#[test]
fn a_dead_letter_that_is_replayed_twice_becomes_one_ticket() {
    in_world(async {
        let world = World::with_workers(1).await;
        let sound = dead(&world, 1).await;
        let letter = world.stored(1).await.remove(0);
        assert_eq!((letter.reason.as_str(), letter.state.as_str()), ("a bug, since mended", "waiting"));
        assert_eq!(
            (letter.origin_queue.as_deref(), letter.tenant_id),
            (Some(INBOUND), Some(sound.tenant_id))
        );
        assert!(letter.alert_id.is_some() && letter.received_at.is_some());
        until("the queue is empty", async || (world.vhost.depth(DEAD).await.unwrap() == 0).then_some(()))
            .await;

        let id = letter.dead_letter_id.to_string();
        for heard in 1..=2 {
            let replayed = world.dead_letters_command(&["replay", &id, "--by", "ann", "--json"]).await;
            assert_eq!(json(&replayed)["replayed"][0], id.as_str());
            world.settled(heard).await;
        }
        assert_eq!(world.incident().field("state"), "1");
        assert_eq!(world.dead_letters().await[0].state, "replayed");
        let shown = json(&world.dead_letters_command(&["show", &id, "--json"]).await);
        assert_eq!(shown["actions"].as_array().unwrap().len(), 2);
        assert_eq!(shown["actions"][0]["operator"], "ann");
        assert_eq!(shown["body"]["text"].as_str().unwrap().as_bytes(), &sound.body[..]);
        let all = world.dead_letters_command(&["replay", "--all", "--json"]).await;
        assert!(json(&all)["replayed"].as_array().unwrap().is_empty(), "only what waits");
        world.stop().await;
    });
}

#[test]
fn a_letter_that_dies_again_waits_again_as_the_same_one() {
    in_world(async {
        let world = World::with_workers(1).await;
        dead(&world, 1).await;
        let first = world.stored(1).await.remove(0);
        let id = first.dead_letter_id.to_string();
        assert!(world.dead_letters_command(&["replay", &id]).await.status.success());
        dead(&world, 1).await;
        let again = until("it waits again", async || {
            let mut letters = world.dead_letters().await;
            (letters[0].deaths == 2).then(|| letters.remove(0))
        })
        .await;
        assert_eq!((again.dead_letter_id, again.state.as_str()), (first.dead_letter_id, "waiting"));
        world.stop().await;
    });
}

#[test]
fn a_crash_between_any_two_steps_neither_loses_a_letter_nor_makes_it_two() {
    in_world(async {
        let world = World::with_workers(0).await;
        dead(&world, 1).await;
        let mut doomed = world.process("doomed", &[("SECURE_EXPORT_CRASH_AT", "letter_stored")]);
        doomed.ended().await;
        world.keep(world.process("heir", &[]));
        // Letters are taken one after the other: once the second is there, the first was taken again.
        dead(&world, 2).await;
        let letter = world.stored(2).await.remove(1);
        assert_eq!((letter.deaths, letter.state.as_str()), (1, "waiting"));

        let id = letter.dead_letter_id.to_string();
        let crash = [("SECURE_EXPORT_CRASH_AT", "letter_replayed")];
        assert!(!world.command(&["dead-letters", "replay", &id], &crash).await.status.success());
        world.settled(1).await;
        assert_eq!(world.dead_letters().await[1].state, "waiting", "nobody noted the replay");
        assert!(world.dead_letters_command(&["replay", &id]).await.status.success());
        world.settled(2).await;
        assert_eq!(world.incident().field("state"), "1");
        assert_eq!(world.dead_letters().await[1].state, "replayed");
        world.stop().await;
    });
}

#[test]
fn nothing_is_discarded_without_a_record() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.publish_raw("notification", BasicProperties::default(), b"hello").await;
        let letter = world.stored(1).await.remove(0);
        let id = letter.dead_letter_id.to_string();
        assert!(letter.reason.contains("not published by ingest"), "{}", letter.reason);
        let replayed = world.dead_letters_command(&["replay", &id, "--json"]).await;
        assert!(!replayed.status.success());
        assert!(
            json(&replayed)["refused"][0]["reason"].as_str().unwrap().contains("not published by ingest")
        );

        for silent in [vec!["discard", &id], vec!["discard", &id, "--because", " "]] {
            assert!(!world.dead_letters_command(&silent).await.status.success());
        }
        assert_eq!(world.dead_letters().await[0].state, "waiting");
        let discard = ["discard", &id, "--because", "a test of ours", "--by", "ann"];
        assert!(world.dead_letters_command(&discard).await.status.success());
        assert!(!world.dead_letters_command(&discard).await.status.success(), "it waits no more");
        let shown = json(&world.dead_letters_command(&["show", &id, "--json"]).await);
        assert_eq!(shown["letter"]["state"], "discarded");
        assert_eq!(shown["body"]["text"], "hello");
        let action = &shown["actions"][0];
        assert_eq!((&action["because"], &action["operator"]), (&"a test of ours".into(), &"ann".into()));
        world.stop().await;
    });
}

#[test]
fn a_letter_that_is_discarded_while_all_are_replayed_is_not_published() {
    in_world(async {
        let world = World::with_workers(1).await;
        for number in 1..=2 {
            dead(&world, number).await;
            world.stored(usize::try_from(number).unwrap()).await;
        }
        let letters = world.stored(2).await;
        let (later, earlier) = (letters[0].dead_letter_id, letters[1].dead_letter_id);

        // Whoever replays all waits for the first of them, and has listed both.
        let mut holder = world.pool.begin().await.unwrap();
        dead_letters::claim(&mut holder, earlier, Claimable::Waiting).await.unwrap().unwrap();
        let discarded = async {
            world.somebody_waits_for_a_lock().await;
            let gone = dead_letters::discard(&world.pool, &[later], "ann", "not ours").await.unwrap();
            assert_eq!(gone, [later]);
            holder.rollback().await.unwrap();
        };
        let arguments = ["replay", "--all", "--json"];
        let (replayed, ()) = tokio::join!(world.dead_letters_command(&arguments), discarded);
        assert!(replayed.status.success());
        assert_eq!(json(&replayed)["replayed"], serde_json::json!([earlier]));
        assert_eq!(json(&replayed)["refused"], serde_json::json!([]));
        let states: Vec<_> = world.dead_letters().await.into_iter().map(|letter| letter.state).collect();
        assert_eq!(states, ["discarded", "replayed"]);

        assert!(world.dead_letters_command(&["replay", &later.to_string()]).await.status.success());
        assert_eq!(world.dead_letters().await[0].state, "replayed", "whoever names it means it");
        world.stop().await;
    });
}

#[test]
fn a_letter_that_is_being_published_can_no_longer_be_discarded() {
    in_world(async {
        let world = World::with_workers(1).await;
        dead(&world, 1).await;
        let letter = world.stored(1).await.remove(0).dead_letter_id;
        let mut publisher = world.pool.begin().await.unwrap();
        dead_letters::claim(&mut publisher, letter, Claimable::Waiting).await.unwrap().unwrap();
        let published = async {
            world.somebody_waits_for_a_lock().await;
            dead_letters::mark_replayed(&mut publisher, letter, "ann").await.unwrap();
            publisher.commit().await.unwrap();
        };
        let discard = dead_letters::discard(&world.pool, std::slice::from_ref(&letter), "bob", "not ours");
        let (discarded, ()) = tokio::join!(discard, published);
        assert!(discarded.unwrap().is_empty());
        assert_eq!(world.dead_letters().await[0].state, "replayed");
        world.stop().await;
    });
}

#[test]
fn while_the_database_is_down_dead_letters_stay_on_their_queue() {
    in_world(async {
        let proxy = database_proxy().await;
        let differences =
            Differences { database_port: Some(proxy.address().port()), ..Differences::default() };
        let world = World::build(1, &differences).await;
        proxy.refuse();
        proxy.cut();
        for number in 0..20 {
            dead(&world, number).await;
        }
        until("the worker has some in hand", async || {
            let depth = world.vhost.depth(DEAD).await.unwrap();
            (depth < 20).then_some(())
        })
        .await;
        assert!(world.dead_letters().await.is_empty());
        proxy.resume();
        assert!(world.stored(20).await.iter().all(|letter| letter.deaths == 1));
        world.stop().await;
    });
}

#[test]
fn beyond_the_limit_dead_letters_stay_on_their_queue_until_there_is_room() {
    in_world(async {
        let settings = "dead_letters = { max_waiting = 2, retry_pause = \"50ms\" }";
        let world = World::build(1, &Differences { settings, ..Differences::default() }).await;
        for number in 0..4 {
            dead(&world, number).await;
        }
        let waiting = world.stored(2).await;
        until("the worker holds the others", async || {
            (world.vhost.depth(DEAD).await.unwrap() == 0).then_some(())
        })
        .await;
        assert_eq!(world.dead_letters().await.len(), 2);
        let ids: Vec<String> = waiting.iter().map(|letter| letter.dead_letter_id.to_string()).collect();
        let discard = ["discard", &ids[0], &ids[1], "--because", "to make room"];
        assert!(world.dead_letters_command(&discard).await.status.success());
        world.stored(4).await;
        world.stop().await;
    });
}

#[test]
fn what_the_broker_gave_up_delivering_arrives_with_its_reason_and_can_be_replayed() {
    in_world(async {
        let settings = "amqp.delivery_limit = 1";
        let mut world = World::build(0, &Differences { settings, ..Differences::default() }).await;
        world.send(metric(1).fired()).await;
        let connection =
            lapin::Connection::connect(world.vhost.amqp_url(), Default::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        until("the broker gives up", async || {
            match channel.basic_get(INBOUND.into(), BasicGetOptions::default()).await.unwrap() {
                Some(got) => {
                    let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                    got.delivery.acker.nack(requeue).await.unwrap();
                    None
                }
                None => (world.vhost.depth(DEAD).await.unwrap() == 1).then_some(()),
            }
        })
        .await;
        world.start_worker().await;
        let letter = world.stored(1).await.remove(0);
        assert!(letter.reason.starts_with("delivery_limit"), "{}", letter.reason);
        assert_eq!(letter.origin_queue.as_deref(), Some(INBOUND));
        assert!(
            world.dead_letters_command(&["replay", "--all", "--reason", "delivery"]).await.status.success()
        );
        world.settled(1).await;
        assert_eq!(world.incident().field("state"), "1");
        world.stop().await;
    });
}

#[test]
fn hostile_bytes_are_kept_as_they_are_and_shown_harmlessly() {
    in_world(async {
        let world = World::with_workers(1).await;
        let bodies: [&[u8]; 3] =
            [b"\0\x1b[2Jgone\x1b]0;title\x07\r", b"\xff\xfe\x80 no text", &[b'x'; 1024 * 1024]];
        for body in bodies {
            world.publish_raw("notification", BasicProperties::default(), body).await;
        }
        for letter in world.stored(3).await {
            let id = letter.dead_letter_id;
            let content = dead_letters::content(&world.pool, id).await.unwrap().unwrap();
            assert!(bodies.contains(&content.body.as_slice()), "byte for byte");
            for arguments in [vec!["show"], vec!["show", "--json"]] {
                let shown = world.dead_letters_command(&[&arguments[..], &[&id.to_string()]].concat()).await;
                assert!(shown.status.success());
                assert_harmless(&shown);
            }
        }
        assert_harmless(&world.dead_letters_command(&["list"]).await);
        world.stop().await;
    });
}

#[test]
fn a_message_of_a_newer_ingest_is_kept_with_its_version_for_a_later_build() {
    in_world(async {
        let mut world = World::with_workers(1).await;
        let sound = message(metric(1).fired());
        let mut headers = sound.properties().headers().clone().unwrap();
        headers.insert("x-schema-version".into(), AMQPValue::LongLongInt(2));
        headers.insert("x-brand-new".into(), AMQPValue::LongString("something".into()));
        let newer = sound.properties().with_headers(headers.clone());
        world.publish_raw("notification", newer, &sound.body).await;
        let letter = world.stored(1).await.remove(0);
        assert_eq!(letter.schema_version, Some(2));
        let replayed = world.dead_letters_command(&["replay", "--all", "--json"]).await;
        assert!(json(&replayed)["refused"][0]["reason"].as_str().unwrap().contains("upgrade the worker"));

        // What a later build would do.
        world.stop_workers().await;
        let content = dead_letters::content(&world.pool, letter.dead_letter_id).await.unwrap().unwrap();
        world.publish_raw("notification", content.envelope.properties(), &content.body).await;
        let heard = world.vhost.take(INBOUND, 1).await.unwrap().remove(0);
        let mut with_count = headers.clone();
        // The broker's own.
        with_count.insert("x-delivery-count".into(), AMQPValue::LongLongInt(0));
        assert_eq!(heard.properties.headers().as_ref(), Some(&with_count));
        assert_eq!(Bytes::from(heard.data), sound.body);
        world.stop().await;
    });
}

#[test]
fn a_letter_that_waits_is_never_forgotten() {
    in_world(async {
        let world = World::with_workers(1).await;
        dead(&world, 1).await;
        dead(&world, 2).await;
        let letters = world.stored(2).await;
        let id: Uuid = letters[0].dead_letter_id;
        let gone = dead_letters::discard(&world.pool, &[id], "ann", "old").await.unwrap();
        assert_eq!(gone, [id]);
        let none = std::time::Duration::ZERO;
        worker::store::retention::forget_dead_letters(&world.pool, none).await.unwrap();
        let left = world.stored(1).await.remove(0);
        assert_eq!(left.state, "waiting");
        world.stop().await;
    });
}
