//! What the generator and the oracle know of a CRM's tables: read from the catalog of the plain
//! database. Names are as SQL writes them, in quotes where it needs quotes.

use std::collections::BTreeMap;

use postgres::Client;

use super::oracle::Oracle;

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// int2, int4, int8, numeric, double precision.
    Number,
    /// text, varchar.
    Text,
    /// date, timestamp, timestamptz.
    Time,
    /// boolean.
    Bool,
    /// Everything else: uuid, jsonb, enumerations.
    Other,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as SQL.
    pub type_name: String,
    /// Its type with the precision or length that it is declared with, as SQL.
    pub declared: String,
    /// The kind of values.
    pub family: Family,
    /// It may be NULL.
    pub nullable: bool,
    /// It is computed from other columns.
    pub generated: bool,
    /// Its sequence, if it counts up by itself.
    pub sequence: Option<String>,
    /// What it holds if nothing is said, as SQL.
    pub default: Option<String>,
}

/// A foreign key of one column.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The column that refers.
    pub column: String,
    /// The table referred to.
    pub table: String,
    /// Its column.
    pub key: String,
    /// The constraint.
    pub constraint: String,
}

/// A unique index.
#[derive(Debug, Clone)]
pub struct Unique {
    /// Its name, as in PostgreSQL's errors.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// Its foreign keys.
    pub references: Vec<Reference>,
    /// The unique indexes, the primary key's too.
    pub unique: Vec<Unique>,
    /// It is a partition of this table.
    pub partition_of: Option<String>,
    /// Everybody reads it.
    pub open: bool,
    /// Half of the database refers to it: it is joined to, never from.
    pub hub: bool,
    /// The columns that don't show everybody what they hold.
    pub fields: Vec<String>,
}

/// The tables of schema `public`, by name.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The tables.
    pub tables: BTreeMap<String, Table>,
}

const COLUMNS: &str = "
SELECT quote_ident(c.relname), quote_ident(a.attname), format_type(a.atttypid, NULL),
  NOT a.attnotnull AND NOT EXISTS (SELECT FROM pg_attribute s JOIN pg_class t ON t.oid = s.attrelid
    WHERE t.relnamespace = to_regnamespace('stored') AND t.relname = c.relname AND s.attname = a.attname AND s.attnotnull),
  a.attgenerated <> '',
  CASE WHEN a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
       THEN pg_get_serial_sequence(format('public.%I', c.relname), a.attname) END,
  (SELECT p.inhparent::regclass::text FROM pg_inherits p WHERE p.inhrelid = c.oid),
  CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
  format_type(a.atttypid, a.atttypmod)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attnum";

