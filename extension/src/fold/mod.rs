//! Puts a person's answers into a statement while it is planned, so that the plan is the one that
//! an expert would have got by writing the condition for that very person.
//!
//! ```sql
//! celador.all_in_reach('contacts', 'read') OR celador.owner_in_reach('contacts', 'read', 'user', owner_id)
//! ```
//!
//! becomes, for whoever reaches everything, nothing, one owner's records, or some owners':
//!
//! ```sql
//! true
//! false
//! owner_id = 42
//! owner_id = ANY ('{42,43}')
//! ```
//!
//! What stays is asked row by row. A statement that holds an answer carries a stamp
//! ([`crate::plan_stamp`]): it never runs for anybody else.

mod bitmap;
mod constants;
mod followed;
mod keys;
mod remembered;
mod support;

use std::ffi::c_void;

use celador_policy::key_set::KeySet;
use celador_policy::policy_set::{CellRef, LinkKind, Placement};
use celador_policy::{Reach, TableName, quote};
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

pub(crate) use bitmap::ask_once;

use crate::hooks::injected::mistake;
use crate::plan_notes::{self, Table};
use crate::probe::{module, reaches_all, reaches_nothing};
use crate::reach::{Set, attribute, holds_what};
use crate::session::Person;

pub(crate) use constants::{constant_bool, text_constant};
use constants::{constant_place, constant_text, is_written_out};
pub(crate) use remembered::{Answered, Conditions};

/// A function of Celador's whose answer may be known before a row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    AllInReach,
    Holds,
    Restricted,
    IsKnown,
    Set(Set),
    MyKey,
    MyAttribute,
    HasRole,
    Record,
    Child,
    Parent,
    Related,
    Link,
    Unlinked,
}

impl Question {
    /// What the functions of schema `celador` ask, by their names.
    pub(crate) const NAMES: [(&'static str, Self); 18] = [
        ("all_in_reach", Self::AllInReach),
        ("holds", Self::Holds),
        ("restricted", Self::Restricted),
        ("is_known", Self::IsKnown),
        ("owner_in_reach", Self::Set(Set::Owners)),
        ("group_in_reach", Self::Set(Set::Groups)),
        ("creator_in_reach", Self::Set(Set::Created)),
        ("creator_is_me", Self::Set(Set::Mine)),
        ("share_in_reach", Self::Set(Set::Shared)),
        ("my_key", Self::MyKey),
        ("my_attribute", Self::MyAttribute),
        ("has_role", Self::HasRole),
        ("record_in_reach", Self::Record),
        ("child_in_reach", Self::Child),
        ("parent_in_reach", Self::Parent),
        ("related_in_reach", Self::Related),
        ("link_in_reach", Self::Link),
        ("unlinked_in_reach", Self::Unlinked),
    ];

    /// The question that the function `celador.NAME` asks.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        names.find_map(|(known, question)| (known == name).then_some(question))
    }
}

static ON: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Defines the setting. Called once, when the library is loaded.
pub(crate) fn define_setting() {
    GucRegistry::define_bool_guc(
        c"celador.fold",
        c"Plan each statement for the person who asks.",
        c"Off, plans are the same whoever asks, and conditions are asked row by row. The rows are the same.",
        &ON,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// Whether statements are planned for whoever asks.
pub(crate) fn is_on() -> bool {
    ON.get()
}

/// What is known before a row is looked at.
enum Answer {
    Bool(bool),
    Text(Option<String>),
    Condition(*mut pg_sys::Node),
}

impl Answer {
    /// As it is written in SQL, for `celador.explain_plan`.
    unsafe fn written(&self, table: Table) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Text(None) => "NULL".to_owned(),
            Self::Text(Some(text)) => quote::text(text),
            // SAFETY: a condition that was made for the statement.
            Self::Condition(condition) => unsafe { table.written(*condition) },
        }
    }
}

struct Fold<'a> {
    person: &'a Person,
    /// The table whose condition it is.
    table: Table,
    folded: bool,
    how: How,
    /// How many sub-selects it is in.
    depth: u32,
    /// Something is left that only Celador's own statements may ask.
    unanswered: bool,
    /// The sub-selects that were made.
    selects: Vec<*mut pg_sys::SubLink>,
}

/// A condition with a person's answers in it.
pub(crate) struct Folded {
    pub(crate) condition: *mut pg_sys::Node,
    /// Whether there are any answers.
    pub(crate) answered: bool,
    /// The sub-selects that were made.
    pub(crate) selects: Vec<*mut pg_sys::SubLink>,
}

/// How answers are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct How {
    /// Questions about other rows become sub-selects.
    pub(crate) follow: bool,
    /// One key is written as a list too. Before 18 PostgreSQL takes a column that equals a constant for
    /// sorted, also where grouping sets put NULL in its place.
    pub(crate) lists: bool,
}

