//! Owners and groups of records: in columns, and in link tables.

use super::Checker;
use crate::document::{GroupLink, OwnerLink};
use crate::key_set::parse_uuid;
use crate::policy_set::{Column, GroupPlace, Link, Owner, OwnerColumn, RowFilter};
use crate::schema::TableName;

/// Which rows of a link table link records of a module, and which of those count, as written.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    filter: Option<&'a str>,
    counts: Option<&'a str>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(filter: &'a Option<String>, counts: &'a Option<String>) -> Self {
        Self {
            filter: filter.as_deref(),
            counts: counts.as_deref(),
        }
    }
}

impl Checker<'_> {
    pub(super) fn owner(
        &mut self,
        path: &[&str],
        table: &TableName,
        owner: &OwnerLink,
        record: Option<&Column>,
    ) -> Option<Owner> {
        let path = [path, &["owner"]].concat();
        match owner {
            OwnerLink::Plain(column) => Some(Owner::Column(OwnerColumn {
                column: self.key_column(&path, table, column)?,
                key: "user".to_owned(),
                nobody: Vec::new(),
            })),
            OwnerLink::Column {
                column,
                key,
                nobody,
            } => {
                let key = self.key_name(&path, key.as_deref());
                let column = self.key_column(&path, table, column)?;
                self.values_of(&path, &column, nobody);
                Some(Owner::Column(OwnerColumn {
                    column,
                    key,
                    nobody: nobody.clone(),
                }))
            }
            OwnerLink::Table {
                table: link,
                record: at,
                user,
                key,
                filter,
                counts,
            } => {
                let key = self.key_name(&path, key.as_deref());
                let rows = Rows::of(filter, counts);
                self.link(&path, link, [at, user], rows, record)
                    .map(|link| Owner::Link(link, key))
            }
        }
    }

    pub(super) fn group_place(
        &mut self,
        path: &[&str],
        table: &TableName,
        group: &GroupLink,
        record: Option<&Column>,
    ) -> Option<GroupPlace> {
        let path = [path, &["group"]].concat();
        match group {
            GroupLink::Plain(column) => self
                .key_column(&path, table, column)
                .map(GroupPlace::Column),
            GroupLink::Table {
                table: link,
                record: at,
                group,
                filter,
                counts,
            } => self
                .link(&path, link, [at, group], Rows::of(filter, counts), record)
                .map(GroupPlace::Link),
        }
    }

    /// A link table, of which `columns` hold the keys of the record and of what it is linked with.
    pub(super) fn link(
        &mut self,
        path: &[&str],
        table: &str,
        [record, other]: [&str; 2],
        rows: Rows<'_>,
        key: Option<&Column>,
    ) -> Option<Box<Link>> {
        let table = self.table(path, table)?;
        let record = self.key_column(path, &table, record)?;
        let other = self.key_column(path, &table, other)?;
        if key.is_none() {
            self.problems.add(
                path,
                format!("link table {table} needs a key of the record, and the module has none"),
                "add key = \"…\" to the module",
            );
            return None;
        }
        let rows_of = self.row_filter(path, rows.filter, &table)?;
        let counts = match rows.counts {
            Some(text) => Some(self.filter(&[path, &["counts"]].concat(), text, &table)?),
            None => None,
        };
        Some(Box::new(Link {
            table,
            record,
            other,
            rows: rows_of,
            counts,
        }))
    }

    /// `where` of a table.
    pub(super) fn row_filter(
        &mut self,
        path: &[&str],
        filter: Option<&str>,
        table: &TableName,
    ) -> Option<Option<RowFilter>> {
        let Some(text) = filter else {
            return Some(None);
        };
        self.filter(&[path, &["where"]].concat(), text, table)
            .map(Some)
    }

    /// Each value is written as PostgreSQL prints one of the column's type: another form would never
    /// be found.
    fn values_of(&mut self, path: &[&str], column: &Column, values: &[String]) {
        let path = [path, &["nobody"]].concat();
        for value in values.iter().filter(|value| !is_printed(value, column)) {
            self.problems.add(
                &path,
                format!(
                    "column \"{}\" of type {} never holds \"{value}\"",
                    column.name, column.type_name
                ),
                "write the value as PostgreSQL prints it, such as \"0\"",
            );
        }
    }
}

/// Whether PostgreSQL prints a value of the column's type so.
fn is_printed(value: &str, column: &Column) -> bool {
    let integer = |least: i64, greatest: i64| {
        value
            .parse::<i64>()
            .is_ok_and(|number| (least..=greatest).contains(&number) && number.to_string() == value)
    };
    match column.type_name.as_str() {
        "pg_catalog.int2" => integer(i16::MIN.into(), i16::MAX.into()),
        "pg_catalog.int4" => integer(i32::MIN.into(), i32::MAX.into()),
        "pg_catalog.int8" => integer(i64::MIN, i64::MAX),
        "pg_catalog.uuid" => parse_uuid(value).is_some(),
        // What fills up a character column isn't part of its text.
        "pg_catalog.bpchar" => !value.ends_with(' '),
        _ => true,
    }
}
