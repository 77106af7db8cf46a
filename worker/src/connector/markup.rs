//! Text from outside as a product's markup shows it as it is (pure): filters of templates, for fields that are not plain.

use minijinja::Environment;
use minijinja::value::{Serde, Value as Rendered};
use serde_json::{Value, json};

/// Adds the filters whose result is a text.
pub(crate) fn add_texts(environment: &mut Environment<'_>) {
    environment.add_filter("html", html);
    environment.add_filter("wiki", wiki);
}

/// Adds the filters whose result is JSON.
pub(super) fn add_documents(environment: &mut Environment<'_>) {
    environment.add_filter("adf", |text: &str| Rendered::from(Serde(adf(text))));
}

/// Text for a field that the product shows as HTML.
fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push_str("<br>"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text for a field that the product shows as Jira's wiki markup:
/// <https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all>
///
/// Every sign of ASCII becomes its number, which the renderer shows and never reads as markup. A backslash would not do:
/// it escapes some of the signs only, and what stands after two of them not at all. Without signs there is no macro, link,
/// address, mention, image, emoticon, key of an issue, list, heading or table either.
fn wiki(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // One that stands between words begins and ends nothing.
        if c.is_ascii_punctuation() && c != ',' {
            escaped.push_str(&format!("&#{};", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Text as a document of Atlassian: <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>
///
/// A blank line begins another paragraph. Nothing in a text node is markup, and an empty one is not allowed.
fn adf(text: &str) -> Value {
    let paragraphs = text.split("\n\n").map(inline).filter(|nodes| !nodes.is_empty());
    let paragraphs: Vec<Value> =
        paragraphs.map(|nodes| json!({ "type": "paragraph", "content": nodes })).collect();
    json!({ "type": "doc", "version": 1, "content": paragraphs })
}

/// The lines of one paragraph.
fn inline(paragraph: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    for line in paragraph.trim_matches('\n').split('\n') {
        if !nodes.is_empty() {
            nodes.push(json!({ "type": "hardBreak" }));
        }
        if !line.is_empty() {
            nodes.push(json!({ "type": "text", "text": line }));
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the renderer makes of numbers.
    fn shown(markup: &str) -> String {
        let mut parts = markup.split("&#");
        let mut shown = parts.next().unwrap().to_owned();
        for part in parts {
            let (number, rest) = part.split_once(';').unwrap();
            shown.push(char::from_u32(number.parse().unwrap()).unwrap());
            shown.push_str(rest);
        }
        shown
    }

    #[test]
    fn nothing_of_an_alert_is_wiki_markup() {
        for text in [
            "{code}x{code}",
            "[~admin] [https://example.com] [^secrets.txt]",
            "!https://example.com/pixel.png!",
            "https://example.com mailto:a@b.c",
            "h1. big\nbq. quoted\n# one\n* two\n|| a || b ||\n----",
            "\\{code\\} \\\\ &#123;code&#125; &lt;",
            "OPS-7 (!) :) *bold* _it_ {color:red}red{color}",
        ] {
            let markup = wiki(text);
            let left = markup.replace("&#", "").replace([';', ','], "");
            assert!(!left.contains(|c: char| c.is_ascii_punctuation()), "{markup}");
            assert_eq!(shown(&markup), text);
        }
        assert_eq!(wiki("CPU, 90 %"), "CPU, 90 &#37;");
    }

    #[test]
    fn a_document_has_paragraphs_and_line_breaks_and_no_empty_text() {
        let text = |text: &str| json!({ "type": "text", "text": text });
        let document = adf("Fired\nat noon\n\n\n\n{code} @all\n");
        assert_eq!(
            document["content"],
            json!([
                { "type": "paragraph", "content": [text("Fired"), { "type": "hardBreak" }, text("at noon")] },
                { "type": "paragraph", "content": [text("{code} @all")] },
            ])
        );
        for nothing in ["", "\n", "\n\n\n"] {
            assert_eq!(adf(nothing), json!({ "type": "doc", "version": 1, "content": [] }));
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[a-c \n\\\\{}\\[\\]|!*_#;:&^~?@0-9.-]{0,40}"]
    }

    proptest! {
        #[test]
        fn no_sign_of_html_stays_active_and_all_of_the_text_is_shown(text in any_text()) {
            let markup = html(&text);
            prop_assert!(!markup.replace("<br>", "").contains(['<', '>', '"', '\'', '\n']));
            let names = [("<br>", "\n"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
            let shown = names.iter().fold(markup, |shown, (name, sign)| shown.replace(name, sign));
            prop_assert_eq!(shown, text);
        }

        #[test]
        fn no_sign_of_wiki_markup_stays_active_and_all_of_the_text_is_shown(text in any_text()) {
            let markup = wiki(&text);
            // Numbers are the only signs that are left.
            let is_plain = |part: &str| !part.contains(|c: char| c.is_ascii_punctuation() && c != ',');
            let mut parts = markup.split('&');
            prop_assert!(is_plain(parts.next().unwrap()));
            for part in parts {
                let (number, rest) = part.strip_prefix('#').unwrap().split_once(';').unwrap();
                prop_assert!(number.parse::<u8>().is_ok_and(|sign| sign.is_ascii_punctuation()) && is_plain(rest));
            }
            prop_assert_eq!(shown(&markup), text);
        }

        #[test]
        fn a_document_has_no_marks_and_keeps_every_line(text in any_text()) {
            let document = adf(&text);
            let mut lines = Vec::new();
            for paragraph in document["content"].as_array().unwrap() {
                prop_assert_eq!((&paragraph["type"], paragraph.as_object().unwrap().len()), (&json!("paragraph"), 2));
                for node in paragraph["content"].as_array().unwrap() {
                    let keys: Vec<&str> = node.as_object().unwrap().keys().map(String::as_str).collect();
                    match node["type"].as_str().unwrap() {
                        "hardBreak" => prop_assert_eq!(keys, ["type"]),
                        "text" => {
                            prop_assert_eq!(keys, ["text", "type"]);
                            lines.push(node["text"].as_str().unwrap().to_owned());
                        }
                        other => prop_assert!(false, "{}", other),
                    }
                }
            }
            let written: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(lines, written);
        }
    }
}
