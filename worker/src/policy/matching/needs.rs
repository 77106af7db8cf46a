//! Texts of which a pattern needs one to occur (pure).

use std::collections::BTreeSet;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{Extractor, Literal};

use super::glob::fold;

/// The folded texts with one of which every match of a regular expression begins; `None` if they are not known.
pub(super) fn of_regex(pattern: &str) -> Option<Vec<String>> {
    // Read as it is matched: a class may have other members without regard to case. What is found begins with one of
    // these texts as it stands, however often that is the same one in another case.
    let parsed =
        ParserBuilder::new().case_insensitive(true).dot_matches_new_line(true).build().parse(pattern).ok()?;
    let starts = Extractor::new().extract(&parsed);
    let texts: Option<BTreeSet<String>> =
        starts.literals()?.iter().map(Literal::as_bytes).map(of_bytes).collect();
    texts.filter(|texts| !texts.is_empty()).map(|texts| texts.into_iter().collect())
}

fn of_bytes(text: &[u8]) -> Option<String> {
    str::from_utf8(text).ok().filter(|text| !text.is_empty()).map(fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_needs_what_it_begins_with() {
        for (pattern, expected) in [
            ("^(team|App)-01-.*cpu", Some(vec!["app-01-", "team-01-"])),
            ("web-[12]", Some(vec!["web-1", "web-2"])),
            ("X", Some(vec!["x"])),
            ("[a-z&&[A-B]]1", Some(vec!["a1", "b1"])),
            ("ẞ", Some(vec!["ss", "ß"])),
            ("", None),
            (".*cpu", None),
            ("(cpu)?", None),
            ("[^a]b", None),
            ("[a&&b]", None),
        ] {
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(of_regex(pattern), expected, "{pattern}");
        }
    }
}
