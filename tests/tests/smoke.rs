//! The main job, end to end: people see only the rows that are theirs.

use celador_tests::Database;

#[test]
fn people_see_only_their_rows() {
    let database = Database::preset("s1-matrix");
    let count = |user: &str| -> i64 {
        database
            .login(user)
            .query_one("SELECT count(*) FROM accounts", &[])
            .unwrap()
            .get(0)
    };
    let all = count("ana");
    assert!(all > 0);
    for (user, least, most) in [("sergio", 1, all - 1), ("alba", 0, 0)] {
        let seen = count(user);
        assert!(
            (least..=most).contains(&seen),
            "{user} sees {seen} of {all} accounts"
        );
    }
}
