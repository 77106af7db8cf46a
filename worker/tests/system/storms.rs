//! Many alerts at once, and alerts that come and go, make few tickets and few notes.

use std::time::Duration;

use azure_simulator::alerts::Alert;
use itsm_simulator::servicenow::{PersonalChange, Ticket};
use itsm_simulator::{Effect, Fault};
use rustix::process::Signal;

use worker::reconcile::rate::Rate;
use worker::store::storms::{self, Place};
use worker::store::{listing, retention};

use crate::world::{Differences, World, in_world, metric, minutes_after, until};

/// New tickets within the interval of these tests, which is longer than they take.
const LIMIT: usize = 3;

async fn with(settings: &str) -> World {
    World::build(2, &Differences { settings, ..Differences::default() }).await
}

fn in_state(world: &World, state: &str) -> Vec<Ticket> {
    world.snow().tickets().into_iter().filter(|ticket| ticket.field("state") == state).collect()
}

async fn wanted(world: &World, what: &str) {
    until("the ledger wants it so", async || (world.tickets().await[0].wants == what).then_some(())).await;
}

fn is_of_a_storm(ticket: &Ticket) -> bool {
    ticket.field("short_description").starts_with("Many Azure Monitor alerts at once")
}

#[test]
fn alerts_over_the_limit_share_one_ticket_that_lists_them_and_is_resolved_with_the_last() {
    in_world(async {
        let storm = "route.storm = { limit = 3, interval = '10m', note_every = '200ms' }";
        let world = with(storm).await;
        let alerts: Vec<_> = (0..60).map(metric).collect();
        world.send_all(alerts.iter().map(Alert::fired).collect()).await;
        world.settled(60).await;
        let (of_storm, own): (Vec<_>, Vec<_>) = world.snow().tickets().into_iter().partition(is_of_a_storm);
        assert_eq!((of_storm.len(), own.len()), (1, LIMIT));
        let told = until("all are told of", async || {
            let storm = world.snow().tickets().into_iter().find(is_of_a_storm)?;
            let texts = storm.journal.iter().map(|entry| entry.value.clone());
            let mut texts = texts.chain([storm.field("description").to_owned()]);
            texts.find(|text| text.contains("57 alerts by now, 57 of them firing"))
        })
        .await;
        assert_eq!(told.lines().filter(|line| line.starts_with("- ")).count(), 50);
        assert!(told.contains("cpu-high-"), "{told}");

        let end = |alert: &Alert| alert.resolved(minutes_after(alert, 5)).unwrap();
        world.send_all(alerts[1..].iter().map(end).collect()).await;
        let open = until("the first alert alone keeps a ticket open", async || {
            let open = in_state(&world, "1");
            (open.len() == 1).then_some(open)
        })
        .await;
        assert_eq!(world.snow().tickets().len(), 1 + LIMIT);
        world.send(end(&alerts[0])).await;
        until("all are resolved", async || in_state(&world, "1").is_empty().then_some(())).await;
        assert_eq!(world.snow().tickets().len(), 1 + LIMIT, "{open:?}");
        let storm = world.snow().tickets().into_iter().find(is_of_a_storm).unwrap();
        let last = storm.journal.iter().any(|entry| entry.value.contains("So are all 57 alerts"));
        assert!(last, "{:?}", storm.journal);
        world.stop().await;
    });
}

#[test]
fn a_storm_ends_by_itself_and_the_next_alert_has_its_own_ticket() {
    in_world(async {
        let world = with("route.storm = { limit = 3, interval = '1s', note_every = '100ms' }").await;
        world.send_all((0..20).map(|number| metric(number).fired()).collect()).await;
        world.settled(20).await;
        let before = world.snow().tickets().len();
        assert!(in_state(&world, "1").iter().any(is_of_a_storm));
        until("two intervals have passed", async || {
            let quiet = "SELECT now() > window_from + interval '2 seconds' FROM storms";
            sqlx::query_scalar::<_, bool>(quiet).fetch_one(&world.pool).await.unwrap().then_some(())
        })
        .await;
        world.send(metric(100).fired()).await;
        world.settled(21).await;
        assert_eq!(world.snow().tickets().len(), before + 1);
        let newest = world.snow().tickets().pop().unwrap();
        assert!(!is_of_a_storm(&newest), "{newest:?}");
        world.stop().await;
    });
}

