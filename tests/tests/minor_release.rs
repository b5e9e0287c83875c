//! A policy isn't loaded on a release of PostgreSQL that lets people around row security.

mod desk;

use celador_tests::{denied, failure, major};
use desk::{bare, document, run};

#[test]
fn a_release_with_holes_is_refused_unless_a_superuser_says_so() {
    let database = bare();
    let mut superuser = database.superuser();
    let number: i32 = superuser
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .expect("answers")
        .get(0);
    // As PostgreSQL's security page has them.
    let needed = [(15, 20), (16, 16), (17, 12), (18, 7)]
        .into_iter()
        .find(|(known, _)| *known == major())
        .expect("a version that Celador is for");
    let safe = number % 10_000 >= needed.1;
    let told: bool = superuser
        .query_one("SELECT celador.server_minor_ok()", &[])
        .expect("answers")
        .get(0);
    assert_eq!(told, safe);

    run(&mut superuser, "SET celador.allow_old_minor = off");
    let policy = document(desk::MATRIX);
    let load = "SELECT celador.load_policy($1)";
    if safe {
        superuser.execute(load, &[&policy]).expect("it loads");
    } else {
        let refused = failure(superuser.execute(load, &[&policy]));
        assert_eq!(refused.code, "0A000", "{refused:?}");
        let release = format!("PostgreSQL {}.{}", needed.0, needed.1);
        assert!(refused.hint.contains(&release), "{refused:?}");
        run(&mut superuser, "SET celador.allow_old_minor = on");
        superuser.execute(load, &[&policy]).expect("it loads");
    }
    // Nobody else says so.
    for login in ["desk_ann", "desk_migrator"] {
        denied(
            database
                .login(login)
                .batch_execute("SET celador.allow_old_minor = on"),
        );
    }
}
