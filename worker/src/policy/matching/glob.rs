//! A pattern of plain text with `*` and `?` (pure).

/// A pattern that has to fit all of a text, both folded: `*` stands for any characters, `?` for one.
#[derive(Debug)]
pub(super) struct Glob {
    /// What stands before, between and after the stars; nothing but the text itself when there is no star.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    text: String,
    /// Whether it is only itself.
    is_plain: bool,
}

/// The text in which letters differ by more than their case. Upper case first: there some letters meet that have several
/// lower forms.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        let part = |text: &str| Part { text: fold(text), is_plain: !text.contains('?') };
        Self { parts: pattern.split('*').map(part).collect() }
    }

    /// Whether it is nothing but stars.
    pub(super) fn takes_all(&self) -> bool {
        self.parts.len() > 1 && self.parts.iter().all(|part| part.text.is_empty())
    }

    /// The longest text that occurs in all that it fits.
    pub(super) fn needs(&self) -> Option<&str> {
        let texts = self.parts.iter().flat_map(|part| part.text.split('?'));
        texts.max_by_key(|text| text.len()).filter(|text| !text.is_empty())
    }

    /// Whether it fits a folded text.
    pub(super) fn fits(&self, folded: &str) -> bool {
        let (first, between, last) = match self.parts.as_slice() {
            [] => return folded.is_empty(),
            [only] => return only.after_start_of(folded) == Some(""),
            [first, between @ .., last] => (first, between, last),
        };
        let Some(mut rest) = first.after_start_of(folded) else { return false };
        for part in between {
            // The earliest place leaves the most for the parts that follow.
            let Some(after) = part.after_first_in(rest) else { return false };
            rest = after;
        }
        last.ends(rest)
    }
}

impl Part {
    /// What follows it at the start of a text.
    fn after_start_of<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.is_plain {
            return text.strip_prefix(self.text.as_str());
        }
        let mut rest = text.chars();
        for wanted in self.text.chars() {
            let has = rest.next()?;
            if wanted != '?' && wanted != has {
                return None;
            }
        }
        Some(rest.as_str())
    }

    fn after_first_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.is_plain {
            return text.split_once(self.text.as_str()).map(|(_, after)| after);
        }
        text.char_indices().find_map(|(at, _)| self.after_start_of(text.get(at..)?))
    }

    fn ends(&self, text: &str) -> bool {
        if self.is_plain {
            return text.ends_with(self.text.as_str());
        }
        let chars = self.text.chars().count();
        let start = text.char_indices().rev().take(chars).last().map_or(0, |(at, _)| at);
        text.get(start..).and_then(|end| self.after_start_of(end)) == Some("")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::RegexBuilder;

    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).fits(&fold(text))
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "any\nthing", true),
            ("web-*", "WEB-01", true),
            ("*-web", "prod-web", true),
            ("*-web", "prod-web-01", false),
            ("web-0?", "web-07", true),
            ("web-0?", "web-0", false),
            ("?*", "", false),
            ("a*a", "a", false),
            ("a*b?d*e", "aabcbxde", true),
            ("*ab", "aab", true),
            ("*?b", "b", false),
            ("straße*", "STRASSE 1", true),
            ("ΟΔΟΣ", "οδος", true),
            ("caf?", "café", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_the_regular_expression_of_the_same_meaning_does(
            pattern in "[abAé*?\n]{0,8}", text in "[abAÉ\n]{0,8}"
        ) {
            let regex = regex::escape(&pattern).replace("\\*", ".*").replace("\\?", ".");
            let regex = RegexBuilder::new(&format!("^{regex}$"))
                .case_insensitive(true)
                .dot_matches_new_line(true)
                .build()
                .unwrap();
            prop_assert_eq!(fits(&pattern, &text), regex.is_match(&text));
        }
    }
}