#[test]
fn a_storm_whose_ticket_is_parked_takes_no_alerts_of_the_next_interval_and_a_retry_tells_of_those_it_has() {
    in_world(async {
        let world = with("route.storm = { limit = 3, interval = '10m', note_every = '100ms' }").await;
        let send = async |numbers: std::ops::Range<u64>| {
            world.send_all(numbers.clone().map(|number| metric(number).fired()).collect()).await;
            world.settled(i64::try_from(numbers.end).unwrap()).await;
        };
        send(0..3).await;
        let refused = Effect::Answer { status: 400, body: None, retry_after_s: None };
        world.snow().inject(Fault::new(refused).on("create")).unwrap();
        send(3..4).await;
        world.snow().clear_faults();
        let parked = async || {
            let mut tickets = world.tickets().await;
            tickets.retain(|ticket| ticket.state == "parked");
            assert_eq!(tickets.len(), 1);
            tickets.remove(0).ticket_id
        };
        send(4..6).await;
        assert_eq!(listing::alerts(&world.pool, parked().await).await.unwrap().len(), 3);
        assert_eq!(world.snow().tickets().len(), LIMIT);

        sqlx::query("UPDATE storms SET window_from = window_from - interval '11 minutes'")
            .execute(&world.pool)
            .await
            .unwrap();
        send(6..11).await;
        let (of_storm, own): (Vec<_>, Vec<_>) = world.snow().tickets().into_iter().partition(is_of_a_storm);
        assert_eq!((of_storm.len(), own.len()), (1, 2 * LIMIT), "counted anew, and limited anew");

        assert_eq!(listing::retry(&world.pool, &[parked().await]).await.unwrap(), 1);
        world.settled(11).await;
        let retried = world.snow().tickets().pop().unwrap();
        assert!(retried.field("description").contains("3 alerts by now, 3 of them firing"), "{retried:?}");
        world.stop().await;
    });
}

#[test]
fn the_ticket_of_a_storm_in_a_window_waits_for_its_end_unless_an_alert_joins_that_no_window_holds() {
    in_world(async {
        let (now, hour) = (jiff::Timestamp::now(), jiff::SignedDuration::from_hours(1));
        let window = format!(
            "maintenance_windows = [{{ name = 'work', match = {{ rule = 'cpu-high-0*' }}, from = '{}', until = '{}' }}]",
            now - hour,
            now + hour
        );
        let world = with(&format!(
            "{window}
             route.storm = {{ limit = 3, interval = '10m', note_every = '100ms' }}
             route.open_after = '1s'"
        ))
        .await;
        let held: Vec<_> = (0..5).map(metric).collect();
        world.send_all(held.iter().map(Alert::fired).collect()).await;
        let waiting = async |count: usize| {
            until("these wait for the end of the window", async || {
                let waits_until = world.tickets().await.into_iter().filter_map(|ticket| ticket.waits_until);
                let end = now + jiff::SignedDuration::from_mins(59);
                (waits_until.filter(|until| until.to_jiff() > end).count() == count).then_some(())
            })
            .await;
        };
        waiting(1 + LIMIT).await;
        world.send(metric(10).fired()).await;
        waiting(LIMIT).await;
        let early = until("the storm has a ticket", async || {
            sqlx::query_scalar::<_, Option<bool>>(
                "SELECT min(started_at) < (SELECT max(received_at) FROM notifications) + interval '1 second'
                 FROM attempts",
            )
            .fetch_one(&world.pool)
            .await
            .unwrap()
        })
        .await;
        let storm = world.incident();
        assert!(is_of_a_storm(&storm) && storm.field("description").contains("3 alerts by now"), "{storm:?}");
        assert!(!early, "open_after counts for it");
        world.stop().await;
    });
}

