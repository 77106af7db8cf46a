//! Addresses and encoded queries of the Table API.
//!
//! `^` cannot be escaped inside a value and `javascript:` is evaluated, so a query is put together only from
//! types whose text means nothing to the query language: [`Identifier`] and [`QueryValue`].

use std::borrow::Cow;

use url::{Url, form_urlencoded};

/// With two values on two columns an address stays under the 2,048 characters that every proxy takes.
const MAX_ENCODED_BYTES: usize = 380;
/// Evaluated as a script when a value begins with it, also after `@`.
const SCRIPT: &str = "javascript:";
/// Values are raw in both directions: labels differ by language, and times by the user's zone.
const RAW: [(&str, &str); 3] = [
    ("sysparm_display_value", "false"),
    ("sysparm_input_display_value", "false"),
    ("sysparm_exclude_reference_link", "true"),
];

/// The name of a table or of a column, as the data dictionary writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier(Cow<'static, str>);

impl Identifier {
    /// A name that is written in this program.
    pub(super) const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=80).contains(&name.len()) && name.chars().all(legal);
        fits.then(|| Self(Cow::Owned(name.to_owned())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value that a query can hold without being changed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryValue(String);

impl QueryValue {
    pub(super) fn new(value: &str) -> Option<Self> {
        let encoded: usize = form_urlencoded::byte_serialize(value.as_bytes()).map(str::len).sum();
        let plain = !value.chars().any(|c| c == '^' || c.is_control())
            && value.trim() == value
            && !value.to_ascii_lowercase().contains(SCRIPT);
        (plain && (1..=MAX_ENCODED_BYTES).contains(&encoded)).then(|| Self(value.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a record, as it stands in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SysId(String);

impl SysId {
    /// 32 hexadecimal characters; shipped records also have other letters and fewer of them.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let fits = (1..=32).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric());
        fits.then(|| Self(id.to_owned()))
    }
}

/// An encoded query: conditions that must all hold.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// One of the columns has one of the values.
    #[must_use]
    pub(super) fn any(mut self, columns: &[Identifier], values: &[QueryValue]) -> Self {
        let pairs = columns.iter().flat_map(|column| values.iter().map(move |value| (column, value)));
        for (position, (column, value)) in pairs.enumerate() {
            let joint = match (position, self.0.is_empty()) {
                (0, true) => "",
                (0, false) => "^",
                _ => "^OR",
            };
            self.0 += &format!("{joint}{}={}", column.as_str(), value.as_str());
        }
        self
    }

    /// Conditions that are written in this program.
    #[must_use]
    pub(super) fn and(mut self, conditions: &'static str) -> Self {
        self.0 += "^";
        self.0 += conditions;
        self
    }
}

/// The address of a table, asking for these columns of what is written to it.
pub(super) fn table_url(base: &Url, table: &Identifier, columns: &[&str]) -> Url {
    address(base, &[table.as_str()], columns)
}

/// The address of one record.
pub(super) fn record_url(base: &Url, table: &Identifier, id: &SysId, columns: &[&str]) -> Url {
    address(base, &[table.as_str(), &id.0], columns)
}

/// The address of at most `limit` records that match.
pub(super) fn search_url(base: &Url, table: &Identifier, query: &Query, columns: &[&str], limit: u8) -> Url {
    let mut url = table_url(base, table, columns);
    url.query_pairs_mut()
        .append_pair("sysparm_query", &query.0)
        .append_pair("sysparm_limit", &limit.to_string())
        .append_pair("sysparm_no_count", "true");
    url
}

fn address(base: &Url, path: &[&str], columns: &[&str]) -> Url {
    let mut url = base.clone();
    // It fails only for a URL that has no host, which the settings do not let through.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["api", "now", "table"]).extend(path);
    }
    url.query_pairs_mut().extend_pairs(RAW).append_pair("sysparm_fields", &columns.join(","));
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> QueryValue {
        QueryValue::new(text).unwrap()
    }

    #[test]
    fn alternatives_bind_closer_than_conditions() {
        let columns = [Identifier::known("name"), Identifier::known("fqdn")];
        let query = Query::default()
            .any(&[Identifier::known("key")], &[value("k")])
            .any(&columns, &[value("a"), value("b")])
            .and("install_status!=7");
        assert_eq!(query.0, "key=k^name=a^ORname=b^ORfqdn=a^ORfqdn=b^install_status!=7");
    }

    #[test]
    fn what_means_something_to_the_query_language_is_no_value() {
        for text in [
            "",
            " ",
            "a^ORactive=true",
            "a\nb",
            "a\u{0}",
            "javascript:gs.getUserID()",
            "x@JavaScript:y",
            &"a".repeat(MAX_ENCODED_BYTES + 1),
            &"ä".repeat(100),
        ] {
            assert_eq!(QueryValue::new(text), None, "{text:?}");
        }
        assert!(QueryValue::new("/subscriptions/a/resourceGroups/b (c)/x=y&z,1").is_some());
    }

    #[test]
    fn names_of_tables_columns_and_records_are_words() {
        for name in ["", "a b", "a^b", "A", "../x", "a?b"] {
            assert_eq!(Identifier::parse(name), None, "{name}");
        }
        for id in ["", "..", "a/b", "a%2fb", "a?b", &"a".repeat(33)] {
            assert_eq!(SysId::parse(id), None, "{id}");
        }
        assert!(SysId::parse("9d385017c611228701d22104cc95c371").is_some());
    }

    #[test]
    fn the_longest_query_fits_into_an_address() {
        let base = Url::parse("https://an-instance-with-a-long-name.service-now.com/").unwrap();
        let columns = ["name", "fqdn"].map(Identifier::known);
        let values = ["a", "b"].map(|letter| value(&letter.repeat(MAX_ENCODED_BYTES)));
        let query = Query::default().any(&columns, &values).and("install_status!=7^install_status!=100");
        let table = Identifier::parse(&"t".repeat(40)).unwrap();
        let url = search_url(&base, &table, &query, &["sys_id", "name", "fqdn", "install_status"], 10);
        assert!(url.as_str().len() < 2000, "{}", url.as_str().len());
    }

    proptest! {
        #[test]
        fn a_value_comes_out_of_the_address_as_it_went_in(text in any::<String>()) {
            let Some(value) = QueryValue::new(&text) else { return Ok(()) };
            let base = Url::parse("http://localhost/x/").unwrap();
            let query = Query::default().any(&[Identifier::known("name")], &[value]);
            let url = search_url(&base, &Identifier::known("cmdb_ci"), &query, &["sys_id"], 1);
            prop_assert_eq!(url.path(), "/x/api/now/table/cmdb_ci");
            let sent = url.query_pairs().find(|(key, _)| key == "sysparm_query").unwrap().1.into_owned();
            prop_assert_eq!(sent, format!("name={text}"));
        }
    }
}