const UNIQUE: &str = "
SELECT quote_ident(c.relname), i.indisprimary,
  array_agg(quote_ident(a.attname) ORDER BY array_position(i.indkey::int2[], a.attnum)),
  (SELECT x.relname::text FROM pg_class x WHERE x.oid = i.indexrelid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
WHERE c.relnamespace IN ('public'::regnamespace, to_regnamespace('stored')) AND i.indisunique AND i.indpred IS NULL
  AND 0 <> ALL (i.indkey::int2[])
GROUP BY c.relname, i.indisprimary, i.indexrelid ORDER BY c.relname, i.indexrelid";

const REFERENCES: &str = "
SELECT quote_ident(c.relname), quote_ident(a.attname), quote_ident(f.relname), quote_ident(k.attname),
  r.conname::text
FROM pg_constraint r
JOIN pg_class c ON c.oid = r.conrelid
JOIN pg_class f ON f.oid = r.confrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = r.conkey[1]
JOIN pg_attribute k ON k.attrelid = f.oid AND k.attnum = r.confkey[1]
WHERE r.contype = 'f' AND cardinality(r.conkey) = 1
  AND c.relnamespace = 'public'::regnamespace AND f.relnamespace = 'public'::regnamespace
ORDER BY c.relname, r.conname";

impl Schema {
    /// Reads it from a database: the tables that have a key and that statements may touch.
    pub fn read(client: &mut Client, oracle: &dyn Oracle) -> Self {
        let mut tables = BTreeMap::new();
        for row in client.query(COLUMNS, &[]).expect("the catalog can be read") {
            let (table, type_name): (String, String) = (row.get(0), row.get(2));
            tables
                .entry(table.clone())
                .or_insert_with(|| Table {
                    name: table,
                    columns: Vec::new(),
                    key: Vec::new(),
                    references: Vec::new(),
                    unique: Vec::new(),
                    partition_of: row.get(6),
                    open: false,
                    hub: false,
                    fields: Vec::new(),
                })
                .columns
                .push(Column {
                    name: row.get(1),
                    family: family(&type_name),
                    type_name,
                    declared: row.get(8),
                    nullable: row.get(3),
                    generated: row.get(4),
                    sequence: row.get(5),
                    default: row.get(7),
                });
        }
        for row in client.query(UNIQUE, &[]).expect("the catalog can be read") {
            let table: &mut Table = tables
                .get_mut(row.get::<_, &str>(0))
                .expect("a table with columns");
            let columns: Vec<String> = row.get(2);
            if row.get(1) {
                table.key.clone_from(&columns);
            }
            let name: String = row.get(3);
            // What looks at fields looks at what is stored.
            if !table.unique.iter().any(|known| known.name == name) {
                table.unique.push(Unique { name, columns });
            }
        }
        for row in client
            .query(REFERENCES, &[])
            .expect("the catalog can be read")
        {
            let table: &mut Table = tables
                .get_mut(row.get::<_, &str>(0))
                .expect("a table with columns");
            table.references.push(Reference {
                column: row.get(1),
                table: row.get(2),
                key: row.get(3),
                constraint: row.get(4),
            });
        }
        tables.retain(|name, table| !table.key.is_empty() && !oracle.is_left_out(name));
        for table in tables.values_mut() {
            table.open = oracle.is_open(&table.name);
            table.hub = table.open || oracle.is_hub(&table.name);
            let fields = oracle.field_columns(&table.name).into_iter();
            table.fields = fields.map(str::to_owned).collect();
        }
        Self { tables }
    }

    /// The foreign keys of a table that tell what its rows belong to: not those to hubs.
    pub fn relations<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Reference> {
        let to_hub = |r: &&Reference| self.tables.get(&r.table).is_none_or(|other| other.hub);
        table.references.iter().filter(move |r| !to_hub(r))
    }

    /// Whether SQL names a table that isn't open to everybody.
    pub fn names_protected(&self, sql: &str) -> bool {
        self.names(sql, |table| !table.open)
    }

    /// Whether SQL names a table with fields.
    pub fn names_fields(&self, sql: &str) -> bool {
        self.names(sql, |table| !table.fields.is_empty())
    }

    fn names(&self, sql: &str, suits: impl Fn(&Table) -> bool) -> bool {
        sql.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';'))
            .any(|word| self.tables.get(word).is_some_and(&suits))
    }

    /// The table that PostgreSQL's errors call so.
    pub fn named(&self, name: &str) -> Option<&Table> {
        self.tables
            .get(name)
            .or_else(|| self.tables.get(&format!("\"{name}\"")))
    }

    /// A table that is there.
    pub fn table(&self, name: &str) -> &Table {
        &self.tables[name]
    }

    /// The tables that hold rows themselves: no partitions, which are other names of the same rows.
    pub fn whole(&self) -> impl Iterator<Item = &Table> {
        self.tables
            .values()
            .filter(|table| table.partition_of.is_none())
    }

    /// A table and those whose rows go or change with its rows, by foreign key.
    pub fn dependents(&self, name: &str) -> Vec<String> {
        let mut found = vec![name.to_owned()];
        let mut at = 0;
        while at < found.len() {
            for table in self.whole() {
                if table.references.iter().any(|r| r.table == found[at])
                    && !found.contains(&table.name)
                {
                    found.push(table.name.clone());
                }
            }
            at += 1;
        }
        found
    }
}

impl Table {
    /// A column that is there.
    pub fn column(&self, name: &str) -> &Column {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .unwrap_or_else(|| panic!("{} has no column {name}", self.name))
    }

    /// The schema of a shadow in which constraints look at its rows.
    pub fn place(&self) -> &'static str {
        if self.fields.is_empty() {
            "public"
        } else {
            "stored"
        }
    }

    /// The columns that are stored.
    pub fn stored(&self) -> Vec<String> {
        self.columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| column.name.clone())
            .collect()
    }
}

fn family(type_name: &str) -> Family {
    match type_name {
        "smallint" | "integer" | "bigint" | "numeric" | "double precision" => Family::Number,
        "text" | "character varying" => Family::Text,
        "date" | "timestamp without time zone" | "timestamp with time zone" => Family::Time,
        "boolean" => Family::Bool,
        _ => Family::Other,
    }
}
