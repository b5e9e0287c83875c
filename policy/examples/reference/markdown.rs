//! The reference of the document's keys: their types and meaning from the serde types, their
//! examples from documents that have every key.

use std::collections::BTreeSet;
use std::fmt::Write;

use celador_policy::Document;
use celador_policy::action::Action;
use celador_policy::document::ScopeName;
use serde_json::Value;
use toml_edit::Item;

/// The documents from which the examples are taken: the first that has a key.
pub(crate) const EXAMPLES: [&str; 2] = [
    include_str!("document.toml"),
    include_str!("supervision.toml"),
];

/// The sections in the order in which a document is written.
const ORDER: [&str; 8] = [
    "mapping",
    "roles",
    "permissions",
    "rules",
    "restrictions",
    "settings",
    "fields",
    "limits",
];

/// A key of the document.
pub(crate) struct Key {
    /// The keys that lead to it; in capitals those that the document chooses.
    pub(crate) path: Vec<String>,
    /// What it takes.
    pub(crate) takes: String,
    /// What it means.
    pub(crate) meaning: String,
    /// How it is written.
    pub(crate) example: Option<String>,
}

/// A table of the document with its keys.
pub(crate) struct Section {
    path: Vec<String>,
    meaning: String,
    pub(crate) keys: Vec<Key>,
}

