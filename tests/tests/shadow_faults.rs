//! The shadow test is tested: mistakes that the author of a compiler, of guards or of invalidation
//! makes, put into the database after a correct load. Each must be found by the statements of an
//! ordinary run.

mod shadow_sample_crm;

use celador_tests::Database;
use celador_tests::shadow::sample::Sample;
use celador_tests::shadow::{Shadows, seed, statements};
use shadow_sample_crm::{FILES, document, protected};

/// A mistake.
struct Fault {
    name: &'static str,
    change: Change,
}

/// How it is put in.
enum Change {
    /// In the condition of a row policy of a table, some text becomes another, everywhere.
    Policy(&'static str, &'static str, &'static str, &'static str),
    /// Statements, and those that undo them.
    Sql(&'static str, &'static str),
    /// The policy for reading a table becomes permissive.
    Permissive(&'static str),
    /// The document that is loaded differs from the one that is believed to be.
    Document(&'static str, &'static str),
}

use Change::{Document, Permissive, Policy, Sql};

const COMPILER: [Fault; 8] = [
    Fault {
        name: "a term is lost",
        change: Policy(
            "accounts",
            "celador_read",
            "celador.owner_in_reach('accounts'::text, 'read'::text, 'user'::text, owner_id)",
            "false",
        ),
    },
    Fault {
        name: "the wrong column is the owner",
        change: Policy(
            "leads",
            "celador_read",
            "'user'::text, owner_id)",
            "'user'::text, created_by)",
        ),
    },
    Fault {
        name: "another action's cell",
        change: Policy(
            "opportunities",
            "celador_update",
            "'update'::text",
            "'read'::text",
        ),
    },
    Fault {
        name: "a restriction widens",
        change: Policy(
            "leads",
            "celador_read",
            " AND ((NOT celador.restricted(",
            " OR ((NOT celador.restricted(",
        ),
    },
    Fault {
        name: "a restriction is lost",
        change: Policy(
            "contacts",
            "celador_read",
            "(NOT celador.restricted('no-directors'::text, 'read'::text))",
            "true",
        ),
    },
    Fault {
        name: "a parent of any type is taken for an account",
        change: Policy(
            "notes",
            "celador_read",
            "(record_id)::text, record_type)",
            "(record_id)::text, 'account'::text)",
        ),
    },
    Fault {
        name: "a child is looked up by its own key",
        change: Policy(
            "quote_lines",
            "celador_read",
            "(quote_id)::text",
            "(id)::text",
        ),
    },
    Fault {
        name: "without owner, forgotten to ask",
        change: Policy("leads", "celador_read", "(owner_id IS NULL)", "true"),
    },
];

const GUARDS: [Fault; 6] = [
    Fault {
        name: "who may see may delete",
        change: Policy("events", "celador_delete", "'delete'::text", "'read'::text"),
    },
    Fault {
        name: "a link table isn't looked at",
        change: Policy(
            "contacts",
            "celador_read",
            "celador.link_in_reach('contacts'::text, 'read'::text, 'owner'::text, 0, (id)::text)",
            "true",
        ),
    },
    Fault {
        name: "the guard doesn't run",
        change: Sql(
            "ALTER TABLE opportunities DISABLE TRIGGER \"~celador_guard\"",
            "ALTER TABLE opportunities ENABLE ALWAYS TRIGGER \"~celador_guard\"",
        ),
    },
    Fault {
        name: "the guard asks for another module",
        change: Sql(
            "DROP TRIGGER \"~celador_guard\" ON opportunities;
             CREATE TRIGGER \"~celador_guard\" BEFORE INSERT OR UPDATE ON opportunities FOR EACH ROW EXECUTE FUNCTION celador.guard('leads');
             ALTER TABLE opportunities ENABLE ALWAYS TRIGGER \"~celador_guard\"",
            "DROP TRIGGER \"~celador_guard\" ON opportunities;
             CREATE TRIGGER \"~celador_guard\" BEFORE INSERT OR UPDATE ON opportunities FOR EACH ROW EXECUTE FUNCTION celador.guard('opportunities');
             ALTER TABLE opportunities ENABLE ALWAYS TRIGGER \"~celador_guard\"",
        ),
    },
    Fault { name: "permissive instead of restrictive", change: Permissive("accounts") },
    Fault {
        name: "a table is forgotten",
        change: Sql(
            "ALTER TABLE order_lines DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE order_lines ENABLE ROW LEVEL SECURITY",
        ),
    },
];

const ACCESS: [Fault; 3] = [
    Fault {
        name: "a change of membership isn't told to open sessions",
        change: Sql(
            "ALTER TABLE team_members DISABLE TRIGGER \"~celador_directory_update\"",
            "ALTER TABLE team_members ENABLE ALWAYS TRIGGER \"~celador_directory_update\"",
        ),
    },
    Fault {
        name: "a change of supervision isn't told to open sessions",
        change: Sql(
            "ALTER TABLE users DISABLE TRIGGER \"~celador_directory_update\"",
            "ALTER TABLE users ENABLE ALWAYS TRIGGER \"~celador_directory_update\"",
        ),
    },
    Fault {
        name: "a setting is passed over",
        change: Document(
            "{ scope = \"colleagues\", when = \"team_records\" }",
            "\"colleagues\"",
        ),
    },
];

/// The grammar doesn't find these within an ordinary run yet, or hasn't been shown to: it writes
/// too few rows of these kinds.
const HARD: [Fault; 5] = [
    Fault {
        name: "the creator can be forged",
        change: Policy(
            "leads",
            "celador_create",
            "celador.creator_is_me('user'::text, created_by)",
            "true",
        ),
    },
    Fault {
        name: "a change of roles isn't told to open sessions",
        change: Sql(
            "ALTER TABLE user_roles DISABLE TRIGGER \"~celador_directory_update\"",
            "ALTER TABLE user_roles ENABLE ALWAYS TRIGGER \"~celador_directory_update\"",
        ),
    },
    Fault {
        name: "the bound of an assignment is passed over",
        change: Document(
            "{ scope = \"reports\", to = [\"reports\"] }",
            "{ scope = \"reports\" }",
        ),
    },
    Fault {
        name: "a tree of groups is taken for one group",
        change: Document(
            "[\"group_tree\"]\nupdate = [\"group_tree\"]",
            "[\"group\"]\nupdate = [\"group\"]",
        ),
    },
    Fault {
        name: "changing follows from seeing",
        change: Document(
            "quotes        = { read = [\"reports\", \"parent\"], create = [\"own\"], update = [\"reports\"] }",
            "quotes        = { read = [\"reports\", \"parent\"], create = [\"own\"], update = [\"reports\", \"parent\"] }",
        ),
    },
];

impl Fault {
    /// Puts it in; gives what takes it out again.
    fn seed(&self, real: &Database) -> String {
        let mut client = real.superuser();
        match &self.change {
            Sql(seed, undo) => {
                real.run(seed);
                (*undo).to_owned()
            }
            Document(right, wrong) => {
                let document = document();
                assert!(
                    document.contains(right),
                    "{}: the document has no {right}",
                    self.name
                );
                real.load(&document.replace(right, wrong));
                String::new()
            }
            Policy(table, policy, right, wrong) => {
                let row = client
                    .query_one(
                        "SELECT qual, with_check FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 AND policyname = $2",
                        &[table, policy],
                    )
                    .expect("the policy is there");
                let (mut seed, mut undo) = (String::new(), String::new());
                for (clause, condition) in [
                    ("USING", row.get::<_, Option<String>>(0)),
                    ("WITH CHECK", row.get(1)),
                ] {
                    let Some(condition) = condition else { continue };
                    let alter = |condition: &str| {
                        format!("ALTER POLICY {policy} ON {table} {clause} ({condition});")
                    };
                    if condition.contains(right) {
                        seed.push_str(&alter(&condition.replace(right, wrong)));
                        undo.push_str(&alter(&condition));
                    }
                }
                assert!(!seed.is_empty(), "{}: the policy has no {right}", self.name);
                real.run(&seed);
                undo
            }
            Permissive(table) => {
                let condition: String = client
                    .query_one(
                        "SELECT qual FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 AND policyname = 'celador_read'",
                        &[table],
                    )
                    .expect("the policy is there")
                    .get(0);
                let make = |kind: &str| {
                    format!(
                        "DROP POLICY celador_read ON {table}; CREATE POLICY celador_read ON {table} AS {kind} FOR SELECT USING ({condition});"
                    )
                };
                real.run(&make("PERMISSIVE"));
                make("RESTRICTIVE")
            }
        }
    }
}

fn all_are_found(faults: &[Fault]) {
    let seed = seed();
    let oracle = Sample;
    let real = protected();
    let mut shadows = Shadows::new("sample", &FILES, &oracle);
    let mut missed = Vec::new();
    for fault in faults {
        let undo = fault.seed(&real);
        match shadows.compare(&real, seed, statements()) {
            Ok(report) => {
                println!("{}: NOT FOUND: {report}", fault.name);
                missed.push(fault.name);
            }
            Err(difference) => println!(
                "{}: statement {} of {}",
                fault.name, difference.at, difference.person
            ),
        }
        match fault.change {
            Document(..) => real.load(&document()),
            Policy(..) | Sql(..) | Permissive(..) => real.run(&undo),
        }
    }
    assert!(
        missed.is_empty(),
        "CELADOR_SEED={seed}: not found: {missed:?}"
    );
    // What found them was the faults.
    if let Err(difference) = shadows.compare(&real, seed, 200) {
        panic!("CELADOR_SEED={seed}: without a fault, {difference}");
    }
}

#[test]
fn faults_in_the_compiler_are_found() {
    all_are_found(&COMPILER);
}

#[test]
fn faults_in_guards_and_policies_are_found() {
    all_are_found(&GUARDS);
}

#[test]
fn faults_in_access_and_invalidation_are_found() {
    all_are_found(&ACCESS);
}

#[test]
#[ignore = "the grammar writes too few rows of these kinds"]
fn faults_that_need_more_writes_are_found() {
    all_are_found(&HARD);
}
