//! How the commands answer: in text or JSON, and never with what could rewrite the operator's screen.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

/// Characters of one text in a list.
const MAX_CHARS: usize = 200;

/// Characters of one text in the account of one thing alone; JSON has it in full.
const MAX_TOLD_CHARS: usize = 4_000;

/// In which form a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// The choice of the form on the command line.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Answer in JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl Choice {
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

/// Writes the answer of a command. Somebody who stops reading, such as `head`, has had enough.
pub(super) fn answer(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes an answer in JSON.
pub(super) fn answer_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(answer(&escaped_json(&serde_json::to_string_pretty(value)?))?)
}

/// One line of a text that is not ours, cut short.
pub(super) fn printable(text: &str) -> String {
    one_line(text).chars().take(MAX_CHARS).collect()
}

/// As much of a text as somebody reads, and how much more there is.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TOLD_CHARS) {
        None => text.into(),
        Some((end, _)) => {
            let (told, rest) = text.split_at(end);
            format!("{told}… ({} more characters, see --json)", rest.chars().count()).into()
        }
    }
}

/// One line of a text that is not ours, in full.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if rewrites(c) { ' ' } else { c }).collect()
}

/// A body as it came, in full: what is no text and what could rewrite the screen is escaped, and the start of each line
/// says that it is the body's.
pub(super) fn printable_body(body: &[u8]) -> String {
    let mut text = String::from("  | ");
    for chunk in body.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\n  | "),
                c if rewrites(c) => text.extend(c.escape_unicode()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a `String` cannot fail.
            write!(text, "\\x{byte:02x}").ok();
        }
    }
    text
}

/// An instant to the second.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// JSON escapes the older control characters only. What else could rewrite the screen stands in its strings alone, where
/// an escape means the same.
fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if rewrites(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").ok();
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Control and formatting characters: the general categories Cc, Cf, Zl and Zp of Unicode 17, see
/// <https://www.unicode.org/Public/17.0.0/ucd/extracted/DerivedGeneralCategory.txt>.
fn rewrites(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\0\u{1b}[2J\u{9b}31m\u{202e}\r\u{7f}\u{ad}\u{fff9}\u{e0041}ü";

    #[test]
    fn nothing_in_a_text_reaches_the_screen_raw() {
        for shown in [printable(HOSTILE), printable_body(HOSTILE.as_bytes())] {
            assert!(!shown.chars().any(rewrites), "{shown:?}");
            assert!(shown.contains('a') && shown.contains('ü'));
        }
        assert_eq!(printable_body(b"a\n\xff\x1b"), "  | a\n  | \\xff\\u{1b}");
    }

    #[test]
    fn a_text_that_is_too_long_to_read_says_how_much_is_missing() {
        assert_eq!(shortened(HOSTILE), HOSTILE);
        let long = "ü".repeat(MAX_TOLD_CHARS);
        assert_eq!(shortened(&long), long);
        let told = shortened(&format!("{long}xyz")).into_owned();
        assert_eq!(told, format!("{long}… (3 more characters, see --json)"));
    }

    #[test]
    fn json_says_the_same_with_everything_escaped() {
        let json = escaped_json(&serde_json::to_string_pretty(&[HOSTILE]).unwrap());
        assert!(!json.chars().any(|c| rewrites(c) && c != '\n'), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [HOSTILE]);
    }
}
