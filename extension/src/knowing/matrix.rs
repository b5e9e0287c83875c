//! `celador.matrix()` and `celador.matrix_svg()`: the live matrix as a table and as a picture.

use celador_policy::matrix::{lines, picture};
use pgrx::prelude::*;

use super::{catalog, everybody, live};

/// `celador.matrix()`: a line for each role, module, action and setting, always in the same order.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn matrix() -> TableIterator<
    'static,
    (
        name!(role, String),
        name!(module, String),
        name!(action, String),
        name!(scopes, Vec<String>),
        name!(when, Option<String>),
        name!(depth, String),
    ),
> {
    let catalog = catalog();
    let lines: Vec<_> = lines(live(&catalog))
        .into_iter()
        .map(|line| {
            (
                line.role,
                line.module,
                line.action.name().to_owned(),
                line.scopes,
                line.when,
                line.depth.name().to_owned(),
            )
        })
        .collect();
    TableIterator::new(lines)
}

/// `celador.matrix_svg()`: the matrix as a picture, with the groups as a tree.
#[pg_extern]
fn matrix_svg() -> String {
    let catalog = catalog();
    let policy = live(&catalog);
    let everybody = everybody::everybody(&catalog, policy);
    picture(policy, &everybody.pictured_groups(policy))
}
