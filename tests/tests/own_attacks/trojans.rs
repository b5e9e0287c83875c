//! Code of hers that is to run in somebody else's session, for that person: nobody calls it, a
//! table's trigger or a foreign key would.

use crate::stage::{shows_nothing_hidden, stage, tries};

/// A database whose people hold what `GRANT ALL` gives.
fn granted() -> celador_tests::Database {
    let database = stage();
    database.run("GRANT ALL ON ALL TABLES IN SCHEMA shop TO atk_people");
    database
}

const LOOTS: &str = "CREATE FUNCTION yard.loots(line text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
     INSERT INTO yard.loot VALUES (line); INSERT INTO yard.loot SELECT title FROM shop.deals; RETURN true; END $$";
const LOOTS_BY_TRIGGER: &str = "CREATE FUNCTION yard.trojan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM yard.loots('by trigger'); RETURN coalesce(NEW, OLD); END $$";

/// Others work on after what she has prepared; then she looks what it has brought her.
#[track_caller]
fn brings_nothing(prepared: &[&str]) -> String {
    let database = granted();
    let mut prepares = vec![
        "CREATE TABLE yard.loot (line text)",
        LOOTS,
        LOOTS_BY_TRIGGER,
    ];
    prepares.extend(prepared);
    let before = shows_nothing_hidden(&database, &prepares);
    for act in [
        "UPDATE shop.deals SET amount = amount + 1 WHERE id > 10",
        "UPDATE shop.deal_titles SET title = title WHERE id = 12",
        "UPDATE shop.deals SET id = id + 100 WHERE id IN (1, 20)",
        "DELETE FROM shop.deals WHERE id IN (101, 120)",
    ] {
        let done = tries(&database, "atk_vera", &[act]);
        assert!(!done.contains("yard"), "{act}: {done}");
    }
    shows_nothing_hidden(&database, &["SELECT * FROM yard.loot"]);
    before
}

#[test]
fn triggers_of_hers_on_tables_of_others() {
    for trigger in [
        "CREATE TRIGGER a BEFORE UPDATE ON shop.deals FOR EACH ROW WHEN (yard.loots(OLD.title)) \
         EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "CREATE TRIGGER a BEFORE UPDATE ON shop.deals FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "CREATE TRIGGER a AFTER UPDATE ON shop.deals FOR EACH ROW EXECUTE FUNCTION yard.trojan()",
        "CREATE CONSTRAINT TRIGGER a AFTER UPDATE ON shop.notes DEFERRABLE FOR EACH ROW WHEN (yard.loots(OLD.body)) \
         EXECUTE FUNCTION celador.guard('notes')",
        "CREATE TRIGGER a INSTEAD OF UPDATE ON shop.deal_titles FOR EACH ROW EXECUTE FUNCTION yard.trojan()",
    ] {
        let seen = brings_nothing(&[trigger]);
        assert!(seen.contains("ERROR 42501"), "{trigger}\n{seen}");
    }
}

#[test]
fn tables_of_hers_that_refer_to_tables_of_others() {
    for prepared in [
        &[
            "CREATE TABLE yard.below (id int REFERENCES shop.deals ON DELETE CASCADE ON UPDATE CASCADE)",
            "CREATE TRIGGER t BEFORE UPDATE OR DELETE ON yard.below FOR EACH ROW EXECUTE FUNCTION yard.trojan()",
            "INSERT INTO yard.below VALUES (1)",
        ][..],
        &[
            "CREATE TABLE yard.below (id int CHECK (yard.loots('by check')))",
            "ALTER TABLE yard.below ADD FOREIGN KEY (id) REFERENCES shop.deals ON DELETE SET NULL ON UPDATE CASCADE",
            "INSERT INTO yard.below VALUES (1)",
        ],
        &[
            "CREATE TABLE yard.above (id int REFERENCES shop.deals) PARTITION BY LIST (id)",
            "CREATE TABLE yard.below PARTITION OF yard.above DEFAULT",
            "CREATE FUNCTION yard.early() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN yard.loots('by index'); END $$",
            "CREATE INDEX ON yard.below (id) WHERE yard.early()",
            "INSERT INTO yard.above VALUES (1)",
        ],
    ] {
        let seen = brings_nothing(prepared);
        assert!(seen.contains("ERROR 42501"), "{prepared:?}\n{seen}");
    }
}

/// The owner of a protected table refers to it as before.
#[test]
fn the_owner_makes_triggers_and_foreign_keys() {
    let database = granted();
    database.run(
        "SET ROLE atk_owner;
         CREATE TABLE elsewhere.seen (deal_id int REFERENCES shop.deals ON DELETE CASCADE);
         CREATE FUNCTION elsewhere.keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER keeps BEFORE UPDATE ON shop.deals FOR EACH ROW EXECUTE FUNCTION elsewhere.keeps();",
    );
}

/// Functions of Celador's own stand where it puts them; elsewhere they end the statement, and not
/// the server.
#[test]
fn celadors_triggers_where_it_does_not_put_them() {
    for trigger in [
        "AFTER UPDATE ON shop.deals FOR EACH STATEMENT EXECUTE FUNCTION celador.guard('deals')",
        "BEFORE UPDATE ON shop.deals FOR EACH STATEMENT EXECUTE FUNCTION celador.guard('deals')",
        "BEFORE DELETE ON shop.deals FOR EACH ROW EXECUTE FUNCTION celador.guard('deals')",
        "BEFORE UPDATE ON shop.staff FOR EACH STATEMENT EXECUTE FUNCTION celador.guard_roles()",
    ] {
        let database = granted();
        // Its owner may, and harms nobody.
        database.run(&format!("SET ROLE atk_owner; CREATE TRIGGER aa {trigger}"));
        let seen = tries(
            &database,
            "atk_vera",
            &[
                "UPDATE shop.deals SET amount = amount WHERE id = 1",
                "DELETE FROM shop.deals WHERE id = 1",
                "UPDATE shop.staff SET login = login WHERE id = 4",
            ],
        );
        assert!(seen.contains("ERROR 39P01"), "{trigger}\n{seen}");
    }
}
