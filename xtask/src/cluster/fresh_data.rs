//! A data directory as initdb makes it: made once for each release of PostgreSQL, and copied.

use std::path::Path;

use anyhow::{Context, Result};

use super::clusters_dir;
use crate::postgres::Install;
use crate::process;
use crate::server_user::ServerUser;

/// Makes a data directory whose superuser is `postgres`.
pub(super) fn create(user: &ServerUser, install: &Install, data: &Path) -> Result<()> {
    let initdb = install.program("initdb");
    let version = process::output(user.command(&initdb).arg("--version"))?;
    let release = version.split_whitespace().nth(2);
    let release = release.with_context(|| format!("{version} names no release"))?;
    let template = clusters_dir(user)?.join(format!("initdb-{release}"));
    if !template.join("PG_VERSION").exists() {
        make(user, install, &template)?;
    }
    let mut copy = user.command("/usr/bin/cp");
    process::output(copy.args(["-a", "-T"]).arg(&template).arg(data))?;
    Ok(())
}

/// Others may do so at the same time: the first one stays.
fn make(user: &ServerUser, install: &Install, template: &Path) -> Result<()> {
    let name = template.with_extension("XXXXXXXX");
    let new = process::output(user.command("/usr/bin/mktemp").arg("-d").arg(name))?;
    let mut initdb = user.command(install.program("initdb"));
    initdb
        .args(["--username=postgres", "--auth=trust", "--no-sync"])
        .args(["--encoding=UTF8", "--locale=C.UTF-8"]);
    if install.major() >= 18 {
        // As older ones have it, which are upgraded from.
        initdb.arg("--no-data-checksums");
    }
    process::output(initdb.arg("--pgdata").arg(&new))?;
    let mut rename = user.command("/usr/bin/mv");
    let renamed = process::output(rename.arg("-T").arg(&new).arg(template));
    if renamed.is_err() && template.join("PG_VERSION").exists() {
        process::output(user.command("/usr/bin/rm").arg("-r").arg(&new))?;
        return Ok(());
    }
    renamed.map(drop)
}