/// The condition on a table with the person's answers in it.
pub(crate) unsafe fn answers(
    condition: *mut pg_sys::Node,
    table: Table,
    person: &Person,
    how: How,
) -> Folded {
    // Whoever wants notes gets them of each question.
    let remembers = !plan_notes::are_taken();
    let conditions = &person.catalog.conditions;
    // SAFETY: compares trees.
    let number = remembers.then(|| unsafe { conditions.number(table, condition) });
    let key = number.flatten().map(|number| (number, how));
    // SAFETY: as above.
    if let Some(known) = key.and_then(|key| unsafe { person.answered.recall(key) }) {
        return known;
    }
    let mut fold = Fold {
        person,
        table,
        folded: false,
        how,
        depth: 0,
        unanswered: false,
        selects: Vec::new(),
    };
    // SAFETY: the tree is the planner's, which expects hooks to change it.
    let condition = unsafe { fold.node(condition) };
    let folded = Folded {
        condition,
        answered: fold.folded,
        selects: fold.selects,
    };
    if let Some(key) = key {
        // SAFETY: copies a tree.
        unsafe { person.answered.keep(key, &folded) }
    }
    folded
}

impl Fold<'_> {
    unsafe fn node(&mut self, node: *mut pg_sys::Node) -> *mut pg_sys::Node {
        // SAFETY: node types are checked before they are read.
        unsafe {
            if node.is_null() {
                return node;
            }
            let tag = (*node).type_;
            if tag == pg_sys::NodeTag::T_BoolExpr {
                self.connected(node.cast())
            } else if tag == pg_sys::NodeTag::T_FuncExpr {
                self.function(node.cast())
            } else {
                self.parts(node)
            }
        }
    }

    /// AND, OR and NOT. What decides an AND or OR makes the rest of it superfluous.
    unsafe fn connected(&mut self, expression: *mut pg_sys::BoolExpr) -> *mut pg_sys::Node {
        // SAFETY: the arguments are a list of expressions.
        unsafe {
            let decides = match (*expression).boolop {
                pg_sys::BoolExprType::AND_EXPR => false,
                pg_sys::BoolExprType::OR_EXPR => true,
                _ => return self.parts(expression.cast()),
            };
            let mut left = std::ptr::null_mut();
            for argument in elements((*expression).args) {
                let argument = self.node(argument);
                match constant_bool(argument) {
                    Some(value) if value == decides => return argument,
                    Some(_) if mistake("one answer decides") => return argument,
                    Some(_) => {}
                    None => left = pg_sys::lappend(left, argument.cast()),
                }
            }
            match elements(left).as_slice() {
                [] => pg_sys::makeBoolConst(!decides, false),
                [one] => *one,
                [..] => {
                    (*expression).args = left;
                    expression.cast()
                }
            }
        }
    }

    unsafe fn parts(&mut self, node: *mut pg_sys::Node) -> *mut pg_sys::Node {
        // SAFETY: the mutator gets this value back as its context, and nothing else uses it meanwhile.
        unsafe {
            let fold = std::ptr::from_mut(self).cast();
            pg_sys::ffi::pg_guard_ffi_boundary(|| expression_tree_mutator(node, Some(part), fold))
        }
    }

    unsafe fn function(&mut self, call: *mut pg_sys::FuncExpr) -> *mut pg_sys::Node {
        // SAFETY: makes nodes in the planner's memory.
        unsafe {
            let catalog = &self.person.catalog;
            let question = catalog.questions_asked.get(&(*call).funcid).copied();
            // In a sub-select it is noted with the whole.
            let is_noted = question.is_some() && self.depth == 0 && plan_notes::are_taken();
            let noted = is_noted.then(|| self.table.written(call.cast()));
            let answer = question.and_then(|question| self.answer(question, (*call).args));
            let Some(answer) = answer else {
                if let Some(condition) = noted {
                    let result = "asked row by row".to_owned();
                    self.table.note("policy", condition, result);
                }
                if question.is_some() && self.depth > 0 {
                    self.unanswered |= elements((*call).args)
                        .into_iter()
                        .any(|argument| is_written_out(argument));
                }
                return self.parts(call.cast());
            };
            self.folded = true;
            if let Some(condition) = noted {
                let result = answer.written(self.table);
                self.table.note("policy", condition, result);
            }
            match answer {
                Answer::Bool(value) => pg_sys::makeBoolConst(value, false),
                Answer::Condition(condition) => condition,
                Answer::Text(value) => text_constant(value.as_deref()),
            }
        }
    }

    unsafe fn answer(
        &mut self,
        question: Question,
        arguments: *mut pg_sys::List,
    ) -> Option<Answer> {
        let person = self.person;
        // SAFETY: reads the arguments of one of Celador's functions.
        unsafe {
            let arguments = elements(arguments);
            let argument = |at: usize| *arguments.get(at).unwrap_or(&std::ptr::null_mut());
            let text = |at: usize| constant_text(argument(at));
            let last = *arguments.last().unwrap_or(&std::ptr::null_mut());
            // Only what a policy grants is answered: never scopes that are written out, but where
            // Celador's own sub-selects ask for them.
            let own = self.depth > 0;
            let cell = |at: usize| {
                let cell = CellRef::from_text(&text(at)?)?;
                (own || matches!(cell, CellRef::Action(_) | CellRef::Field(..))).then_some(cell)
            };
            let reach = || {
                let module = text(0)?;
                person
                    .policy()
                    .modules
                    .contains_key(&module)
                    .then_some(())?;
                Some(person.reach(&module, &cell(1)?.text()))
            };
            let never = Some(Answer::Bool(false));
            match question {
                Question::AllInReach => {
                    let all = reach()?.all || mistake("everybody reaches all");
                    Some(Answer::Bool(all))
                }
                Question::Holds => {
                    let _known = reach()?;
                    let (module, cell, what) = (text(0)?, cell(1)?, text(2)?);
                    Some(Answer::Bool(holds_what(
                        person,
                        &module,
                        &cell.text(),
                        &what,
                    )))
                }
                Question::Restricted => {
                    let restriction = text(0)?;
                    let access = &person.access;
                    let restricted = access.restricted(person.policy(), &restriction, &cell(1)?);
                    let restricted = restricted && !mistake("a restriction is lost");
                    Some(Answer::Bool(restricted))
                }
                Question::IsKnown => Some(Answer::Bool(true)),
                Question::Set(set) => {
                    let _known = if set == Set::Mine {
                        None
                    } else {
                        Some(reach()?)
                    };
                    let names: Vec<String> = (0..set.names()).map(text).collect::<Option<_>>()?;
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    match set.of(person, &names).set() {
                        Some(keys) => keys::condition(last, keys, self.how.lists),
                        None => never,
                    }
                }
                Question::MyKey => Some(Answer::Text(person.keys(&text(0)?).first().cloned())),
                Question::MyAttribute => Some(Answer::Text(attribute(person, &text(0)?))),
                Question::HasRole => Some(Answer::Bool(person.access.has_role(&text(0)?))),
                Question::Record => self.followed(&text(0)?, &cell(1)?, Some(last)),
                Question::Child => {
                    let table = TableName::new(text(0)?, text(1)?);
                    let Placement::Child { module, .. } = person.policy().tables.get(&table)?
                    else {
                        return None;
                    };
                    self.followed(module, &cell(2)?, None)
                }
                Question::Parent => {
                    let reach = reach()?;
                    if reach.parents.is_empty() {
                        return never;
                    }
                    let of = module(person.policy(), &text(0)?);
                    let parent = of.parents.get(constant_place(argument(2))?)?;
                    self.parent(parent, &reach.parents, [argument(3), argument(4)])
                }
                Question::Related => {
                    let reach = reach()?;
                    if reach.related.is_empty() {
                        return never;
                    }
                    self.related(&text(0)?, &reach.related, last)
                }
                Question::Unlinked => {
                    if *reach()? == Reach::default() {
                        return never;
                    }
                    self.unlinked(&text(0)?, constant_place(argument(2))?, last)
                }
                Question::Link => {
                    let reach = reach()?;
                    let kind = text(2)?;
                    let kinds = [LinkKind::Owner, LinkKind::Group];
                    let kind = kinds.into_iter().find(|known| known.name() == kind)?;
                    let nothing = match kind {
                        LinkKind::Owner => reach.owners.values().all(KeySet::is_empty),
                        LinkKind::Group => reach.groups.is_empty(),
                        LinkKind::Parent => return None,
                    };
                    if nothing {
                        return never;
                    }
                    let place = constant_place(argument(3))?;
                    self.link(&text(0)?, &cell(1)?, (kind, place), last)
                }
            }
        }
    }

    /// What follows the record with that key. Who reaches all of a module's records, or none,
    /// needn't look at it.
    unsafe fn followed(
        &mut self,
        module: &str,
        cell: &CellRef,
        key: Option<*mut pg_sys::Node>,
    ) -> Option<Answer> {
        let modules = &self.person.policy().modules;
        modules.contains_key(module).then_some(())?;
        if reaches_all(self.person, module, cell) {
            Some(Answer::Bool(true))
        } else if reaches_nothing(self.person, module, cell) {
            Some(Answer::Bool(false))
        } else {
            // SAFETY: the key is an argument of one of Celador's functions.
            unsafe { self.record(module, cell, key?) }
        }
    }
}

// pgrx binds it with a mutator that takes nothing.
unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_mutator_impl")]
    fn expression_tree_mutator(
        node: *mut pg_sys::Node,
        mutator: Option<
            unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> *mut pg_sys::Node,
        >,
        context: *mut c_void,
    ) -> *mut pg_sys::Node;
}

#[pg_guard]
unsafe extern "C-unwind" fn part(node: *mut pg_sys::Node, fold: *mut c_void) -> *mut pg_sys::Node {
    // SAFETY: the context is the Fold of `parts`.
    unsafe { (*fold.cast::<Fold<'_>>()).node(node) }
}

unsafe fn elements(list: *mut pg_sys::List) -> Vec<*mut pg_sys::Node> {
    // SAFETY: a list of expressions.
    unsafe { crate::hooks::tree::elements(list) }
}
