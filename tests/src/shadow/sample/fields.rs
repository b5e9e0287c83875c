//! What each role sees of fields, and which of them it writes, as WHERE clauses.

use super::Who;
use super::cells::{contact_of, hangs, no_owner, owner, shared};
use crate::shadow::fields::{Field, Rendering, granted};
use crate::shadow::oracle::{Action, any};
use Action::{Read, Update};
use Rendering::{Clear, Constant, Email, Hash, Month, Null, Partial, Round, Year};

/// What is granted of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// To see it so.
    See(Rendering),
    Write,
}

use Right::{See, Write};

/// The fields of a table: column, renderings.
fn renderings(table: &str) -> &'static [(&'static str, &'static [Rendering])] {
    match table {
        "contacts" => &[
            ("phone", &[Clear, Partial(0, 4), Constant("none")]),
            ("email", &[Clear, Email]),
            ("birth_date", &[Clear, Month, Year]),
        ],
        "accounts" => &[
            ("annual_revenue", &[Clear, Round(30000), Null]),
            ("phone", &[Clear, Hash]),
            ("website", &[Clear, Constant("hidden")]),
            ("custom", &[Clear, Null]),
        ],
        "leads" => &[
            ("email", &[Clear, Email, Null]),
            ("phone", &[Clear, Partial(3, 2)]),
        ],
        "opportunities" => &[
            ("amount", &[Clear, Round(700), Null]),
            ("close_date", &[Clear, Year]),
        ],
        "quotes" => &[
            ("number", &[Clear, Partial(1, 1)]),
            ("sent_at", &[Clear, Month]),
        ],
        "tickets" => &[("subject", &[Clear, Partial(5, 0), Constant("a ticket")])],
        "events" => &[("starts_at", &[Clear, Year])],
        "campaigns" => &[("budget", &[Clear, Round(30000)])],
        "reports" => &[("query", &[Clear, Null])],
        "users" => &[("email", &[Clear, Email])],
        _ => &[],
    }
}

/// The columns that are fields.
pub(super) fn columns(table: &str) -> Vec<&'static str> {
    renderings(table)
        .iter()
        .map(|(column, _)| *column)
        .collect()
}

/// What a person sees and writes of a table's fields.
pub(super) fn fields(phase: usize, person: &str, who: &Who, table: &str) -> Vec<Field> {
    let field = |(column, renderings): &(&'static str, &'static [Rendering])| {
        let (otherwise, others) = renderings.split_last().expect("a field has renderings");
        let of = |right| {
            granted(who.roles, |role| {
                right_of(phase, person, who, (role, table, column), right)
            })
        };
        Field {
            column,
            cases: others
                .iter()
                .map(|shown| (of(See(*shown)), *shown))
                .collect(),
            otherwise: *otherwise,
            write: of(Write),
        }
    };
    renderings(table).iter().map(field).collect()
}

