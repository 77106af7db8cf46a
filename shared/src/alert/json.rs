//! Parts of a notification that are read as they come. JSON may escape half a character, one surrogate without the other,
//! as a name that was cut in the middle of an emoji has; Rust's texts cannot.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// U+FFFD as JSON escapes it.
const REPLACEMENT: &str = "\\ufffd";
/// Of `\ud83d`, and of a pair of such.
const UNIT_CHARS: usize = 6;
const PAIR_CHARS: usize = 2 * UNIT_CHARS;
/// Of `\n`.
const SHORT_CHARS: usize = 2;

/// Reads it as `T`, half a character as U+FFFD; `None` when it is something else.
#[must_use]
pub fn read<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    let json = raw.get();
    serde_json::from_str(json).ok().or_else(|| serde_json::from_str(&with_whole_characters(json)?).ok())
}

/// `None` when it has no half ones.
fn with_whole_characters(json: &str) -> Option<String> {
    let (mut whole, mut rest, mut halves) = (String::with_capacity(json.len()), json, 0);
    while let Some((plain, escaped)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        let (length, is_half) = match (unit(escaped), escaped.get(UNIT_CHARS..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (PAIR_CHARS, false),
            (Some(0xd800..=0xdfff), _) => (UNIT_CHARS, true),
            (Some(_), _) => (UNIT_CHARS, false),
            (None, _) => (SHORT_CHARS, false),
        };
        let (escape, after) = escaped.split_at_checked(length)?;
        whole.push_str(plain);
        whole.push_str(if is_half { REPLACEMENT } else { escape });
        halves += usize::from(is_half);
        rest = after;
    }
    whole.push_str(rest);
    (halves > 0).then_some(whole)
}

/// What is escaped at the start of the text, if it is by number.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn half_a_character_is_replaced_and_everything_else_is_kept() {
        for (json, text) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\uDE00b""#, "\u{fffd}b"),
            (r#""\ud83d\ud83d\ude00\ude00""#, "\u{fffd}\u{1f600}\u{fffd}"),
            (r#""\ud83d\n\\ud83d\u00fcü""#, "\u{fffd}\n\\ud83düü"),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(read::<String>(raw).as_deref(), Some(text), "{json}");
        }
        let raw: &RawValue = serde_json::from_str(r#"{"a\udc00": ["\ud800", 1.50, {"b": null}]}"#).unwrap();
        let expected = serde_json::json!({"a\u{fffd}": ["\u{fffd}", 1.5, {"b": null}]});
        assert_eq!(read::<Value>(raw), Some(expected));
    }

    #[test]
    fn what_is_something_else_is_not_read() {
        for json in ["7", r#"["\ud800"]"#, "null"] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(read::<String>(raw), None, "{json}");
        }
    }
}
