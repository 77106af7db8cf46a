//! Claims: a ticket belongs to one worker at a time, and a worker that lost it writes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::Barrier;
use worker::config::DoubleCheckSettings;
use worker::connector::WorkItemState;
use worker::store::claims::{Claim, Terms, claim_due};
use worker::store::outcomes::{Outcome, doubt, record};

use crate::world::{World, in_world, metric, until};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const CHECK: DoubleCheckSettings = DoubleCheckSettings { after: LEASE, until: LEASE };

pub(crate) fn terms(lease: Duration, worker: &str) -> Terms<'_> {
    Terms { lease, takeover_wait: Duration::ZERO, double_check_after: LEASE, worker }
}

#[test]
fn workers_that_claim_at_once_never_get_the_same_ticket() {
    in_world(async {
        let world = with_due_tickets(60).await;
        let barrier = Arc::new(Barrier::new(4));
        let claims = (0..4).map(|number| {
            let (pool, barrier) = (world.pool.clone(), Arc::clone(&barrier));
            async move {
                barrier.wait().await;
                claimed(&pool, 30, &terms(LEASE, &format!("w{number}"))).await
            }
        });
        let claimed = futures_util::future::join_all(claims).await.concat();
        let distinct: BTreeSet<_> = claimed.iter().map(|claim| claim.ticket_id).collect();
        assert_eq!((claimed.len(), distinct.len()), (60, 60));
        world.stop().await;
    });
}

#[test]
fn a_claim_commits_that_a_create_may_follow_before_anything_is_sent() {
    in_world(async {
        let world = with_due_tickets(1).await;
        let claim = claim(&world, LEASE).await;
        assert!(!claim.create_attempted, "nothing was sent before this claim");
        let attempted: bool = sqlx::query_scalar("SELECT create_attempted_at IS NOT NULL FROM tickets")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert!(attempted);
        world.stop().await;
    });
}

#[test]
fn a_worker_whose_lease_was_taken_over_records_nothing() {
    in_world(async {
        let world = with_due_tickets(1).await;
        let stale = claim(&world, Duration::ZERO).await;
        let fresh = until("the lease has run out", async || {
            claimed(&world.pool, 1, &terms(LEASE, "second")).await.pop()
        })
        .await;
        assert!(fresh.create_attempted, "the first worker may have sent a create");
        let mut connection = world.pool.acquire().await.unwrap();
        assert!(record(&mut connection, &[made(&stale, "stale")], CHECK).await.unwrap().is_empty());
        assert_eq!(record(&mut connection, &[made(&fresh, "fresh")], CHECK).await.unwrap().len(), 1);
        drop(connection);
        assert_eq!(world.tickets().await[0].number.as_deref(), Some("fresh"));
        world.stop().await;
    });
}

#[test]
fn a_work_item_that_a_worker_wrote_to_after_it_had_lost_it_is_read_whatever_its_holder_records() {
    in_world(async {
        let world = with_due_tickets(1).await;
        let first = claim(&world, LEASE).await;
        let mut connection = world.pool.acquire().await.unwrap();
        record(&mut connection, &[made(&first, "only")], CHECK).await.unwrap();
        let ids = [first.ticket_id];
        doubt(&mut connection, &ids, &ids).await.unwrap();
        let holder = claimed(&world.pool, 1, &terms(LEASE, "holder")).await.pop().unwrap();
        assert!(holder.write_unsure);
        assert_eq!(holder.item.as_ref().unwrap().state, WorkItemState::Resolved, "it was no person");

        doubt(&mut connection, &ids, &ids).await.unwrap();
        let recorded = record(&mut connection, &[made(&holder, "only")], CHECK).await.unwrap();
        assert!(recorded[0].due_again);
        let next = claimed(&world.pool, 1, &terms(LEASE, "next")).await.pop().unwrap();
        assert!(next.write_unsure);
        assert_eq!(next.item.unwrap().state, WorkItemState::Resolved);
        drop(connection);
        world.stop().await;
    });
}

