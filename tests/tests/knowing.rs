//! What a DBA asks of a whole: why a list is as long as it is, the matrix, who may what, and reviews.

use celador_tests::{Database, answers, denied, failure, may, sees};
use postgres::Client;

type Counted = (String, String, Option<i64>, Option<i64>);

#[track_caller]
fn explained(client: &mut Client, table: &str, user: &str, action: &str) -> Vec<Counted> {
    client
        .query(
            "SELECT kind, name, rows, alone FROM celador.explain_set($1::text::regclass, $2, $3)",
            &[&table, &user, &action],
        )
        .unwrap_or_else(|error| panic!("{table} {user} {action}: {error:?}"))
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

#[track_caller]
fn line<'a>(lines: &'a [Counted], kind: &str, name: &str) -> &'a Counted {
    lines
        .iter()
        .find(|line| line.0 == kind && line.1 == name)
        .unwrap_or_else(|| panic!("{kind} {name} in {lines:?}"))
}

fn number(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

#[test]
fn a_list_is_explained_scope_by_scope() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    for login in ["sergio", "tomas", "marta", "dario"] {
        let sql = format!("SELECT id FROM users WHERE login = '{login}'");
        let user = &number(&mut client, &sql).to_string();
        for table in ["accounts", "contacts", "opportunities", "notes", "tickets"] {
            let lines = explained(&mut client, table, user, "read");
            let seen = number(
                &mut database.login(login),
                &format!("SELECT count(*) FROM {table}"),
            );
            assert_eq!(
                line(&lines, "total", "left").2,
                Some(seen),
                "{login} {table}"
            );
            let rows = number(&mut client, &format!("SELECT count(*) FROM {table}"));
            assert_eq!(
                line(&lines, "total", "rows").2,
                Some(rows),
                "{login} {table}"
            );
            assert_eq!(line(&lines, "total", "hidden").2, Some(rows - seen));
        }
    }
    let lines = explained(&mut client, "accounts", "9", "read");
    let own = number(
        &mut client,
        "SELECT count(*) FROM accounts WHERE owner_id = 9",
    );
    assert_eq!(line(&lines, "scope", "reports").2, Some(own), "{lines:?}");
    // All of his own are his colleagues' too: he is one of them.
    assert_eq!(line(&lines, "scope", "reports").3, Some(0), "{lines:?}");
    denied(
        database
            .login("sergio")
            .query("SELECT celador.explain_set('accounts', '9', 'read')", &[]),
    );
    let child = failure(client.query(
        "SELECT celador.explain_set('quote_lines', '9', 'read')",
        &[],
    ));
    assert_eq!(child.code, "0A000", "{child:?}");
}

#[test]
fn restrictions_are_counted_by_what_they_take() {
    let database = celador_tests::small_crm(
        "[permissions.worker]\ncompanies = { read = [\"all\"] }\n\
         [restrictions.north]\nusers = [\"lena\"]\nmodule = \"companies\"\npredicate = \"region = 'north'\"\n\
         [restrictions.steel]\nusers = [\"lena\"]\nmodule = \"companies\"\npredicate = \"sector = 'foods'\"\n\
         [restrictions.others]\nusers = [\"omar\"]\nmodule = \"companies\"\n",
    );
    let mut client = database.superuser();
    let lines = explained(&mut client, "companies", "lena", "read");
    assert_eq!(line(&lines, "total", "reached").2, Some(6));
    // 3, 4 and 6 lie in the south, 2, 4 and 6 deal in steel.
    assert_eq!(line(&lines, "restriction", "north").2, Some(3));
    assert_eq!(line(&lines, "restriction", "north").3, Some(1));
    assert_eq!(line(&lines, "restriction", "steel").2, Some(3));
    assert_eq!(line(&lines, "restriction", "steel").3, Some(1));
    assert_eq!(line(&lines, "restriction", "others").2, None);
    assert_eq!(line(&lines, "total", "left").2, Some(2));
}

#[test]
fn the_matrix_is_a_table_and_a_picture() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    let sql = "SELECT string_agg(concat_ws('|', role, module, action, scopes, \"when\", depth), E'\\n') FROM celador.matrix()";
    let table: String = client.query_one(sql, &[]).unwrap().get(0);
    let again: String = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(table, again);
    for line in [
        "seller|accounts|read|{reports,shared}|tree",
        "seller|accounts|read|{colleagues}|team_records|group",
        "administrator|accounts|delete|{all}|all",
    ] {
        assert!(
            table.lines().any(|found| found == line),
            "{line} in {table}"
        );
    }
    database.run("UPDATE teams SET name = '</text><script>alert(1)</script>' WHERE id = 3");
    let svg: String = client
        .query_one("SELECT celador.matrix_svg()", &[])
        .unwrap()
        .get(0);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(!svg.contains("<script"), "a name became an element");
    assert!(svg.contains("&lt;script&gt;"));
    elements_are_closed(&svg);
    assert!(
        svg.contains("seller, accounts: read reports, shared; read colleagues while team_records")
    );
    for question in ["SELECT celador.matrix()", "SELECT celador.matrix_svg()"] {
        denied(database.login("sergio").query(question, &[]));
    }
}

