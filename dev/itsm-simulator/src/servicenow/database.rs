//! Rows, the indexes over them, and the search that a query asks for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::query::{Case, Condition, Order, Query, compare};
use super::schema::{Kind, Schema};

/// Field values of one row; an empty field is absent.
pub(super) type Values = BTreeMap<String, String>;

/// All tables of the instance.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) schema: Schema,
    tables: HashMap<&'static str, Table>,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    indexes: HashMap<&'static str, HashMap<String, Vec<usize>>>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) values: Values,
    pub(super) born: Timestamp,
    /// Gone for the API, kept for whoever asks what became of it.
    pub(super) deleted: bool,
}

/// What a search finds and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) query: &'a Query,
    pub(super) case: Case,
    /// Younger rows are not in the search index yet.
    pub(super) born_by: Timestamp,
}

impl Database {
    pub(super) fn new(schema: Schema) -> Self {
        Self { schema, tables: HashMap::new() }
    }

    /// Adds a row and returns its position, which never changes.
    pub(super) fn insert(&mut self, root: &'static str, values: Values, born: Timestamp) -> usize {
        let table = self.tables.entry(root).or_default();
        let position = table.rows.len();
        for field in indexed(root) {
            if let Some(value) = values.get(*field) {
                table.index(field, value).push(position);
            }
        }
        table.rows.push(Row { values, born, deleted: false });
        position
    }

    /// Puts new values in the place of a row's old ones.
    pub(super) fn replace(&mut self, root: &'static str, position: usize, values: Values) {
        let Some(table) = self.tables.get_mut(root) else { return };
        let Some(row) = table.rows.get_mut(position) else { return };
        let old = std::mem::replace(&mut row.values, values.clone());
        for field in indexed(root) {
            let (before, after) = (old.get(*field), values.get(*field));
            if before == after {
                continue;
            }
            if let Some(before) = before {
                table.index(field, before).retain(|one| *one != position);
            }
            if let Some(after) = after {
                table.index(field, after).push(position);
            }
        }
    }

    pub(super) fn delete(&mut self, root: &'static str, position: usize) {
        if let Some(row) = self.tables.get_mut(root).and_then(|table| table.rows.get_mut(position)) {
            row.deleted = true;
        }
    }

    /// Removes all rows of a table.
    pub(super) fn empty(&mut self, root: &'static str) {
        self.tables.remove(root);
    }

    pub(super) fn len(&self, root: &str) -> usize {
        self.rows(root).len()
    }

    pub(super) fn rows(&self, root: &str) -> &[Row] {
        self.tables.get(root).map_or(&[], |table| table.rows.as_slice())
    }

    pub(super) fn row(&self, root: &str, position: usize) -> Option<&Row> {
        self.rows(root).get(position)
    }

    /// Positions of the rows with this value of an indexed field, deleted ones included.
    pub(super) fn positions(&self, root: &str, field: &str, value: &str) -> &[usize] {
        self.tables
            .get(root)
            .and_then(|table| table.indexes.get(field)?.get(&value.to_lowercase()))
            .map_or(&[], Vec::as_slice)
    }

    /// The row of a table or of one of its classes.
    pub(super) fn by_sys_id(&self, table: &str, sys_id: &str) -> Option<(usize, &Row)> {
        let root = self.schema.table(table)?.root;
        let position = *self.positions(root, "sys_id", sys_id).first()?;
        let row = self.row(root, position).filter(|row| self.is_in(table, row))?;
        Some((position, row))
    }

    /// The rows that match, in the order asked for, else as they were added.
    pub(super) fn search(&self, table: &str, search: Search<'_>) -> Vec<&Row> {
        let Some(root) = self.schema.table(table).map(|schema| schema.root) else { return Vec::new() };
        let matches = |row: &&Row| {
            self.is_in(table, row)
                && row.born <= search.born_by
                && search.query.matches(search.case, |path| self.value(table, row, path))
        };
        let narrowed = search.query.narrowest(|field| indexed(root).contains(&field));
        let mut found: Vec<&Row> = match narrowed {
            Some(group) => self.candidates(root, group).filter(matches).collect(),
            None => self.rows(root).iter().filter(matches).collect(),
        };
        for order in search.query.order.iter().rev() {
            self.sort(table, &mut found, order);
        }
        found
    }

    /// A value by its path; references are followed.
    pub(super) fn value<'a>(&'a self, table: &str, row: &'a Row, path: &str) -> Cow<'a, str> {
        let stored = |field: &str| row.values.get(field).map_or("", String::as_str);
        let Some((first, rest)) = path.split_once('.') else { return Cow::Borrowed(stored(path)) };
        let Some(Kind::Reference(target)) = self.schema.column(table, first).map(|column| column.kind) else {
            return Cow::Borrowed("");
        };
        match self.by_sys_id(target, stored(first)) {
            Some((_, referenced)) => self.value(target, referenced, rest),
            None => Cow::Borrowed(""),
        }
    }

    fn is_in(&self, table: &str, row: &Row) -> bool {
        let class = row.values.get("sys_class_name").map_or(table, String::as_str);
        !row.deleted && self.schema.table(table).is_some_and(|table| table.classes.contains(&class))
    }

    fn candidates(&self, root: &str, group: &[Condition]) -> impl Iterator<Item = &Row> {
        let mut positions: Vec<usize> = group
            .iter()
            .flat_map(|condition| self.positions(root, &condition.field, &condition.value))
            .copied()
            .collect();
        positions.sort_unstable();
        positions.dedup();
        let rows = self.rows(root);
        positions.into_iter().filter_map(|position| rows.get(position))
    }

    fn sort(&self, table: &str, rows: &mut [&Row], order: &Order) {
        rows.sort_by(|left, right| {
            let ascending =
                compare(&self.value(table, left, &order.field), &self.value(table, right, &order.field));
            if order.descending { ascending.reverse() } else { ascending }
        });
    }
}

impl Table {
    fn index(&mut self, field: &'static str, value: &str) -> &mut Vec<usize> {
        self.indexes.entry(field).or_default().entry(value.to_lowercase()).or_default()
    }
}

/// The fields by which rows are found without reading all of them.
fn indexed(root: &str) -> &'static [&'static str] {
    match root {
        "incident" => &["sys_id", "number", "correlation_id"],
        "cmdb_ci" => &["sys_id", "object_id", "name", "fqdn", "correlation_id"],
        "cmdb_key_value" => &["sys_id", "value", "configuration_item"],
        "sys_journal_field" => &["sys_id", "element_id"],
        _ => &["sys_id"],
    }
}