/// The whole reference.
pub(crate) fn markdown() -> String {
    let mut text = "\
# Policy document: every key

<!-- Made by `cargo run -p celador-policy --example reference` from the types and from
policy/examples/reference/*.toml. Edit those. -->

A policy is one TOML document in two parts: `[mapping]`, where a CRM keeps things, and everything
else, the matrix: who may what. A key in capitals is chosen by the document.
"
    .to_owned();
    for section in sections() {
        let title = if section.path.is_empty() {
            "The document".to_owned()
        } else {
            format!("`{}`", section.path.join("."))
        };
        let _ = write!(text, "\n## {title}\n\n");
        if !section.meaning.is_empty() {
            let _ = write!(text, "{}\n\n", section.meaning);
        }
        text.push_str("| Key | Takes | Meaning | Example |\n|---|---|---|---|\n");
        for key in section.keys {
            let name = key.path.last().map_or("", String::as_str);
            let example = key.example.unwrap_or_default();
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | `{example}` |",
                key.takes, key.meaning
            );
        }
    }
    text.push_str("\n## Actions\n\n| Action | Meaning |\n|---|---|\n");
    text.push_str(&names(schemars::schema_for!(Action).as_value()));
    text.push_str(
        "\n## Scopes\n\nA permission lists scopes; a row is in reach if any of them holds.\n\n",
    );
    text.push_str("| Scope | The row is in reach when |\n|---|---|\n");
    text.push_str(&names(schemars::schema_for!(ScopeName).as_value()));
    text.push_str("| `rule:NAME` | The rule's predicate is true. |\n");
    text
}

fn names(schema: &Value) -> String {
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    variants
        .map(|variant| {
            let name = variant["const"].as_str().unwrap_or_default();
            format!("| `{name}` | {} |\n", meaning(variant))
        })
        .collect()
}

/// Every table with its keys.
pub(crate) fn sections() -> Vec<Section> {
    let schema = schemars::schema_for!(Document);
    let root = schema.as_value();
    let mut walk = Walk {
        root,
        examples: EXAMPLES.map(|text| {
            text.parse::<toml_edit::DocumentMut>()
                .expect("the examples are TOML")
        }),
        seen: BTreeSet::new(),
        sections: Vec::new(),
    };
    walk.table(&[], root);
    walk.sections
}

struct Walk<'a> {
    root: &'a Value,
    examples: [toml_edit::DocumentMut; 2],
    /// Types that have been written out.
    seen: BTreeSet<String>,
    sections: Vec<Section>,
}

impl<'a> Walk<'a> {
    /// Follows a type into the tables that it may be.
    fn enter(&mut self, path: &[String], schema: &'a Value) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/$defs/");
            let generic = name.starts_with("OneOrMany");
            if generic || self.seen.insert(name.to_owned()) {
                self.enter(path, &self.root["$defs"][name]);
            }
            return;
        }
        let forms = ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|key| schema[key].as_array());
        for form in forms.flatten() {
            self.enter(path, form);
        }
        if let Some(items) = schema.get("items") {
            self.enter(path, items);
        }
        self.table(path, schema);
    }

    fn table(&mut self, path: &[String], schema: &'a Value) {
        let chosen = schema
            .get("additionalProperties")
            .filter(|chosen| chosen.is_object());
        let known = schema["properties"].as_object();
        if let Some(known) = known {
            let mut names: Vec<&String> = known.keys().collect();
            if path.is_empty() {
                names.sort_by_key(|name| ORDER.iter().position(|known| known == name));
            }
            let mut keys: Vec<Key> = names
                .iter()
                .map(|name| {
                    let path = [path, &[(*name).clone()]].concat();
                    Key {
                        takes: self.takes(&known[*name]),
                        meaning: meaning(&known[*name]),
                        example: self.example(&path, if chosen.is_none() { &names } else { &[] }),
                        path,
                    }
                })
                .collect();
            if let Some(chosen) = chosen {
                let path = [path, &[placeholder(path)]].concat();
                keys.push(Key {
                    takes: self.takes(chosen),
                    meaning: "The rows that the action reaches.".to_owned(),
                    example: self.example(&path, &[]),
                    path,
                });
            }
            self.sections.push(Section {
                path: path.to_vec(),
                meaning: meaning(schema),
                keys,
            });
            // A scope is explained where cells list it: before those of fields.
            if let Some(chosen) = chosen {
                self.enter(&[path, &[placeholder(path)]].concat(), chosen);
            }
            for name in names {
                self.enter(&[path, std::slice::from_ref(name)].concat(), &known[name]);
            }
        } else if let Some(chosen) = chosen {
            self.enter(&[path, &[placeholder(path)]].concat(), chosen);
        }
    }

    /// An example from a table that has no keys but those `among` them; empty: any table.
    fn example(&self, path: &[String], among: &[&String]) -> Option<String> {
        let mut documents = self.examples.iter();
        documents.find_map(|document| example(document.as_item(), path, among, &mut Vec::new()))
    }

    /// What a key takes, in words.
    fn takes(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/$defs/");
            let schema = &self.root["$defs"][name];
            return match name {
                "Action" => "an action".to_owned(),
                "Scope" => "a scope".to_owned(),
                _ if name.starts_with("OneOrMany") => {
                    format!("{}, or a list", self.takes(&schema["anyOf"][1]))
                }
                _ => self.takes(schema),
            };
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            let mut words: Vec<String> = Vec::new();
            for word in forms.iter().map(|form| self.takes(form)) {
                if !word.is_empty() && !words.contains(&word) {
                    words.push(word);
                }
            }
            return words.join(" or ");
        }
        if let Some(forms) = schema["oneOf"].as_array() {
            let values: Vec<String> = forms
                .iter()
                .filter_map(|form| Some(format!("`\"{}\"`", form["const"].as_str()?)))
                .collect();
            return values.join(" or ");
        }
        let types = &schema["type"];
        let mut kinds = types.as_array().into_iter().flatten().chain([types]);
        let kind = kinds.find_map(|kind| kind.as_str().filter(|kind| *kind != "null"));
        match kind {
            Some("string") => "text".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("integer") => "a number".to_owned(),
            Some("array") => match self.takes(&schema["items"]).as_str() {
                "text" => "a list of texts".to_owned(),
                "an action" => "a list of actions".to_owned(),
                "a scope" => "a list of scopes".to_owned(),
                "a table" => "a list of tables".to_owned(),
                other => format!("a list of: {other}"),
            },
            Some("object") => "a table".to_owned(),
            Some(_) | None => String::new(),
        }
    }
}

/// How the reference calls a key that the document chooses.
fn placeholder(path: &[String]) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["permissions"] => "ROLE",
        ["permissions", _] | ["fields"] | ["rules", _] => "MODULE",
        ["permissions", _, _] => "ACTION",
        ["permissions", _, _, "fields"] | ["fields", _] => "FIELD",
        _ => "NAME",
    }
    .to_owned()
}

fn meaning(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The first place of the examples that the path leads to, as it is written.
fn example(
    item: &Item,
    path: &[String],
    among: &[&String],
    way: &mut Vec<String>,
) -> Option<String> {
    let (key, rest) = path.split_first()?;
    if let Some(tables) = item.as_array_of_tables() {
        return tables
            .iter()
            .find_map(|table| example(&Item::Table(table.clone()), path, among, way));
    }
    if let Some(values) = item.as_array() {
        return values
            .iter()
            .find_map(|value| example(&Item::Value(value.clone()), path, among, way));
    }
    let table = item.as_table_like()?;
    let other_form = |name: &str| !among.is_empty() && among.iter().all(|known| *known != name);
    if rest.is_empty() && table.iter().any(|(name, _)| other_form(name)) {
        return None;
    }
    let chosen = key.chars().all(|c| c.is_ascii_uppercase());
    table
        .iter()
        .filter(|(name, _)| chosen || name == key)
        .find_map(|(name, value)| {
            way.push(name.to_owned());
            let found = if rest.is_empty() {
                Some(written(value, way))
            } else {
                example(value, rest, among, way)
            };
            way.pop();
            found
        })
}

fn written(value: &Item, way: &[String]) -> String {
    let name = way.last().map_or("", String::as_str);
    match value {
        Item::Table(table) if table.is_implicit() || table.is_dotted() => {
            let Some((below, value)) = table.iter().next() else {
                return format!("[{}]", way.join("."));
            };
            if table.is_dotted() {
                return format!("{name}.{}", written(value, &[below.to_owned()]));
            }
            written(value, &[way, &[below.to_owned()]].concat())
        }
        Item::Table(_) => format!("[{}]", way.join(".")),
        Item::ArrayOfTables(_) => format!("[[{}]]", way.join(".")),
        Item::Value(value) => {
            let value = value.to_string();
            let line: Vec<&str> = value.split_whitespace().collect();
            format!("{} = {}", toml_edit::Key::new(name), line.join(" "))
        }
        Item::None => String::new(),
    }
}
