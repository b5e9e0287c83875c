//! docs/rights.md says what the catalog says, and what really happens.

mod desk;

use std::fmt::Write;

use celador_tests::{Database, file, text};
use desk::{desk, run};
use postgres::Client;

const PAGE: &str = "docs/rights.md";
const BEGIN: &str = "<!-- from the catalog: begin -->\n";
const END: &str = "<!-- from the catalog: end -->\n";

/// The tables of functions and relations, as a fresh extension has them.
fn from_catalog(client: &mut Client) -> String {
    let mut page = String::from("\n| function | who may call it | what for |\n|---|---|---|\n");
    for row in client.query(FUNCTIONS, &[]).expect("the catalog tells") {
        let (name, public, comment): (String, bool, Option<String>) =
            (row.get(0), row.get(1), row.get(2));
        let who = if public {
            "everybody"
        } else {
            "whom it is granted to"
        };
        let what = comment.unwrap_or_else(|| panic!("{name} has no comment"));
        writeln!(page, "| `{name}` | {who} | {what} |").expect("written");
    }
    page.push_str("\n| relation | everybody has | row security |\n|---|---|---|\n");
    for row in client.query(RELATIONS, &[]).expect("the catalog tells") {
        let (name, rights, secured): (String, Option<String>, bool) =
            (row.get(0), row.get(1), row.get(2));
        let rights = rights.unwrap_or_else(|| "nothing".into());
        let secured = if secured { "yes" } else { "no" };
        writeln!(page, "| `{name}` | {rights} | {secured} |").expect("written");
    }
    page.push('\n');
    page
}

/// What row policies and triggers call is left out: it is the same as the call by hand.
const FUNCTIONS: &str = "\
SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', has_function_privilege('public', p.oid, 'EXECUTE'),
  obj_description(p.oid, 'pg_proc')
FROM pg_proc AS p WHERE p.pronamespace = 'celador'::regnamespace AND p.prokind <> 'a'
  AND COALESCE(obj_description(p.oid, 'pg_proc'), '') !~ '^(Called by|Trigger of|Event trigger|Planner support)'
ORDER BY p.proname COLLATE \"C\", 1";

const RELATIONS: &str = "\
SELECT c.relname::text, (SELECT string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type COLLATE \"C\")
    FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0), c.relrowsecurity
FROM pg_class AS c WHERE c.relnamespace = 'celador'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relname COLLATE \"C\"";

/// With `CELADOR_WRITE_PAGE=1` the page is brought up to date.
#[test]
fn the_page_has_every_function_and_relation() {
    let database = Database::empty();
    let wanted = from_catalog(&mut database.superuser());
    let page = text(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("it begins");
    let (found, after) = rest.split_once(END).expect("it ends");
    if std::env::var_os("CELADOR_WRITE_PAGE").is_some() {
        std::fs::write(file(PAGE), format!("{before}{BEGIN}{wanted}{END}{after}"))
            .expect("written");
        return;
    }
    assert!(
        found == wanted,
        "{PAGE} isn't what the catalog says; CELADOR_WRITE_PAGE=1 writes it:\n{wanted}"
    );
}

/// Who stands at the head of the page's columns.
const WHO: [(&str, &str); 6] = [
    ("person", "desk_bea"),
    ("administrator", "desk_ann"),
    ("application", "desk_pool"),
    ("loader", "rights_loader"),
    ("maintenance", "rights_backup"),
    ("superuser", "postgres"),
];

#[test]
fn each_statement_is_allowed_to_whom_the_page_says() {
    let database = desk();
    run(
        &mut database.superuser(),
        "CREATE ROLE rights_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
         SELECT celador.add_maintenance_role('rights_backup');
         CREATE ROLE rights_loader LOGIN IN ROLE desk_owner;
         GRANT EXECUTE ON FUNCTION celador.load_policy(text, text, integer), celador.restore_revision(integer, text),
           celador.change_cell(text, text, text, jsonb, text, integer), celador.plan_policy(text), celador.revisions(), celador.export_policy(integer) TO rights_loader;
         GRANT EXECUTE ON FUNCTION celador.act_as(text), celador.assume(text) TO desk_pool;
         CREATE VIEW titles AS SELECT title FROM cases; GRANT SELECT ON titles TO desk_people",
    );
    let page = text(PAGE);
    let head = format!(
        "| statement | {} |",
        WHO.map(|(title, _)| title).join(" | ")
    );
    let (_, rows) = page.split_once(&head).expect("the page has the table");
    let mut asked = 0;
    for row in rows
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let sql = cells[0].trim_matches('`');
        assert_eq!(cells.len(), WHO.len() + 1, "{row}");
        for ((title, login), said) in WHO.iter().zip(&cells[1..]) {
            let mut client = database.login(login);
            run(&mut client, "BEGIN");
            let result = client.batch_execute(sql);
            let _ = client.batch_execute("ROLLBACK");
            match *said {
                "yes" => result.unwrap_or_else(|error| panic!("{title}: {sql}: {error:?}")),
                "no" => {
                    let error = result.expect_err(&format!("{title}: {sql}"));
                    let code = error.code().map_or("", |code| code.code());
                    assert!(
                        ["42501", "2BP01"].contains(&code),
                        "{title}: {sql}: {error:?}"
                    );
                }
                other => panic!("{title}: {sql}: \"{other}\""),
            }
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}
