//! Plain text from the HTML that service health writes its news in.
//!
//! One pass: what a tag or an entity becomes is never read as a tag again. What looks like a tag and does not end is
//! dropped with all that follows, since a product might end it.

/// The text without markup: paragraphs and rows become lines, a link keeps its address.
pub(super) fn from_html(html: &str) -> String {
    let mut lines = Lines::default();
    let mut address = None;
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        lines.text(before);
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            // Apart from what follows, which may be a tag that is dropped and a word behind it.
            lines.text(if after.starts_with('<') { "< " } else { "<" });
            rest = after;
            continue;
        }
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        let Some((tag, after)) = after.split_once(end) else { return lines.finish() };
        rest = after;
        let name: String = tag
            .chars()
            .skip_while(|c| *c == '/')
            .take_while(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let closes = tag.starts_with('/');
        match name.as_str() {
            "script" | "style" if !closes => {
                let Some(after) = behind_closing(rest, &name) else { return lines.finish() };
                rest = after;
            }
            "a" if closes => {
                if let Some(address) = address.take().filter(|address: &String| !lines.shows(address)) {
                    lines.text(&format!(" ({address})"));
                }
            }
            "a" => address = target(tag),
            "li" if !closes => {
                lines.end();
                lines.text("- ");
            }
            "td" | "th" if closes => lines.text(" "),
            "br" | "p" | "div" | "li" | "ul" | "ol" | "tr" | "table" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" => {
                lines.end();
            }
            _ => {}
        }
    }
    lines.text(rest);
    lines.finish()
}

/// What follows the closing tag of an element whose content is no text.
fn behind_closing<'a>(mut rest: &'a str, name: &str) -> Option<&'a str> {
    loop {
        let (_, after) = rest.split_once("</")?;
        rest = after;
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after.split_once('>').map(|(_, after)| after);
        }
    }
}

/// The address of a link, if it leads to a web site.
fn target(tag: &str) -> Option<String> {
    let (_, after) = tag.split_once("href=")?;
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let address = after.split(quote).nth(1)?.trim();
    let address = decoded(address);
    (!super::links::given(&address).is_empty()).then_some(address)
}

#[derive(Default)]
struct Lines {
    done: String,
    line: String,
}

impl Lines {
    fn text(&mut self, text: &str) {
        self.line.push_str(&decoded(text));
    }

    fn shows(&self, text: &str) -> bool {
        self.line.contains(text)
    }

    fn end(&mut self) {
        let words: Vec<&str> = self.line.split_whitespace().collect();
        if !words.is_empty() {
            self.done.push_str(&words.join(" "));
            self.done.push('\n');
        }
        self.line.clear();
    }

    fn finish(mut self) -> String {
        self.end();
        self.done.trim_end().to_owned()
    }
}

/// Text with its entities resolved, once. What is no entity that we know stays as it is.
fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        // The longest that we know is `&hellip;`, the longest number `&#x10ffff;`.
        let end = after.char_indices().take(10).find(|(_, c)| *c == ';').map(|(at, _)| at);
        let entity = end.and_then(|at| Some((entity(after.get(..at)?)?, after.get(at.saturating_add(1)..)?)));
        let Some((c, after)) = entity else {
            decoded.push('&');
            rest = after;
            continue;
        };
        decoded.push(c);
        rest = after;
    }
    decoded.push_str(rest);
    decoded
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "hellip" => '…',
        "bull" => '•',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn news_read_as_they_look_in_a_browser() {
        let html = "<p><strong>Impact:</strong>&nbsp;requests&#160;may <em>fail</em> &amp; time out.</p>\r\n\
            <p>See <a href='https://aka.ms/x?a=1&amp;b=2'>the page</a>.</p>\
            <ul><li>West Europe</li><li>North Europe</li></ul><table><tr><td>Storage</td><td>down<br></td></tr></table>";
        insta::assert_snapshot!(from_html(html), @r"
        Impact: requests may fail & time out.
        See the page (https://aka.ms/x?a=1&b=2).
        - West Europe
        - North Europe
        Storage down
        ");
    }

    #[test]
    fn no_markup_is_left_and_none_comes_into_being() {
        let cases = [
            ("a<script>alert(1)</script>b", "ab"),
            ("a<STYLE>p{}</Style >b", "ab"),
            ("a<script>alert(1)", "a"),
            ("<scr<script>ipt>x", "ipt>x"),
            ("a<!-- <b> -->b", "ab"),
            ("a<img src=x onerror=alert(1)", "a"),
            ("latency < 5 ms, a <3", "latency < 5 ms, a <3"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("<a href=\"javascript:x()\">y</a>", "y"),
            ("&unknown; &#0; &#xD800; & &;", "&unknown; &#0; &#xD800; & &;"),
            ("<p>text</<td>/<tr>", "text/"),
        ];
        for (html, expected) in cases {
            assert_eq!(from_html(html), expected, "{html}");
        }
    }

    proptest! {
        #[test]
        fn no_text_that_has_no_entities_keeps_a_tag(
            html in "([a-z ä\"'=/>!-]|<|<[a-z]{1,6}|</|<!--|-->|<script>|</script>|<a href='https://a'>){0,40}"
        ) {
            let text = from_html(&html);
            let starts_tag = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?');
            prop_assert!(!text.split('<').skip(1).any(|after| after.starts_with(starts_tag)), "{text}");
        }

        #[test]
        fn any_text_can_be_read(html in any::<String>()) {
            prop_assert!(from_html(&html).chars().count() <= html.chars().count() * 2 + 2);
        }
    }
}
