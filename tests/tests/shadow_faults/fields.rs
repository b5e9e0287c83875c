//! Mistakes that the author of masks makes: in the policy, while masks are put into statements, and where
//! fields are written.

use celador_tests::shadow::fault::Change::{Document, Sql};
use celador_tests::shadow::fault::Fault;

use crate::known::made_while_planning;

pub(crate) const SEEN: [Fault; 3] = [
    Fault {
        name: "a rendering shows one character more",
        change: Document("partial(3,2)", "partial(3,3)"),
    },
    Fault {
        name: "a field is rendered by another step",
        change: Document("round(700)", "round(70)"),
    },
    Fault {
        name: "whoever supervises sees a field in clear",
        change: Document(
            "birth_date = { clear = [\"own\"], month",
            "birth_date = { clear = [\"reports\"], month",
        ),
    },
];

pub(crate) const PLANNED: [Fault; 5] = made_while_planning!(
    "a field is forgotten",
    "all renderings are granted",
    "a guess is answered",
    "masks pass outer joins",
    "grouping sets are overlooked",
);

pub(crate) const WRITTEN: [Fault; 6] = made_while_planning!(
    "what is shown is written",
    "NULL isn't shown",
    "MERGE writes what is shown",
    "ON CONFLICT writes what is shown",
    "seeing a field is writing it",
    "creating writes every field",
);

/// Of the policy, found in half a minute to a minute.
pub(crate) const WRITTEN_BY_THE_DOCUMENT: [Fault; 1] = [Fault {
    name: "a field is written by another scope",
    change: Document(
        "close_date = { clear = [\"all\"], write = [\"reports\"] }",
        "close_date = { clear = [\"all\"], write = [\"unassigned\"] }",
    ),
}];

/// What 3,000 statements don't tell: the sample has too few rows, or statements, of that kind.
pub(crate) const MISSED_IN_THE_DOCUMENT: [Fault; 2] = [
    Fault {
        name: "writing a field follows from seeing it",
        change: Document(
            "starts_at = { clear = [\"own\"], write = [\"reports\"] }",
            "starts_at = { clear = [\"own\"], write = [\"own\"] }",
        ),
    },
    Fault {
        name: "a share of a record doesn't count for writing a field",
        change: Document(
            "custom = { clear = [\"own\", \"shared\"], write = [\"own\", \"shared\"] }",
            "custom = { clear = [\"own\", \"shared\"], write = [\"own\", \"reports\"] }",
        ),
    },
];
