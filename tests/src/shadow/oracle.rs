//! What the shadow test believes: who reaches which row, told as SQL that was written by hand from
//! the design and the matrix, apart from everything that Celador computes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fields::Field;
use super::schema::Table;
use super::stored;

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Seen.
    Read,
    /// Added.
    Create,
    /// Changed.
    Update,
    /// Removed.
    Delete,
    /// Taken while it has no owner.
    Claim,
}

/// The columns of a table that mean something.
#[derive(Debug, Clone, Default)]
pub struct Record<'a> {
    /// Who made it.
    pub creator: Option<&'a str>,
    /// Whose it is.
    pub owner: Option<&'a str>,
    /// Under which group it is filed.
    pub group: Option<&'a str>,
    /// What may change beside an assignment.
    pub touch: Vec<&'a str>,
    /// Of a table that says whose the records of another are: the column that names the person.
    pub names_owner: Option<&'a str>,
    /// Columns that rules and restrictions look at.
    pub ruled: Vec<&'a str>,
}

impl Record<'_> {
    /// The columns by which a row is given to somebody.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.owner.into_iter().chain(self.group)
    }

    /// Nothing in it says whose a row is.
    pub fn is_nobodys(&self) -> bool {
        self.creator.is_none() && self.owner.is_none() && self.group.is_none()
    }
}

/// A change of the directory while sessions are open.
#[derive(Debug, Clone)]
pub struct Change {
    /// SQL on the CRM's tables; `{s}` stands for the schema.
    pub tables: String,
    /// SQL that runs only where Celador is.
    pub celador: String,
}

/// A CRM and a policy, as a person who has read both would tell them. Every predicate is about a
/// row `r`; other rows are read from schema `all_rows`, which has those that are hidden too.
pub trait Oracle: Sync {
    /// The logins of the people.
    fn people(&self) -> Vec<&str>;
    /// The key of a person, as SQL.
    fn key_of(&self, person: &str) -> String;
    /// The key by which the owner column of a table names a person, as SQL.
    fn owner_key(&self, _phase: usize, person: &str, _table: &str) -> String {
        self.key_of(person)
    }
    /// How many states the directory goes through, one after the other and over again.
    fn phases(&self) -> usize;
    /// What leads to a phase from the one before.
    fn change(&self, phase: usize) -> Change;
    /// The people for whom a phase differs from the one before.
    fn concerned(&self, phase: usize) -> Vec<&str>;
    /// Whether the person is nobody: whatever touches a table that isn't open is an error.
    fn is_nobody(&self, phase: usize, person: &str) -> bool;
    /// When a row is in reach.
    fn reach(&self, phase: usize, person: &str, table: &str, action: Action) -> String;
    /// By what a row may be given to another: what must hold before, and what afterwards.
    fn assigns(&self, phase: usize, person: &str, table: &str) -> Vec<(String, String)>;
    /// The columns that mean something.
    fn record(&self, table: &str) -> Record<'_>;
    /// Tables that are seen or not by what is in this one, beside its dependents by foreign key.
    fn watchers(&self, table: &str) -> Vec<&str>;
    /// The columns of a table that don't show everybody what they hold.
    fn field_columns(&self, _table: &str) -> Vec<&str> {
        Vec::new()
    }
    /// What a person sees of these columns, and in which rows he or she writes them.
    fn fields(&self, _phase: usize, _person: &str, _table: &str) -> Vec<Field> {
        Vec::new()
    }
    /// Whether the table is open: read by everybody, and not written here.
    fn is_open(&self, table: &str) -> bool;
    /// Whether half of the database refers to the table: it is joined to, never from.
    fn is_hub(&self, table: &str) -> bool;
    /// Whether no statement touches the table: it holds the same on both sides.
    fn is_left_out(&self, _table: &str) -> bool {
        false
    }
    /// Whether the grammar does this to that table: not where the design leaves it open.
    fn decided(&self, person: &str, table: &str, action: Action) -> bool;
    /// Values worth writing into a column that says whose a row is: keys of people or groups.
    fn candidates(
        &self,
        phase: usize,
        person: &str,
        table: &str,
        column: &str,
    ) -> Option<Vec<String>>;
}

/// A condition that any of them holds.
pub fn any(conditions: &[String]) -> String {
    if conditions.iter().any(|condition| condition == "true") {
        return "true".to_owned();
    }
    let some: Vec<String> = conditions
        .iter()
        .filter(|c| *c != "false")
        .map(|c| format!("({c})"))
        .collect();
    if some.is_empty() {
        "false".to_owned()
    } else {
        some.join(" OR ")
    }
}

