//! What a run promises, what it measured, and whether the word was kept.

use std::fmt;
use std::process::ExitCode;

/// Every promise of a run, in the order in which they are printed.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    all: Vec<Promise>,
}

#[derive(Debug)]
struct Promise {
    what: String,
    measured: f64,
    bound: f64,
}

impl Promises {
    /// Promises that a figure does not exceed a bound. Name the unit in `what`.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, measured: f64, bound: f64) {
        self.all.push(Promise { what: what.into(), measured, bound });
    }

    /// Promises that something never happens.
    pub(crate) fn never(&mut self, what: impl Into<String>, times: usize) {
        self.at_most(what, times as f64, 0.0);
    }

    /// What was promised and not kept.
    pub(crate) fn broken(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|promise| !promise.is_kept()).map(|promise| promise.what.as_str())
    }

    /// Success only if every promise was kept.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.broken().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Promise {
    /// A figure that could not be measured (not a number) keeps no promise.
    fn is_kept(&self) -> bool {
        self.measured <= self.bound
    }
}

impl fmt::Display for Promises {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<62} {:>10} {:>10}", "promise", "measured", "at most")?;
        for promise in &self.all {
            let Promise { what, measured, bound } = promise;
            let verdict = if promise.is_kept() { "kept" } else { "BROKEN" };
            let digits = if measured.fract() == 0.0 { 0 } else { 2 };
            writeln!(formatter, "{what:<62} {measured:>10.digits$} {bound:>10}  {verdict}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(measured: f64, bound: f64) -> String {
        let mut promises = Promises::default();
        promises.never("lost", 0);
        promises.at_most("seconds", measured, bound);
        format!("{:?}", promises.exit_code())
    }

    #[test]
    fn one_broken_promise_fails_the_run_and_so_does_one_that_was_not_measured() {
        let [success, failure] = [ExitCode::SUCCESS, ExitCode::FAILURE].map(|code| format!("{code:?}"));
        assert_eq!(code(1.0, 1.0), success);
        assert_eq!(code(1.1, 1.0), failure);
        assert_eq!(code(f64::NAN, 1.0), failure);
    }
}
