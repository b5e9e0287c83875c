//! Pieces of the directory's SQL: typed expressions, and tables with their filters.

use super::{Directory, Said, Source};
use crate::policy_set::Column;
use crate::predicate::RenderedColumn;
use crate::quote;

/// An SQL expression of a known type.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) sql: String,
    pub(super) type_name: String,
}

impl Typed {
    /// `alias.column`.
    pub(super) fn column(alias: &str, column: &Column) -> Self {
        Self {
            sql: format!("{alias}.{}", quote::name(&column.name)),
            type_name: column.type_name.clone(),
        }
    }

    /// The expression as text. A type that isn't PostgreSQL's own is printed by its output
    /// function: a cast might run what the type's owner wrote.
    pub(super) fn text(&self) -> String {
        if self.type_name.starts_with("pg_catalog.") {
            format!("CAST({} AS pg_catalog.text)", self.sql)
        } else {
            format!("NULLIF(pg_catalog.concat({}), '')", self.sql)
        }
    }

    /// The expression in the type `type_name`, which is its own or `pg_catalog.text`.
    pub(super) fn as_type(&self, type_name: &str) -> String {
        if self.type_name == type_name {
            self.sql.clone()
        } else {
            self.text()
        }
    }

    /// `self = other`, as text where the types differ.
    pub(super) fn equals(&self, other: &Self) -> String {
        if self.type_name == other.type_name {
            format!("{} OPERATOR(pg_catalog.=) {}", self.sql, other.sql)
        } else {
            format!("{} OPERATOR(pg_catalog.=) {}", self.text(), other.text())
        }
    }
}

/// The type in which columns are compared: their own if it is the same, else text.
pub(super) fn common_type<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    let mut types = columns.into_iter().map(|column| column.type_name.as_str());
    match types.next() {
        Some(first) if types.all(|other| other == first) => first.to_owned(),
        Some(_) | None => "pg_catalog.text".to_owned(),
    }
}

/// The type in which groups are compared.
pub(super) fn group_type(directory: &Directory) -> String {
    let groups = &directory.groups;
    let tree = [Some(&groups.key), groups.parent.as_ref()];
    let members = directory.memberships.iter();
    common_type(
        tree.into_iter()
            .flatten()
            .chain(members.map(|membership| &membership.group)),
    )
}

/// The texts of `$1` as rows `a(k)` of a type, whose values they print.
pub(super) fn listed(type_name: &str) -> String {
    format!("pg_catalog.unnest(CAST($1 AS {type_name}[])) AS a(k)")
}

/// `table AS alias`.
pub(super) fn from(source: &Source, alias: &str) -> String {
    format!("{} AS {alias}", source.table.sql())
}

/// The conditions joined by AND, with the source's filter.
pub(super) fn where_all(source: &Source, alias: &str, conditions: &[String]) -> String {
    let mut all: Vec<String> = conditions.to_vec();
    if let Some(filter) = &source.filter {
        let columns = |name: &str| {
            let type_name = source.filter_types.get(name)?.clone();
            Some(RenderedColumn {
                sql: format!("{alias}.{}", quote::name(name)),
                type_name,
            })
        };
        all.push(match filter.render(&columns) {
            Ok(sql) => format!("({sql})"),
            // A filter that can't be written lets no row through; the check refuses it earlier.
            Err(_) => "false".to_owned(),
        });
    }
    if all.is_empty() {
        "true".to_owned()
    } else {
        all.join(" AND ")
    }
}

/// What a row of `s` says, as text; NULL where it says nothing that is known.
pub(super) fn said_as(said: &Said) -> String {
    match said {
        Said::Always(value) => format!("{}::pg_catalog.text", quote::text(value)),
        Said::Column(column) => Typed::column("s", column).text(),
        Said::Words(column, words) => {
            let words: Vec<String> = words
                .iter()
                .map(|(word, stands_for)| {
                    format!(
                        "WHEN {}::pg_catalog.text THEN {}::pg_catalog.text",
                        quote::text(word),
                        quote::text(stands_for)
                    )
                })
                .collect();
            format!(
                "CASE {} {} END",
                Typed::column("s", column).text(),
                words.join(" ")
            )
        }
    }
}
