//! A small CRM in which everything occurs, for tests of single scopes and texts.

use celador_policy::{Document, PolicySet, Problems, check};

use crate::schema_text::schema;

/// The tables.
pub(crate) const TABLES: &str = "
crm.people: id int8 pk, login text, mail text, boss int8, region text, is_active bool
crm.teams: id int4 pk, name text, above int4
crm.team_people: team int4, person int8
crm.roles: person int8, team int4, role text
crm.accounts: id int8 pk, owner int8, created_by int8, team int4, region text, changed timestamptz
crm.contacts: id uuid pk, backup text, account int8 -> crm.accounts
crm.contact_owners: contact uuid, person int8
crm.contact_teams: contact uuid, team int4
crm.notes: id int8 pk, author text, record int8, kind text
crm.note_files: id int8 pk, note int8 -> crm.notes
crm.boards: id int8 pk, owner int8
crm.board_lines: id int8 pk, board int8
crm.line_marks: id uuid pk, line int8
crm.mark_notes: mark uuid, note text
crm.letters: id int8 pk, resource text
crm.tasks: id int8 pk, owner int8
crm.task_accounts: task int8, account int8, gone bool
crm.calls: id int8 pk, owner int8
crm.item_teams: kind text, item int8, team int4, gone bool
crm.item_files: id int8 pk, kind text, item int8
crm.file_pages: id int8 pk, file int8
crm.entries: id int8 pk, kind int2, holder int8, note text
crm.countries: code varchar pk
crm.currencies: code varchar pk
crm.secrets: id int8 pk
";

/// The mapping.
pub(crate) const MAPPING: &str = r#"
[mapping]
schemas = ["crm"]
open = ["countr*"]
readable = ["currenc*"]
closed = ["people", "team*", "roles", "secrets"]
[mapping.users]
table = "people"
keys = { user = "id", login = "login" }
login = "login"
active = "is_active"
supervisor = "boss"
attributes = { region = "region" }
[mapping.groups]
table = "teams"
key = "id"
name = "name"
parent = "above"
[mapping.memberships]
table = "team_people"
user = "person"
group = "team"
[[mapping.roles_held]]
table = "roles"
user = "person"
role = "role"
map = { S = "seller" }
[[mapping.roles_held]]
table = "roles"
group = "team"
role = "role"
map = { S = "seller" }
[mapping.modules.accounts]
table = "accounts"
owner = "owner"
creator = "created_by"
group = "team"
touch = ["changed"]
[mapping.modules.contacts]
table = "contacts"
owner = [
  { table = "contact_owners", record = "contact", user = "person" },
  { column = "backup", key = "login" },
]
group = { table = "contact_teams", record = "contact", group = "team" }
parent = { module = "accounts", column = "account" }
[mapping.modules.notes]
table = "notes"
creator = "author"
creator_key = "login"
parent = { column = "record", type = "kind", modules = { a = "accounts", b = "boards" } }
children = [{ table = "note_files", column = "note" }]
[mapping.modules.boards]
table = "boards"
owner = "owner"
configuration = true
children = [{ table = "board_lines", column = "board", children = [
  { table = "line_marks", column = "line", key = "id", children = [{ table = "mark_notes", column = "mark" }] },
] }]
[mapping.modules.letters]
table = "letters"
parent = { column = "resource", separator = ",", modules = { a = "accounts", b = "boards" } }
[mapping.modules.tasks]
table = "tasks"
owner = { column = "owner", nobody = ["0", "1"] }
group = { table = "item_teams", record = "item", group = "team", where = "kind = 't'", counts = "NOT gone" }
parent = { module = "accounts", table = "task_accounts", record = "task", parent = "account", counts = "NOT gone" }
children = [{ table = "item_files", column = "item", where = "kind = 't'", children = [{ table = "file_pages", column = "file" }] }]
[mapping.modules.calls]
table = "calls"
owner = "owner"
group = { table = "item_teams", record = "item", group = "team", where = "kind = 'c'", counts = "NOT gone" }
children = [{ table = "item_files", column = "item", where = "kind = 'c'", children = [{ table = "file_pages", column = "file" }] }]
[mapping.modules.projects]
table = "entries"
where = "kind = 1"
owner = "holder"
[mapping.modules.products]
table = "entries"
where = "kind IN (2, 3)"
"#;

/// The CRM under a matrix, or what is wrong with it.
pub(crate) fn checked(matrix: &str) -> Result<PolicySet, Problems> {
    let text = format!("{MAPPING}{matrix}");
    Document::from_toml(&text).and_then(|document| check(&document, &text, &schema(TABLES)))
}

/// The CRM under a matrix that is right.
pub(crate) fn policy(matrix: &str) -> PolicySet {
    checked(matrix).unwrap_or_else(|problems| panic!("{problems}"))
}
