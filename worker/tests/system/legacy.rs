//! Alerts in the shapes from before the common alert schema.

use azure_simulator::legacy::Legacy;
use shared::alert::legacy::ADVICE;

use crate::world::{World, in_world};

#[test]
fn a_legacy_alert_gets_an_incident_that_says_what_to_change_and_is_resolved_with_it() {
    in_world(async {
        let world = World::with_workers(1).await;
        world.send_all(Legacy::ALL.iter().map(|shape| shape.fired.into()).collect()).await;
        world.settled(10).await;
        let incidents = world.snow().tickets();
        assert_eq!(incidents.len(), Legacy::ALL.len());
        for incident in &incidents {
            assert_eq!(incident.field("state"), "1");
            assert!(incident.field("description").contains(ADVICE), "{incident:?}");
            let summary = incident.field("short_description");
            assert!(!summary.contains(ADVICE) && !summary.contains('\n'), "{summary}");
        }

        let resolved: Vec<_> = Legacy::ALL.iter().filter_map(Legacy::resolved).map(Into::into).collect();
        let count = resolved.len();
        world.send_all(resolved).await;
        world.settled(12).await;
        let closed = world.snow().tickets().iter().filter(|incident| incident.field("state") == "6").count();
        assert_eq!(closed, count);
        assert!(world.dead_letters().await.is_empty());
        world.stop().await;
    });
}
