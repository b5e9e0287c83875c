//! FROM clauses: tables, derived tables, joins along foreign keys, LATERAL, VALUES.

use super::{Generator, Source, keys};
use crate::shadow::schema::Table;

impl<'a> Generator<'a> {
    /// A FROM clause with at most so many joins.
    pub(super) fn from(&mut self, joins: usize) -> (String, Vec<Source<'a>>) {
        let first = Source {
            alias: self.alias(),
            table: self.table(),
        };
        let mut sql = self.place(&first);
        let mut sources = vec![first];
        for _ in 0..self.chance.below(joins + 1) {
            let Some((join, source)) = self.join(&sources) else {
                break;
            };
            sql.push_str(&join);
            sources.extend(source);
        }
        (sql, sources)
    }

    /// A table in FROM: by its name, or as a derived table.
    fn place(&mut self, source: &Source<'a>) -> String {
        let name = &source.table.name;
        if self.chance.percent(12) {
            let inner = Source {
                alias: "d".to_owned(),
                table: source.table,
            };
            let condition = self.condition(&inner, 0);
            format!(
                "(SELECT * FROM {name} d WHERE {condition}) {}",
                source.alias
            )
        } else {
            format!("{name} {}", source.alias)
        }
    }

    pub(super) fn join(&mut self, sources: &[Source<'a>]) -> Option<(String, Option<Source<'a>>)> {
        let from = self.chance.of(sources).clone();
        if self.chance.percent(8) {
            let key = from
                .table
                .column(self.chance.of(from.table.key.as_slice()).as_str());
            let rows: Vec<String> = (0..4)
                .map(|_| format!("({})", self.value(from.table, key)))
                .collect();
            let alias = self.alias();
            let join = format!(
                " JOIN (VALUES {}) {alias}(k) ON {alias}.k = {}.{}",
                rows.join(", "),
                from.alias,
                key.name
            );
            return Some((join, None));
        }
        // Where this table refers to, now and then a hub, and who refers to it.
        let hubs_too = self.chance.percent(30);
        let empty_too = self.chance.percent(15);
        let mut edges: Vec<(&'a Table, String, String, bool)> = from
            .table
            .references
            .iter()
            .filter(|r| {
                let table = self.schema.tables.get(&r.table);
                table.is_some_and(|table| hubs_too || !table.hub)
                    && (empty_too || self.values.fills(from.table, &r.column))
            })
            .map(|r| {
                (
                    self.schema.table(&r.table),
                    r.key.clone(),
                    r.column.clone(),
                    false,
                )
            })
            .collect();
        if !from.table.hub {
            for table in self.schema.tables.values() {
                for r in table
                    .references
                    .iter()
                    .filter(|r| r.table == from.table.name)
                    .filter(|r| empty_too || self.values.fills(table, &r.column))
                {
                    edges.push((table, r.column.clone(), r.key.clone(), true));
                }
            }
        }
        if edges.is_empty() {
            return None;
        }
        let (table, theirs, ours, refers) = self.chance.of(&edges).clone();
        let to = Source {
            alias: self.alias(),
            table,
        };
        let on = format!("{}.{theirs} = {}.{ours}", to.alias, from.alias);
        let join = if refers && self.chance.percent(25) {
            let keys = keys(std::slice::from_ref(&Source {
                alias: "l".to_owned(),
                table,
            }));
            let (left, on_true) = if self.chance.percent(50) {
                ("LEFT", " ON true")
            } else {
                ("CROSS", "")
            };
            format!(
                " {left} JOIN LATERAL (SELECT l.* FROM {} l WHERE l.{theirs} = {}.{ours} ORDER BY {keys} LIMIT {}) {}{on_true}",
                table.name,
                from.alias,
                1 + self.chance.below(3),
                to.alias
            )
        } else {
            let kind = *self.chance.of(&[
                "JOIN",
                "JOIN",
                "JOIN",
                "LEFT JOIN",
                "LEFT JOIN",
                "RIGHT JOIN",
                "FULL JOIN",
            ]);
            let more = if kind != "FULL JOIN" && self.chance.percent(25) {
                format!(" AND {}", self.condition(&to, 1))
            } else {
                String::new()
            };
            format!(" {kind} {} ON {on}{more}", self.place(&to))
        };
        Some((join, Some(to)))
    }
}
