//! What waits for its time: a resolution does for all of `resolve_after`, whatever becomes of the claim that was there,
//! and a note no longer than from the last one.

use azure_simulator::alerts::Alert;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use worker::config;
use worker::intake::batch::reconcile;
use worker::intake::reading::read;
use worker::metrics::IntakeMetrics;
use worker::policy::rules::Policy;
use worker::reconcile::ticket::Wants;
use worker::store::claims::Claim;
use worker::store::outcomes::{Outcome, doubt, record};

use crate::leases::{CHECK, LEASE, claimed, made, terms};
use crate::world::{Differences, World, in_world, message, metric, minutes_after};

/// A ledger that nobody works on but the test.
struct Desk {
    world: World,
    policy: Policy,
    metrics: IntakeMetrics,
}

impl Desk {
    async fn open() -> Self {
        let settings = "route.resolve_after = '1h'\nroute.reopen_window = '24h'";
        let world = World::build(0, &Differences { settings, ..Differences::default() }).await;
        let policy = config::load(Some(world.settings_file())).unwrap().policy;
        Self { world, policy, metrics: IntakeMetrics::register(&mut Registry::default()) }
    }

    async fn hear(&self, body: Bytes) {
        let message = message(body);
        let reading = read(&message.properties(), &message.body).unwrap();
        let mut connection = self.world.pool.acquire().await.unwrap();
        reconcile(&mut connection, &self.policy, &[reading], &self.metrics).await.unwrap();
    }

    async fn resolved(&self, alert: &Alert) {
        self.hear(alert.resolved(minutes_after(alert, 5)).unwrap()).await;
    }

    /// Claims the ticket, if it is due.
    async fn claim(&self) -> Option<Claim> {
        claimed(&self.world.pool, 1, &terms(LEASE, "w")).await.pop()
    }

    async fn record(&self, outcome: Outcome) {
        let mut connection = self.world.pool.acquire().await.unwrap();
        assert_eq!(record(&mut connection, &[outcome], CHECK).await.unwrap().len(), 1);
    }

    async fn doubt(&self, claim: &Claim) {
        doubt(&mut self.world.pool.acquire().await.unwrap(), &[claim.ticket_id], &[]).await.unwrap();
    }

    async fn change(&self, what: &'static str) {
        sqlx::query(what).execute(&self.world.pool).await.unwrap();
    }

    /// A ticket that is made, and claimed again since its alert fires anew.
    async fn claimed_anew(&self, first: &Alert) -> (Alert, Claim) {
        self.hear(first.fired()).await;
        let claim = self.claim().await.unwrap();
        self.record(made(&claim, "only")).await;
        let alert = first.again(minutes_after(first, 10));
        self.hear(alert.fired()).await;
        (alert, self.claim().await.unwrap())
    }

    /// Nobody gets the ticket before the resolution is due; then, it is resolved. If the alert fires before, the ticket
    /// waits no longer than it would have anyway.
    async fn is_held_back(&self, alert: &Alert) {
        assert!(self.claim().await.is_none(), "it is resolved before its time");
        let mut connection = self.world.pool.acquire().await.unwrap();
        let mut hour = sqlx::Connection::begin(&mut *connection).await.unwrap();
        sqlx::query("UPDATE tickets SET due_at = due_at - interval '1 hour'")
            .execute(&mut *hour)
            .await
            .unwrap();
        let later = worker::store::claims::claim_due(&mut hour, "snow", 1, &terms(LEASE, "w")).await.unwrap();
        assert_eq!(later.first().map(|claim| claim.wants), Some(Wants::Resolved));
        hour.rollback().await.unwrap();
        drop(connection);

        self.hear(alert.again(minutes_after(alert, 20)).fired()).await;
        assert_eq!(self.claim().await.map(|claim| claim.wants), Some(Wants::Open));
    }
}

fn failed(claim: &Claim) -> Outcome {
    Outcome { error: Some("503".to_owned()), retry_ms: Some(0), ..made(claim, "only") }
}

#[test]
fn a_resolution_waits_for_its_time_when_its_ticket_is_taken_over() {
    in_world(async {
        let desk = Desk::open().await;
        let (alert, _dead) = desk.claimed_anew(&metric(1)).await;
        desk.resolved(&alert).await;
        desk.change("UPDATE tickets SET lease_until = now() - interval '1 second'").await;
        desk.is_held_back(&alert).await;
        desk.world.stop().await;
    });
}

#[test]
fn a_resolution_waits_for_its_time_when_what_was_under_way_failed() {
    in_world(async {
        let desk = Desk::open().await;
        let (alert, claim) = desk.claimed_anew(&metric(1)).await;
        desk.resolved(&alert).await;
        desk.record(failed(&claim)).await;
        desk.is_held_back(&alert).await;
        desk.world.stop().await;
    });
}

#[test]
fn a_resolution_waits_for_its_time_when_nobody_knows_whether_a_create_was_carried_out() {
    in_world(async {
        let desk = Desk::open().await;
        let alert = metric(1);
        desk.hear(alert.fired()).await;
        let claim = desk.claim().await.unwrap();
        let lost = Outcome {
            external_id: None,
            external_number: None,
            synced: "none",
            told_through: None,
            create_unsure: true,
            ..failed(&claim)
        };
        desk.record(lost).await;
        desk.resolved(&alert).await;
        desk.is_held_back(&alert).await;
        desk.world.stop().await;
    });
}

#[test]
fn a_resolution_waits_for_its_time_when_somebody_writes_who_has_lost_the_ticket() {
    in_world(async {
        let desk = Desk::open().await;
        let (alert, claim) = desk.claimed_anew(&metric(1)).await;
        desk.resolved(&alert).await;
        desk.doubt(&claim).await;
        desk.record(made(&claim, "only")).await;
        desk.doubt(&claim).await;
        desk.is_held_back(&alert).await;
        desk.world.stop().await;
    });
}

#[test]
fn a_state_that_was_only_seen_puts_off_no_note() {
    in_world(async {
        let desk = Desk::open().await;
        let (_, claim) = desk.claimed_anew(&metric(1)).await;
        desk.change("UPDATE tickets SET written_at = now() - interval '1 day'").await;
        let written = async || -> bool {
            let lately = "SELECT written_at > now() - interval '1 hour' FROM tickets";
            sqlx::query_scalar(lately).fetch_one(&desk.world.pool).await.unwrap()
        };
        desk.record(Outcome { synced: "resolved", wrote: false, ..failed(&claim) }).await;
        assert!(!written().await);
        let claim = desk.claim().await.unwrap();
        desk.record(made(&claim, "only")).await;
        assert!(written().await);
        desk.world.stop().await;
    });
}
