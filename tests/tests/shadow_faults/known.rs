//! Mistakes that the author of a compiler, of guards or of invalidation makes.

use celador_tests::shadow::fault::Change::{Document, Permissive, Policy, Sql};
use celador_tests::shadow::fault::Fault;

pub(crate) const COMPILER: [Fault; 8] = [
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

pub(crate) const GUARDS: [Fault; 5] = [
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

pub(crate) const ACCESS: [Fault; 10] = [
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
            "quotes.update = [\"reports\"]",
            "quotes.update = [\"reports\", \"parent\"]",
        ),
    },
    Fault {
        name: "who may see may delete",
        change: Policy("events", "celador_delete", "'delete'::text", "'read'::text"),
    },
    Fault {
        name: "a share for reading lets change",
        change: Policy(
            "contacts",
            "celador_update",
            "celador.share_in_reach('contacts'::text, 'update'::text",
            "celador.share_in_reach('contacts'::text, 'read'::text",
        ),
    },
];

/// Mistakes that debug builds make on request.
macro_rules! made_while_planning {
    ($($name:literal),* $(,)?) => {
        [$(Fault {
            name: $name,
            change: Sql(
                concat!(
                    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET celador.mistake = %L', current_database(), $m$",
                    $name,
                    "$m$); END $$",
                ),
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET celador.mistake', current_database()); END $$",
            ),
        }),*]
    };
}

pub(crate) use made_while_planning;

/// Where a person's answers are folded into a statement.
pub(crate) const FOLDING: [Fault; 7] = made_while_planning!(
    "everybody reaches all",
    "one answer decides",
    "a restriction is lost",
    "a key is lost",
    "any record will do",
    "NOT is lost",
    "outer joins are overlooked",
);
