//! The page of rules, from the rules themselves.

use std::fmt::Write;

use celador_policy::lint::{Look, Rule, rules};

/// The whole page.
pub(crate) fn markdown() -> String {
    let mut page = "\
# Rules

<!-- Made by `cargo run -p celador-policy --example rules` from policy/src/lint/. Edit those. -->

`SELECT * FROM celador.lint()` looks at the live policy, `celador.lint(document)` at one that isn't
loaded yet, `celador.check()` at the installation: server, roles, people, tables. Both only read, and a
finding names objects, never what records hold. A rule's number stays.

*error*: somebody may reach what isn't theirs, or Celador doesn't work. *warning*: it opens more than it
seems to, or will. *info*: good to know.
"
    .to_owned();
    let part = |page: &mut String, title: &str, wanted: fn(&Look) -> bool| {
        let _ = write!(page, "\n## {title}\n");
        for rule in rules().into_iter().filter(|rule| wanted(&rule.look)) {
            section(page, rule);
        }
    };
    part(&mut page, "celador.lint()", |look| {
        matches!(look, Look::Policy(_))
    });
    part(&mut page, "celador.check()", |look| {
        matches!(look, Look::Installation(_))
    });
    page
}

fn section(page: &mut String, rule: &Rule) {
    let Rule {
        code,
        severity,
        title,
        reason,
        remedy,
        look: _,
    } = rule;
    let _ = write!(
        page,
        "\n### {code}: {title}\n\n*{}.* {reason}\n\n{remedy}\n",
        severity.name()
    );
}
