//! Column masks: what a table's rows show of the fields that they hold. Plain SQL, the same whoever
//! asks, as row policies are.

use crate::action::Action;
use crate::field::{Field, FieldRight};
use crate::placement::RowFilter;
use crate::policy_set::{CellRef, Column, Placement, PolicySet};
use crate::quote;
use crate::rendering::Rendering;
use crate::row_policy::{reach_and_restrictions, reach_sql};

/// What the rows of a table show of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMask {
    /// The column.
    pub column: Column,
    /// The field, by which documents name it.
    pub field: String,
    /// In which rows any value may be written: the field may, and so may the rest of the row. What may only be
    /// claimed or given away keeps its fields, or whether a claim is refused would tell what they hold.
    pub write: String,
    /// The first whose condition a row satisfies is what it shows.
    pub cases: Vec<(String, Rendering)>,
    /// What all other rows show.
    pub otherwise: Rendering,
}

impl ColumnMask {
    /// The mask as one expression. `alias` as it stands in the conditions.
    ///
    /// With `renderings = ["clear", "partial(0,4)", "null"]`:
    ///
    /// ```sql
    /// CASE WHEN (…in reach for ["phone","clear"]) THEN "phone"
    ///   WHEN (…in reach for ["phone","partial(0,4)"]) THEN celador.render_partial(CAST("phone" AS pg_catalog.text), 0, 4)
    ///   ELSE NULL::"pg_catalog"."text" END
    /// ```
    pub fn sql(&self, alias: &str) -> String {
        let name = format!("{alias}{}", quote::name(&self.column.name));
        let shown = |rendering: &Rendering| rendering.sql(&name, &self.column.type_name);
        if self.cases.is_empty() {
            return shown(&self.otherwise);
        }
        let cases = self.cases.iter();
        let cases: Vec<String> = cases
            .map(|(condition, rendering)| format!("WHEN {condition} THEN {}", shown(rendering)))
            .collect();
        format!(
            "CASE {} ELSE {} END",
            cases.join(" "),
            shown(&self.otherwise)
        )
    }
}

/// The masks of a table that is placed so, in the order of the columns' names. `alias` is put before
/// the columns: empty, or a name with its dot.
///
/// Where several modules share the table, a row shows what each module that it belongs to grants; the
/// check sees to it that they render the column alike. Accounts and contacts in one table:
///
/// ```sql
/// CASE WHEN (NOT (("kind" …'a') IS TRUE) OR (…accounts…)) AND (NOT (("kind" …'c') IS TRUE) OR (…contacts…)) THEN "phone"
///   ELSE NULL::"pg_catalog"."text" END
/// ```
pub fn column_masks(set: &PolicySet, placement: &Placement, alias: &str) -> Vec<ColumnMask> {
    let mut columns: Vec<(&Column, Vec<Masking<'_>>)> = Vec::new();
    for (rows, place) in placement.places() {
        let Placement::Module(module) = place else {
            continue;
        };
        for (name, field) in set.fields.get(module).into_iter().flatten() {
            let Some(column) = field.column.as_ref().filter(|_| field.masks()) else {
                continue;
            };
            let masking = Masking {
                module,
                name,
                field,
                rows,
            };
            match columns
                .iter_mut()
                .find(|(known, _)| known.name == column.name)
            {
                Some((_, maskings)) => maskings.push(masking),
                None => columns.push((column, vec![masking])),
            }
        }
    }
    columns.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    columns
        .into_iter()
        .filter_map(|(column, maskings)| mask(set, column, &maskings, alias))
        .collect()
}

/// Whether a column of a table that is placed so was there when the policy was checked; where nothing is
/// masked, every column is taken for known. What came later may hold anything, and shows NULL.
pub fn is_known(set: &PolicySet, placement: &Placement, column: &str) -> bool {
    let held = placement.holds();
    let mut known = held
        .iter()
        .filter_map(|module| set.known_columns.get(*module))
        .peekable();
    known.peek().is_none() || known.any(|columns| columns.contains(column))
}

/// A field of one of the modules whose records a table holds.
struct Masking<'a> {
    module: &'a str,
    name: &'a str,
    field: &'a Field,
    /// The module's rows; `None`: all.
    rows: Option<&'a RowFilter>,
}

fn mask(
    set: &PolicySet,
    column: &Column,
    maskings: &[Masking<'_>],
    alias: &str,
) -> Option<ColumnMask> {
    let first = maskings.first()?;
    let renderings = &first.field.renderings;
    let (otherwise, others) = renderings.split_last()?;
    let cases = others.iter().enumerate().map(|(at, rendering)| {
        let conditions: Vec<String> = maskings
            .iter()
            .map(|masking| masking.shows(set, &renderings[..=at], alias))
            .collect();
        (conditions.join(" AND "), rendering.clone())
    });
    let write = maskings.iter().map(|masking| masking.writes(set, alias));
    let write: Vec<String> = write.collect();
    Some(ColumnMask {
        column: column.clone(),
        field: first.name.to_owned(),
        write: write.join(" AND "),
        cases: cases.collect(),
        otherwise: otherwise.clone(),
    })
}

impl Masking<'_> {
    /// The row isn't the module's, or is shown by the last of the renderings at least. Where all rows
    /// are the module's, the more revealing ones have been asked for before.
    fn shows(&self, set: &PolicySet, renderings: &[Rendering], alias: &str) -> String {
        let asked = match self.rows {
            None => &renderings[renderings.len().saturating_sub(1)..],
            Some(_) => renderings,
        };
        let rights: Vec<FieldRight> = asked.iter().cloned().map(FieldRight::Shown).collect();
        self.grants(set, &rights, alias)
    }

    /// The row isn't the module's, or may be changed, and the field written in it.
    ///
    /// ```sql
    /// ((…in reach for ["phone","write"]) AND …in reach for update, and what restrictions demand)
    /// ```
    fn writes(&self, set: &PolicySet, alias: &str) -> String {
        let granted = self.grants(set, &[FieldRight::Write], alias);
        let update = CellRef::Action(set.writing_action(self.module, Action::Update));
        let changed = reach_and_restrictions(set, self.module, &update, alias);
        let both = format!("(({granted}) AND {changed})");
        match self.rows {
            None => both,
            Some(rows) => format!("(NOT {} OR {both})", rows.sql(alias)),
        }
    }

    /// The row isn't the module's, or any of the rights is granted in it.
    fn grants(&self, set: &PolicySet, rights: &[FieldRight], alias: &str) -> String {
        let granted = rights.iter().map(|right| {
            let cell = CellRef::Field(self.name.to_owned(), right.clone());
            reach_sql(set, self.module, &cell, alias)
        });
        let granted: Vec<String> = granted.collect();
        let granted = granted.join(" OR ");
        match self.rows {
            None => granted,
            Some(rows) => format!("(NOT {} OR {granted})", rows.sql(alias)),
        }
    }
}
