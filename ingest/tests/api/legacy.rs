//! Alerts from actions without the common alert schema.

use azure_simulator::legacy::Legacy;
use shared::message::Message;

use crate::app::{DEAD_QUEUE, Options, QUEUE, SUBSCRIPTION, TestApp};

#[tokio::test]
async fn every_legacy_shape_is_accepted_and_travels_as_it_was_received() {
    let app = TestApp::start().await;
    let token = app.token();
    let mut sent = Vec::new();
    for shape in Legacy::ALL {
        for body in std::iter::once(shape.fired.to_owned()).chain(shape.resolved()) {
            assert_eq!(app.post(&token, body.clone()).await.status(), 202, "{}", shape.name);
            sent.push(body);
        }
    }
    let taken = app.vhost.take(QUEUE, 100).await.unwrap();
    let mut received: Vec<_> =
        taken.iter().map(|delivery| String::from_utf8(delivery.data.clone()).unwrap()).collect();
    received.sort();
    sent.sort();
    assert_eq!(received, sent);
    let ids =
        taken.into_iter().map(|delivery| Message::decode(&delivery.properties, delivery.data).unwrap().id);
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), sent.len());
    assert_eq!(app.vhost.depth(DEAD_QUEUE).await.unwrap(), 0);
    let (_, metrics) = app.admin("/metrics").await;
    let counted = format!("secure_export_ingest_legacy_notifications_total {}", sent.len());
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[tokio::test]
async fn a_legacy_alert_must_be_about_a_listed_subscription_too() {
    for (listed, status) in [(SUBSCRIPTION, 202), ("00000000-0000-0000-0000-0000000000ee", 403)] {
        let trust = format!("subscriptions = [\"{listed}\"]");
        let app = TestApp::with(Options { trust, ..Options::default() }).await;
        for shape in Legacy::ALL {
            assert_eq!(app.post(&app.token(), shape.fired).await.status(), status, "{}", shape.name);
        }
    }
}
