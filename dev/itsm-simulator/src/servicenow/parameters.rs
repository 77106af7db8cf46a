//! The `sysparm_…` parameters of a URL.

use jiff::tz::TimeZone;

use super::database::Database;
use super::query::Query;
use super::render::{Display, View};

/// Rows of a list unless the caller wants fewer.
const LIMIT: usize = 10_000;

/// The parameters of one call, as sent.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// The query on a table, from `sysparm_query` and from conditions on single fields.
    pub(super) fn query(&self, database: &Database, table: &str) -> Query {
        let known = |path: &str| database.schema.column(table, path).is_some();
        let mut query = Query::parse(self.text("sysparm_query"), known);
        for (name, value) in self.pairs.iter().filter(|(name, _)| !name.starts_with("sysparm_")) {
            if known(name) {
                query.require(name, value);
            } else {
                query.ignored += 1;
            }
        }
        query
    }

    /// How records are shown, with links that begin with `base`.
    pub(super) fn view(&self, base: &str, zone: TimeZone) -> View<'_> {
        let fields = self.text("sysparm_fields");
        View {
            fields: (!fields.is_empty()).then(|| fields.split(',').map(str::trim).collect()),
            display: match self.text("sysparm_display_value") {
                "true" => Display::Label,
                "all" => Display::Both,
                _ => Display::Raw,
            },
            link_base: (!self.is_on("sysparm_exclude_reference_link")).then(|| base.to_owned()),
            zone,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.text("sysparm_limit").parse().unwrap_or(LIMIT).min(LIMIT)
    }

    pub(super) fn offset(&self) -> usize {
        self.text("sysparm_offset").parse().unwrap_or(0)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    fn text(&self, name: &str) -> &str {
        self.pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }
}
