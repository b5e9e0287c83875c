//! The grammar of what is read.
//!
//! ```text
//! read    := plain | distinct | grouped | windowed | united | with | recursive | whole row
//!          | cursor | prepared
//! from    := table { join }         join := [INNER|LEFT|RIGHT|FULL] JOIN along a foreign key
//!          | VALUES | derived table | LATERAL of the rows that refer to a row
//! where   := comparisons with values of visible and hidden rows, AND, OR, NOT, IN, EXISTS,
//!            scalar sub-queries, BETWEEN, LIKE, IS NULL
//! ```
//!
//! Nothing in it depends on the order of rows that ORDER BY leaves open, and LIMIT always comes
//! with a total order.

mod condition;
mod from;

use super::chance::Chance;
use super::schema::{Column, Family, Schema, Table};
use super::values::{Values, any_table};

/// One thing that a session sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The SQL.
    pub sql: String,
    /// The order of the rows is total.
    pub ordered: bool,
}

/// A statement of the grammar; a cursor or a prepared statement takes several steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Which production of the grammar.
    pub kind: &'static str,
    /// What is sent.
    pub steps: Vec<Step>,
    /// The table that it writes.
    pub writes: Option<String>,
    /// ON CONFLICT or MERGE, which refuse where UPDATE and DELETE pass over.
    pub strict: bool,
}

/// The kind of those that try one thing after the other and undo it.
pub const IN_TURN: &str = "in turn";
/// What undoes a step of theirs.
pub const UNDO: &str = "ROLLBACK TO before";

impl Statement {
    /// Whether what a step does, or that it fails, is undone by the next.
    pub fn is_undone(&self, at: usize) -> bool {
        self.steps.get(at + 1).is_some_and(|next| next.sql == UNDO)
    }
}

/// Makes statements.
#[derive(Debug)]
pub struct Generator<'a> {
    pub(super) chance: &'a mut Chance,
    pub(super) schema: &'a Schema,
    pub(super) values: &'a Values,
    pub(super) aliases: usize,
}

/// A table in a FROM clause.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) alias: String,
    pub(super) table: &'a Table,
}

impl<'a> Generator<'a> {
    /// For a person with these values.
    pub fn new(chance: &'a mut Chance, schema: &'a Schema, values: &'a Values) -> Self {
        Self {
            chance,
            schema,
            values,
            aliases: 0,
        }
    }

    /// A statement that only reads.
    pub fn read(&mut self) -> Statement {
        let (kind, steps) = match self.chance.below(100) {
            0..26 => ("plain", vec![self.plain()]),
            26..34 => ("distinct", vec![self.distinct()]),
            34..50 => ("grouped", vec![self.grouped()]),
            50..60 => ("windowed", vec![self.windowed()]),
            60..69 => ("united", vec![self.united()]),
            69..77 => ("with", vec![self.with()]),
            77..80 => ("recursive", vec![self.recursive()]),
            80..85 => ("whole row", vec![self.whole_row()]),
            85..92 => ("cursor", self.cursor()),
            _ => ("prepared", self.prepared()),
        };
        Statement {
            kind,
            steps,
            writes: None,
            strict: false,
        }
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    pub(super) fn table(&mut self) -> &'a Table {
        any_table(self.chance, self.schema, self.values)
    }

