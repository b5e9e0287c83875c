//! Fields: which of a row's columns the person may write.

use std::collections::BTreeSet;

use celador_policy::field::FieldRight;
use celador_policy::policy_set::CellRef;
use celador_policy::row_policy::reach_sql;
use pgrx::prelude::*;

use super::{Call, Known, Verdicted, row, verdict};
use crate::hooks::injected::mistake;
use crate::session::Person;

/// What is said of a field that is written without the right to, and what to do.
pub(crate) fn may_not_write(field: &str) -> (String, &'static str) {
    (
        format!("you may not write field \"{field}\""),
        "Leave the column as it is shown, or ask for the right to write the field. What a trigger of \
         the table's writes counts too.",
    )
}

/// A field that the person doesn't write in every row.
pub(super) struct Guarded {
    name: String,
    column: String,
}

/// The fields of a module that the person doesn't write in every row.
pub(super) fn guarded(person: &Person, module: &str) -> Vec<Guarded> {
    let fields = person.policy().fields.get(module).into_iter().flatten();
    let guarded = fields.filter_map(|(name, field)| {
        let column = field.column.as_ref()?;
        let write = CellRef::Field(name.clone(), FieldRight::Write);
        (!person.reach(module, &write.text()).all).then(|| Guarded {
            name: name.clone(),
            column: column.name.clone(),
        })
    });
    guarded.collect()
}

/// Which of the fields the person may write in the row.
///
/// ```sql
/// SELECT (o in reach for ["email","write"]), (o in reach for ["phone","write"]) FROM (SELECT ($1).*) AS o
/// ```
pub(super) fn questions(person: &Person, module: &str, fields: &[Guarded]) -> String {
    let asked = fields.iter().map(|field| {
        let write = CellRef::Field(field.name.clone(), FieldRight::Write);
        format!("({})", reach_sql(person.policy(), module, &write, "o."))
    });
    let asked: Vec<String> = asked.collect();
    format!("SELECT {} FROM (SELECT ($1).*) AS o", asked.join(", "))
}

impl Call {
    /// Whether the person may write the fields that change, by what the row was; or what is wrong.
    pub(super) unsafe fn writes_fields(
        &self,
        person: &Person,
        known: &Known,
        module: &str,
        changed: &BTreeSet<String>,
    ) -> Verdicted {
        let is_changed = |field: &Guarded| {
            changed.contains(&field.column) && !mistake("seeing a field is writing it")
        };
        // SAFETY: the old row is of the trigger's relation.
        unsafe {
            self.fields(
                person,
                known,
                module,
                &is_changed,
                (*self.data).tg_trigtuple,
            )
        }
    }

    /// Whether the person may write the fields that a new row has values for: other than NULL and the
    /// column's default.
    pub(super) unsafe fn creates_fields(
        &self,
        person: &Person,
        known: &Known,
        module: &str,
        row: pg_sys::HeapTuple,
    ) -> Verdicted {
        // SAFETY: the row is of the trigger's relation.
        unsafe {
            let is_given = |field: &Guarded| {
                row::is_given(self.relation, row, &field.column)
                    && !mistake("creating writes every field")
            };
            self.fields(person, known, module, &is_given, row)
        }
    }

    unsafe fn fields(
        &self,
        person: &Person,
        known: &Known,
        module: &str,
        is_written: &dyn Fn(&Guarded) -> bool,
        row: pg_sys::HeapTuple,
    ) -> Verdicted {
        let written: Vec<bool> = known.fields.iter().map(is_written).collect();
        if !written.contains(&true) {
            return Ok(());
        }
        let questions = known.field_questions(person, module);
        // SAFETY: the row is of the trigger's relation.
        let answers = unsafe { verdict::answers(person, self.relation, questions, &[row]) };
        let may = |at: usize| answers.get(at).cloned().flatten().as_deref() == Some("t");
        let mut refused = (0..)
            .zip(&written)
            .filter(|(at, written)| **written && !may(*at));
        match refused.next().and_then(|(at, _)| known.fields.get(at)) {
            None => Ok(()),
            Some(field) => Err(may_not_write(&field.name)),
        }
    }
}