/// When a role has a right to a field.
fn right_of(
    phase: usize,
    person: &str,
    who: &Who,
    (role, table, column): (&str, &str, &str),
    right: Right,
) -> String {
    let me = who.key;
    let own = || owner(me);
    let reports = || owner(who.reports);
    let colleagues = || owner(who.colleagues);
    let created = || format!("r.created_by = {me}");
    let group = || format!("r.team_id IN ({})", who.teams);
    let yes = || "true".to_owned();
    let unlinked = || {
        "NOT EXISTS (SELECT FROM all_rows.contact_assignees l WHERE l.contact_id = r.id)".to_owned()
    };
    match (role, table, column, right) {
        ("administrator", _, _, See(Clear) | Write) => yes(),

        ("seller", "contacts", "phone", See(Clear) | Write) => contact_of(who.reports),
        ("seller", "contacts", "phone", See(Partial(..))) => contact_of(who.colleagues),
        ("seller", "contacts", "email", See(Clear)) if who.team_records => {
            any(&[contact_of(who.reports), contact_of(who.colleagues)])
        }
        ("seller", "contacts", "email", See(Clear)) => contact_of(who.reports),
        ("seller", "contacts", "email", Write) => {
            any(&[contact_of(who.reports), shared(who, table, Update)])
        }
        ("seller", "contacts", "birth_date", See(Clear) | Write) => contact_of(me),
        ("seller", "contacts", "birth_date", See(Month)) => contact_of(who.reports),
        ("seller", "accounts", "annual_revenue", See(Clear) | Write) => own(),
        ("seller", "accounts", "annual_revenue", See(Round(_))) => {
            any(&[reports(), shared(who, table, Read)])
        }
        ("seller", "accounts", "phone", See(Clear)) => reports(),
        ("seller", "accounts", "phone", Write) => any(&[reports(), shared(who, table, Update)]),
        ("seller", "accounts", "website", See(Clear)) => colleagues(),
        ("seller", "accounts", "website", Write) => reports(),
        ("seller", "accounts", "custom", See(Clear)) => any(&[own(), shared(who, table, Read)]),
        ("seller", "accounts", "custom", Write) => any(&[own(), shared(who, table, Update)]),
        ("seller", "leads", "email", See(Clear) | Write) => own(),
        ("seller", "leads", "email", See(Email)) => reports(),
        ("seller", "leads", "phone", See(Clear)) => own(),
        ("seller", "leads", "phone", Write) => reports(),
        ("seller", "opportunities", "amount", See(Clear)) => own(),
        ("seller", "opportunities", "amount", See(Round(_))) => reports(),
        ("seller", "opportunities", "amount", Write) => any(&[own(), shared(who, table, Update)]),
        ("seller", "opportunities", "close_date", See(Clear)) => reports(),
        ("seller", "opportunities", "close_date", Write) => own(),
        ("seller", "quotes", "number", See(Clear)) => own(),
        ("seller", "quotes", "number", Write) => reports(),
        ("seller", "quotes", "sent_at", See(Clear) | Write) => own(),
        ("seller", "tickets", "subject", See(Clear)) => no_owner(),
        ("seller", "tickets", "subject", See(Partial(..))) => {
            hangs(phase, person, "account_id", "accounts", Read)
        }
        ("seller", "tickets", "subject", Write) => {
            hangs(phase, person, "account_id", "accounts", Update)
        }
        ("seller", "events", "starts_at", See(Clear) | Write) => own(),

        ("manager", "contacts", "phone", See(Clear)) => any(&[contact_of(who.reports), unlinked()]),
        ("manager", "contacts", "phone", Write) => contact_of(who.reports),
        ("manager", "contacts", "email", See(Clear)) => contact_of(who.reports),
        ("manager", "contacts", "email", Write) => any(&[contact_of(who.reports), unlinked()]),
        ("manager", "contacts", "birth_date", See(Month)) => contact_of(who.reports),
        ("manager", "accounts", "annual_revenue", See(Clear)) => reports(),
        ("manager", "accounts", "annual_revenue", See(Round(_))) => no_owner(),
        ("manager", "accounts", "annual_revenue", Write) => any(&[reports(), no_owner()]),
        ("manager", "accounts", "phone", See(Clear)) => reports(),
        ("manager", "accounts", "phone", Write) => no_owner(),
        ("manager", "accounts", "website", Write) => reports(),
        ("manager", "accounts", "custom", See(Clear)) => no_owner(),
        ("manager", "accounts", "custom", Write) => any(&[reports(), no_owner()]),
        ("manager", "leads", "email", See(Clear)) => reports(),
        ("manager", "leads", "email", See(Email)) => no_owner(),
        ("manager", "leads", "email", Write) => any(&[reports(), no_owner()]),
        ("manager", "leads", "phone", See(Clear)) => no_owner(),
        ("manager", "leads", "phone", Write) => reports(),
        ("manager", "opportunities", "amount", See(Clear) | Write) => reports(),
        ("manager", "opportunities", "amount", See(Round(_))) => no_owner(),
        ("manager", "opportunities", "close_date", See(Clear)) => yes(),
        ("manager", "opportunities", "close_date", Write) => reports(),
        ("manager", "quotes", "number", See(Clear)) => no_owner(),
        ("manager", "quotes", "number", Write) => any(&[reports(), no_owner()]),
        ("manager", "quotes", "sent_at", See(Clear)) => yes(),
        ("manager", "quotes", "sent_at", Write) => no_owner(),
        ("manager", "events", "starts_at", See(Clear)) => own(),
        ("manager", "events", "starts_at", Write) => reports(),
        ("manager", "campaigns", "budget", See(Clear) | Write) => group(),
        ("manager" | "chief_executive", "reports", "query", See(Clear) | Write) => own(),

        ("support", "contacts", "phone", See(Clear)) => yes(),
        ("support", "accounts", "phone", See(Clear)) => no_owner(),
        ("support", "accounts", "website", See(Clear)) => yes(),
        ("support", "tickets", "subject", See(Clear)) => any(&[own(), colleagues()]),
        ("support", "tickets", "subject", Write) => any(&[own(), no_owner()]),
        ("support", "events", "starts_at", Write) => own(),

        ("marketing", "contacts", "phone", See(Partial(..))) => yes(),
        ("marketing", "contacts", "email", See(Clear)) => yes(),
        ("marketing", "contacts", "birth_date", See(Month)) => yes(),
        ("marketing", "leads", "email", See(Clear)) => created(),
        ("marketing", "leads", "email", See(Email)) => no_owner(),
        ("marketing", "leads", "email", Write) => any(&[created(), no_owner()]),
        ("marketing", "leads", "phone", Write) => created(),
        ("marketing", "tickets", "subject", Write) => no_owner(),
        ("marketing", "campaigns", "budget", See(Clear)) => own(),
        ("marketing", "campaigns", "budget", Write) => any(&[group(), own()]),
        ("marketing", "reports", "query", Write) => own(),

        ("analyst", "reports", "query", See(Clear) | Write) => yes(),
        ("analyst" | "chief_executive", "accounts", "annual_revenue", See(Round(_))) => yes(),
        ("analyst", "leads", "email", See(Email)) => yes(),
        ("analyst", "opportunities", "amount", See(Clear)) => colleagues(),
        ("analyst" | "chief_executive", "opportunities", "amount", See(Round(_))) => yes(),

        ("chief_executive", "accounts", "custom", See(Clear)) => yes(),
        ("chief_executive", "leads", "email", See(Clear)) => group(),
        ("chief_executive", "leads", "email", See(Email)) => yes(),
        ("chief_executive", "leads", "email", Write) => "r.team_id BETWEEN 1 AND 12".to_owned(),
        _ => "false".to_owned(),
    }
}
