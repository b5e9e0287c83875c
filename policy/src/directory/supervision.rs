//! Who supervises whom: the part of the directory's SQL that goes up and down that tree.

use super::fragment::{Typed, common_type, from, where_all};
use super::reader::Reader;
use super::sql::cycle;
use super::{Directory, Supervision, SupervisionTable};
use crate::policy_set::{Column, KeyColumn};

/// Whether supervision has a cycle: one boolean.
pub fn supervisor_cycle(directory: &Directory) -> Option<String> {
    let users = &directory.users;
    match users.supervision.as_ref()? {
        Supervision::Column(supervisor) => {
            let key = users.keys.get(&supervisor.key)?;
            Some(cycle(
                &from(&users.source, "n"),
                &Typed::column("n", key),
                &Typed::column("n", &supervisor.column),
            ))
        }
        Supervision::Table(tree) => Some(cycle_of_many(tree)),
    }
}

/// Whether somebody is above himself or herself, where everybody may have several above. Most are
/// above nobody, and in no circle: they are left out first.
fn cycle_of_many(tree: &SupervisionTable) -> String {
    let type_name = common_type([&tree.user, &tree.supervisor]);
    let typed = |column: &Column| Typed::column("n", column).as_type(&type_name);
    format!(
        "WITH RECURSIVE edge(node, above) AS (SELECT {}, {} FROM {} WHERE {}), \
         inner_edge(node, above) AS (SELECT edge.node, edge.above FROM edge \
         WHERE edge.node OPERATOR(pg_catalog.=) ANY (SELECT e.above FROM edge AS e)), \
         way(node, above) AS (SELECT i.node, i.above FROM inner_edge AS i \
         UNION SELECT way.node, i.above FROM way JOIN inner_edge AS i ON i.node OPERATOR(pg_catalog.=) way.above) \
         SELECT EXISTS (SELECT FROM way WHERE way.node OPERATOR(pg_catalog.=) way.above)",
        typed(&tree.user),
        typed(&tree.supervisor),
        from(&tree.source, "n"),
        where_all(&tree.source, "n", &[]),
    )
}

impl Reader<'_> {
    /// The people under my supervision, by `user` key: the CTE `reports`.
    pub(super) fn supervised(&self) -> String {
        match &self.directory.users.supervision {
            None => self.nobody(),
            Some(Supervision::Column(supervisor)) => self.supervised_by_column(supervisor),
            Some(Supervision::Table(tree)) => self.supervised_by_table(tree),
        }
    }

    fn nobody(&self) -> String {
        let users = &self.directory.users;
        format!(
            "reports(p) AS (SELECT {} FROM {} WHERE false)",
            Typed::column("u", &users.keys["user"]).sql,
            from(&users.source, "u")
        )
    }

    fn supervised_by_column(&self, supervisor: &KeyColumn) -> String {
        let users = &self.directory.users;
        let Some(key) = users.keys.get(&supervisor.key) else {
            return self.nobody();
        };
        format!(
            "reports(p) AS (SELECT {user} FROM {table} WHERE {mine} AND {filter} \
             UNION SELECT {user} FROM reports AS r JOIN {boss_table} ON {boss_user} OPERATOR(pg_catalog.=) r.p \
             JOIN {table} ON {his} WHERE {filter})",
            user = Typed::column("u", &users.keys["user"]).sql,
            table = from(&users.source, "u"),
            filter = where_all(&users.source, "u", &[]),
            mine = self.is_me("u", supervisor),
            boss_table = from(&users.source, "b"),
            boss_user = Typed::column("b", &users.keys["user"]).sql,
            his = Typed::column("u", &supervisor.column).equals(&Typed::column("b", key)),
        )
    }

    /// Climbs down in the table's own keys, in the CTE `below`, and then looks for the people.
    fn supervised_by_table(&self, tree: &SupervisionTable) -> String {
        let users = &self.directory.users;
        let type_name = common_type([&tree.user, &tree.supervisor]);
        let typed = |column: &Column| Typed::column("s", column).as_type(&type_name);
        let supervisor_is_me = self.is_me(
            "s",
            &KeyColumn {
                column: tree.supervisor.clone(),
                key: tree.key.clone(),
            },
        );
        let person = Typed::column("u", &users.keys["user"]);
        let found = Typed {
            sql: "below.k".to_owned(),
            type_name: type_name.clone(),
        };
        let table = from(&users.source, "u");
        let (named, filter) = match users.keys.get(&tree.key) {
            Some(column) => {
                let named = Typed::column("u", column).equals(&found);
                (format!("{table} ON {named}"), Vec::new())
            }
            None => {
                let place = &users.more_keys[&tree.key];
                let named = format!(
                    "{} ON {} JOIN {table} ON {}",
                    from(&place.source, "k"),
                    Typed::column("k", &place.value).equals(&found),
                    Typed::column("k", &place.user).equals(&person)
                );
                (named, vec![where_all(&place.source, "k", &[])])
            }
        };
        format!(
            "below(k) AS (SELECT {key} FROM {table} WHERE {mine} \
             UNION SELECT {key} FROM below JOIN {table} ON {above} OPERATOR(pg_catalog.=) below.k WHERE {counts}), \
             reports(p) AS (SELECT DISTINCT {person} FROM below JOIN {named} WHERE {filter})",
            key = typed(&tree.user),
            table = from(&tree.source, "s"),
            mine = where_all(&tree.source, "s", &[supervisor_is_me]),
            above = typed(&tree.supervisor),
            counts = where_all(&tree.source, "s", &[]),
            person = person.sql,
            filter = where_all(&users.source, "u", &filter),
        )
    }

    /// The keys of those under my supervision. In the supervision table's own key they are what
    /// it says: whoever is no user owns records all the same.
    pub(super) fn reports(&self) -> String {
        let own = match &self.directory.users.supervision {
            Some(Supervision::Table(tree)) => Some(&tree.key),
            Some(Supervision::Column(_)) | None => None,
        };
        self.people_with("reports", |name| {
            (own == Some(name))
                .then(|| "SELECT CAST(below.k AS pg_catalog.text) FROM below".to_owned())
        })
    }
}
