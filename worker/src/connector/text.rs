//! Makes text from outside safe to pass on: no control characters, no more than a product takes.

use super::WorkItem;

/// Stands where text was cut off.
const ELLIPSIS: char = '…';

/// The text as one line of at most `max_chars` characters.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let seen: String = text.chars().filter(|c| !hides(*c)).collect();
    let words = seen.split(|c: char| c.is_control() || c == ' ' || breaks(c)).filter(|word| !word.is_empty());
    truncate(&words.collect::<Vec<_>>().join(" "), max_chars)
}

/// Whether anything is seen of the text.
pub(crate) fn is_seen(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !hides(c) && !varies(c))
}

/// The text with its line breaks and tabs but no other control characters, at most `max_chars` characters.
pub(super) fn block(text: &str, max_chars: usize) -> String {
    let lines = text.chars().map(|c| if breaks(c) { '\n' } else { c });
    let kept: String =
        lines.filter(|c| (!c.is_control() || matches!(c, '\n' | '\t')) && !hides(*c)).collect();
    truncate(&kept, max_chars)
}

/// What stands on a work item that was made beside another one.
pub(super) fn duplicate_of(original: &WorkItem) -> String {
    format!("Duplicate of {}: both were made for the same Azure Monitor alert.", original.number)
}

/// Why a route may not set a field that tickets are found again by or moved with.
pub(super) fn reserved(field: &str) -> String {
    format!("the route sets field `{field}`, which the connector sets itself: remove it from the route")
}

/// Why a route may not set a field of this name.
pub(super) fn nameless() -> String {
    "the route sets a field without a name: name it, or remove it from the route".to_owned()
}

/// A field's name as it is compared. Products take names in any case, and trim them, without a word.
pub(super) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Whether it begins a line or a paragraph without being a control character.
fn breaks(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether it is not seen and only hides what is: it has text shown in another order, splits or pads a word, or carries
/// letters that nobody sees. Joiners and marks of direction are not among them, which Arabic, Indic scripts and emoji need;
/// a flag that is spelt with such letters becomes a plain one.
///
/// <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>,
/// <https://www.unicode.org/reports/tr36/#Recommendations_General>
fn hides(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e01ef}')
}

/// Whether it only changes what stands beside it, and is nothing by itself: joiners, marks of direction, variants of signs.
fn varies(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180b}'..='\u{180d}' | '\u{200c}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}')
}

fn truncate(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    // The second `take` is for a limit of nothing, which has no room for the ellipsis either.
    text.chars().take(max_chars.saturating_sub(1)).chain([ELLIPSIS]).take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_no_breaks_and_a_block_keeps_them() {
        assert_eq!(line("CPU\r\n high\u{7}\t now", 50), "CPU high now");
        assert_eq!(block("CPU\r\n\thigh\u{1b}[31m", 50), "CPU\n\thigh[31m");
    }

    #[test]
    fn nothing_is_shown_in_another_order_than_it_is_written() {
        assert_eq!(line("a\u{202e}b\u{2066}c\u{2028}d", 50), "abc d");
        assert_eq!(block("a\u{202e}b\u{2066}c\u{2028}d", 50), "abc\nd");
    }

    #[test]
    fn what_nobody_sees_is_left_out_and_what_scripts_need_stays() {
        assert_eq!(line("a \u{200b} b", 50), "a b");
        let hidden = "c\u{200b}p\u{ad}u\u{feff}\u{2060}\u{e0041}\u{fff9}";
        assert_eq!((line(hidden, 50), block(hidden, 50)), ("cpu".to_owned(), "cpu".to_owned()));
        for kept in ["می\u{200c}خواهم", "👩\u{200d}🚒", "א\u{200f}!"] {
            assert_eq!((&*line(kept, 50), &*block(kept, 50)), (kept, kept));
        }
        assert!(is_seen("\u{200b}a") && is_seen("👩\u{200d}🚒"));
        assert!(!is_seen("") && !is_seen(" \n\u{7}\u{200b}\u{200d}\u{202e}\u{feff}"));
    }

    #[test]
    fn what_is_cut_off_is_visible_and_counted_in_characters() {
        assert_eq!(line("äöüß", 4), "äöüß");
        assert_eq!(line("äöüßx", 4), "äöü…");
        assert_eq!(line("xy", 0), "");
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_its_limit(text in any::<String>(), max_chars in 0_usize..20) {
            for fitted in [line(&text, max_chars), block(&text, max_chars)] {
                prop_assert!(fitted.chars().count() <= max_chars);
                prop_assert!(!fitted.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            }
        }

        #[test]
        fn text_that_fits_is_left_alone(text in "[a-zäöü€🔥\n\t]{0,20}") {
            prop_assert_eq!(block(&text, 20), text);
        }
    }
}
