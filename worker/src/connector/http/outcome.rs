//! What an answer means for the caller. Pure: the clock is a parameter.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};

use super::super::ConnectorError;
use super::super::text;

/// As much of a product's words as an operator needs to see.
pub(crate) const MAX_REASON_CHARS: usize = 500;
/// Nobody is left alone for longer at a word of theirs: the longest known rate window is an hour.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// Unix time in seconds at which the product accepts calls again.
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What a call is for, as far as it decides what its failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Looks for records; none found is an answer.
    Search,
    /// Reads one record that is known.
    Read,
    /// Makes a record.
    Create,
    /// Changes one record that is known.
    Change,
}

impl Purpose {
    /// There was no answer, or one that tells nothing: what was asked for may have been done.
    pub(crate) fn unanswered(self, reason: String) -> ConnectorError {
        match self {
            Self::Search | Self::Read => ConnectorError::Unavailable(reason),
            Self::Create | Self::Change => ConnectorError::Ambiguous(reason),
        }
    }

    /// The answer has another status than success.
    pub(super) fn refused(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        words: Option<String>,
        now: Timestamp,
    ) -> ConnectorError {
        let words = words.unwrap_or_else(|| "without an explanation".to_owned());
        let reason = text::line(&format!("{status}: {words}"), MAX_REASON_CHARS);
        let retry_after = retry_after(headers, now);
        match status.as_u16() {
            300..=399 => ConnectorError::Rejected(format!(
                "{status}: the product redirects to another address, set base_url to where it lives"
            )),
            401 => ConnectorError::Unauthorized(reason),
            404 | 410 if self.names_a_record() => ConnectorError::Gone(reason),
            425 => ConnectorError::Unavailable(reason),
            429 => ConnectorError::Throttled { retry_after, reason },
            503 if retry_after.is_some() => ConnectorError::Throttled { retry_after, reason },
            // A gateway that lost patience or the answer, or a rule that failed after the record was written.
            408 | 500..=599 => self.unanswered(reason),
            _ => ConnectorError::Rejected(reason),
        }
    }

    fn names_a_record(self) -> bool {
        match self {
            Self::Read | Self::Change => true,
            Self::Search | Self::Create => false,
        }
    }
}

/// What the body of an answer told; how long to wait stands in a header all the same.
pub(super) fn told(error: ConnectorError, headers: &HeaderMap, now: Timestamp) -> ConnectorError {
    match error {
        ConnectorError::Throttled { retry_after: None, reason } => {
            ConnectorError::Throttled { retry_after: retry_after(headers, now), reason }
        }
        other @ (ConnectorError::Throttled { retry_after: Some(_), .. }
        | ConnectorError::Unavailable(_)
        | ConnectorError::Ambiguous(_)
        | ConnectorError::Unauthorized(_)
        | ConnectorError::Rejected(_)
        | ConnectorError::Gone(_)) => other,
    }
}

/// How long the product asks to be left alone, see <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let header = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let pause = match header(RETRY_AFTER) {
        Some(asked) => match asked.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => until(rfc2822::DateTimeParser::new().parse_timestamp(asked).ok()?, now),
        },
        None => until(Timestamp::from_second(header(RATE_LIMIT_RESET)?.parse().ok()?).ok()?, now),
    };
    Some(pause.min(MAX_PAUSE))
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const PURPOSES: [Purpose; 4] = [Purpose::Search, Purpose::Read, Purpose::Create, Purpose::Change];

    fn class(error: &ConnectorError) -> &'static str {
        match error {
            ConnectorError::Unavailable(_) => "unavailable",
            ConnectorError::Throttled { .. } => "throttled",
            ConnectorError::Ambiguous(_) => "ambiguous",
            ConnectorError::Unauthorized(_) => "unauthorized",
            ConnectorError::Rejected(_) => "rejected",
            ConnectorError::Gone(_) => "gone",
        }
    }

    fn check(status: u16, expected: [&str; 4]) {
        let status = StatusCode::from_u16(status).unwrap();
        let actual = PURPOSES
            .map(|purpose| class(&purpose.refused(status, &HeaderMap::new(), None, Timestamp::UNIX_EPOCH)));
        assert_eq!(actual, expected, "{status}");
    }

    fn pause(name: &'static str, value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        let now = "2026-01-05T10:00:00Z".parse().unwrap();
        retry_after(&headers, now).map(|pause| pause.as_secs())
    }

    #[test]
    fn a_status_means_what_the_caller_can_do_about_it() {
        for status in [400, 403, 405, 406, 409, 413, 414, 415, 422] {
            check(status, ["rejected"; 4]);
        }
        for status in [301, 302, 303, 307, 308] {
            check(status, ["rejected"; 4]);
        }
        check(401, ["unauthorized"; 4]);
        check(404, ["rejected", "gone", "rejected", "gone"]);
        check(410, ["rejected", "gone", "rejected", "gone"]);
        check(429, ["throttled"; 4]);
        check(408, ["unavailable", "unavailable", "ambiguous", "ambiguous"]);
        check(503, ["unavailable", "unavailable", "ambiguous", "ambiguous"]);
    }

    #[test]
    fn a_server_that_failed_under_a_write_may_have_written() {
        for status in [500, 502, 504] {
            check(status, ["unavailable", "unavailable", "ambiguous", "ambiguous"]);
        }
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_as_a_date_or_as_a_reset_time() {
        assert_eq!(pause("retry-after", "120"), Some(120));
        assert_eq!(pause("retry-after", "Mon, 05 Jan 2026 10:01:00 GMT"), Some(60));
        assert_eq!(pause("retry-after", "Mon, 05 Jan 2026 09:00:00 GMT"), Some(0));
        assert_eq!(pause("x-ratelimit-reset", "1767607230"), Some(30));
        assert_eq!(pause("retry-after", "soon"), None);
        assert_eq!(pause("x-other", "1"), None);
    }

    #[test]
    fn no_pause_is_longer_than_an_hour() {
        assert_eq!(pause("retry-after", "999999999"), Some(3600));
        assert_eq!(pause("x-ratelimit-reset", "9999999999"), Some(3600));
    }

    #[test]
    fn the_products_words_are_kept_short_and_printable() {
        let words = Some(format!("no\u{1b}[31m\n{}", "x".repeat(1000)));
        let error =
            Purpose::Create.refused(StatusCode::FORBIDDEN, &HeaderMap::new(), words, Timestamp::UNIX_EPOCH);
        let ConnectorError::Rejected(reason) = error else { panic!("{error}") };
        assert!(reason.starts_with("403 Forbidden: no [31m xxx"), "{reason}");
        assert_eq!(reason.chars().count(), MAX_REASON_CHARS);
    }
}
