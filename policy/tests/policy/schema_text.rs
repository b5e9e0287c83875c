//! A database's tables, written in short.

use std::collections::BTreeMap;

use celador_policy::rendering_function::{FunctionFacts, FunctionName};
use celador_policy::schema::{ColumnFacts, ForeignKey, TableFacts};
use celador_policy::{Schema, TableName};

/// Celador's own tables, as the extension makes them.
const OWN: &str = "
celador.users: user text pk, login text, active bool, supervisor text
celador.user_keys: user text, name text, value text
celador.user_attributes: user text, name text, value text
celador.groups: group text pk, name text, parent text
celador.memberships: user text, group text
celador.roles_held: user text, group text, role text
celador.shares: id int8 pk, module text, record text, user text, group text, level text, expires timestamptz, given_by text
celador.setting_values: group text, setting text, value bool
";

/// Functions: the name, the type of the argument and of the result, and what is wrong with it.
const FUNCTIONS: &str = "
crm.mask text text
crm.mask varchar varchar
crm.mask_day date date
crm.counted int4 text
crm.volatile text text volatile
crm.unsafe text text unsafe
crm.definer text text definer
crm.of_lena text text of_lena
crm.unpinned text text unpinned
crm.several text text set
";

fn functions() -> BTreeMap<FunctionName, Vec<FunctionFacts>> {
    let mut functions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in FUNCTIONS.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let is = |wrong: &str| words.get(3) == Some(&wrong);
        let facts = FunctionFacts {
            arguments: vec![format!("pg_catalog.{}", words[1])],
            result: format!("pg_catalog.{}", words[2]),
            plain: !is("set"),
            owner: if is("of_lena") { "lena" } else { "" }.to_owned(),
            of_superuser: false,
            immutable: !is("volatile"),
            parallel_safe: !is("unsafe"),
            definer: is("definer"),
            language: "plpgsql".to_owned(),
            search_path: (!is("unpinned")).then(|| "pg_catalog, pg_temp".to_owned()),
        };
        let name = FunctionName::parse(words[0]).expect("schema.name");
        functions.entry(name).or_default().push(facts);
    }
    functions
}

/// Reads one table a line: `schema.name: column type [pk] [generated [column]] [-> schema.table], …`, with
/// `partitioned`, `foreign` or `under schema.table` before the colon. Celador's own are added.
pub(crate) fn schema(text: &str) -> Schema {
    let lines = text.lines().chain(OWN.lines());
    let tables = lines.map(str::trim).filter(|line| !line.is_empty());
    Schema {
        tables: tables.map(table).collect(),
        functions: functions(),
    }
}

fn table(line: &str) -> (TableName, TableFacts) {
    let (head, columns) = line.split_once(':').expect("a table has columns");
    let words: Vec<&str> = head.split_whitespace().collect();
    let kind = match words.get(1) {
        Some(&"partitioned") => "p",
        Some(&"foreign") => "f",
        _ => "r",
    };
    let mut facts = TableFacts {
        kind: kind.to_owned(),
        columns: BTreeMap::new(),
        inherits: match words[1..] {
            ["under", above] => vec![name(above)],
            _ => Vec::new(),
        },
        ..TableFacts::default()
    };
    for column in columns.split(',') {
        let words: Vec<&str> = column.split_whitespace().collect();
        let type_name = match words[1] {
            qualified if qualified.contains('.') => qualified.to_owned(),
            short => format!("pg_catalog.{short}"),
        };
        let generated = words.iter().position(|&word| word == "generated");
        let from = generated.and_then(|at| words.get(at + 1));
        facts.columns.insert(
            words[0].to_owned(),
            ColumnFacts {
                type_name,
                generated: generated.is_some(),
                generated_from: from.into_iter().map(|&from| from.to_owned()).collect(),
            },
        );
        if words.contains(&"pk") {
            facts.primary_key.push(words[0].to_owned());
        }
        if let Some(at) = words.iter().position(|&word| word == "->") {
            facts.foreign_keys.push(ForeignKey {
                columns: vec![words[0].to_owned()],
                table: name(words[at + 1]),
            });
        }
    }
    (name(words[0]), facts)
}

fn name(text: &str) -> TableName {
    let (schema, name) = text.split_once('.').expect("schema.table");
    TableName::new(schema, name)
}
