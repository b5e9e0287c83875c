//! The cells of the matrix and what narrows them, as WHERE clauses.

use super::{Sample, Who};
use crate::shadow::oracle::{Action, Oracle, any};
use Action::{Claim, Create, Delete, Read, Update};

/// Tables that follow a record: the record's table and the column that names it.
pub(super) fn child(table: &str) -> Option<(&'static str, &'static str)> {
    Some(match table {
        "quote_lines" => ("quotes", "quote_id"),
        "order_lines" => ("orders", "order_id"),
        "price_list_items" => ("price_lists", "price_list_id"),
        "event_attendees" => ("events", "event_id"),
        "ticket_history" => ("tickets", "ticket_id"),
        "mailing_list_members" => ("mailing_lists", "list_id"),
        "workflow_steps" => ("workflows", "workflow_id"),
        "invoice_lines" => ("invoices", "invoice_id"),
        _ => return None,
    })
}

/// Tables that say who looks after a record.
pub(super) fn link(table: &str) -> Option<(&'static str, &'static str)> {
    match table {
        "contact_assignees" => Some(("contacts", "contact_id")),
        "task_assignees" => Some(("tasks", "task_id")),
        _ => None,
    }
}

pub(super) fn owner(list: &str) -> String {
    format!("r.owner_id IN ({list})")
}

pub(super) fn no_owner() -> String {
    "r.owner_id IS NULL".to_owned()
}

pub(super) fn looked_after(links: &str, column: &str, list: &str) -> String {
    format!(
        "EXISTS (SELECT FROM all_rows.{links} l WHERE l.{column} = r.id AND l.user_id IN ({list}))"
    )
}

pub(super) fn contact_of(list: &str) -> String {
    looked_after("contact_assignees", "contact_id", list)
}

pub(super) fn task_of(list: &str) -> String {
    looked_after("task_assignees", "task_id", list)
}

/// Shares, as [`super::SHARES`] gives them.
pub(super) fn shared(who: &Who, table: &str, action: Action) -> String {
    let writes = action != Read;
    let records = match (who.key, table) {
        // From the last phase on; sergio has left team 3 by then.
        ("9", "accounts") if who.shares_ended => return "false".to_owned(),
        ("9", "accounts") if who.north && writes => "20, 24",
        ("9", "accounts") if who.north => "20, 21, 24",
        ("9", "accounts") if writes => "20",
        ("9", "accounts") => "20, 21",
        ("6", "accounts") => "24",
        ("4", "accounts") => "26",
        ("9" | "6", "opportunities") if who.north && writes => "68",
        ("6", "opportunities") => "68, 94",
        ("9", "opportunities") if who.north => "68",
        ("9", "contacts") => "160",
        ("6", "contacts") if !writes => "162",
        _ => return "false".to_owned(),
    };
    format!("r.id IN ({records})")
}

/// The row hangs on one of that table which is in reach.
pub(super) fn hangs(
    phase: usize,
    person: &str,
    column: &str,
    table: &str,
    action: Action,
) -> String {
    let on = Sample.reach(phase, person, table, action);
    format!("r.{column} IN (SELECT r.id FROM all_rows.{table} r WHERE {on})")
}

pub(super) fn hangs_by_type(
    phase: usize,
    person: &str,
    tables: &[(&str, &str)],
    action: Action,
) -> String {
    any(&tables
        .iter()
        .map(|(kind, table)| {
            format!(
                "r.record_type = '{kind}' AND {}",
                hangs(phase, person, "record_id", table, action)
            )
        })
        .collect::<Vec<_>>())
}

const NOTED: [(&str, &str); 5] = [
    ("account", "accounts"),
    ("contact", "contacts"),
    ("lead", "leads"),
    ("opportunity", "opportunities"),
    ("ticket", "tickets"),
];
const CALLED: [(&str, &str); 3] = [
    ("account", "accounts"),
    ("contact", "contacts"),
    ("lead", "leads"),
];

