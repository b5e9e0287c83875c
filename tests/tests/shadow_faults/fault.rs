//! A mistake, and how it is put into a protected database and taken out again.

use celador_tests::Database;

/// A mistake.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) change: Change,
}

/// How it is put in.
pub(crate) enum Change {
    /// In the condition of a row policy of a table, some text becomes another, everywhere. `{}` in the
    /// new text stands for the old.
    Policy(&'static str, &'static str, &'static str, &'static str),
    /// The condition of a row policy of a table is another.
    Instead(&'static str, &'static str, &'static str),
    /// Statements, and those that undo them.
    Sql(&'static str, &'static str),
    /// The policy for reading a table becomes permissive.
    Permissive(&'static str),
    /// The document that is loaded differs from the one that is believed to be.
    Document(&'static str, &'static str),
    /// Statements, and then a change of a policy.
    After(&'static str, &'static Change),
}

use Change::{After, Document, Instead, Permissive, Policy, Sql};

impl Fault {
    /// Whether a load puts it in and takes it out.
    pub(crate) fn is_in_the_document(&self) -> bool {
        match self.change {
            Document(..) => true,
            Policy(..) | Instead(..) | Sql(..) | Permissive(_) | After(..) => false,
        }
    }

    /// Puts it in; gives what takes it out again, if that is SQL.
    pub(crate) fn seed(&self, real: &Database, document: &str) -> Option<String> {
        self.change.seed(self.name, real, document)
    }
}

impl Change {
    fn seed(&self, name: &str, real: &Database, document: &str) -> Option<String> {
        match self {
            Sql(seed, undo) => {
                real.run(seed);
                Some((*undo).to_owned())
            }
            After(first, change) => {
                real.run(first);
                change.seed(name, real, document)
            }
            Document(right, wrong) => {
                assert!(
                    document.contains(right),
                    "{name}: the document has no {right}"
                );
                real.load(&document.replace(right, wrong));
                None
            }
            Policy(table, policy, right, wrong) => {
                let wrong = wrong.replace("{}", right);
                Some(alter(name, real, (table, policy), |condition| {
                    condition
                        .contains(right)
                        .then(|| condition.replace(right, &wrong))
                }))
            }
            Instead(table, policy, condition) => Some(alter(name, real, (table, policy), |_| {
                Some(format!("celador.covered() AND {condition}"))
            })),
            Permissive(table) => {
                let (condition, _) = conditions(real, table, "celador_read");
                let condition = condition.expect("a policy for reading has a condition");
                let make = |kind: &str| {
                    format!(
                        "DROP POLICY celador_read ON {table}; CREATE POLICY celador_read ON {table} AS {kind} FOR SELECT USING ({condition});"
                    )
                };
                real.run(&make("PERMISSIVE"));
                Some(make("RESTRICTIVE"))
            }
        }
    }
}

/// USING and WITH CHECK of a policy.
fn conditions(real: &Database, table: &str, policy: &str) -> (Option<String>, Option<String>) {
    let row = real
        .superuser()
        .query_one(
            "SELECT qual, with_check FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 AND policyname = $2",
            &[&table, &policy],
        )
        .unwrap_or_else(|error| panic!("{policy} on {table}: {error:?}"));
    (row.get(0), row.get(1))
}

/// Changes the conditions of a policy; gives what changes them back.
fn alter(
    name: &str,
    real: &Database,
    (table, policy): (&str, &str),
    change: impl Fn(&str) -> Option<String>,
) -> String {
    let (mut seed, mut undo) = (String::new(), String::new());
    let (using, check) = conditions(real, table, policy);
    for (clause, condition) in [("USING", &using), ("WITH CHECK", &check)] {
        let Some(condition) = condition else { continue };
        let alter =
            |condition: &str| format!("ALTER POLICY {policy} ON {table} {clause} ({condition});");
        if let Some(changed) = change(condition) {
            seed.push_str(&alter(&changed));
            undo.push_str(&alter(condition));
        }
    }
    assert!(
        !seed.is_empty(),
        "{name}: {policy} on {table} is not like that: {using:?} {check:?}"
    );
    real.run(&seed);
    undo
}
