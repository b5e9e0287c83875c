//! The shadow test on Tryton, where it is: a CRM that knows nothing of Celador.
//!
//! `CELADOR_SEED` (numbers with commas between: a run for each) and `CELADOR_STATEMENTS` (how many a run,
//! 3,000 if it isn't set) set which statements.

mod shadow_tryton_crm;

use celador_tests::acceptance::Crm;
use celador_tests::shadow::Shadows;
use celador_tests::shadow::told::Told;
use shadow_tryton_crm::{TOLD, plain, protected};

#[test]
fn statements_give_what_they_give_on_the_shadow() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let oracle = Told::read(TOLD);
    let mut shadows = Shadows::new("tryton", &|client| plain(&crm, client), &oracle);
    shadows.assert_same(&protected(&crm));
}