#[test]
fn a_storm_whose_ticket_people_close_goes_on_in_another_one() {
    in_world(async {
        for (closed, told) in [("new", "3 alerts by now"), ("leave", "4 alerts by now")] {
            let settings = format!(
                "sweep.interval = '100ms'
                 sync.look_again.every = '200ms'
                 route.people.closed = '{closed}'
                 route.storm = {{ limit = 1, interval = '10m', note_every = '100ms' }}"
            );
            let world = with(&settings).await;
            let alerts: Vec<_> = (0..5).map(metric).collect();
            world.send_all(alerts[..4].iter().map(Alert::fired).collect()).await;
            world.settled(4).await;
            let find = |number: &str| world.snow().ticket(number).unwrap();
            let old = world.snow().tickets().into_iter().find(is_of_a_storm).unwrap();
            until("it tells of all", async || {
                let tells = |text: &str| text.contains("3 alerts by now");
                let old = find(&old.number);
                let noted = old.journal.iter().any(|entry| tells(&entry.value));
                (noted || tells(old.field("description"))).then_some(())
            })
            .await;
            world.snow().change_as_person(&old.number, PersonalChange::Close).unwrap();
            let writes = find(&old.number).writes.len();
            if closed == "leave" {
                until("it is left", async || {
                    world.tickets().await.iter().any(|ticket| ticket.state == "left").then_some(())
                })
                .await;
                world.send(alerts[4].fired()).await;
            }
            let new = until("the storm has another ticket", async || {
                let mut tickets = world.snow().tickets();
                tickets.retain(|ticket| is_of_a_storm(ticket) && ticket.number != old.number);
                tickets.pop()
            })
            .await;
            assert!(new.field("description").contains(told), "{new:?}");
            world.send(alerts[4].fired()).await;
            world
                .send_all(alerts.iter().filter_map(|one| one.resolved(minutes_after(one, 5))).collect())
                .await;
            until("all but the closed one are resolved", async || {
                in_state(&world, "1").is_empty().then_some(())
            })
            .await;
            assert_eq!((find(&new.number).field("state"), find(&old.number).writes.len()), ("6", writes));
            assert_eq!(world.snow().tickets().len(), 3);
            world.stop().await;
        }
    });
}

#[test]
fn a_storm_whose_rule_is_no_more_keeps_its_ticket_and_takes_no_further_alerts() {
    in_world(async {
        let settings = "routes = [{ name = 'old', storm = { limit = 1, interval = '10m' } }]
            route.storm.note_every = '100ms'";
        let world = World::build(0, &Differences { settings, ..Differences::default() }).await;
        let former = world.process("former", &[]);
        let alerts: Vec<_> = (0..5).map(metric).collect();
        world.send_all(alerts[..3].iter().map(Alert::fired).collect()).await;
        world.settled(3).await;
        let storm = world.snow().tickets().into_iter().find(is_of_a_storm).unwrap();
        former.stop(Signal::TERM, Duration::from_secs(10)).await;
        let file = std::fs::read_to_string(world.settings_file()).unwrap();
        let kept: Vec<_> = file.lines().filter(|line| !line.trim_start().starts_with("routes =")).collect();
        std::fs::write(world.settings_file(), kept.join("\n")).unwrap();
        world.keep(world.process("heir", &[]));

        world.send_all(alerts[3..].iter().map(Alert::fired).collect()).await;
        world.settled(5).await;
        assert_eq!(world.snow().tickets().len(), 2 + 2, "each has its own again");
        world
            .send_all(alerts.iter().map(|alert| alert.again(minutes_after(alert, 5)).fired()).collect())
            .await;
        until("the storm's alerts stay with its ticket", async || {
            let journal = world.snow().ticket(&storm.number)?.journal;
            journal
                .iter()
                .any(|entry| entry.value.contains("2 alerts by now, 2 of them firing"))
                .then_some(())
        })
        .await;
        world.settled(10).await;
        world
            .send_all(alerts.iter().filter_map(|alert| alert.resolved(minutes_after(alert, 9))).collect())
            .await;
        world.settled(15).await;
        assert_eq!((in_state(&world, "6").len(), world.snow().tickets().len()), (4, 4));
        world.stop().await;
    });
}

