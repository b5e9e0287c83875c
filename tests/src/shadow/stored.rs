//! What shadows keep of fields: schema `public` shows of each row what the person sees, and `stored` has
//! the same rows as they are.
//!
//! A row that is written as it is shown stays as it is stored; whatever else is written is stored, and
//! shown as the oracle says. Constraints look at what is stored.

use super::fields::Field;
use super::oracle::any;
use super::schema::{Schema, Table};

/// The tables beside those with fields, as the shadow's template has them.
pub fn tables(table: &Table) -> String {
    let name = &table.name;
    let fields: Vec<String> = table.fields.iter().map(|f| format!("'{f}'")).collect();
    let nullable = table
        .fields
        .iter()
        .map(|field| format!("ALTER TABLE public.{name} ALTER COLUMN {field} DROP NOT NULL;"));
    format!(
        "CREATE TABLE stored.{name} (LIKE public.{name} INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING INDEXES);
         {}
         DO $$ DECLARE looks record; BEGIN
           FOR looks IN SELECT DISTINCT c.conname FROM pg_constraint c
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
             WHERE c.conrelid = 'public.{name}'::regclass AND c.contype IN ('c', 'u') AND quote_ident(a.attname) IN ({})
           LOOP EXECUTE format('ALTER TABLE public.{name} DROP CONSTRAINT %I', looks.conname); END LOOP;
         END $$;",
        nullable.collect::<String>(),
        fields.join(", ")
    )
}

fn same_key(table: &Table, one: &str, other: &str) -> String {
    let keys = table.key.iter();
    let keys: Vec<String> = keys
        .map(|key| format!("{one}.{key} = {other}.{key}"))
        .collect();
    keys.join(" AND ")
}

fn shown(table: &Table, fields: &[Field]) -> Vec<String> {
    let fields = fields.iter();
    fields
        .map(|field| field.shown(&table.column(field.column).declared))
        .collect()
}

/// Moves the rows of a table with fields that come into reach or leave it.
pub fn move_rows(table: &Table, reach: &str) -> String {
    let (name, columns) = (&table.name, table.stored().join(", "));
    format!(
        "WITH gone AS (DELETE FROM stored.{name} r WHERE ({reach}) IS NOT TRUE RETURNING r.*),
           with_it AS (DELETE FROM public.{name} p USING gone WHERE {})
         INSERT INTO hidden.{name} ({columns}) SELECT {columns} FROM gone;
         WITH come AS (DELETE FROM hidden.{name} r WHERE {reach} RETURNING {columns}),
           kept AS (INSERT INTO stored.{name} ({columns}) SELECT {columns} FROM come)
         INSERT INTO public.{name} ({columns}) SELECT {columns} FROM come;\n",
        same_key(table, "p", "gone")
    )
}

/// Shows the rows that are in reach as the person sees them.
pub fn show(table: &Table, fields: &[Field]) -> String {
    let name = &table.name;
    let columns: Vec<&str> = fields.iter().map(|field| field.column).collect();
    let keys: Vec<String> = table.key.iter().map(|key| format!("r.{key}")).collect();
    let values = columns.iter().zip(shown(table, fields));
    let values: Vec<String> = values
        .map(|(column, value)| format!("{value} AS {column}"))
        .collect();
    let (mine, new) = (columns.join(", p."), columns.join(", v."));
    format!(
        "UPDATE public.{name} p SET ({}) = ROW(v.{new}) FROM (SELECT {}, {} FROM stored.{name} r) v
         WHERE {} AND (p.{mine}) IS DISTINCT FROM (v.{new});\n",
        columns.join(", "),
        keys.join(", "),
        values.join(", "),
        same_key(table, "p", "v")
    )
}

/// The rows of a table as the person sees them, of all those that are there, as a FROM item `r`.
pub fn as_seen(table: &Table, fields: &[Field], reach: &str) -> String {
    let name = &table.name;
    if fields.is_empty() {
        return format!("all_rows.{name} r WHERE {reach}");
    }
    let columns = table.columns.iter().map(|column| {
        let field = fields.iter().find(|field| field.column == column.name);
        match field {
            Some(field) => format!("{} AS {}", field.shown(&column.declared), column.name),
            None => format!("r.{}", column.name),
        }
    });
    let columns: Vec<String> = columns.collect();
    format!(
        "(SELECT {} FROM all_rows.{name} r WHERE {reach}) r",
        columns.join(", ")
    )
}

