//! How fast statements are under Celador, next to what people write by hand: a cluster of its own,
//! data by SQL, and CPU time of the server's processes.

mod backend;
mod cells;
mod churn;
mod databases;
mod figures;
mod groups;
mod hand_written;
mod identity;
mod in_process;
mod interleaved;
mod knowing;
mod masks;
mod options;
mod peers;
mod people;
mod pool;
mod report;
mod rules;
mod statements;
mod template;
mod values;
mod wide;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use xtask::extension::{self, Places, Profile};
use xtask::postgres::Install;
use xtask::workspace;

use databases::Databases;
use groups::Group;
pub use options::Arguments;
pub use report::Report;
pub use wide::document as wide_document;

/// Builds the extension for measuring, installs it into a copy of PostgreSQL, measures, and prints
/// the report.
///
/// # Errors
/// Something can't be built or started; or two forms of a statement give different rows.
pub fn run(arguments: &Arguments) -> Result<()> {
    let install = Install::ensure(arguments.pg)?;
    // Whoever tests meanwhile installs a build that isn't for measuring, and each new session loads
    // the library that is there.
    let dir = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()?;
    let copy = install.copy(dir.path())?;
    eprintln!("building the extension for PostgreSQL {}", arguments.pg);
    let places = Places {
        library_dir: copy.library_dir()?,
        extension_dir: copy.extension_dir()?,
    };
    extension::install_into(&places, &install, Profile::Release)?;
    let mut report = measure(&copy, arguments, &write)?;
    if arguments.measures("process") {
        eprintln!("What needs no server");
        report.figures.extend(in_process::measure()?);
    }
    write(&report)?;
    println!("{}", report.markdown());
    eprintln!("all numbers: target/benches/numbers.json");
    Ok(())
}

/// Writes what has been measured so far: a run may take hours, and end before it is done.
fn write(report: &Report) -> Result<()> {
    let results = workspace().join("target/benches");
    fs::create_dir_all(&results)?;
    fs::write(results.join("report.md"), report.markdown())?;
    fs::write(
        results.join("numbers.json"),
        serde_json::to_string_pretty(report)?,
    )
    .with_context(|| format!("can't write to {}", results.display()))
}

/// Measures with an installation that has the extension in it. Each table that is done is handed on.
///
/// # Errors
/// As [`run`].
pub fn measure(
    install: &Install,
    arguments: &Arguments,
    done: &dyn Fn(&Report) -> Result<()>,
) -> Result<Report> {
    let size = arguments.size()?;
    let databases = Databases::set_up(install, size, arguments.dir.clone())?;
    let mut report = Report::new(&databases, size, arguments.timeout)?;
    let (staff, rounds, timeout) = (size.staff, arguments.rounds(), arguments.timeout());
    for group in Group::ALL
        .into_iter()
        .filter(|group| arguments.measures(group.name()))
    {
        eprintln!("{}", group.title());
        let cells = if group == Group::Pool {
            pool::measure(&databases, staff, rounds, timeout)?
        } else {
            cells::measure(&databases, staff, group, arguments)?
        };
        report.cells.extend(cells);
        done(&report)?;
    }
    if arguments.measures("identity") {
        eprintln!("Identity and access");
        let times = arguments.rounds * 20;
        let switch = identity::switch(&databases, staff, times, timeout)?;
        report.figures.extend(switch);
        let access = identity::access(&databases, staff, timeout)?;
        report.figures.extend(access);
        done(&report)?;
    }
    if arguments.measures("knowing") {
        eprintln!("Answers about one record");
        let figures = knowing::measure(&databases, size.rows, staff)?;
        report.figures.extend(figures);
        done(&report)?;
    }
    if arguments.measures("masks") {
        eprintln!("Fields");
        let figures = masks::measure(&databases, size.rows, rounds, timeout)?;
        report.figures.extend(figures);
        done(&report)?;
    }
    if arguments.measures("wide") {
        eprintln!("Many roles and tables");
        let figures = wide::measure(&databases, arguments.width(), rounds, timeout)?;
        report.figures.extend(figures);
    }
    if arguments.measures("churn") {
        eprintln!("Busy sessions while memberships change");
        let figures =
            databases.preloaded(|| churn::measure(&databases, staff, arguments.busy(), timeout))?;
        report.figures.extend(figures);
    }
    Ok(report)
}
