//! Faults on request: which calls they hit and what then happens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More rules than any test needs; each call is compared with all of them.
const MAX_RULES: usize = 256;

/// A rule: every call that fits all of its conditions suffers the effect.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method in capitals; every method when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// The product's table or resource, such as `incident`; every one when absent.
    #[serde(default)]
    pub table: Option<String>,
    /// The operation as counted in `calls`, such as `query_incident`; every one when absent.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only the nth call that fits, counted from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Chance of being hit, 0 to 1; 1 when absent.
    #[serde(default)]
    pub probability: Option<f64>,
    /// How many calls are hit before the rule is spent; no end when absent.
    #[serde(default)]
    pub times: Option<u64>,
    /// Whether the product has done what was asked when the effect comes.
    #[serde(default)]
    pub stage: Stage,
    /// What the call suffers.
    pub effect: Effect,
}

/// When an effect that replaces or delays the answer comes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was done.
    #[default]
    BeforeWrite,
    /// The work was done, only the answer is lost or late.
    AfterWrite,
}

/// What a call suffers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The answer is late by so many milliseconds.
    Delay { ms: u64 },
    /// The connection is closed without an answer.
    Reset,
    /// This answer instead of the product's; the product's own error shape when there is no body.
    Answer {
        status: u16,
        #[serde(default)]
        body: Option<Value>,
        /// Seconds for the `Retry-After` header.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// Status 200 with a page for people.
    HtmlPage,
    /// Status 200 with the product's error object.
    ErrorInSuccess { message: String },
    /// The token is revoked and the call refused as unauthenticated.
    TokenExpired,
    /// Records exist but access rules hide them.
    Hidden,
    /// Searches do not find records younger than so many milliseconds.
    SearchLag { ms: u64 },
}

/// Too many rules at once.
#[derive(Debug, thiserror::Error)]
#[error("at most {MAX_RULES} fault rules at once, clear some first")]
pub struct TooManyFaults;

impl Fault {
    /// A fault that hits every call, to be narrowed.
    pub fn new(effect: Effect) -> Self {
        Self {
            method: None,
            table: None,
            operation: None,
            nth: None,
            probability: None,
            times: None,
            stage: Stage::BeforeWrite,
            effect,
        }
    }

    /// Only calls of this operation, named as in `calls`.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only the nth call that fits, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Spent after so many hits.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits with this chance, 0 to 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// Comes only when the work is done.
    #[must_use]
    pub fn after_write(mut self) -> Self {
        self.stage = Stage::AfterWrite;
        self
    }

    fn fits(&self, call: &Call<'_>) -> bool {
        let agrees = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|w| w == actual);
        agrees(&self.method, call.method)
            && agrees(&self.table, call.table)
            && agrees(&self.operation, call.operation)
    }
}

/// A call as the rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) table: &'a str,
    pub(crate) operation: &'static str,
}

/// Everything that one call suffers, put together from all rules that hit it.
#[derive(Debug, Default)]
pub(crate) struct Strike {
    pub(crate) before: Blow,
    pub(crate) after: Blow,
    pub(crate) token_expired: bool,
    pub(crate) hidden: bool,
    pub(crate) search_lag: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Blow {
    pub(crate) delay: Duration,
    pub(crate) ending: Option<Ending>,
}

/// What the client gets instead of the product's answer.
#[derive(Debug)]
pub(crate) enum Ending {
    Reset,
    Answer { status: u16, body: Option<Value>, retry_after_s: Option<u64> },
    HtmlPage,
    ErrorInSuccess { message: String },
}

/// The rules in force for one product.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug)]
struct Rules {
    armed: Vec<Armed>,
    dice: StdRng,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    fitting: u64,
    hits: u64,
}

impl Faults {
    /// The same seed and the same calls give the same faults.
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: Mutex::new(Rules { armed: Vec::new(), dice: StdRng::seed_from_u64(seed) }) }
    }

    pub(crate) fn inject(&self, fault: Fault) -> Result<(), TooManyFaults> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.armed.len() >= MAX_RULES {
            return Err(TooManyFaults);
        }
        rules.armed.push(Armed { fault, fitting: 0, hits: 0 });
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).armed.clear();
    }

    pub(crate) fn strike(&self, call: &Call<'_>) -> Strike {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let Rules { armed, dice } = &mut *rules;
        let mut strike = Strike::default();
        for rule in armed {
            if rule.hits_now(call, dice) {
                strike.add(&rule.fault);
            }
        }
        strike
    }
}

impl Armed {
    fn hits_now(&mut self, call: &Call<'_>, dice: &mut StdRng) -> bool {
        if !self.fault.fits(call) || self.fault.times.is_some_and(|times| self.hits >= times) {
            return false;
        }
        self.fitting += 1;
        if self.fault.nth.is_some_and(|nth| self.fitting != nth) {
            return false;
        }
        if let Some(probability) = self.fault.probability
            && !dice.random_bool(probability.clamp(0.0, 1.0))
        {
            return false;
        }
        self.hits += 1;
        true
    }
}

impl Strike {
    /// Searches find only what was born by then.
    pub(crate) fn born_by(&self, now: Timestamp) -> Timestamp {
        let lag = SignedDuration::try_from(self.search_lag).unwrap_or(SignedDuration::MAX);
        now.checked_sub(lag).unwrap_or(Timestamp::MIN)
    }

    fn add(&mut self, fault: &Fault) {
        let blow = match fault.stage {
            Stage::BeforeWrite => &mut self.before,
            Stage::AfterWrite => &mut self.after,
        };
        match fault.effect.clone() {
            Effect::Delay { ms } => blow.delay += Duration::from_millis(ms),
            Effect::Reset => blow.ending = Some(Ending::Reset),
            Effect::Answer { status, body, retry_after_s } => {
                blow.ending = Some(Ending::Answer { status, body, retry_after_s });
            }
            Effect::HtmlPage => blow.ending = Some(Ending::HtmlPage),
            Effect::ErrorInSuccess { message } => blow.ending = Some(Ending::ErrorInSuccess { message }),
            Effect::TokenExpired => self.token_expired = true,
            Effect::Hidden => self.hidden = true,
            Effect::SearchLag { ms } => self.search_lag = self.search_lag.max(Duration::from_millis(ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: Call<'_> = Call { method: "POST", table: "incident", operation: "create" };

    fn resets(faults: &Faults) -> bool {
        faults.strike(&CREATE).before.ending.is_some()
    }

    #[test]
    fn only_the_nth_fitting_call_is_hit() {
        let faults = Faults::new(1);
        faults.inject(Fault::new(Effect::Reset).on("create").nth(2)).unwrap();
        faults.strike(&Call { operation: "read", ..CREATE });
        assert_eq!([resets(&faults), resets(&faults), resets(&faults)], [false, true, false]);
    }

    #[test]
    fn a_rule_is_spent_after_its_times() {
        let faults = Faults::new(1);
        faults.inject(Fault::new(Effect::Reset).times(2)).unwrap();
        assert_eq!([resets(&faults), resets(&faults), resets(&faults)], [true, true, false]);
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let history = |seed| {
            let faults = Faults::new(seed);
            faults.inject(Fault::new(Effect::Reset).with_probability(0.5)).unwrap();
            (0..64).map(|_| resets(&faults)).collect::<Vec<_>>()
        };
        assert_eq!(history(7), history(7));
        assert_ne!(history(7), history(8));
    }
}
