//! The text of a ticket as it is put together: lines with a name first, then links, then what may be long. A product
//! that takes less cuts the end.

/// A line that is longer tells nothing more.
const MAX_LINE_CHARS: usize = 1_000;
/// Of a property or dimension.
const MAX_NAME_CHARS: usize = 100;
/// What follows the lines: a query, the news of a service issue.
const MAX_BLOCK_CHARS: usize = 3_000;

/// A text in the making.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    lines: String,
    links: String,
    blocks: String,
}

impl Sheet {
    /// `name: value`, if there is a value. Line breaks become blanks: what an alert names itself begins no line.
    pub(super) fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = one_line(value.as_ref());
        if !value.is_empty() {
            let (name, value) = (cut(&one_line(name), MAX_NAME_CHARS), cut(&value, MAX_LINE_CHARS));
            self.lines.push_str(&format!("{name}: {value}\n"));
        }
    }

    /// A link, whole: half of one leads nowhere.
    pub(super) fn link(&mut self, name: &str, address: &str) {
        if !address.is_empty() {
            self.links.push_str(&format!("{name}: {address}\n"));
        }
    }

    /// A text of several lines, below a line with its name.
    pub(super) fn block(&mut self, name: &str, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.blocks.push_str(&format!("\n{name}:\n{}\n", cut(text, MAX_BLOCK_CHARS)));
        }
    }

    pub(super) fn finish(self) -> String {
        self.lines + &self.links + &self.blocks
    }
}

fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_before_links_and_links_before_what_is_long() {
        let mut sheet = Sheet::default();
        sheet.block("Query", "Heartbeat\n| count\n");
        sheet.link("Alert", "https://example.com/1");
        sheet.link("Resource", "");
        sheet.line("Rule", "cpu\n high");
        sheet.line("Nothing", " \n");
        let expected = "Rule: cpu high\nAlert: https://example.com/1\n\nQuery:\nHeartbeat\n| count\n";
        assert_eq!(sheet.finish(), expected);
    }

    #[test]
    fn what_is_too_long_is_cut_visibly() {
        let mut sheet = Sheet::default();
        sheet.line("x", "ä".repeat(MAX_LINE_CHARS + 1));
        let text = sheet.finish();
        assert!(text.ends_with("ä…\n"));
        assert_eq!(text.chars().count(), "x: ".len() + MAX_LINE_CHARS + 1);
    }
}
