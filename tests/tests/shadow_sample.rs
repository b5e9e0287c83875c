//! The shadow test on the sample CRM: every statement of a person gives through Celador what it
//! gives on a plain database that holds what the person may see.
//!
//! `CELADOR_SEED` (numbers with commas between: a run for each) and `CELADOR_STATEMENTS` (how many a run,
//! 3,000 if it isn't set) set which statements.

mod shadow_sample_crm;

use celador_tests::shadow::Shadows;
use celador_tests::shadow::sample::Sample;
use shadow_sample_crm::{plain, protected};

#[test]
fn statements_give_what_they_give_on_the_shadow() {
    let oracle = Sample;
    let mut shadows = Shadows::new("sample", &plain, &oracle);
    shadows.assert_same(&protected());
}
