//! Alerts whose end Azure never tells: when they count as resolved, and what a test of the portal gets.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Route;
use super::view::AlertView;

/// Why a test notification has no ticket.
pub const ANSWERED: &str = "it is a test notification of the portal, and portal_test.action is \"answer\"";

/// Section `[route.auto_resolve]`: when an alert counts as resolved though nothing said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AutoResolve {
    /// So long after it has fired last; zero: never.
    #[serde(with = "shared::settings::duration")]
    pub after: Duration,
    #[serde(deserialize_with = "shared::settings::choice")]
    pub alerts: Covered,
}

/// Which alerts of a route count as resolved in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Covered {
    /// Those of which the payload shows that Azure never resolves them.
    Unending,
    /// Every one: that a metric or log rule is stateless, no payload shows.
    All,
}

/// Section `[route.portal_test]`: what becomes of the test notifications of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PortalTest {
    /// What becomes of the samples that the portal's test button sends.
    #[serde(deserialize_with = "shared::settings::choice")]
    pub action: TestAction,
    /// It counts as resolved so long after it came; zero: never.
    #[serde(with = "shared::settings::duration")]
    pub resolve_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TestAction {
    /// A ticket, marked as a test.
    Ticket,
    /// None; the ledger says why.
    Answer,
}

/// After how long an alert of these routes counts as resolved: the longest that one of them gives it, and never if one
/// never does.
#[must_use]
pub fn expires_after(routes: &[Arc<Route>], alert: &AlertView) -> Option<Duration> {
    let each: Option<Vec<Duration>> = routes.iter().map(|route| route.expires_after(alert)).collect();
    each.and_then(|all| all.into_iter().max())
}

/// Which setting decides that.
#[must_use]
pub fn setting(alert: &AlertView) -> &'static str {
    if alert.is_test { "portal_test.resolve_after" } else { "auto_resolve.after" }
}

impl Route {
    /// Whether this alert is a test that gets no ticket here.
    #[must_use]
    pub fn only_answers(&self, alert: &AlertView) -> bool {
        alert.is_test && self.portal_test.action == TestAction::Answer
    }

    /// After how long an alert counts as resolved by this route, if ever.
    #[must_use]
    pub fn expires_after(&self, alert: &AlertView) -> Option<Duration> {
        let after = if alert.is_test {
            self.portal_test.resolve_after
        } else {
            match self.auto_resolve.alerts {
                Covered::Unending if !alert.never_resolves => return None,
                Covered::Unending | Covered::All => self.auto_resolve.after,
            }
        };
        (!after.is_zero()).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::rules::{Choice, Policy, Verdict, tests::policy};

    fn unending() -> AlertView {
        AlertView { never_resolves: true, ..AlertView::default() }
    }

    fn test() -> AlertView {
        AlertView { is_test: true, ..unending() }
    }

    fn after(policy: &Policy, alert: &AlertView) -> Option<u64> {
        expires_after(&policy.choose(alert).routes, alert).map(|after| after.as_secs())
    }

    #[test]
    fn an_alert_counts_as_resolved_only_where_a_rule_says_so() {
        let default = policy(json!([])).unwrap();
        assert_eq!(after(&default, &unending()), None);
        let unending_only = policy(json!([{"name": "a", "auto_resolve": {"after": "3h"}}])).unwrap();
        assert_eq!(after(&unending_only, &unending()), Some(10_800));
        assert_eq!(after(&unending_only, &AlertView::default()), None);
        let all = policy(json!([{"name": "a", "auto_resolve": {"after": "3h", "alerts": "all"}}])).unwrap();
        assert_eq!(after(&all, &AlertView::default()), Some(10_800));
    }

    #[test]
    fn of_several_rules_the_longest_time_counts_and_never_is_the_longest() {
        let with = |second: &str| {
            policy(json!([
                {"name": "a", "continue": true, "auto_resolve": {"after": "1h"}},
                {"name": "b", "auto_resolve": {"after": second}},
            ]))
            .unwrap()
        };
        assert_eq!(after(&with("2h"), &unending()), Some(7_200));
        assert_eq!(after(&with("1m"), &unending()), Some(3_600));
        assert_eq!(after(&with("0s"), &unending()), None);
    }

    #[test]
    fn tests_of_the_portal_have_a_time_of_their_own() {
        assert_eq!(after(&policy(json!([])).unwrap(), &test()), Some(3_600));
        let rules =
            json!([{"name": "a", "auto_resolve": {"after": "9h"}, "portal_test": {"resolve_after": "0s"}}]);
        assert_eq!(after(&policy(rules).unwrap(), &test()), None);
    }

    #[test]
    fn a_test_that_is_only_answered_has_no_ticket_by_that_rule_and_the_trace_says_why() {
        let rules = |goes_on: bool| {
            let answers = json!({"name": "a", "continue": goes_on, "portal_test": {"action": "answer"}});
            policy(json!([answers, {"name": "b"}])).unwrap()
        };
        let Choice { routes, dropped } = rules(false).choose(&test());
        assert!(routes.is_empty());
        assert_eq!(
            dropped.map(|dropped| (dropped.rule, dropped.reason)),
            Some(("a".into(), ANSWERED.into()))
        );
        let policy = rules(true);
        assert_eq!(policy.choose(&test()).routes.iter().map(|route| &route.name).collect::<Vec<_>>(), ["b"]);
        assert_eq!(policy.choose(&unending()).routes.len(), 2);
        let trace = policy.trace(&test());
        assert_eq!(trace[0].verdict, Verdict::Drops { reason: ANSWERED.to_owned() });
        assert!(matches!(trace[1].verdict, Verdict::Tickets { .. }));
        assert_eq!(trace[2].verdict, Verdict::IsNotAsked);
    }

    #[test]
    fn a_time_without_end_is_refused() {
        let refused = policy(json!([{"name": "a", "auto_resolve": {"after": "300000h"}}])).unwrap_err();
        assert!(
            refused.contains("routes[0] (a): route.auto_resolve.after is more than ten years"),
            "{refused}"
        );
    }
}
