//! Tables, their classes and their columns: the stock ones and the customer's own.

mod stock;

use std::collections::BTreeMap;

use super::settings::Switches;
use stock::{CLASSES, CLOUD, Columns, INCIDENT_COMPUTED, ROOTS, SYSTEM};

/// The tables of one instance.
#[derive(Debug)]
pub(super) struct Schema {
    tables: BTreeMap<&'static str, TableSchema>,
}

#[derive(Debug)]
pub(super) struct TableSchema {
    /// The table that holds the rows: a class of CIs is a view of `cmdb_ci`.
    pub(super) root: &'static str,
    /// The classes whose rows belong to this table.
    pub(super) classes: Vec<&'static str>,
    columns: BTreeMap<String, Column>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) kind: Kind,
    pub(super) access: Access,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Text that is cut silently after so many characters.
    Text(usize),
    Number,
    Boolean,
    DateTime,
    /// Stored values with their labels.
    Choice(&'static [(&'static str, &'static str)]),
    /// The `sys_id` of a row of another table.
    Reference(&'static str),
    /// Write-only; the entries are rows of `sys_journal_field`.
    Journal,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    Writable,
    /// Computed by the instance; a value in a body is ignored.
    Computed,
}

impl Schema {
    /// The stock tables and what the switches add.
    pub(super) fn new(switches: &Switches) -> Self {
        let mut schema = Self { tables: BTreeMap::new() };
        for (name, columns) in ROOTS {
            schema.add_root(name, columns);
        }
        schema.extend("incident", INCIDENT_COMPUTED, Access::Computed);
        if switches.object_id_on_cmdb_ci {
            schema.extend("cmdb_ci", CLOUD, Access::Writable);
        }
        for (class, parent, columns) in CLASSES {
            schema.add_class(class, parent, columns);
        }
        let extra = switches.extra_columns.iter().chain(switches.mandatory_on_resolve.keys());
        if let Some(incident) = schema.tables.get_mut("incident") {
            for name in extra {
                let column = Column { kind: Kind::Text(4000), access: Access::Writable };
                incident.columns.entry(name.clone()).or_insert(column);
            }
        }
        schema
    }

    pub(super) fn table(&self, name: &str) -> Option<&TableSchema> {
        self.tables.get(name)
    }

    /// The table's name as the schema keeps it.
    pub(super) fn name_of(&self, table: &str) -> Option<&'static str> {
        self.tables.get_key_value(table).map(|(name, _)| *name)
    }

    /// The column at the end of a dot-walk such as `cmdb_ci.name`.
    pub(super) fn column(&self, table: &str, path: &str) -> Option<Column> {
        let columns = &self.table(table)?.columns;
        let Some((first, rest)) = path.split_once('.') else { return columns.get(path).copied() };
        match columns.get(first)?.kind {
            Kind::Reference(target) => self.column(target, rest),
            Kind::Text(_)
            | Kind::Number
            | Kind::Boolean
            | Kind::DateTime
            | Kind::Choice(_)
            | Kind::Journal => None,
        }
    }

    fn add_root(&mut self, name: &'static str, columns: Columns) {
        let table = TableSchema { root: name, classes: vec![name], columns: BTreeMap::new() };
        self.tables.insert(name, table);
        self.extend(name, SYSTEM, Access::Computed);
        self.extend(name, columns, Access::Writable);
    }

    fn add_class(&mut self, name: &'static str, parent: &'static str, columns: Columns) {
        let Some(inherited) = self.table(parent).map(|parent| parent.columns.clone()) else { return };
        self.tables.insert(name, TableSchema { root: "cmdb_ci", classes: Vec::new(), columns: inherited });
        self.extend(name, columns, Access::Writable);
        let mut ancestor = Some(name);
        while let Some(table) = ancestor {
            if let Some(table) = self.tables.get_mut(table) {
                table.classes.push(name);
            }
            ancestor = CLASSES.iter().find(|(class, ..)| *class == table).map(|(_, parent, _)| *parent);
        }
    }

    fn extend(&mut self, table: &str, columns: Columns, access: Access) {
        let Some(table) = self.tables.get_mut(table) else { return };
        for (name, kind) in columns {
            table.columns.insert((*name).to_owned(), Column { kind: *kind, access });
        }
    }
}

impl TableSchema {
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), *column))
    }

    pub(super) fn own(&self, column: &str) -> Option<Column> {
        self.columns.get(column).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_the_columns_of_its_parents_and_its_rows_are_seen_by_them() {
        let schema = Schema::new(&Switches::default());
        assert!(schema.column("cmdb_ci_vm_instance", "object_id").is_some());
        assert!(schema.column("cmdb_ci_vm_instance", "name").is_some());
        assert!(schema.column("cmdb_ci", "object_id").is_none());
        assert!(schema.table("cmdb_ci").is_some_and(|t| t.classes.contains(&"cmdb_ci_vm_instance")));
        assert!(schema.table("cmdb_ci_server").is_some_and(|t| t.classes.contains(&"cmdb_ci_win_server")));
    }

    #[test]
    fn references_are_walked_by_dots() {
        let schema = Schema::new(&Switches::default());
        assert!(schema.column("incident", "cmdb_ci.name").is_some());
        assert!(schema.column("incident", "state.name").is_none());
    }
}
