//! What Celador's integration tests share: a cluster for each test program, and a database of
//! its own for each test.

pub mod acceptance;
mod asking;
mod catalog;
mod database;
mod dump;
pub mod facts;
mod failure;
mod page;
mod same_access;
pub mod shadow;
mod small_crm;

use std::path::PathBuf;
use std::sync::OnceLock;

use xtask::cluster::{Cluster, Options};
use xtask::extension::{self, Profile};
use xtask::postgres::Install;

pub use asking::{
    OpenSessions, answers, breaks, is_denied, may, may_not, plan, sees, sees_all, sees_none,
    writes_nothing,
};
pub use catalog::own_catalog;
pub use database::{Database, offers};
pub use dump::rights;
pub use failure::{Failure, denied, failure};
pub use page::run_page;
pub use same_access::{access, protection, same_lines};
pub use small_crm::{small_crm, small_document};

/// PostgreSQL's major version that is tested: `CELADOR_PG`, or 15.
pub fn major() -> u32 {
    std::env::var("CELADOR_PG")
        .ok()
        .and_then(|major| major.parse().ok())
        .unwrap_or(15)
}

/// The installation that is tested, with the extension in it. `cargo xtask test` has built it
/// when it sets `CELADOR_PG`; otherwise it is built now.
pub fn install() -> &'static Install {
    static INSTALL: OnceLock<Install> = OnceLock::new();
    INSTALL.get_or_init(|| {
        let install = Install::ensure(major()).expect("PostgreSQL can be installed");
        if std::env::var_os("CELADOR_PG").is_none() {
            extension::install(&install, Profile::Dev).expect("the extension can be built");
        }
        install
    })
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The cluster of this test program. It ends with the program.
pub fn cluster() -> &'static Cluster {
    cluster_with(Options::default())
}

/// The cluster of this test program, started so if it isn't there yet: then every test of the
/// program must begin with this.
pub fn cluster_with(options: Options) -> &'static Cluster {
    CLUSTER.get_or_init(|| start(options))
}

/// Settings of the tests' servers, as `NAME=VALUE` with commas between: `CELADOR_SETTINGS`.
fn settings() -> Vec<(String, String)> {
    let given = std::env::var("CELADOR_SETTINGS").unwrap_or_default();
    let pairs = given.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').expect("NAME=VALUE"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Whether statements are planned for whoever asks, as they are unless `CELADOR_SETTINGS` says otherwise.
/// A line tells of a test that isn't run without.
pub fn folds() -> bool {
    let folds = !settings().contains(&("celador.fold".to_owned(), "off".to_owned()));
    if !folds {
        eprintln!("not tested: celador.fold is off");
    }
    folds
}

/// A cluster of a test's own.
pub fn start(mut options: Options) -> Cluster {
    options
        .settings
        .push(("max_connections".into(), "200".into()));
    options.settings.extend(settings());
    Cluster::start(install(), options).expect("a cluster can be started")
}

/// A copy of the installation that is tested, in a directory that goes away with the first value.
pub fn own_install() -> (tempfile::TempDir, Install) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .expect("a directory can be made");
    let copy = install().copy(dir.path()).expect("it can be copied");
    (dir, copy)
}

/// A file of the repository, by its path from the root.
pub fn file(path: &str) -> PathBuf {
    xtask::workspace().join(path)
}

/// The text of a file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
