//! The sample CRM under preset S1 and `sample.toml`, told by hand: for each role and table, the
//! WHERE clause of each action.

mod cells;
mod fields;

use super::fields::Field;
use super::oracle::{Action, Change, Oracle, Record, any};
use Action::{Claim, Create, Delete, Read, Update};
use cells::{cell, child, contact_of, hangs, link, no_owner, owner, task_of, within};

/// The sample CRM.
#[derive(Debug)]
pub struct Sample;

/// A person in a phase, with lists of keys as SQL.
struct Who {
    key: &'static str,
    roles: &'static [&'static str],
    /// The person and whoever is supervised.
    reports: &'static str,
    /// The members of the person's teams.
    colleagues: &'static str,
    /// The person's teams.
    teams: &'static str,
    /// The person's teams and those below them.
    tree: &'static str,
    /// Whether `team_records` is on for a team of the person's.
    team_records: bool,
    north: bool,
    /// Whether the shares of accounts have ended.
    shares_ended: bool,
}

/// tomas' people, and those whom nuria (11) leaves behind when she goes to irene.
const TEAM_OF_TOMAS: &str = "6, 9, 10, 11, 12, 13, 14, 15, 39";
const WITHOUT_NURIA: &str = "6, 9, 10, 12, 13, 14, 15, 39";
const TEAM_OF_MARTA: &str = "4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 39, 40";

/// Phase 0 is how the data is loaded. From phase 1 on sergio (9) has moved from team 3 to team 5,
/// from phase 2 on nuria (11) reports to irene, from phase 3 on team_records is off for all of
/// sales, from phase 4 on sara is in marketing too, from phase 5 on team 5 isn't below sales (and its
/// switch is as it was), from phase 6 on mario is no longer active, and in phase 7 the accounts shared
/// with sergio are no longer. Each changes one table: what tells open sessions of one change would
/// hide that another isn't told.
fn who(phase: usize, person: &str) -> Who {
    let plain = Who {
        key: "",
        roles: &[],
        reports: "",
        colleagues: "",
        teams: "",
        tree: "",
        team_records: phase < 3,
        north: false,
        shares_ended: phase >= 7,
    };
    let moved = phase >= 1;
    match person {
        "ana" => Who {
            key: "1",
            roles: &["administrator"],
            reports: "1, 3",
            colleagues: "1, 3, 25, 26, 38",
            teams: "12",
            ..plain
        },
        "dario" => Who {
            key: "2",
            roles: &["chief_executive"],
            reports: "2",
            colleagues: "2",
            teams: "1",
            ..plain
        },
        "marta" => Who {
            key: "4",
            roles: &["manager"],
            reports: TEAM_OF_MARTA,
            colleagues: "4, 5",
            teams: "2",
            tree: if phase >= 5 {
                "2, 3, 4, 6"
            } else {
                "2, 3, 4, 5, 6"
            },
            ..plain
        },
        "tomas" => Who {
            key: "6",
            roles: &["seller"],
            reports: if phase >= 2 {
                WITHOUT_NURIA
            } else {
                TEAM_OF_TOMAS
            },
            // Teams 3 and 4; sergio leaves team 3.
            colleagues: if moved {
                "6, 10, 11, 12, 39, 13, 14, 15"
            } else {
                "6, 9, 10, 11, 12, 39, 13, 14, 15"
            },
            teams: "3, 4",
            north: true,
            ..plain
        },
        "sergio" => Who {
            key: "9",
            roles: &["seller"],
            reports: "9",
            colleagues: if moved {
                "7, 9, 16, 17, 18, 19"
            } else {
                "6, 9, 10, 11, 12, 39"
            },
            teams: if moved { "5" } else { "3" },
            team_records: !(3..5).contains(&phase),
            north: !moved,
            ..plain
        },
        "alba" => Who {
            key: "25",
            roles: &["analyst"],
            reports: "25, 26",
            colleagues: "1, 3, 25, 26, 38",
            teams: "12",
            ..plain
        },
        "sara" => Who {
            key: "31",
            roles: if phase >= 4 {
                &["support", "marketing"]
            } else {
                &["support"]
            },
            reports: "31, 34, 35",
            colleagues: "31, 32, 33",
            teams: "8",
            ..plain
        },
        "mario" => Who {
            key: "27",
            roles: &["marketing"],
            reports: "27, 28, 29",
            colleagues: "27, 28, 29",
            teams: "11",
            ..plain
        },
        other => panic!("nobody knows {other}"),
    }
}

