//! Keeps credentials out of what a product says: some repeat what was sent to them.

use super::super::ConnectorError;

/// Shorter ones are no secrets, and would be found in any text.
const MIN_SECRET_CHARS: usize = 6;
/// Stands where a secret was.
const HIDDEN: &str = "***";

/// The error without these texts, nor what follows the first blank in them: the secret after `Basic` or `Bearer`.
pub(super) fn without(error: ConnectorError, secrets: &[&str]) -> ConnectorError {
    let parts =
        secrets.iter().flat_map(|secret| [Some(*secret), secret.split_once(' ').map(|(_, after)| after)]);
    let mut hidden: Vec<&str> =
        parts.flatten().filter(|part| part.chars().count() >= MIN_SECRET_CHARS).collect();
    // The longest first, or what is left of it would show.
    hidden.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    let clean = |text: String| hidden.iter().fold(text, |text, secret| text.replace(secret, HIDDEN));
    match error {
        ConnectorError::Unavailable(reason) => ConnectorError::Unavailable(clean(reason)),
        ConnectorError::Throttled { retry_after, reason } => {
            ConnectorError::Throttled { retry_after, reason: clean(reason) }
        }
        ConnectorError::Ambiguous(reason) => ConnectorError::Ambiguous(clean(reason)),
        ConnectorError::Unauthorized(reason) => ConnectorError::Unauthorized(clean(reason)),
        ConnectorError::Rejected(reason) => ConnectorError::Rejected(clean(reason)),
        ConnectorError::Gone(reason) => ConnectorError::Gone(clean(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_product_repeats_is_hidden_whole_and_in_its_parts() {
        let said = |text: &str| ConnectorError::Rejected(text.to_owned());
        for (text, expected) in [
            ("bad Token token=s3cr3t-key!", "bad ***!"),
            ("s3cr3t-key is not known", "*** is not known"),
            ("no such field", "no such field"),
        ] {
            assert_eq!(without(said(text), &["Token token=s3cr3t-key", "s3cr3t-key", "p"]), said(expected));
        }
    }
}