/// Each element ends, in the order in which they began.
#[track_caller]
fn elements_are_closed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{text:?}");
        let name = |tag: &'_ str| tag.split_whitespace().next().map(str::len).unwrap_or(0);
        if let Some(ended) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(ended));
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(&tag[..name(tag)]);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn s1_24_administrators_are_counted_and_too_many_are_found() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    let expected = "SELECT count(DISTINCT u.id) FROM users u JOIN user_roles r ON r.user_id = u.id
       OR r.team_id IN (SELECT m.team_id FROM team_members m WHERE m.user_id = u.id)
       WHERE u.is_active AND r.role = 'administrator'";
    let counted = "SELECT count(DISTINCT \"user\") FROM celador.administrators()";
    let before = number(&mut client, counted);
    assert!(before > 0);
    answers(&database, "postgres", counted, expected);
    let found = "SELECT count(*) FROM celador.check() WHERE rule = 'CEL141'";
    assert_eq!(number(&mut client, found), 0);
    // The policy says how many are right.
    let limit = |most: i64| {
        let document = Database::preset_document("s1-matrix");
        database.load(&format!("{document}\n[limits]\nadministrators = {most}\n"));
    };
    limit(before);
    assert_eq!(number(&mut client, found), 0);
    database.run("INSERT INTO user_roles (user_id, role) VALUES (9, 'administrator')");
    answers(&database, "postgres", counted, expected);
    assert_eq!(number(&mut client, found), 1);
    limit(before + 1);
    assert_eq!(number(&mut client, found), 0);
    for question in [counted, found] {
        denied(database.login("marta").query(question, &[]));
    }
}

#[test]
fn s1_31_a_cell_of_a_preset_is_edited_and_the_matrix_tells() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    let cell = "SELECT depth FROM celador.matrix() WHERE role = 'seller' AND module = 'accounts'
       AND action = 'read' AND \"when\" IS NULL";
    let depth = |client: &mut Client| -> String { client.query_one(cell, &[]).unwrap().get(0) };
    assert_eq!(depth(&mut client), "tree");
    let document = Database::preset_document("s1-matrix");
    let edited = document.replace(
        "read = [\"reports\", \"shared\", { scope = \"colleagues\", when = \"team_records\" }]",
        "read = [\"own\"]",
    );
    assert_ne!(document, edited, "the preset has such a cell");
    database.load(&edited);
    assert_eq!(depth(&mut client), "own");
    sees(&database, "sergio", "accounts", "owner_id = 9");
    denied(
        database
            .login("sergio")
            .query("SELECT celador.matrix()", &[]),
    );
}

#[test]
fn s1_32_a_report_says_who_reads_personal_data() {
    let database = Database::sample();
    database.load(&format!(
        "{}\n[fields.contacts.email]\nrenderings = [\"clear\", \"null\"]\ntags = [\"personal\"]\n\
         [fields.contacts.first_name]\nrenderings = [\"clear\"]\n",
        Database::preset_document("s1-matrix")
    ));
    let mut client = database.superuser();
    let report = "SELECT DISTINCT role FROM celador.personal_data() WHERE module = 'contacts' AND field = 'email'";
    let readers =
        "SELECT DISTINCT role FROM celador.matrix() WHERE module = 'contacts' AND action = 'read'";
    answers(
        &database,
        "postgres",
        &format!("{report} ORDER BY 1"),
        &format!("{readers} ORDER BY 1"),
    );
    assert!(number(&mut client, &format!("SELECT count(*) FROM ({report}) r")) > 2);
    // A field that isn't tagged isn't in it; who is granted everything sees it in clear, and others don't.
    answers(
        &database,
        "postgres",
        "SELECT DISTINCT concat(field, tags) FROM celador.personal_data()",
        "SELECT 'email{personal}'",
    );
    let shown = |role: &str| {
        let sql = "SELECT string_agg(rendering, ',') FROM celador.personal_data() WHERE module = 'contacts' AND role = $1";
        let row = database
            .superuser()
            .query_one(sql, &[&role])
            .expect("it counts");
        row.get::<_, String>(0)
    };
    assert_eq!(
        (shown("administrator"), shown("seller")),
        ("clear".to_owned(), "null".to_owned())
    );
    denied(
        database
            .login("marta")
            .query("SELECT celador.personal_data()", &[]),
    );
}

#[test]
fn s3_8_access_is_reviewed_with_date_and_reviewer() {
    let database = Database::preset("s3-levels");
    let mut client = database.superuser();
    answers(
        &database,
        "postgres",
        "SELECT \"user\" || active FROM celador.access_review() ORDER BY 1",
        "SELECT id::text || is_active FROM users ORDER BY 1",
    );
    // What the review says of a person is what the person can do.
    for row in client
        .query(
            "SELECT u.login, EXISTS (SELECT FROM unnest(r.reads) AS m WHERE m LIKE 'accounts: %')
             FROM celador.access_review() AS r JOIN users AS u ON u.id::text = r.user
             WHERE r.active AND u.login IN (SELECT rolname FROM pg_roles WHERE rolcanlogin)",
            &[],
        )
        .unwrap()
    {
        let (login, reads): (String, bool) = (row.get(0), row.get(1));
        let seen = number(&mut database.login(&login), "SELECT count(*) FROM accounts");
        assert!(reads || seen == 0, "{login} sees {seen}");
    }
    let due = "SELECT count(*) FROM celador.check() WHERE rule = 'CEL153'";
    assert_eq!(number(&mut client, due), 1);
    may(
        &database,
        "postgres",
        "SELECT celador.record_review('Ana, security', 'two sellers left')",
        "SELECT EXISTS (SELECT FROM celador.reviews() WHERE reviewer = 'Ana, security'
           AND recorded_by = 'postgres' AND revision = 1 AND reviewed_at::date = current_date)",
    );
    assert_eq!(number(&mut client, due), 0);
    for question in [
        "SELECT celador.access_review()",
        "SELECT celador.reviews()",
        "SELECT celador.record_review('me')",
        "SELECT * FROM celador.review",
    ] {
        denied(database.login("sergio").query(question, &[]));
    }
    let nobody = failure(client.query("SELECT celador.record_review('  ')", &[]));
    assert_eq!(nobody.code, "22023", "{nobody:?}");
}
