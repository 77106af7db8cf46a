//! One link between two programs fails: reset, refused, silent, silent in one direction, or slow.

use std::time::Duration;

use anyhow::Context;

use super::Victims;
use crate::schedule::Kind;

/// Two of these are less than the request deadline of the run, and four are more: one round trip succeeds late, and one
/// that needs a new connection first does not.
const DELAY: Duration = Duration::from_millis(500);

/// Strikes one link for `length`.
///
/// # Errors
/// When there is no link.
pub(crate) async fn strike(
    victims: Victims<'_>,
    kind: Kind,
    subject: usize,
    length: Duration,
) -> anyhow::Result<()> {
    let links = victims.world.links();
    let link = links.get(subject % links.len().max(1)).context("the world has no links")?;
    let proxy = victims.world.proxy(link)?;
    if kind == Kind::NetworkRefuse {
        proxy.refuse();
    } else if kind == Kind::NetworkHold {
        proxy.hold();
    } else if kind == Kind::NetworkHoldAnswers {
        proxy.hold_answers();
    } else if kind == Kind::NetworkDelay {
        proxy.delay(DELAY);
    } else {
        proxy.cut();
    }
    victims.last(length).await;
    proxy.resume();
    Ok(())
}
