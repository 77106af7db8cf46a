//! What a person is told of an error.

use std::error::Error;

/// The error with those of its causes that it does not repeat itself, on one line.
#[must_use]
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut rest = error.source();
    while let Some(cause) = rest {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        rest = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("the file is not there")]
        Cause,
        #[error("cannot read: {0}")]
        Repeats(#[source] Box<Self>),
        #[error("cannot start")]
        Alone(#[source] Box<Self>),
    }

    #[test]
    fn every_cause_is_told_once() {
        let repeats = || Sample::Repeats(Box::new(Sample::Cause));
        assert_eq!(told(&repeats()), "cannot read: the file is not there");
        let alone = Sample::Alone(Box::new(repeats()));
        assert_eq!(told(&alone), "cannot start: cannot read: the file is not there");
    }
}