    fn columns(&mut self, table: &'a Table, most: usize) -> Vec<&'a Column> {
        let all: Vec<&Column> = table.columns.iter().collect();
        self.chance.some(&all, most)
    }

    fn outputs(&mut self, sources: &[Source<'a>], most: usize) -> Vec<String> {
        let wanted = 1 + self.chance.below(most);
        (0..wanted)
            .map(|_| {
                let source = self.chance.of(sources).clone();
                let column = self.column(source.table, 35);
                format!("{}.{}", source.alias, column.name)
            })
            .collect()
    }

    /// A column of a table: so often a field, of which people see something else.
    fn column(&mut self, table: &'a Table, percent: usize) -> &'a Column {
        if !table.fields.is_empty() && self.chance.percent(percent) {
            let name: &String = self.chance.of(&table.fields);
            table.column(name)
        } else {
            self.chance.of(&table.columns)
        }
    }

    fn plain(&mut self) -> Step {
        let (from, sources) = self.from(3);
        let mut outputs = self.outputs(&sources, 4);
        if self.chance.percent(20) {
            outputs.push(self.scalar(&sources));
        }
        let filter = self.filter(&sources);
        let ordered = self.chance.percent(50);
        let order = if ordered {
            let (limit, offset) = (
                1 + self.chance.below(20),
                self.chance.below(24).saturating_sub(20),
            );
            format!(" ORDER BY {} LIMIT {limit} OFFSET {offset}", keys(&sources))
        } else {
            String::new()
        };
        Step {
            sql: format!("SELECT {} FROM {from}{filter}{order}", outputs.join(", ")),
            ordered,
        }
    }

    /// A sub-query that gives one value.
    fn scalar(&mut self, sources: &[Source<'a>]) -> String {
        let source = self.chance.of(sources).clone();
        let inner = self.alias();
        for table in self.schema.tables.values() {
            if let Some(r) = table
                .references
                .iter()
                .find(|r| r.table == source.table.name)
            {
                return format!(
                    "(SELECT count(*) FROM {} {inner} WHERE {inner}.{} = {}.{})",
                    table.name, r.column, source.alias, r.key
                );
            }
        }
        let table = self.table();
        format!("(SELECT count(*) FROM {} {inner})", table.name)
    }

    fn distinct(&mut self) -> Step {
        let (from, sources) = self.from(2);
        let outputs = self.outputs(&sources, 2).join(", ");
        let filter = self.filter(&sources);
        Step {
            sql: format!("SELECT DISTINCT {outputs} FROM {from}{filter}"),
            ordered: false,
        }
    }

    fn grouped(&mut self) -> Step {
        let (from, sources) = self.from(2);
        let mut outputs = vec!["count(*)".to_owned()];
        for _ in 0..2 {
            let source = self.chance.of(&sources).clone();
            let column = self.chance.of(&source.table.columns);
            let name = format!("{}.{}", source.alias, column.name);
            outputs.push(match column.family {
                Family::Number => format!(
                    "{}({name})",
                    self.chance.of(&["sum", "min", "max", "count"])
                ),
                Family::Text | Family::Time => {
                    format!("{}({name})", self.chance.of(&["min", "max", "count"]))
                }
                Family::Bool => format!("bool_or({name})"),
                Family::Other => format!("string_agg({name}::text, ',' ORDER BY {name}::text)"),
            });
        }
        let condition = self.condition(&sources[0], 1);
        outputs.push(format!("count(*) FILTER (WHERE {condition})"));
        let filter = self.filter(&sources);
        let by: Vec<String> = (0..=self.chance.below(2))
            .map(|_| {
                let source = self.chance.of(&sources).clone();
                let column = self.column(source.table, 70);
                format!("{}.{}", source.alias, column.name)
            })
            .collect();
        let group = match self.chance.below(10) {
            0..2 => String::new(),
            2..5 => format!(" GROUP BY ROLLUP ({})", by.join(", ")),
            5..8 => format!(" GROUP BY GROUPING SETS (({}), ())", by.join(", ")),
            _ => format!(
                " GROUP BY {} HAVING count(*) >= {}",
                by.join(", "),
                1 + self.chance.below(3)
            ),
        };
        let by = if group.is_empty() {
            String::new()
        } else {
            // Totals are often given a name.
            let named = by.iter().map(|by| {
                if self.chance.percent(50) {
                    format!("coalesce({by}::text, '(all)')")
                } else {
                    by.clone()
                }
            });
            format!("{}, ", named.collect::<Vec<_>>().join(", "))
        };
        Step {
            sql: format!(
                "SELECT {by}{} FROM {from}{filter}{group}",
                outputs.join(", ")
            ),
            ordered: false,
        }
    }

    fn windowed(&mut self) -> Step {
        let (from, sources) = self.from(1);
        let outputs = self.outputs(&sources, 2);
        let by = self.outputs(&sources, 1).join(", ");
        let keys = keys(&sources);
        let value = self.outputs(&sources, 1).join(", ");
        let window = match self.chance.below(4) {
            0 => format!("row_number() OVER (PARTITION BY {by} ORDER BY {keys})"),
            1 => format!("lag({value}) OVER (ORDER BY {keys})"),
            2 => format!("count(*) OVER (PARTITION BY {by})"),
            _ => format!(
                "first_value({value}) OVER (PARTITION BY {by} ORDER BY {keys} ROWS 2 PRECEDING)"
            ),
        };
        let filter = self.filter(&sources);
        Step {
            sql: format!(
                "SELECT {}, {window} FROM {from}{filter}",
                outputs.join(", ")
            ),
            ordered: false,
        }
    }

    fn united(&mut self) -> Step {
        let table = self.table();
        let columns: Vec<String> = self
            .columns(table, 3)
            .iter()
            .map(|c| c.name.clone())
            .collect();
        let mut arm = |name: &str| {
            let condition = self.condition(
                &Source {
                    alias: name.to_owned(),
                    table,
                },
                0,
            );
            let columns: Vec<String> = columns.iter().map(|c| format!("{name}.{c}")).collect();
            format!(
                "SELECT {} FROM {} {name} WHERE {condition}",
                columns.join(", "),
                table.name
            )
        };
        let (left, right) = (arm("a"), arm("b"));
        let operator = self.chance.of(&[
            "UNION",
            "UNION ALL",
            "INTERSECT",
            "INTERSECT ALL",
            "EXCEPT",
            "EXCEPT ALL",
        ]);
        Step {
            sql: format!("{left} {operator} {right}"),
            ordered: false,
        }
    }

    fn with(&mut self) -> Step {
        let source = Source {
            alias: "w".to_owned(),
            table: self.table(),
        };
        let condition = self.condition(&source, 0);
        let kind = self.chance.of(&["", " MATERIALIZED", " NOT MATERIALIZED"]);
        let outer = Source {
            alias: "c".to_owned(),
            table: source.table,
        };
        let (join, joined) = self.join(std::slice::from_ref(&outer)).unwrap_or_default();
        let mut sources = vec![outer];
        sources.extend(joined);
        let outputs = self.outputs(&sources, 3).join(", ");
        Step {
            sql: format!(
                "WITH chosen AS{kind} (SELECT * FROM {} w WHERE {condition}) SELECT {outputs}, (SELECT count(*) FROM chosen) FROM chosen c{join}",
                source.table.name
            ),
            ordered: false,
        }
    }

    /// Along a table that refers to itself.
    fn recursive(&mut self) -> Step {
        let selves: Vec<(&'a Table, &str, &str)> = self
            .schema
            .whole()
            .flat_map(|t| {
                t.references
                    .iter()
                    .filter(|r| r.table == t.name)
                    .map(move |r| (t, r.column.as_str(), r.key.as_str()))
            })
            .collect();
        if selves.is_empty() {
            return self.plain();
        }
        let (table, column, key) = *self.chance.of(&selves);
        let condition = self.condition(
            &Source {
                alias: "a".to_owned(),
                table,
            },
            1,
        );
        let name = &table.name;
        Step {
            sql: format!(
                "WITH RECURSIVE up(k, depth) AS (SELECT a.{key}, 0 FROM {name} a WHERE {condition} UNION SELECT b.{column}, depth + 1 FROM up JOIN {name} b ON b.{key} = up.k WHERE b.{column} IS NOT NULL AND depth < 6) SELECT k, max(depth) FROM up GROUP BY k"
            ),
            ordered: false,
        }
    }

    fn whole_row(&mut self) -> Step {
        let source = Source {
            alias: "w".to_owned(),
            table: self.table(),
        };
        let condition = self.condition(&source, 0);
        let name = &source.table.name;
        let sql = match self.chance.below(4) {
            0 => format!("SELECT w FROM {name} w WHERE {condition}"),
            1 => format!("SELECT row_to_json(w) FROM {name} w WHERE {condition}"),
            2 => format!(
                "SELECT count(DISTINCT w::text), md5(string_agg(w::text, ',' ORDER BY w::text)) FROM {name} w WHERE {condition}"
            ),
            _ => format!("TABLE {name}"),
        };
        Step {
            sql,
            ordered: false,
        }
    }

    fn cursor(&mut self) -> Vec<Step> {
        let (from, sources) = self.from(1);
        let outputs = self.outputs(&sources, 3).join(", ");
        let filter = self.filter(&sources);
        let order = keys(&sources);
        let step = |sql: String, ordered| Step { sql, ordered };
        let (some, more) = (1 + self.chance.below(5), 1 + self.chance.below(30));
        vec![
            step(
                format!(
                    "DECLARE c SCROLL CURSOR FOR SELECT {outputs} FROM {from}{filter} ORDER BY {order}"
                ),
                false,
            ),
            step(format!("FETCH {some} FROM c"), true),
            step(format!("FETCH FORWARD {more} FROM c"), true),
            step("FETCH ABSOLUTE 1 FROM c".to_owned(), true),
            step("MOVE ALL FROM c".to_owned(), true),
            step("CLOSE c".to_owned(), true),
        ]
    }

    /// A prepared statement with one parameter, as `PREPARE name` and values to execute it with.
    pub fn preparable(&mut self, name: &str) -> (String, Vec<String>) {
        let table = self.table();
        let column = self.chance.of(&table.columns);
        let source = Source {
            alias: "p".to_owned(),
            table,
        };
        let condition = self.condition(&source, 0);
        let outputs = self.outputs(std::slice::from_ref(&source), 3).join(", ");
        let values = (0..7).map(|_| self.value(table, column)).collect();
        let sql = format!(
            "PREPARE {name}({}) AS SELECT {outputs} FROM {} p WHERE p.{} = $1 OR {condition}",
            column.type_name, table.name, column.name
        );
        (sql, values)
    }

    fn prepared(&mut self) -> Vec<Step> {
        let (prepare, values) = self.preparable("q");
        let mut steps = vec![Step {
            sql: prepare,
            ordered: false,
        }];
        // From the sixth time on PostgreSQL may take a generic plan.
        let times = if self.chance.percent(30) { 7 } else { 2 };
        for value in &values[..times] {
            steps.push(Step {
                sql: format!("EXECUTE q({value})"),
                ordered: false,
            });
        }
        steps.push(Step {
            sql: "DEALLOCATE q".to_owned(),
            ordered: false,
        });
        steps
    }
}

/// What orders rows totally: the keys of all tables.
pub(super) fn keys(sources: &[Source<'_>]) -> String {
    sources
        .iter()
        .flat_map(|source| {
            source
                .table
                .key
                .iter()
                .map(move |key| format!("{}.{key}", source.alias))
        })
        .collect::<Vec<_>>()
        .join(", ")
}