#[test]
fn what_a_worker_may_have_resolved_before_it_died_is_no_decision_of_people() {
    in_world(async {
        let world = with_due_tickets(1).await;
        let want = async |wants: &str| {
            sqlx::query("UPDATE tickets SET wants = $1, version = version + 1, due_at = now()")
                .bind(wants)
                .execute(&world.pool)
                .await
                .unwrap();
        };
        let first = claim(&world, LEASE).await;
        record(&mut world.pool.acquire().await.unwrap(), &[made(&first, "only")], CHECK).await.unwrap();
        for (wanted, state) in [("open", WorkItemState::Open), ("resolved", WorkItemState::Resolved)] {
            want(wanted).await;
            let dead = until("it is claimed", async || {
                claimed(&world.pool, 1, &terms(Duration::ZERO, "dead")).await.pop()
            })
            .await;
            assert_eq!(dead.item.unwrap().state, WorkItemState::Open);
            want("open").await;
            let next = until("the lease has run out", async || {
                claimed(&world.pool, 1, &terms(Duration::ZERO, "next")).await.pop()
            })
            .await;
            assert!(next.write_unsure);
            assert_eq!(next.item.unwrap().state, state, "{wanted}");
        }
        world.stop().await;
    });
}

#[test]
fn a_lease_that_was_not_given_back_is_taken_over_only_after_the_wait() {
    in_world(async {
        let world = with_due_tickets(1).await;
        claim(&world, Duration::ZERO).await;
        let waiting = Terms { takeover_wait: LEASE, ..terms(LEASE, "second") };
        until("the lease has run out", async || {
            let over = "SELECT lease_until < now() - interval '100 milliseconds' FROM tickets";
            let over: bool = sqlx::query_scalar(over).fetch_one(&world.pool).await.unwrap();
            over.then_some(())
        })
        .await;
        assert!(claimed(&world.pool, 1, &waiting).await.is_empty());
        let terms = Terms { takeover_wait: Duration::from_millis(100), ..waiting };
        assert_eq!(claimed(&world.pool, 1, &terms).await.len(), 1);
        let checked: bool = sqlx::query_scalar("SELECT double_check_at > now() FROM tickets")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert!(checked, "its first holder may have sent a create");
        world.stop().await;
    });
}

#[test]
fn a_target_at_rest_is_not_claimed_from_and_a_failing_one_is_tried_with_one_ticket() {
    in_world(async {
        let world = with_due_tickets(5).await;
        let mut connection = world.pool.acquire().await.unwrap();
        worker::store::targets::failed(&mut connection, "snow", "down").await.unwrap();
        assert_eq!(claimed(&world.pool, 5, &terms(LEASE, "w")).await.len(), 1);
        assert!(claimed(&world.pool, 5, &terms(LEASE, "w")).await.is_empty(), "one at a time");
        worker::store::targets::pause(&mut connection, "snow", LEASE, "429").await.unwrap();
        assert!(claimed(&world.pool, 5, &terms(LEASE, "w")).await.is_empty());
        drop(connection);
        world.stop().await;
    });
}

/// A world whose workers have only filled the ledger: their target is at rest from the start.
#[test]
fn a_claim_from_a_long_backlog_reads_only_what_it_takes() {
    in_world(async {
        let world = with_due_tickets(1).await;
        let copies = [
            "INSERT INTO alerts (alert_key, tenant_id, alert_id, fired_at)
             SELECT sha256(n::text::bytea), gen_random_uuid(), n::text, now() FROM generate_series(1, 20000) n",
            "INSERT INTO tickets (ticket_id, target, route, correlation_key, wants, fired_at, shown_alert, due_at)
             SELECT gen_random_uuid(), target, route, n::text, wants, fired_at, sha256(n::text::bytea), due_at
             FROM tickets, generate_series(1, 20000) n",
            "ANALYZE",
        ];
        for statement in copies {
            sqlx::query(statement).execute(&world.pool).await.unwrap();
        }
        let mut connection = world.pool.acquire().await.unwrap();
        // What Postgres settles on after a few executions anyway.
        sqlx::query("SET plan_cache_mode = force_generic_plan").execute(&mut *connection).await.unwrap();
        let before = rows_read_one_after_the_other(&mut connection).await;
        for _ in 0..5 {
            let claims = claim_due(&mut connection, "snow", 2, &terms(LEASE, "w")).await.unwrap();
            assert_eq!(claims.len(), 2);
        }
        assert_eq!(rows_read_one_after_the_other(&mut connection).await - before, 0);
        drop(connection);
        world.stop().await;
    });
}