/// Where Celador is: views that show the database's own superuser's eyes to everybody, so that what is
/// stored can be compared within a person's transaction.
pub fn views(schema: &Schema) -> String {
    let tables = schema.whole().filter(|table| !table.fields.is_empty());
    let views: Vec<String> = tables
        .map(|Table { name, .. }| {
            format!(
                "CREATE VIEW stored.{name} AS SELECT * FROM public.{name}; GRANT SELECT ON stored.{name} TO PUBLIC;
                 SELECT celador.register_view('stored.{name}');"
            )
        })
        .collect();
    if views.is_empty() {
        return String::new();
    }
    format!(
        "CREATE SCHEMA stored; GRANT USAGE ON SCHEMA stored TO PUBLIC; {}",
        views.concat()
    )
}

/// The statements that give the keys and fields of all rows: where Celador is, and on a shadow, where the
/// last column says that the person doesn't see the row.
pub fn held(table: &Table) -> (String, String) {
    let name = &table.name;
    let columns = [table.key.as_slice(), &table.fields].concat().join(", ");
    (
        format!("SELECT {columns} FROM stored.{name}"),
        format!(
            "SELECT {columns}, false FROM stored.{name} UNION ALL SELECT {columns}, true FROM hidden.{name}"
        ),
    )
}

/// The function of the trigger that stores what is written, and shows it. Referential actions call it as
/// the table's owner.
pub fn trigger(table: &Table, fields: &[Field]) -> String {
    let (name, stored) = (&table.name, table.stored());
    let is_field = |column: &str| fields.iter().any(|field| field.column == column);
    let new: Vec<String> = stored
        .iter()
        .map(|column| format!("NEW.{column}"))
        .collect();
    let changed = stored.iter().map(|column| {
        if is_field(column) {
            format!(
                "{column} = CASE WHEN NEW.{column} IS DISTINCT FROM OLD.{column} THEN NEW.{column} ELSE s.{column} END"
            )
        } else {
            format!("{column} = NEW.{column}")
        }
    });
    let changed: Vec<String> = changed.collect();
    let into: Vec<String> = fields
        .iter()
        .map(|field| format!("NEW.{}", field.column))
        .collect();
    format!(
        "CREATE OR REPLACE FUNCTION stored.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $shadow$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM stored.{name} s WHERE {old_key};
    RETURN OLD;
  ELSIF TG_OP = 'UPDATE' THEN
    UPDATE stored.{name} s SET {changed} WHERE {old_key};
  ELSE
    INSERT INTO stored.{name} ({stored}) VALUES ({new}) ON CONFLICT ({key}) DO NOTHING;
    IF NOT FOUND THEN RETURN NEW; END IF; -- EXCLUDED is what was offered.
  END IF;
  SELECT {shown} INTO {into} FROM stored.{name} r WHERE {shown_key};
  RETURN NEW;
END $shadow$",
        old_key = same_key(table, "s", "OLD"),
        key = table.key.join(", "),
        shown_key = same_key(table, "r", "NEW"),
        changed = changed.join(", "),
        stored = stored.join(", "),
        new = new.join(", "),
        shown = shown(table, fields).join(", "),
        into = into.join(", "),
    )
}

/// That a new row gives a field which may not be written in it, and that an update does, as SQL. `holds`
/// asks a condition of a row.
pub fn refused(
    table: &Table,
    fields: &[Field],
    holds: impl Fn(&str, &str) -> String,
) -> (String, String) {
    let on = |row: &str, is_written: &dyn Fn(&Field) -> String| {
        let fields = fields.iter().filter(|field| field.write != "true");
        let refused = fields
            .map(|field| format!("{} AND NOT {}", is_written(field), holds(row, &field.write)));
        any(&refused.collect::<Vec<_>>())
    };
    // NULL and the column's default are no values of the person's.
    let given = |field: &Field| {
        let default = table.column(field.column).default.as_deref();
        format!(
            "NEW.{column} IS NOT NULL AND NEW.{column} IS DISTINCT FROM {}",
            default.unwrap_or("NULL"),
            column = field.column
        )
    };
    let changed = |field: &Field| format!("NEW.{0} IS DISTINCT FROM OLD.{0}", field.column);
    (on("NEW", &given), on("OLD", &changed))
}
