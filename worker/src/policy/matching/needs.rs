//! Texts of which a pattern needs one to occur (pure).

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{Extractor, Literal};

use super::glob::fold;

/// The folded texts with one of which every match of a regular expression begins, whatever its case; `None` if they are
/// not known.
pub(super) fn of_regex(pattern: &str) -> Option<Vec<String>> {
    // Without regard to case there were a text for every way of writing it.
    let parsed = ParserBuilder::new().dot_matches_new_line(true).build().parse(pattern).ok()?;
    let starts = Extractor::new().extract(&parsed);
    starts.literals()?.iter().map(Literal::as_bytes).map(of_bytes).collect()
}

/// Folding and the case of regular expressions agree about what fits a letter of ASCII, not about all others.
fn of_bytes(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii() && !text.is_empty())?;
    Some(fold(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_needs_what_it_begins_with() {
        for (pattern, expected) in [
            ("^(team|App)-01-.*cpu", Some(vec!["team-01-", "app-01-"])),
            ("web-[12]", Some(vec!["web-1", "web-2"])),
            ("(?i)x", Some(vec!["x", "x"])),
            ("", None),
            (".*cpu", None),
            ("(cpu)?", None),
            ("[^a]b", None),
            ("straße|x", None),
        ] {
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(of_regex(pattern), expected, "{pattern}");
        }
    }
}
