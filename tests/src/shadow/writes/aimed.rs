//! Writes that try a cell: what is sent, and to which rows.

use super::row::Intent;
use super::{Made, Writer, can_be_copied};
use crate::shadow::aim::{Cell, Deed};
use crate::shadow::oracle::Action;
use crate::shadow::schema::Table;
use crate::shadow::values::{Pool, Row};

/// At most so many rows does a statement pass over.
const MANY: usize = 12;

impl<'a> Writer<'a> {
    /// A statement that tries a cell.
    pub(super) fn aimed_write(&mut self, cell: &Cell) -> Made<'a> {
        let table = self.generator.schema.table(&cell.table);
        let has_one_key = table.key.len() == 1;
        let production = self.chance().below(100);
        match cell.deed {
            Deed::Create => match production {
                0..80 => self.in_turn(table, cell),
                80..88 if can_be_copied(table) => self.insert_select(),
                88..94 if has_one_key => self.on_conflict(),
                _ => self.insert(),
            },
            Deed::Delete => match production {
                0..15 => self.with_changed(),
                _ => self.delete(),
            },
            Deed::Update | Deed::Assign | Deed::Claim => match production {
                0..10 if has_one_key && !table.fields.is_empty() => self.save(table),
                0..45 => self.in_turn(table, cell),
                45..54 if has_one_key => self.merge(),
                54..60 if has_one_key => self.current_of(),
                60..66 if has_one_key => self.prepared(),
                66..72 => self.with_changed(),
                72..88 if has_one_key && !table.fields.is_empty() => self.save(table),
                _ => self.update(),
            },
        }
    }

    /// The rows that the statement is aimed at.
    pub(super) fn aimed_pool(&self) -> Option<Pool> {
        let cell = self.aim.as_ref()?;
        Some(cell.deed.pool(cell.allowed))
    }

    /// One row or two; where the statement is aimed at what it may not do, more: it passes over them.
    pub(super) fn few_rows(
        &mut self,
        table: &Table,
        (action, intent): (Action, Intent),
    ) -> Vec<&'a Row> {
        let denied = self.aim.as_ref().filter(|cell| !cell.allowed);
        let many = match denied.map(|cell| cell.deed) {
            Some(Deed::Delete) => Some(Pool::Undeletable),
            Some(Deed::Update | Deed::Assign | Deed::Claim) if self.chance().percent(70) => {
                Some(Pool::Foreign)
            }
            Some(Deed::Create | Deed::Update | Deed::Assign | Deed::Claim) | None => None,
        };
        let (values, chance) = (self.generator.values, &mut *self.generator.chance);
        let mut rows = many.map_or_else(Vec::new, |pool| {
            values.several(chance, (pool, &table.name), MANY)
        });
        if rows.is_empty() || self.chance().percent(50) {
            let allowed = self.aim.as_ref().map(|cell| cell.deed.pool(true));
            for _ in 0..=self.chance().below(2) {
                let pool = match allowed {
                    Some(pool) if !rows.is_empty() => Some(pool),
                    _ => self.pool(action, intent),
                };
                rows.extend(self.row(table, pool));
            }
        }
        rows
    }
}
