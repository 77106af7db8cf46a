//! Reminds the operator of alert rules whose alerts come in a legacy format: each once in a while, however often it
//! fires.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::alert::Essentials;
use shared::alert::legacy::ADVICE;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::refusal::clipped;

/// For how long nothing more is said about a rule.
const SILENCE: Duration = Duration::from_secs(3600);
/// Rules that are remembered. Of further ones nothing is said until some have been silent long enough: neither the
/// memory nor the log grows with the rules that a caller can think up.
const MAX_RULES: usize = 1_000;

/// What was said, and when.
#[derive(Debug, Default)]
pub struct Reminders {
    said: Mutex<HashMap<(Uuid, String), Instant>>,
}

impl Reminders {
    /// Logs what the operator should change about the rule of this alert, unless it was said a short while ago.
    pub fn remind(&self, tenant_id: Uuid, essentials: &Essentials<'_>, now: Instant) {
        let rule = essentials.alert_rule_id.as_deref().or(essentials.alert_rule.as_deref());
        let rule = clipped(rule.unwrap_or("(unnamed)"));
        if self.is_due(tenant_id, &rule, now) {
            tracing::warn!(%tenant_id, alert_rule = rule, "alert rule {rule:?}: {ADVICE}");
        }
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still good.
    fn is_due(&self, tenant_id: Uuid, rule: &str, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant_id, rule.to_owned());
        let silent = |last: &Instant| now.saturating_duration_since(*last) < SILENCE;
        if said.get(&key).is_some_and(silent) {
            return false;
        }
        if said.len() >= MAX_RULES {
            said.retain(|_, last| silent(last));
        }
        if said.len() >= MAX_RULES {
            return false;
        }
        said.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Uuid = Uuid::nil();

    #[test]
    fn a_rule_is_named_once_in_a_while_and_each_for_itself() {
        let (reminders, now) = (Reminders::default(), Instant::now());
        assert!(reminders.is_due(TENANT, "a", now));
        assert!(!reminders.is_due(TENANT, "a", now + SILENCE / 2));
        assert!(reminders.is_due(TENANT, "b", now + SILENCE / 2));
        assert!(reminders.is_due(Uuid::max(), "a", now + SILENCE / 2), "another tenant's rule of that name");
        assert!(reminders.is_due(TENANT, "a", now + SILENCE));
    }

    #[test]
    fn rules_that_somebody_thinks_up_fill_neither_memory_nor_log() {
        let (reminders, now) = (Reminders::default(), Instant::now());
        let due =
            |at| (0..3 * MAX_RULES).filter(|rule| reminders.is_due(TENANT, &rule.to_string(), at)).count();
        assert_eq!(due(now), MAX_RULES);
        assert_eq!(due(now + SILENCE), MAX_RULES, "after a while, others have their turn");
        assert_eq!(reminders.said.lock().unwrap().len(), MAX_RULES);
    }
}
