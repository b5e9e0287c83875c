//! The tests are tested: mistakes that debug builds make on request are found.

use celador_tests::shadow::fault::are_tried;
use celador_tests::{Database, denied, folds};

use super::functions::{changed_functions_are_noticed, errors_tell_no_value, masking};
use super::reads::compare;
use super::rights::{
    clerk, fields_are_written_by_those_who_may, guesses_are_not_answered,
    later_columns_show_nothing,
};
use super::shop::shop;
use super::writes::{
    each_way_keeps_what_is_stored, saving_keeps_what_is_stored, views_check_what_is_shown,
};

fn reads(database: &Database) {
    compare(database, "");
}

fn export_is_refused(database: &Database) {
    let mut lena = database.login("shop_lena");
    let _code_42501 = denied(lena.batch_execute("COPY contacts TO STDOUT"));
}

/// A mistake, what finds it, and where.
type Fault = (&'static str, fn(&Database), fn() -> Database);

const FAULTS: [Fault; 17] = [
    ("a field is forgotten", reads, shop),
    ("all renderings are granted", reads, shop),
    ("masks pass outer joins", reads, shop),
    ("grouping sets are overlooked", reads, shop),
    ("every column is known", later_columns_show_nothing, shop),
    (
        "views check what is stored",
        views_check_what_is_shown,
        shop,
    ),
    (
        "what is shown is written",
        saving_keeps_what_is_stored,
        shop,
    ),
    ("NULL isn't shown", saving_keeps_what_is_stored, shop),
    (
        "a domain is asked of what is shown",
        each_way_keeps_what_is_stored,
        shop,
    ),
    (
        "ON CONFLICT writes what is shown",
        each_way_keeps_what_is_stored,
        shop,
    ),
    (
        "MERGE writes what is shown",
        each_way_keeps_what_is_stored,
        shop,
    ),
    ("a guess is answered", guesses_are_not_answered, shop),
    (
        "seeing a field is writing it",
        fields_are_written_by_those_who_may,
        clerk,
    ),
    (
        "creating writes every field",
        fields_are_written_by_those_who_may,
        clerk,
    ),
    ("bulk is as single rows", export_is_refused, shop),
    (
        "a function's errors are told",
        errors_tell_no_value,
        masking,
    ),
    (
        "functions aren't looked at again",
        changed_functions_are_noticed,
        masking,
    ),
];

#[test]
fn each_is_found() {
    if !are_tried() || !folds() {
        return;
    }
    let missed: Vec<&str> = FAULTS
        .into_iter()
        .filter(|(mistake, finds, place)| !place().finds_mistake(mistake, *finds))
        .map(|(mistake, ..)| mistake)
        .collect();
    assert_eq!(missed, Vec::<&str>::new());
}
