//! Which notification is due when. Pure.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::LoadPlan;
use crate::alerts::AlertRule;

/// A notification and the time after the start at which it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub after: Duration,
    pub body: Bytes,
}

/// All notifications of a plan that starts at `start`, in the order in which they are due.
pub(super) fn notifications(plan: &LoadPlan, start: Timestamp) -> Vec<Due> {
    let mut fired = Vec::new();
    let mut resolved = Vec::new();
    for (number, kind) in (0..plan.count).zip(plan.kinds.iter().copied().cycle()) {
        let after = plan.rate.map_or(Duration::ZERO, |rate| at_rate(number, rate));
        let rule = AlertRule::new(kind, plan.seed, number.saturating_add(1));
        let rule = match plan.resources {
            Some(resources) => {
                rule.on(AlertRule::new(kind, plan.seed, number % resources + 1).target().clone())
            }
            None => rule,
        };
        let alert = rule.fire(later(start, after));
        fired.push(Due { after, body: alert.fired() });
        if let Some(resolve_after) = plan.resolve_after {
            let after = after.saturating_add(resolve_after);
            resolved.extend(alert.resolved(later(start, after)).map(|body| Due { after, body }));
        }
    }
    // The sort is stable: without a rate and a delay, all alerts fire before the first is resolved.
    fired.append(&mut resolved);
    fired.sort_by_key(|due| due.after);
    fired
}

fn at_rate(number: u64, rate: f64) -> Duration {
    // A count of alerts is small enough to be exact as a floating-point number.
    Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX)
}

fn later(start: Timestamp, after: Duration) -> Timestamp {
    start.saturating_add(after).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::{
        alerts::Kind,
        sender::{Credentials, Retries},
    };

    fn plan(rate: Option<f64>, resolve_after: Option<Duration>) -> LoadPlan {
        LoadPlan {
            url: String::new(),
            credentials: Credentials::default(),
            kinds: vec![Kind::MetricStatic, Kind::ServiceHealth],
            count: 4,
            seed: 7,
            resources: None,
            rate,
            connections: 1,
            resolve_after,
            retries: Retries::none(),
        }
    }

    fn story(plan: &LoadPlan) -> Vec<(u128, String, String)> {
        notifications(plan, Timestamp::UNIX_EPOCH)
            .iter()
            .map(|due| {
                let body: serde_json::Value = serde_json::from_slice(&due.body).unwrap();
                let text = |name: &str| body["data"]["essentials"][name].as_str().unwrap().to_owned();
                (due.after.as_millis(), text("alertRule"), text("monitorCondition"))
            })
            .collect()
    }

    fn check(plan: &LoadPlan, expected: &[(u128, &str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(after, rule, condition)| (after, rule.to_owned(), condition.to_owned()))
            .collect();
        assert_eq!(story(plan), expected);
    }

    #[test]
    fn rules_share_resources_where_the_plan_says_how_many() {
        let plan =
            LoadPlan { resources: NonZeroU64::new(2), kinds: vec![Kind::MetricStatic], ..plan(None, None) };
        let targets: Vec<String> = notifications(&plan, Timestamp::UNIX_EPOCH)
            .iter()
            .map(|due| serde_json::from_slice::<serde_json::Value>(&due.body).unwrap())
            .map(|body| body["data"]["essentials"]["alertTargetIDs"][0].to_string())
            .collect();
        assert_eq!(targets.len(), 4);
        assert_eq!((&targets[0], &targets[1]), (&targets[2], &targets[3]));
        assert_ne!(targets[0], targets[1]);
    }

    #[test]
    fn at_a_rate_alerts_fire_evenly_and_resolve_between_later_ones() {
        check(
            &plan(Some(10.0), Some(Duration::from_millis(150))),
            &[
                (0, "cpu-high-01", "Fired"),
                (100, "azure-trouble-02", "Fired"),
                (150, "cpu-high-01", "Resolved"),
                (200, "cpu-high-03", "Fired"),
                (300, "azure-trouble-04", "Fired"),
                (350, "cpu-high-03", "Resolved"),
            ],
        );
    }

    #[test]
    fn without_a_rate_all_alerts_fire_before_the_first_resolves() {
        check(
            &plan(None, Some(Duration::ZERO)),
            &[
                (0, "cpu-high-01", "Fired"),
                (0, "azure-trouble-02", "Fired"),
                (0, "cpu-high-03", "Fired"),
                (0, "azure-trouble-04", "Fired"),
                (0, "cpu-high-01", "Resolved"),
                (0, "cpu-high-03", "Resolved"),
            ],
        );
    }
}