#[test]
fn a_count_of_tickets_is_forgotten_when_it_is_old_and_counting_goes_on_beside_that() {
    in_world(async {
        let world = World::with_workers(0).await;
        let place = |route: &str| Place {
            target: "snow".to_owned(),
            route: route.to_owned(),
            tenant_id: uuid::Uuid::from_u128(7),
        };
        let both = [place("new"), place("old")];
        let since = async |age: i64| {
            let mut connection = world.pool.acquire().await.unwrap();
            let (_, now) = storms::lock(&mut connection, both.iter()).await.unwrap();
            let rate = |age| Rate {
                window_from: now - jiff::SignedDuration::from_hours(age),
                events: 1,
                exceeded_since: None,
            };
            let rates = [(place("new"), rate(0)), (place("old"), rate(age))].into();
            storms::keep(&mut connection, &rates).await.unwrap();
        };
        let routes = async || -> Vec<String> {
            sqlx::query_scalar("SELECT route FROM storms ORDER BY 1").fetch_all(&world.pool).await.unwrap()
        };
        since(2).await;
        let hour = Duration::from_secs(3600);
        let mut sweep = world.pool.begin().await.unwrap();
        assert!(!retention::forget_storms(&mut *sweep, hour).await.unwrap());
        // Somebody counts before the sweep has committed.
        let commit = async {
            until("the count waits for the sweep", async || {
                let waiting = "SELECT count(*) > 0 FROM pg_stat_activity
                               WHERE datname = current_database() AND wait_event_type = 'Lock'";
                sqlx::query_scalar::<_, bool>(waiting).fetch_one(&world.pool).await.unwrap().then_some(())
            })
            .await;
            sweep.commit().await.unwrap();
        };
        futures_util::future::join(since(0), commit).await;
        assert_eq!(routes().await, ["new", "old"]);
        since(2).await;
        retention::forget_storms(&world.pool, hour).await.unwrap();
        assert_eq!(routes().await, ["new"]);
        world.stop().await;
    });
}

#[test]
fn alerts_that_come_back_after_the_reopen_window_count_as_new_tickets() {
    in_world(async {
        let storm = "route.storm = { limit = 3, interval = '10m', note_every = '100ms' }
            route.reopen_window = '1s'";
        let world = with(storm).await;
        let alerts: Vec<_> = (0..3).map(metric).collect();
        world.send_all(alerts.iter().map(Alert::fired).collect()).await;
        world.settled(3).await;
        world
            .send_all(alerts.iter().filter_map(|alert| alert.resolved(minutes_after(alert, 5))).collect())
            .await;
        world.settled(6).await;
        let before = world.snow().tickets().len();
        world
            .send_all(alerts.iter().map(|alert| alert.again(minutes_after(alert, 60)).fired()).collect())
            .await;
        world.settled(9).await;
        let after = world.snow().tickets();
        assert_eq!(after.len(), before + 1, "{after:?}");
        assert_eq!(in_state(&world, "1").iter().filter(|ticket| is_of_a_storm(ticket)).count(), 1);
        world.stop().await;
    });
}

#[test]
fn a_ticket_whose_alert_comes_and_goes_is_held_open_and_marked_until_it_is_quiet() {
    in_world(async {
        let world = with("route.flapping = { firings = 2, window = '3s', note_every = '1m' }").await;
        let mut alert = metric(1);
        world.send(alert.fired()).await;
        world.settled(1).await;
        for _ in 0..8 {
            world.send(alert.resolved(minutes_after(&alert, 1)).unwrap()).await;
            wanted(&world, "resolved").await;
            alert = alert.again(minutes_after(&alert, 2));
            world.send(alert.fired()).await;
            wanted(&world, "open").await;
        }
        let notes = |world: &World| {
            let marks = |value: &str| value.contains("Flapping since");
            world.incident().journal.iter().filter(|entry| marks(&entry.value)).count()
        };
        until("it is marked", async || (notes(&world) > 0).then_some(())).await;
        world.send(alert.resolved(minutes_after(&alert, 1)).unwrap()).await;
        until("it was quiet and is resolved", async || {
            (world.incident().field("state") == "6").then_some(())
        })
        .await;
        assert_eq!(notes(&world), 1);
        assert!(world.incident().field("reopen_count").parse::<u32>().unwrap() <= 3);
        assert_eq!(world.snow().tickets().len(), 1);
        world.stop().await;
    });
}