/// Without an index, from the large tables.
async fn rows_read_one_after_the_other(connection: &mut PgConnection) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
    sqlx::query_scalar(
        "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname IN ('tickets', 'alerts')",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

pub(crate) async fn with_due_tickets(count: u64) -> World {
    let mut world = World::with_workers(0).await;
    let mut connection = world.pool.acquire().await.unwrap();
    worker::store::targets::pause(&mut connection, "snow", LEASE, "test").await.unwrap();
    drop(connection);
    world.start_worker().await;
    world.send_all((0..count).map(|number| metric(number).fired()).collect()).await;
    until("the tickets are in the ledger", async || {
        (world.tickets().await.len() as u64 == count).then_some(())
    })
    .await;
    world.stop_workers().await;
    sqlx::query("DELETE FROM targets").execute(&world.pool).await.unwrap();
    world
}

pub(crate) async fn claimed(pool: &PgPool, limit: usize, terms: &Terms<'_>) -> Vec<Claim> {
    claim_due(&mut pool.acquire().await.unwrap(), "snow", limit, terms).await.unwrap()
}

async fn claim(world: &World, lease: Duration) -> Claim {
    claimed(&world.pool, 1, &terms(lease, "first")).await.remove(0)
}

pub(crate) fn made(claim: &Claim, number: &str) -> Outcome {
    Outcome {
        ticket_id: claim.ticket_id,
        lease_number: claim.lease_number,
        version: claim.version,
        external_id: Some(number.to_owned()),
        external_number: Some(number.to_owned()),
        synced: "open",
        told_through: Some(claim.fired_at),
        told_alerts: 0,
        wrote: true,
        ci_id: None,
        ci_name: None,
        ci_missing: None,
        create_unsure: false,
        write_unsure: false,
        double_checked: false,
        looked: true,
        left_alone: false,
        brought_back: 0,
        retry_ms: None,
        park: false,
        error: None,
        settled_reason: None,
    }
}

#[test]
fn what_is_old_is_forgotten_and_what_is_needed_is_kept() {
    in_world(async {
        use worker::store::retention as sweep;

        let world = World::with_workers(1).await;
        let (open, done) = (metric(1), metric(2));
        world.send_all(vec![open.fired(), done.fired()]).await;
        world.settled(2).await;
        world.send(done.resolved(crate::world::minutes_after(&done, 5)).unwrap()).await;
        world.settled(3).await;
        // Nothing is kept any longer than a moment; the fixtures are of the past.
        let moment = Duration::from_millis(1);
        sqlx::query("UPDATE tickets SET created_at = created_at - interval '1 day'")
            .execute(&world.pool)
            .await
            .unwrap();
        sqlx::query("UPDATE alerts SET first_heard_at = first_heard_at - interval '1 day'")
            .execute(&world.pool)
            .await
            .unwrap();
        sweep::retire_tickets(&world.pool, moment).await.unwrap();
        sweep::forget_attempts(&world.pool, moment).await.unwrap();
        sweep::forget_notifications(&world.pool, moment).await.unwrap();
        until("the ended ticket is old enough", async || {
            sweep::forget_tickets(&world.pool, moment).await.unwrap();
            (world.tickets().await.len() == 1).then_some(())
        })
        .await;
        sweep::forget_alerts(&world.pool, moment).await.unwrap();
        let counts: (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM alerts), (SELECT count(*) FROM notifications),
                    (SELECT count(*) FROM attempts), (SELECT count(*) FROM ticket_alerts)",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(counts, (1, 1, 0, 1), "alerts, notifications, attempts, members");
        let left = world.tickets().await;
        assert_eq!((left.len(), left[0].state.as_str()), (1, "open"));

        world.send(open.resolved(crate::world::minutes_after(&open, 5)).unwrap()).await;
        world.settled(2).await;
        let incidents = world.snow().tickets();
        assert!(incidents.iter().all(|incident| incident.field("state") == "6"));
        world.stop().await;
    });
}
