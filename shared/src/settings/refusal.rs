//! What is wrong with settings, told without their values: one may be a secret at the wrong place.

use config::ConfigError;

/// What stands for a value.
const HIDDEN: &str = "a text";

/// The message of `error`, with its key and its place, and without any value.
pub(super) fn without_values(error: &ConfigError) -> String {
    match error {
        ConfigError::Type { origin, unexpected, expected, key } => {
            let given = hidden(&unexpected.to_string());
            placed(&format!("invalid type: {given}, expected {expected}"), key.as_deref(), origin.as_deref())
        }
        ConfigError::At { error, origin, key } => {
            placed(&without_values(error), key.as_deref(), origin.as_deref())
        }
        ConfigError::FileParse { uri, cause } => {
            placed(&without_source(&cause.to_string()), None, uri.as_deref())
        }
        ConfigError::Message(message) => without_quotes(message),
        // They hold no value, as far as they are known.
        ConfigError::Frozen
        | ConfigError::NotFound(_)
        | ConfigError::PathParse { .. }
        | ConfigError::Foreign(_)
        | _ => error.to_string(),
    }
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
    for start in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = message.strip_prefix(start) {
            // The value may hold these words too, so the last ones count.
            return match rest.rsplit_once(", expected ") {
                Some((value, expected)) => format!("{start}{}, expected {expected}", hidden(value)),
                None => format!("{start}{}", hidden(rest)),
            };
        }
    }
    match message.split_once(" does not have variant constructor ") {
        // The wrong name of a section is told; what does not look like one may be a secret.
        Some((choice, name)) if !is_key(name) => format!("{choice} has no variant like {HIDDEN}"),
        Some(_) | None => message.to_owned(),
    }
}

/// `string "x"` and ``integer `1` ``, without what is quoted.
fn hidden(value: &str) -> String {
    match value.split_once(['"', '`']) {
        Some(("string " | "", _)) => HIDDEN.to_owned(),
        Some((kind, _)) => kind.trim_end().to_owned(),
        None => value.to_owned(),
    }
}

fn is_key(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[cfg(test)]
mod tests {
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
            ("enum A does not have variant constructor S3", "enum A has no variant like a text"),
            ("enum A does not have variant constructor rt", "enum A does not have variant constructor rt"),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(without_quotes(message), told);
        }
    }
}
