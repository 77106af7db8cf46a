//! What is wrong with settings, told without their values: one may be a secret at the wrong place.

use config::ConfigError;

/// What stands for a value.
const HIDDEN: &str = "a text";
/// What is told of a table where a list belongs.
const TABLE_FOR_LIST: &str = "invalid type: a table, expected a list";

/// The message of `error`, with its key and its place, and without any value.
pub(super) fn without_values(error: &ConfigError) -> String {
    match error {
        ConfigError::Type { origin, unexpected, expected, key } => {
            let given = hidden(&unexpected.to_string());
            let message = format!("invalid type: {given}, expected {}", in_words(expected));
            placed(&message, key.as_deref(), origin.as_deref())
        }
        ConfigError::At { error, origin, key } => {
            let message = without_values(error);
            let hint = key.as_deref().and_then(|key| list_of_tables(&message, key)).unwrap_or_default();
            placed(&format!("{message}{hint}"), key.as_deref(), origin.as_deref())
        }
        ConfigError::NotFound(key) => format!("missing configuration field \"{}\"", dotted(key)),
        ConfigError::FileParse { uri, cause } => {
            placed(&without_source(&cause.to_string()), None, uri.as_deref())
        }
        ConfigError::Message(message) => without_quotes(message),
        // They hold no value, as far as they are known.
        ConfigError::Frozen | ConfigError::PathParse { .. } | ConfigError::Foreign(_) | _ => {
            error.to_string()
        }
    }
}

/// `[routes]` is one table, and TOML writes those of a list with two brackets.
fn list_of_tables(message: &str, key: &str) -> Option<String> {
    (message == TABLE_FOR_LIST && is_key(key)).then(|| format!(": write `[[{key}]]`"))
}

fn placed(message: &str, key: Option<&str>, origin: Option<&str>) -> String {
    let key = key.map(|key| format!(" for key `{}`", dotted(key))).unwrap_or_default();
    let origin = origin.map(|origin| format!(" in {origin}")).unwrap_or_default();
    format!("{message}{key}{origin}")
}

/// After the number of an item no dot stands, as it comes: `routes[0]match`.
fn dotted(key: &str) -> String {
    let dotted = key.replace(']', "].").replace("]..", "].").replace("].[", "][");
    dotted.strip_suffix('.').map(str::to_owned).unwrap_or(dotted)
}

/// The first line says where, the last one what; those between quote the file.
fn without_source(message: &str) -> String {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(place), Some(what)) => format!("{place}: {what}"),
        (Some(only), None) => only.to_owned(),
        (None, _) => "it cannot be read".to_owned(),
    }
}

/// Messages of serde quote what they refuse, and say then what was expected.
fn without_quotes(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let expected = rest.rsplit_once(", expected ").map(|(_, expected)| format!(", expected {expected}"));
        return format!("unknown choice{}", expected.unwrap_or_default());
    }
    if message.starts_with("value of enum ") {
        return "expected the name of a choice, or a table with exactly one key".to_owned();
    }
    for start in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = message.strip_prefix(start) {
            // The value may hold these words too, so the last ones count.
            return match rest.rsplit_once(", expected ") {
                Some((value, expected)) => {
                    format!("{start}{}, expected {}", hidden(value), in_words(expected))
                }
                None => format!("{start}{}", hidden(rest)),
            };
        }
    }
    match message.split_once(" does not have variant constructor ") {
        // The wrong name of a section is told; what does not look like one may be a secret.
        Some((_, name)) if is_key(name) => format!("unknown choice `{name}`"),
        Some(_) => "unknown choice".to_owned(),
        None => message.to_owned(),
    }
}

/// What was expected, in the words of a file of settings and not in those of a program.
fn in_words(expected: &str) -> &str {
    match expected {
        "a map" => "a table",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "an integer" | "an signed 64 bit or less integer" => "a whole number",
        "an unsigned 64 bit or less integer" => "a whole number, 0 or more",
        "an unsigned 8 bit integer" => "a whole number from 0 to 255",
        "an unsigned 16 bit integer" => "a whole number from 0 to 65535",
        "an unsigned 32 bit integer" => "a whole number from 0 to 4294967295",
        structure if structure.starts_with("struct ") => "a table",
        other => other,
    }
}

/// `string "x"` and ``integer `1` ``, without what is quoted.
fn hidden(value: &str) -> String {
    match value.split_once(['"', '`']) {
        Some(("string " | "", _)) => HIDDEN.to_owned(),
        Some((kind, _)) => kind.trim_end().to_owned(),
        None if value == "map" => "a table".to_owned(),
        None if value == "sequence" => "a list".to_owned(),
        None => value.to_owned(),
    }
}

fn is_key(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_within_an_item_of_a_list_has_a_dot_before_it() {
        for (key, told) in
            [("a[0]b.c", "a[0].b.c"), ("a[0].b[1]", "a[0].b[1]"), ("a[0][1]b", "a[0][1].b"), ("a.b", "a.b")]
        {
            assert_eq!(dotted(key), told);
        }
    }

    #[test]
    fn messages_keep_what_was_expected_and_lose_what_was_given() {
        for (message, told) in [
            (
                r#"invalid type: string "S3\", expected x", expected u16"#,
                "invalid type: a text, expected u16",
            ),
            ("invalid value: integer `7`, expected 1 to 5", "invalid value: integer, expected 1 to 5"),
            ("invalid value: string \"S3\"", "invalid value: a text"),
            ("unknown variant `S3`, expected `a` or `b`", "unknown choice, expected `a` or `b`"),
            ("enum A does not have variant constructor S3", "unknown choice"),
            ("enum A does not have variant constructor rt", "unknown choice `rt`"),
            (
                "value of enum A should be represented by either string or table with exactly one key",
                "expected the name of a choice, or a table with exactly one key",
            ),
            ("invalid type: map, expected a sequence", "invalid type: a table, expected a list"),
            ("invalid type: sequence, expected struct A", "invalid type: a list, expected a table"),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(without_quotes(message), told);
        }
    }

    #[test]
    fn what_is_expected_is_told_in_the_words_of_a_file_and_with_its_whole_key() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "it is never read, since each of its forms is refused")]
        struct Sample {
            rules: Vec<Rule>,
            port: u16,
            storm: Storm,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "as above")]
        struct Rule {
            name: String,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "as above")]
        struct Storm {
            limit: u64,
            on: bool,
        }
        for (settings, told) in [
            (json!({"storm": 5}), "invalid type: integer, expected a table for key `storm`"),
            (
                json!({"storm": {"limit": -1}}),
                "invalid type: 64-bit integer, expected a whole number, 0 or more for key `storm.limit`",
            ),
            (
                json!({"storm": {"limit": "many"}}),
                "invalid type: a text, expected a whole number for key `storm.limit`",
            ),
            (
                json!({"storm": {"on": "maybe"}}),
                "invalid type: a text, expected true or false for key `storm.on`",
            ),
            (
                json!({"port": 65_536}),
                "invalid type: 64-bit unsigned integer, expected a whole number from 0 to 65535 for key `port`",
            ),
            (
                json!({"rules": {"name": "a"}}),
                "invalid type: a table, expected a list: write `[[rules]]` for key `rules`",
            ),
            (json!({"rules": [{}]}), "missing configuration field \"rules[0].name\""),
        ] {
            let error = super::super::reread::<Sample>(settings).unwrap_err().to_string();
            assert_eq!(error, told);
        }
    }
}
