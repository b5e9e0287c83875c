//! The shadow test on the sample CRM: every statement of a person gives through Celador what it
//! gives on a plain database that holds what the person may see.
//!
//! `CELADOR_SEED` and `CELADOR_STATEMENTS` set which statements, and how many.

mod shadow_sample_crm;

use celador_tests::shadow::sample::Sample;
use celador_tests::shadow::{Shadows, seed, statements};
use shadow_sample_crm::{FILES, protected};

#[test]
fn statements_give_what_they_give_on_the_shadow() {
    let (seed, statements) = (seed(), statements());
    println!("CELADOR_SEED={seed} CELADOR_STATEMENTS={statements}");
    let oracle = Sample;
    let mut shadows = Shadows::new("sample", &FILES, &oracle);
    let real = protected();
    let report = match shadows.compare(&real, seed, statements) {
        Ok(report) => report,
        Err(difference) => panic!("CELADOR_SEED={seed}: {difference}"),
    };
    println!("{report}");
    assert!(
        report.effective * 100 >= report.statements * 60,
        "too few statements do anything: {report}"
    );
    assert!(
        report.writes * 100 >= report.statements * 28,
        "too few writes: {report}"
    );
}
