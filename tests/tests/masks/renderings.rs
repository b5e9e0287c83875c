//! What renderings make of values.

use super::shop::{outcome, shop};

#[test]
fn hashes_join_and_tell_nothing_else() {
    let database = shop();
    let mut vera = database.login("shop_vera");
    // 1 and 3 have the same number and the same token.
    let same = "SELECT one.id, other.id FROM contacts AS one JOIN contacts AS other ON other.tax = one.tax AND other.token = one.token
        AND other.id > one.id";
    assert_eq!(outcome(&mut vera, same), "1|3\n(1)");
    let forms = "SELECT bool_and(tax ~ '^[0-9a-f]{32}$'), count(DISTINCT tax), count(DISTINCT badge), count(*) FILTER (WHERE badge < 2000),
        count(*) FILTER (WHERE token::text LIKE '00000000-%') FROM contacts";
    assert_eq!(outcome(&mut vera, forms), "t|4|5|0|0\n(1)");
    // A guess can't be hashed, and what is stored isn't found.
    denied_or_unknown(&outcome(
        &mut vera,
        "SELECT celador.render_hash_text('T-100')",
    ));
    denied_or_unknown(&outcome(
        &mut vera,
        "SELECT celador.render_hash_text('T-100'::internal)",
    ));
    denied_or_unknown(&outcome(&mut vera, "SELECT celador.render_hash_int8(1001)"));
    assert_eq!(
        outcome(
            &mut vera,
            "SELECT count(*) FROM contacts WHERE tax = 'T-100' OR badge = 1001"
        ),
        "0\n(1)"
    );
    // The owner sees the value, others its hash.
    let mut lena = database.login("shop_lena");
    assert_eq!(
        outcome(&mut lena, "SELECT tax, badge FROM contacts WHERE id = 1"),
        "T-100|1001\n(1)"
    );
    let hidden = "SELECT tax, badge, token FROM contacts WHERE id = 2";
    assert_eq!(outcome(&mut lena, hidden), outcome(&mut vera, hidden));
}

#[track_caller]
fn denied_or_unknown(outcome: &str) {
    let known = ["42883", "0A000", "42501", "42846"];
    assert!(
        known.iter().any(|code| outcome.starts_with(code)),
        "{outcome}"
    );
}

#[test]
fn no_rendering_fails() {
    let database = shop();
    database.run(
        "INSERT INTO contacts (id, name, phone, email, born, seen, score, weight, tax, badge, owner, team)
         VALUES (101, 'least', '', '', '-infinity', '-infinity', -2147483648, '-infinity', '', -9223372036854775808, 'omar', 'east'),
           (102, 'first', 'ñ', '@', '4713-01-01 BC', '4713-01-01 00:00:00+00 BC', 2147483647, 1e308, 'ñ', 0, 'omar', 'east'),
           (103, 'last', repeat('9', 20), 'a@b@c', '5874897-12-31', '294276-12-31 23:59:59+00', 0, -1e-300, repeat('x', 9999), 1, 'omar', 'east'),
           (104, 'most', '1', 'a@', 'infinity', 'infinity', 9, 'infinity', ' ', 9223372036854775807, 'omar', 'east')",
    );
    let mut lena = database.login("shop_lena");
    let sql = "SELECT id, phone, email, born, seen, score, weight, length(tax), badge IS NOT NULL FROM contacts WHERE id > 100 ORDER BY id";
    assert_eq!(
        outcome(&mut lena, &format!("SET TimeZone = 'UTC'; {sql}")),
        "(0)\n\
         101|****|****|-infinity|-infinity|-2147483640|-Infinity|32|t\n\
         102|****|****|4713-01-01 BC|4713-01-01 00:00:00+00 BC|2147483640|1e+308|32|t\n\
         103|****9999|a****@c|5874897-01-01|294276-12-01 00:00:00+00|0|0|32|t\n\
         104|****|a****@|infinity|infinity|0|Infinity|32|t\n\
         (4)"
    );
}
