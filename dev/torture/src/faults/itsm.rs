//! Faults of an ITSM: its answers fail, come late or say something else than what happened.

use std::time::Duration;

use serde_json::{Value, json};

use super::Victims;
use crate::desk::Desk;
use crate::schedule::Failing;

/// Above the request deadline of the run, below that and `look_up_after` together: the create lands after we gave up,
/// and before it is looked for.
const LATE_MS: u64 = 2_500;

/// Below `look_up_after`: what was created is found when it is looked for.
const SEARCH_LAG_MS: u64 = 2_000;

/// Seconds that a throttled caller is asked to wait.
const RETRY_AFTER_S: u64 = 2;

/// ServiceNow's words for a call that took too long, which come with status 200, see
/// <https://github.com/gflewis/sndml3/issues/38>.
const CANCELLED: &str = "Transaction cancelled: maximum execution time exceeded";

/// Puts a fault in force for `length`.
///
/// # Errors
/// When the simulator does not answer.
pub(crate) async fn strike(
    victims: Victims<'_>,
    desk: &Desk,
    failing: Failing,
    length: Duration,
) -> anyhow::Result<()> {
    desk.inject(rules(failing)).await?;
    victims.last(length).await;
    desk.clear_faults().await
}

/// The rules of a fault. Most calls are hit and some are not, so that work goes on in between.
fn rules(failing: Failing) -> Value {
    let before = |effect: Value| json!([{"probability": 0.7, "effect": effect}]);
    let after = |effect: Value| json!([{"probability": 0.7, "stage": "after_write", "effect": effect}]);
    let either = |effect: Value| {
        json!([
            {"probability": 0.35, "effect": effect},
            {"probability": 0.5, "stage": "after_write", "effect": effect},
        ])
    };
    match failing {
        Failing::Status500 => either(json!({"kind": "answer", "status": 500})),
        Failing::Status503 => either(json!({"kind": "answer", "status": 503})),
        Failing::Status429 => {
            before(json!({"kind": "answer", "status": 429, "retry_after_s": RETRY_AFTER_S}))
        }
        Failing::Timeout => either(json!({"kind": "delay", "ms": LATE_MS})),
        Failing::ResetBefore => before(json!({"kind": "reset"})),
        Failing::ResetAfter => after(json!({"kind": "reset"})),
        Failing::ErrorIn200 => either(json!({"kind": "error_in_success", "message": CANCELLED})),
        Failing::Html => either(json!({"kind": "html_page"})),
        Failing::TokenExpired => json!([{"probability": 0.3, "effect": {"kind": "token_expired"}}]),
        Failing::SearchLag => json!([{"effect": {"kind": "search_lag", "ms": SEARCH_LAG_MS}}]),
    }
}
