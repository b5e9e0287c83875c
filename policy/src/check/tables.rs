//! Where each table belongs: every table of the listed schemas is placed.

use std::collections::BTreeMap;

use super::{Checker, builtin};
use crate::policy_set::{LinkKind, Part, Placement, PolicySet, RowFilter};
use crate::schema::TableName;

impl Checker<'_> {
    /// Places every table, and says which ones nobody placed.
    pub(super) fn placements(&mut self, set: &mut PolicySet) {
        let mut placed = BTreeMap::new();
        for (name, module) in &set.modules {
            let path = ["mapping", "modules", name.as_str()];
            for table in &module.tables {
                let module = Placement::Module(name.clone());
                let rows = set.modules[name].rows.as_ref();
                self.place(
                    &mut placed,
                    &[&path[..], &["table"]].concat(),
                    table,
                    rows,
                    module,
                );
            }
            for (kind, count) in [
                (LinkKind::Owner, module.owners.len()),
                (LinkKind::Group, module.groups.len()),
                (LinkKind::Parent, module.parents.len()),
            ] {
                for index in 0..count {
                    if let Some(link) = set.link(name, kind, index) {
                        let path = [&path[..], &[kind.name()]].concat();
                        let module = name.clone();
                        let place = Placement::Link {
                            module,
                            kind,
                            index,
                        };
                        self.place(&mut placed, &path, &link.table, link.rows.as_ref(), place);
                    }
                }
            }
        }
        self.children(set, &mut placed);
        let mapping = &self.document.mapping;
        // What is closed stays closed, and what inherits from a protected table is never open.
        self.patterns(&mut placed, "closed", &mapping.closed, &Placement::Closed);
        self.own_tables(&mut placed);
        self.heirs(&mut placed);
        self.patterns(
            &mut placed,
            "readable",
            &mapping.readable,
            &Placement::Readable,
        );
        self.heirs(&mut placed);
        self.patterns(&mut placed, "open", &mapping.open, &Placement::Open);
        self.heirs(&mut placed);
        self.unplaced(&mut placed);
        self.schemas();
        self.can_be_protected(&placed);
        self.shown_with_heirs(&placed);
        self.directory_is_placed(set, &placed);
        self.directory_is_enforced(set, &placed);
        set.tables = placed;
    }

    /// Places a table, or those of its `rows` for which the filter holds.
    pub(super) fn place(
        &mut self,
        placed: &mut BTreeMap<TableName, Placement>,
        path: &[&str],
        table: &TableName,
        rows: Option<&RowFilter>,
        place: Placement,
    ) {
        let Some(rows) = rows else {
            match placed.get(table) {
                None => {
                    placed.insert(table.clone(), place);
                }
                Some(before) if is_same_place(before, &place) => {}
                Some(_) => self.placed_twice(path, table),
            }
            return;
        };
        let part = Part {
            rows: rows.clone(),
            place,
        };
        let entry = placed
            .entry(table.clone())
            .or_insert_with(|| Placement::Parts(Vec::new()));
        let fits = match entry {
            Placement::Parts(parts) => {
                // A record may become another module's by a change, and a link or child may not.
                let records = |part: &Part| !part.place.holds().is_empty();
                let fits = parts.iter().all(|other| records(other) == records(&part));
                if fits && !parts.contains(&part) {
                    parts.push(part);
                }
                fits
            }
            Placement::Module(_)
            | Placement::Child { .. }
            | Placement::Link { .. }
            | Placement::Readable
            | Placement::Open
            | Placement::Closed => false,
        };
        if !fits {
            self.placed_twice(path, table);
        }
    }

    fn placed_twice(&mut self, path: &[&str], table: &TableName) {
        self.problems.add(
            path,
            format!("table {table} is placed twice"),
            "a table belongs to one module, or is a child of one, or is readable, open or closed; \
             or where = \"…\" says in each place which rows belong there: records, or links and children",
        );
    }

    /// Tables that match a pattern, unless something said more of them.
    fn patterns(
        &mut self,
        placed: &mut BTreeMap<TableName, Placement>,
        key: &str,
        patterns: &[String],
        placement: &Placement,
    ) {
        for pattern in patterns {
            let exact = !pattern.contains('*');
            let mut any = false;
            for table in self.schema.tables.keys() {
                let matched = if pattern.contains('.') {
                    like(pattern, &table.to_string())
                } else {
                    self.document.mapping.schemas.contains(&table.schema)
                        && like(pattern, &table.name)
                };
                if !matched || table.schema == builtin::SCHEMA {
                    continue;
                }
                any = true;
                if exact && placed.get(table).is_some_and(|before| before != placement) {
                    self.placed_twice(&["mapping", key], table);
                }
                placed
                    .entry(table.clone())
                    .or_insert_with(|| placement.clone());
            }
            if !any && exact {
                self.problems.add(
                    &["mapping", key],
                    format!("there is no table \"{pattern}\""),
                    "correct the name, or remove it",
                );
            }
        }
    }

    /// Celador's own tables are closed where they aren't modules.
    fn own_tables(&self, placed: &mut BTreeMap<TableName, Placement>) {
        for name in [
            "users",
            "user_keys",
            "user_attributes",
            "groups",
            "memberships",
            "roles_held",
            "shares",
            "setting_values",
        ] {
            let table = TableName::new(builtin::SCHEMA, name);
            if self.schema.tables.contains_key(&table) {
                placed.entry(table).or_insert(Placement::Closed);
            }
        }
    }

    /// Partitions and children belong where the table above them belongs.
    fn heirs(&self, placed: &mut BTreeMap<TableName, Placement>) {
        let roots: Vec<(TableName, Placement)> = placed
            .iter()
            .map(|(table, placement)| (table.clone(), placement.clone()))
            .collect();
        for (root, placement) in roots {
            for heir in self.schema.with_children(&root).into_iter().skip(1) {
                placed.entry(heir).or_insert_with(|| placement.clone());
            }
        }
    }

    /// Only where nothing else is wrong: a mistake in a module leaves its tables unplaced.
    fn unplaced(&mut self, placed: &mut BTreeMap<TableName, Placement>) {
        if !self.problems.is_empty() {
            return;
        }
        let missing: Vec<TableName> = self
            .schema
            .tables
            .keys()
            .filter(|table| {
                self.document.mapping.schemas.contains(&table.schema)
                    && !placed.contains_key(*table)
            })
            .cloned()
            .collect();
        for table in missing {
            if self.later_tables_are_closed {
                placed.insert(table, Placement::Closed);
                continue;
            }
            let way = match self.way_to_module(placed, &table) {
                Some(way) => format!("; its foreign keys lead to {way}"),
                None => String::new(),
            };
            self.problems.add(
                &["mapping", "modules"],
                format!("table {table} is not placed{way}"),
                "make it a module, a child of one, or list it in mapping.readable, mapping.open or mapping.closed",
            );
        }
    }

    /// At least one schema is listed, and every one that is has tables.
    fn schemas(&mut self) {
        let schemas = &self.document.mapping.schemas;
        for schema in schemas {
            if !self
                .schema
                .tables
                .keys()
                .any(|table| table.schema == *schema)
            {
                self.problems.add(
                    &["mapping", "schemas"],
                    format!("schema \"{schema}\" has no tables"),
                    "correct the name, or remove it until it has tables",
                );
            }
        }
        if schemas.is_empty() && !self.document.mapping.modules.is_empty() {
            self.problems.add(
                &["mapping"],
                "no schema is listed, and a table that is forgotten would stay unprotected",
                "add schemas = [\"public\"]: every table in them has to be placed",
            );
        }
    }

    /// PostgreSQL has row security for plain and partitioned tables only.
    fn can_be_protected(&mut self, placed: &BTreeMap<TableName, Placement>) {
        for (table, placement) in placed {
            let kind = self.schema.tables[table].kind.as_str();
            if *placement != Placement::Open && !matches!(kind, "r" | "p") {
                self.problems.add(
                    &["mapping", "modules"],
                    format!("{table} is a foreign table, which has no row security"),
                    "take away its grants and list it in mapping.open, or leave it out",
                );
            }
        }
    }

    /// The rows of what inherits from an open or readable table are seen through it.
    fn shown_with_heirs(&mut self, placed: &BTreeMap<TableName, Placement>) {
        for (table, placement) in placed {
            let what = match placement {
                Placement::Open => "open",
                Placement::Readable => "readable",
                Placement::Module(_)
                | Placement::Child { .. }
                | Placement::Link { .. }
                | Placement::Parts(_)
                | Placement::Closed => continue,
            };
            let heirs = self.schema.with_children(table);
            if let Some(heir) = heirs
                .iter()
                .find(|heir| placed.get(heir).is_some_and(|heir| heir != placement))
            {
                self.problems.add(
                    &["mapping", what],
                    format!("{table} is {what}, and shows the rows of {heir}, which isn't"),
                    "place both the same way",
                );
            }
        }
    }

    /// Who is who can't be left to tables that nobody placed.
    fn directory_is_placed(&mut self, set: &PolicySet, placed: &BTreeMap<TableName, Placement>) {
        for table in set.directory.watched().into_keys() {
            if table.schema != builtin::SCHEMA && !placed.contains_key(&table) {
                self.problems.add(
                    &["mapping", "schemas"],
                    format!("the directory is read from {table}, which is not placed"),
                    format!(
                        "add \"{}\" to mapping.schemas, and place its tables",
                        table.schema
                    ),
                );
            }
        }
    }

    /// The shortest path of foreign keys from a table to one that a module holds.
    fn way_to_module(
        &self,
        placed: &BTreeMap<TableName, Placement>,
        table: &TableName,
    ) -> Option<String> {
        let mut seen = vec![table.clone()];
        let mut ways = vec![vec![table.clone()]];
        while let Some(way) = (!ways.is_empty()).then(|| ways.remove(0)) {
            for key in &self.schema.tables.get(way.last()?)?.foreign_keys {
                if seen.contains(&key.table) {
                    continue;
                }
                seen.push(key.table.clone());
                let mut next = way.clone();
                next.push(key.table.clone());
                if let Some(module) = placed
                    .get(&key.table)
                    .and_then(|at| at.holds().first().copied())
                {
                    let names: Vec<String> = next[1..].iter().map(TableName::to_string).collect();
                    return Some(format!("{} (module {module})", names.join(" → ")));
                }
                ways.push(next);
            }
        }
        None
    }
}

/// Whether both say the same. What hangs on a child hangs on it whichever record that one hangs on.
fn is_same_place(before: &Placement, place: &Placement) -> bool {
    match (before, place) {
        (
            Placement::Child {
                column,
                above: Some(above),
                key,
                ..
            },
            Placement::Child {
                column: other_column,
                above: Some(other_above),
                key: other_key,
                ..
            },
        ) => column == other_column && above == other_above && key == other_key,
        _ => before == place,
    }
}

/// Whether `name` matches a pattern in which `*` stands for any characters.
fn like(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(tail) = parts.pop() else { return true };
    for part in parts {
        let Some(at) = name.find(part) else {
            return false;
        };
        name = &name[at + part.len()..];
    }
    name.len() >= tail.len() && name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_like_file_names() {
        assert!(
            like("django_*", "django_session")
                && like("*_log", "audit_log")
                && like("a*b*c", "axxbyyc")
        );
        assert!(!like("django_*", "auth_user") && !like("a*bc", "abd") && !like("ab*b", "ab"));
    }
}