/// One cell of the matrix: what a role may do with a table's rows.
pub(super) fn cell(
    phase: usize,
    person: &str,
    who: &Who,
    role: &str,
    table: &str,
    action: Action,
) -> String {
    let me = who.key;
    let reports = || owner(who.reports);
    let created = || format!("r.created_by = {me}");
    let yes = || "true".to_owned();
    let mail = |list: &str| {
        any(&[
            owner(list),
            hangs(phase, person, "contact_id", "contacts", Read),
            hangs(phase, person, "opportunity_id", "opportunities", Read),
        ])
    };
    let calls = |list: &str| any(&[owner(list), hangs_by_type(phase, person, &CALLED, Read)]);
    let team_records = |of: String| {
        if who.team_records {
            of
        } else {
            "false".to_owned()
        }
    };
    match (role, table, action) {
        ("administrator", "schema_migrations", _) => "false".to_owned(),
        ("administrator", _, Claim) if Sample.record(table).owner.is_none() => "false".to_owned(),
        ("administrator", _, _) => yes(),

        ("manager", "opportunities" | "quotes" | "orders" | "sales_summary", Read) => yes(),
        ("manager", "opportunities" | "quotes" | "orders", Create | Delete) => reports(),
        ("manager", "opportunities" | "quotes" | "orders", Update) => any(&[reports(), no_owner()]),
        ("manager", "leads", Read | Update) => any(&[reports(), no_owner()]),
        ("manager", "leads", Create | Delete) => reports(),
        ("manager", "accounts", Read | Update) => {
            any(&[reports(), no_owner(), shared(who, "accounts", action)])
        }
        ("manager", "accounts", Create) => reports(),
        ("manager", "contacts", Read | Update) => any(&[
            contact_of(who.reports),
            "NOT EXISTS (SELECT FROM all_rows.contact_assignees l WHERE l.contact_id = r.id)"
                .to_owned(),
        ]),
        ("manager", "contacts", Create) => contact_of(me),
        ("manager", "tasks", Read | Update) => any(&[task_of(who.reports), created()]),
        ("manager", "tasks", Create) => task_of(me),
        ("manager", "tasks", Delete) => task_of(who.reports),
        ("manager", "events", Read | Create | Update | Delete) => reports(),
        ("manager", "campaigns", Read) => format!("r.team_id IN ({})", who.tree),
        ("manager", "campaigns", Update) => format!("r.team_id IN ({})", who.teams),
        ("manager", "products" | "price_lists", Read | Create | Update | Delete) => yes(),
        ("manager" | "seller", "notes", Read | Create) => {
            hangs_by_type(phase, person, &NOTED, Read)
        }
        ("manager" | "seller" | "support", "notes", Update) => created(),
        ("manager" | "seller", "calls", Read) => calls(who.reports),
        ("manager" | "seller" | "support", "calls", Create | Update) => owner(me),
        ("manager" | "seller", "emails", Read) => mail(who.reports),
        ("manager" | "seller" | "support", "emails", Create | Update) => owner(me),
        ("manager" | "seller" | "support", "email_templates", Read) => yes(),
        ("manager" | "marketing", "reports", Read) => yes(),
        ("manager" | "marketing", "reports", Create | Update | Delete) => owner(me),
        ("manager" | "chief_executive", "dashboards", Read | Create | Update | Delete) => owner(me),
        ("manager" | "chief_executive", "charts", Read | Create | Update | Delete) => {
            hangs(phase, person, "dashboard_id", "dashboards", action)
        }
        (
            "manager" | "seller" | "support" | "marketing" | "analyst" | "chief_executive",
            "users" | "teams",
            Read,
        ) => yes(),

        ("seller", "leads", Read | Update) => reports(),
        ("seller", "leads", Create) => owner(me),
        ("seller", "opportunities", Read | Update) => {
            any(&[reports(), shared(who, "opportunities", action)])
        }
        ("seller", "opportunities" | "quotes" | "orders", Create) => owner(me),
        ("seller", "quotes", Read) => any(&[
            reports(),
            hangs(phase, person, "opportunity_id", "opportunities", Read),
        ]),
        ("seller", "orders", Read) => any(&[
            reports(),
            hangs(phase, person, "account_id", "accounts", Read),
        ]),
        ("seller", "quotes" | "orders", Update) => reports(),
        ("seller", "tasks", Read) => any(&[task_of(who.reports), created()]),
        ("seller", "tasks", Update) => task_of(who.reports),
        ("seller", "tasks", Create | Delete) => task_of(me),
        ("seller", "events", Read) => reports(),
        ("seller", "events", Create | Update | Delete) => owner(me),
        ("seller", "products" | "price_lists", Read) => yes(),
        ("seller", "accounts", Read) => any(&[
            reports(),
            shared(who, "accounts", Read),
            team_records(owner(who.colleagues)),
        ]),
        ("seller", "accounts", Update) => any(&[reports(), shared(who, "accounts", Update)]),
        ("seller", "accounts", Create) => owner(me),
        ("seller", "contacts", Read) => any(&[
            contact_of(who.reports),
            shared(who, "contacts", Read),
            team_records(contact_of(who.colleagues)),
        ]),
        ("seller", "contacts", Update) => {
            any(&[contact_of(who.reports), shared(who, "contacts", Update)])
        }
        ("seller", "contacts", Create) => contact_of(me),
        ("seller", "campaigns", Read) => "r.status = 'running'".to_owned(),
        ("seller", "sales_summary", Read) => format!("r.team_id IN ({})", who.teams),
        ("seller", "tickets", Read | Update) => {
            hangs(phase, person, "account_id", "accounts", action)
        }

        ("support", "accounts" | "contacts" | "products" | "tickets", Read) => yes(),
        ("support", "tickets", Create) => yes(),
        ("support", "tickets", Update) => any(&[owner(who.colleagues), no_owner()]),
        ("support", "tickets", Claim) => no_owner(),
        ("support", "notes", Read) => hangs_by_type(phase, person, &NOTED, Read),
        ("support", "notes", Create) => hangs_by_type(phase, person, &NOTED, Update),
        ("support", "calls", Read) => calls(me),
        ("support", "emails", Read) => mail(me),
        ("support", "conversations", Read) => any(&[
            owner(me),
            hangs(phase, person, "contact_id", "contacts", Read),
        ]),
        ("support", "messages", Read) => {
            hangs(phase, person, "conversation_id", "conversations", Read)
        }
        ("support", "tasks", Read) => any(&[task_of(me), created()]),
        ("support", "tasks", Create | Update | Delete) => task_of(me),
        ("support", "events", Read | Create | Update | Delete) => owner(me),

        (
            "marketing",
            "campaigns" | "mailing_lists" | "email_templates",
            Read | Create | Update | Delete,
        ) => yes(),
        ("marketing", "emails", Read | Create | Update | Delete) => owner(me),
        ("marketing", "contacts", Read) => yes(),
        ("marketing", "leads", Read | Update) => created(),
        ("marketing", "leads", Claim) => no_owner(),
        ("marketing", "tickets", Create) => yes(),

        ("analyst", "reports" | "charts" | "dashboards", Read | Create | Update | Delete) => yes(),
        ("analyst", "reports" | "dashboards", Claim) => no_owner(),
        (
            "analyst",
            "leads" | "opportunities" | "quotes" | "orders" | "products" | "price_lists",
            Read,
        ) => yes(),
        ("analyst", "sales_summary" | "campaigns" | "tickets", Read) => yes(),
        ("analyst", "accounts", Read) => {
            "r.id IN (SELECT o.account_id FROM all_rows.opportunities o)".to_owned()
        }

        ("chief_executive", "reports", Read | Create | Update | Delete) => owner(me),
        (
            "chief_executive",
            "accounts" | "contacts" | "tasks" | "events" | "sales_summary",
            Read,
        ) => yes(),
        ("chief_executive", "leads", Read | Update) => "r.team_id BETWEEN 1 AND 12".to_owned(),
        // Everybody but the trainee, pilar, is in some team below the company.
        ("chief_executive", "opportunities", Read) => "r.owner_id <> 40".to_owned(),
        _ => "false".to_owned(),
    }
}

pub(super) fn restriction(who: &Who, table: &str, action: Action) -> Option<&'static str> {
    match table {
        "leads" if who.north || who.key == "2" => Some("r.status <> 'lost'"),
        "contacts" if who.roles.contains(&"support") => Some("r.job_title <> 'Director'"),
        "quotes" if who.key == "6" && matches!(action, Update | Delete) => {
            Some("r.status IN ('draft', 'sent')")
        }
        _ => None,
    }
}

/// What a cell allows within the restrictions.
pub(super) fn within(who: &Who, table: &str, action: Action, reach: String) -> String {
    match restriction(who, table, action) {
        Some(restriction) if reach != "false" => format!("({reach}) AND {restriction}"),
        _ => reach,
    }
}
