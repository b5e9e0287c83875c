//! Mistakes in Tryton: the shadow test finds them. Chosen by somebody who doesn't know how statements
//! are made.

#[path = "shadow_tryton_crm/mod.rs"]
mod tryton_crm;

use celador_tests::acceptance::Crm;
use celador_tests::shadow::Shadows;
use celador_tests::shadow::fault::Change::{After, Document, Policy, Sql};
use celador_tests::shadow::fault::{Fault, all_are_found, are_tried_on_shadows};
use celador_tests::shadow::told::Told;

const CHOSEN: [Fault; 11] = [
    Fault {
        name: "an owner is compared with another key of the person",
        change: Policy(
            "sale_opportunity",
            "celador_read",
            "'employee'::text, employee)",
            "'user'::text, employee)",
        ),
    },
    Fault {
        name: "an owner is compared with another key of the person, for changing",
        change: Policy(
            "sale_opportunity",
            "celador_update",
            "'employee'::text, employee)",
            "'user'::text, employee)",
        ),
    },
    Fault {
        name: "a switch is passed over",
        change: Document(
            "{ scope = \"unassigned\", when = \"manual_assignment\" }",
            "\"unassigned\"",
        ),
    },
    Fault {
        name: "another switch is asked",
        change: Document(
            "{ scope = \"group\", when = \"shared_inbox\" }",
            "{ scope = \"group\", when = \"manual_assignment\" }",
        ),
    },
    Fault {
        name: "another key of a person isn't told to open sessions",
        change: Sql(
            "ALTER TABLE \"res_user-company_employee\" DISABLE TRIGGER \"~celador_directory_update\"",
            "ALTER TABLE \"res_user-company_employee\" ENABLE ALWAYS TRIGGER \"~celador_directory_update\"",
        ),
    },
    Fault {
        name: "a role that is taken away isn't told to open sessions",
        change: Sql(
            "ALTER TABLE \"res_user-res_group\" DISABLE TRIGGER \"~celador_directory_delete\"",
            "ALTER TABLE \"res_user-res_group\" ENABLE ALWAYS TRIGGER \"~celador_directory_delete\"",
        ),
    },
    Fault {
        name: "what hangs on a record that has moved away stays visible",
        change: After(
            "CREATE SCHEMA IF NOT EXISTS fault;
             GRANT USAGE ON SCHEMA fault TO PUBLIC;
             DROP TABLE IF EXISTS fault.sales;
             CREATE TABLE fault.sales AS SELECT id, company FROM public.sale_sale;
             GRANT SELECT ON fault.sales TO PUBLIC",
            &Policy(
                "sale_line",
                "celador_read",
                "celador.covered() AND ",
                "celador.covered() AND EXISTS (SELECT FROM fault.sales f WHERE f.id = sale_line.sale AND celador.group_in_reach('orders', 'read', f.company)) OR ",
            ),
        ),
    },
    Fault {
        name: "a row is in reach if every scope holds",
        change: Policy(
            "sale_opportunity",
            "celador_read",
            "celador.owner_in_reach('opportunities'::text, 'read'::text, 'employee'::text, employee) OR",
            "celador.owner_in_reach('opportunities'::text, 'read'::text, 'employee'::text, employee) AND",
        ),
    },
    Fault {
        name: "who may change a row sees it",
        change: Policy("ir_note", "celador_read", "'read'::text", "'update'::text"),
    },
    Fault {
        name: "a share escapes a restriction",
        change: Policy(
            "sale_opportunity",
            "celador_read",
            "celador.covered() AND ",
            "celador.covered() AND celador.share_in_reach('opportunities', 'read', id) OR ",
        ),
    },
    Fault {
        name: "the bound of an assignment to a group is passed over",
        change: Document(
            "assign = [{ scope = \"group\", to = [\"group\"] }]",
            "assign = [\"group\"]",
        ),
    },
];

fn all_are_found_in_tryton(faults: &[Fault]) {
    if !are_tried_on_shadows() {
        return;
    }
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let oracle = Told::read(tryton_crm::TOLD);
    let mut shadows = Shadows::new("tryton", &|client| tryton_crm::plain(&crm, client), &oracle);
    all_are_found(
        faults.iter(),
        &tryton_crm::protected(&crm),
        &tryton_crm::document(),
        &mut shadows,
    );
}

#[test]
fn faults_chosen_without_knowing_the_generator_are_found() {
    all_are_found_in_tryton(&CHOSEN);
}