/// What the superuser shares before the run.
pub const SHARES: &str = "
INSERT INTO celador.shares (module, record, \"user\", \"group\", level, expires) VALUES
  ('accounts', '20', '9', NULL, 'update', NULL), ('accounts', '21', '9', NULL, 'read', NULL),
  ('accounts', '24', NULL, '3', 'update', '2099-01-01'), ('accounts', '25', '9', NULL, 'delete', '2020-01-01'),
  ('accounts', '26', '4', NULL, 'update', NULL), ('opportunities', '68', NULL, '3', 'update', NULL),
  ('opportunities', '94', '6', NULL, 'read', NULL), ('contacts', '160', '9', NULL, 'update', NULL),
  ('contacts', '162', '6', NULL, 'read', NULL)";

impl Oracle for Sample {
    fn people(&self) -> Vec<&str> {
        vec![
            "sergio", "ana", "tomas", "sara", "marta", "mario", "dario", "alba",
        ]
    }

    fn key_of(&self, person: &str) -> String {
        who(0, person).key.to_owned()
    }

    fn phases(&self) -> usize {
        8
    }

    fn change(&self, phase: usize) -> Change {
        let (tables, celador) = match phase {
            0 => (
                "UPDATE {s}.team_members SET team_id = 3 WHERE user_id = 9;
                 UPDATE {s}.users SET manager_id = 6, updated_at = '2026-07-01 00:00+00' WHERE id = 11;
                 UPDATE {s}.user_roles SET role = 'standard' WHERE user_id = 31 AND role = 'marketing';
                 UPDATE {s}.teams SET parent_id = 2 WHERE id = 5;
                 UPDATE {s}.users SET is_active = true, updated_at = '2026-07-01 00:00+00' WHERE id = 27",
                "SELECT celador.set_setting('team_records', true, '2');
                 UPDATE celador.shares SET expires = NULL WHERE module = 'accounts' AND record IN ('20', '21')",
            ),
            1 => ("UPDATE {s}.team_members SET team_id = 5 WHERE user_id = 9", ""),
            2 => (
                "UPDATE {s}.users SET manager_id = 7, updated_at = '2026-07-01 00:00+00' WHERE id = 11",
                "",
            ),
            3 => ("", "SELECT celador.set_setting('team_records', false, '2')"),
            4 => (
                "UPDATE {s}.user_roles SET role = 'marketing' WHERE user_id = 31 AND role = 'standard'",
                "",
            ),
            5 => ("UPDATE {s}.teams SET parent_id = 7 WHERE id = 5", ""),
            6 => (
                "UPDATE {s}.users SET is_active = false, updated_at = '2026-07-01 00:00+00' WHERE id = 27",
                "",
            ),
            7 => (
                "",
                "UPDATE celador.shares SET expires = '2020-01-01' WHERE module = 'accounts' AND record IN ('20', '21')",
            ),
            other => panic!("there is no phase {other}"),
        };
        Change {
            tables: tables.to_owned(),
            celador: celador.to_owned(),
        }
    }

    fn concerned(&self, phase: usize) -> Vec<&str> {
        match phase {
            1 => vec!["sergio", "tomas"],
            2 => vec!["tomas"],
            3 => vec!["sergio", "tomas"],
            4 => vec!["sara"],
            5 => vec!["marta", "sergio"],
            6 => vec!["mario"],
            7 => vec!["sergio"],
            _ => vec!["sergio", "tomas", "sara", "marta", "mario"],
        }
    }

    fn reach(&self, phase: usize, person: &str, table: &str, action: Action) -> String {
        let who = who(phase, person);
        if table == "countries" {
            return "true".to_owned();
        }
        if let Some((record, column)) = child(table) {
            let action = match action {
                Read => Read,
                Claim => return "false".to_owned(),
                Create | Update | Delete => Update,
            };
            return hangs(phase, person, column, record, action);
        }
        if let Some((record, column)) = link(table) {
            return match action {
                Read => hangs(phase, person, column, record, Read),
                Claim => "false".to_owned(),
                Create | Update | Delete => any(&self
                    .assigns(phase, person, record)
                    .into_iter()
                    .map(|(old, new)| {
                        let whom = if new == "true" { new } else { format!("r.user_id IN ({})", who.reports) };
                        format!("{whom} AND r.{column} IN (SELECT r.id FROM all_rows.{record} r WHERE {old})")
                    })
                    .collect::<Vec<_>>()),
            };
        }
        let of = |action| {
            any(&who
                .roles
                .iter()
                .map(|role| cell(phase, person, &who, role, table, action))
                .collect::<Vec<_>>())
        };
        // What may be claimed may be read.
        let reach = if action == Read {
            any(&[of(Read), of(Claim)])
        } else {
            of(action)
        };
        within(&who, table, action, reach)
    }

    fn assigns(&self, phase: usize, person: &str, table: &str) -> Vec<(String, String)> {
        let who = who(phase, person);
        let yes = || "true".to_owned();
        let mut all = Vec::new();
        for role in who.roles {
            match (*role, table) {
                ("administrator", "schema_migrations") => {}
                ("administrator", _) => all.push((yes(), yes())),
                ("manager", "opportunities" | "quotes" | "orders" | "leads" | "accounts") => {
                    all.push((owner(who.reports), owner(who.reports)));
                    all.push((no_owner(), owner(who.reports)));
                }
                ("manager", "contacts") => {
                    all.push((contact_of(who.reports), contact_of(who.reports)));
                    all.push((
                        "NOT EXISTS (SELECT FROM all_rows.contact_assignees l WHERE l.contact_id = r.id)".to_owned(),
                        contact_of(who.reports),
                    ));
                }
                ("manager", "tasks") => {
                    all.push((task_of(who.reports), task_of(who.reports)));
                    all.push((format!("r.created_by = {}", who.key), task_of(who.reports)));
                }
                ("support", "tickets") => {
                    all.push((any(&[owner(who.colleagues), no_owner()]), yes()))
                }
                ("marketing", "campaigns" | "mailing_lists") => all.push((yes(), yes())),
                ("analyst", "reports" | "dashboards") => all.push((yes(), yes())),
                _ => {}
            }
        }
        all
    }

    fn record(&self, table: &str) -> Record<'_> {
        let record = |creator, owner, group| Record {
            creator,
            owner,
            group,
            touch: Vec::new(),
            names_owner: None,
            ruled: match table {
                "leads" | "quotes" | "campaigns" => vec!["status"],
                "contacts" => vec!["job_title"],
                "notes" | "calls" => vec!["record_type", "record_id"],
                _ => Vec::new(),
            },
        };
        let (made, owned, team) = (Some("created_by"), Some("owner_id"), Some("team_id"));
        let touched = |record: Record<'static>| Record {
            touch: vec!["updated_at"],
            ..record
        };
        match table {
            "accounts" => touched(record(made, owned, Some("group_id"))),
            "leads" | "opportunities" | "quotes" | "orders" | "tickets" | "campaigns" => {
                touched(record(made, owned, team))
            }
            "contacts" => touched(record(made, None, team)),
            "tasks" => touched(record(made, None, None)),
            "events" => touched(record(made, owned, None)),
            "conversations" => touched(record(None, owned, team)),
            "sales_summary" => record(None, None, team),
            "calls" | "emails" | "email_templates" | "mailing_lists" | "reports" | "dashboards" => {
                record(made, owned, None)
            }
            "notes" | "forms" | "workflows" => record(made, None, None),
            "messages" => record(Some("author_id"), None, None),
            "agent_settings" | "agent_status" | "mail_accounts" => {
                record(None, Some("user_id"), None)
            }
            "contact_assignees" | "task_assignees" => Record {
                names_owner: Some("user_id"),
                ..Record::default()
            },
            _ => Record::default(),
        }
    }

    fn field_columns(&self, table: &str) -> Vec<&str> {
        fields::columns(table)
    }

    fn fields(&self, phase: usize, person: &str, table: &str) -> Vec<Field> {
        fields::fields(phase, person, &who(phase, person), table)
    }

    fn watchers(&self, table: &str) -> Vec<&str> {
        match table {
            "accounts" | "contacts" | "leads" => vec!["notes", "calls", "activity_log"],
            "opportunities" => vec!["notes", "accounts", "tickets", "emails", "orders"],
            "tickets" => vec!["notes"],
            "contact_assignees" => vec!["contacts", "notes", "calls", "emails", "conversations"],
            "task_assignees" => vec!["tasks"],
            _ => Vec::new(),
        }
    }

    fn is_nobody(&self, phase: usize, person: &str) -> bool {
        phase >= 6 && person == "mario"
    }

    fn is_open(&self, table: &str) -> bool {
        table == "countries"
    }

    fn is_hub(&self, table: &str) -> bool {
        matches!(
            table,
            "users" | "teams" | "pipeline_stages" | "products" | "email_templates"
        )
    }

    fn decided(&self, person: &str, table: &str, action: Action) -> bool {
        match (table, action) {
            (_, Read | Claim) => true,
            ("countries", _) => false,
            // The directory is changed between statements, in phases.
            ("users" | "teams" | "team_members" | "user_roles", _) => false,
            // Log names people by login; its creator is one.
            ("activity_log", _) => false,
            // A bound on the new owner says nothing of taking one away.
            ("contact_assignees" | "task_assignees", Update | Delete) => person != "marta",
            // Nobody owns a record before it is there to be linked with its owner.
            ("contacts", Create) => !matches!(person, "marta" | "tomas" | "sergio"),
            ("tasks", Create) => !matches!(person, "marta" | "tomas" | "sergio" | "sara"),
            _ => true,
        }
    }

    fn candidates(
        &self,
        _phase: usize,
        person: &str,
        _table: &str,
        column: &str,
    ) -> Option<Vec<String>> {
        let me = who(0, person).key;
        let strings = |keys: &[&str]| Some(keys.iter().map(|key| (*key).to_owned()).collect());
        match column {
            "owner_id" | "user_id" => strings(&[
                me, me, me, "9", "6", "10", "16", "31", "32", "28", "5", "40",
            ]),
            "created_by" | "author_id" => strings(&[me, me, me, me, me, me, "9", "28"]),
            "team_id" | "group_id" => strings(&["3", "4", "5", "6", "8", "11"]),
            _ => None,
        }
    }
}
