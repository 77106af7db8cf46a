//! TicketSQL, AssetSQL and addresses of REST 2.0.
//!
//! Everything from outside stands between quotes, with quotes and backslashes escaped by a backslash, and has no
//! control characters; see <https://docs.bestpractical.com/rt/5.0/query_builder.html> for the language.

use url::Url;

use super::super::ConnectorError;

/// An address with a query of this length stays below what common proxies take, whatever is encoded.
const MAX_VALUE_BYTES: usize = 1_000;
/// Ids are database sequences.
const MAX_ID_DIGITS: usize = 18;
/// Of a ticket, what says which it is and what became of it.
const TICKET_FIELDS: &str = "Status,CustomFields";
const ASSET_FIELDS: &str = "Name,Catalog,CustomFields";

/// The name of a custom field, as it stands in `CF.{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldName(String);

impl FieldName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let legal = |c: char| !c.is_control() && !matches!(c, '{' | '}' | '\'' | '"' | '\\');
        let fits = (1..=200).contains(&name.chars().count()) && name.chars().all(legal);
        fits.then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a ticket or an asset, as it stands in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id(String);

impl Id {
    pub(super) fn parse(id: &str) -> Result<Self, ConnectorError> {
        let fits = (1..=MAX_ID_DIGITS).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(id.to_owned()))
            .ok_or_else(|| ConnectorError::Rejected(format!("{id:?} is no id of Request Tracker")))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A quoted text of the query languages; nothing if it is too long, or not all of it can be seen.
pub(super) fn quoted(value: &str) -> Option<String> {
    let plain = !value.chars().any(char::is_control) && (1..=MAX_VALUE_BYTES).contains(&value.len());
    plain.then(|| format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")))
}

/// The tickets with this value, in whichever queue people have moved them to.
pub(super) fn tickets(base: &Url, field: &FieldName, value: &str, limit: u8) -> Option<Url> {
    let query = format!("'CF.{{{}}}' = {}", field.0, quoted(value)?);
    let mut url = address(base, &["tickets"]);
    url.query_pairs_mut()
        .append_pair("query", &query)
        .append_pair("fields", TICKET_FIELDS)
        .append_pair("orderby", "id")
        .append_pair("order", "ASC")
        .append_pair("per_page", &limit.to_string());
    Some(url)
}

/// The assets of a catalog whose field has this value. JSON searches forget conditions, these do not.
pub(super) fn assets_by_field(
    base: &Url,
    catalog: &str,
    field: &FieldName,
    value: &str,
    limit: u8,
) -> Option<Url> {
    assets(base, catalog, &format!("'CF.{{{}}}' = {}", field.0, quoted(value)?), limit)
}

/// The assets of a catalog whose name contains this one in any case: equality minds the case on some databases.
pub(super) fn assets_by_name(base: &Url, catalog: &str, name: &str, limit: u8) -> Option<Url> {
    assets(base, catalog, &format!("Name LIKE {}", quoted(name)?), limit)
}

fn assets(base: &Url, catalog: &str, condition: &str, limit: u8) -> Option<Url> {
    let query = format!("Catalog = {} AND {condition} AND Status != 'deleted'", quoted(catalog)?);
    let mut url = address(base, &["assets"]);
    url.query_pairs_mut()
        .append_pair("query", &query)
        .append_pair("fields", ASSET_FIELDS)
        .append_pair("per_page", &limit.to_string());
    Some(url)
}

/// An address below the API; no segment can become two.
pub(super) fn address(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["REST", "2.0"]).extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base() -> Url {
        Url::parse("https://rt.example.com/rt/").unwrap()
    }

    fn query_of(url: &Url) -> String {
        url.query_pairs().find(|(key, _)| key == "query").unwrap().1.into_owned()
    }

    #[test]
    fn a_value_stays_between_its_quotes() {
        let field = FieldName::parse("Azure Alert Id").unwrap();
        let url = tickets(&base(), &field, r"x\' OR id > 0 OR Subject = '", 10).unwrap();
        assert_eq!(query_of(&url), r"'CF.{Azure Alert Id}' = 'x\\\' OR id > 0 OR Subject = \''");
        assert!(url.as_str().starts_with("https://rt.example.com/rt/REST/2.0/tickets?query="));
        let url = assets_by_name(&base(), "CIs", "web-01", 100).unwrap();
        assert_eq!(query_of(&url), "Catalog = 'CIs' AND Name LIKE 'web-01' AND Status != 'deleted'");
    }

    #[test]
    fn what_cannot_stand_in_a_query_is_not_asked_for() {
        for value in ["", "a\nb", "a\0", &"x".repeat(1_001)] {
            assert_eq!(quoted(value), None, "{value:?}");
        }
        for name in ["", "a}b", "a'b", "a\\b", "a\nb"] {
            assert_eq!(FieldName::parse(name), None, "{name:?}");
        }
        for id in ["", "1/../2", "-1", "1e3", "x", "1234567890123456789"] {
            assert!(Id::parse(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_name_with_a_slash_is_one_segment() {
        let url = address(&base(), &["queue", "a/b ?#"]);
        assert_eq!(url.path(), "/rt/REST/2.0/queue/a%2Fb%20%3F%23");
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes(value in any::<String>()) {
            if let Some(text) = quoted(&value) {
                let mut inside = text.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().chars();
                let mut read = String::new();
                while let Some(c) = inside.next() {
                    prop_assert_ne!(c, '\'');
                    read.push(if c == '\\' { inside.next().unwrap() } else { c });
                }
                prop_assert_eq!(read, value);
            }
        }
    }
}