/// The trigger that makes a plain table do as person's rights would: rows that may not be changed
/// are passed over, and what may not be written is refused with 42501.
pub fn trigger(oracle: &dyn Oracle, phase: usize, person: &str, table: &Table) -> String {
    let fields = oracle.fields(phase, person, &table.name);
    let columns = table.stored();
    let reach = |action: Action| oracle.reach(phase, person, &table.name, action);
    let holds = |row: &str, condition: &str| match condition {
        "true" | "false" => condition.to_owned(),
        _ => format!("coalesce((SELECT ({condition}) FROM (SELECT {row}.*) r), false)"),
    };
    let (gives_field, changes_field) = stored::refused(table, &fields, holds);
    let table = table.name.as_str();
    let record = oracle.record(table);
    let me = oracle.key_of(person);
    let my_key = oracle.owner_key(phase, person, table);
    let differs = |column: &str| format!("OLD.{column} IS DISTINCT FROM NEW.{column}");
    let any_differs = |columns: &[&str]| {
        any(&columns
            .iter()
            .map(|column| differs(column))
            .collect::<Vec<_>>())
    };
    let given: Vec<&str> = record.given().collect();
    let besides_giving: Vec<&str> = columns
        .iter()
        .map(String::as_str)
        .filter(|column| !given.contains(column) && !record.touch.contains(column))
        .collect();
    let all: Vec<&str> = columns.iter().map(String::as_str).collect();
    let assigns = oracle.assigns(phase, person, table);
    let assign_old = any(&assigns
        .iter()
        .map(|(old, _)| holds("OLD", old))
        .collect::<Vec<_>>());
    let assign = any(&assigns
        .iter()
        .map(|(old, new)| format!("{} AND {}", holds("OLD", old), holds("NEW", new)))
        .collect::<Vec<_>>());
    let claims = match record.owner {
        Some(owner) => format!(
            "may_claim AND OLD.{owner} IS NULL AND coalesce(NEW.{owner} = {my_key}, false) AND NOT ({})",
            record.group.map_or("false".to_owned(), differs)
        ),
        None => "false".to_owned(),
    };
    let (fill, forged, recreated) = match record.creator {
        Some(creator) => (
            format!("IF NEW.{creator} IS NULL THEN NEW.{creator} := {me}; END IF;"),
            format!("NEW.{creator} IS DISTINCT FROM {me}"),
            differs(creator),
        ),
        None => (String::new(), "false".to_owned(), "false".to_owned()),
    };
    format!(
        "CREATE OR REPLACE FUNCTION oracle.{table}() RETURNS trigger LANGUAGE plpgsql STABLE AS $shadow$
DECLARE
  -- ON CONFLICT and MERGE refuse where UPDATE and DELETE pass over.
  refuses boolean := current_setting('shadow.strict', true) = 'on';
  may_update boolean; may_claim boolean; may_assign boolean; given boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    {fill}
    IF {forged} OR NOT {create} THEN
      RAISE EXCEPTION 'not yours to create' USING ERRCODE = '42501';
    END IF;
    IF {gives_field} THEN RAISE EXCEPTION 'not yours to fill in' USING ERRCODE = '42501'; END IF;
    RETURN NEW;
  END IF;
  IF pg_trigger_depth() > 1 THEN -- a referential action
    IF TG_OP = 'DELETE' THEN RETURN OLD; ELSE RETURN NEW; END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF {delete} THEN RETURN OLD; END IF;
    IF refuses THEN RAISE EXCEPTION 'not yours to delete' USING ERRCODE = '42501'; END IF;
    RETURN NULL;
  END IF;
  may_update := {update}; may_claim := {claim}; may_assign := {assign_old};
  IF NOT (may_update OR may_claim OR may_assign) THEN
    IF refuses THEN RAISE EXCEPTION 'not yours to change' USING ERRCODE = '42501'; END IF;
    RETURN NULL;
  END IF;
  IF NOT ({changed}) THEN RETURN NEW; END IF;
  IF {recreated} THEN RAISE EXCEPTION 'another creator' USING ERRCODE = '42501'; END IF;
  IF {changes_field} THEN RAISE EXCEPTION 'not yours to write' USING ERRCODE = '42501'; END IF;
  given := {given};
  IF given THEN
    IF NOT ({assign} OR {claims}) THEN
      RAISE EXCEPTION 'not yours to give' USING ERRCODE = '42501';
    END IF;
    IF NOT may_update AND ({besides}) THEN
      RAISE EXCEPTION 'given and changed' USING ERRCODE = '42501';
    END IF;
  ELSIF NOT may_update OR NOT {update_new} THEN
    RAISE EXCEPTION 'out of reach' USING ERRCODE = '42501';
  END IF;
  RETURN NEW;
END $shadow$",
        create = holds("NEW", &reach(Action::Create)),
        delete = holds("OLD", &reach(Action::Delete)),
        update = holds("OLD", &reach(Action::Update)),
        update_new = holds("NEW", &reach(Action::Update)),
        claim = holds("OLD", &reach(Action::Claim)),
        changed = any_differs(&all),
        given = any_differs(&given),
        besides = any_differs(&besides_giving),
    )
}

/// Counted names, for what a run prints.
pub type Counts = BTreeMap<String, usize>;
