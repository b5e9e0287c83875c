//! PostgreSQL's own holes in row security, and the minor releases that close them.
//!
//! Row security is what everything here stands on. Where the server's can be got around, no policy
//! holds, so a load names the release to install first.

use std::fmt;

/// A server that is older than the release that closes a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldRelease {
    /// The release that it runs, for example `(18, 6)`.
    pub running: (u32, u32),
    /// The first release of the same major version without the hole.
    pub needed: (u32, u32),
    /// What can be done on the older one.
    pub hole: &'static str,
}

impl fmt::Display for OldRelease {
    /// `PostgreSQL 15.19 is older than 15.20: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            running,
            needed,
            hole,
        } = self;
        write!(
            f,
            "PostgreSQL {}.{} is older than {}.{}: {hole}",
            running.0, running.1, needed.0, needed.1
        )
    }
}

/// Each major version with the first minor release that is without known holes.
///
/// `INSERT … ON CONFLICT DO UPDATE` read and wrote rows that policies hide (CVE-2026-16237,
/// CVE-2026-120154); what came before is closed by these releases too.
const FIRST_SAFE: [(u32, u32); 4] = [(15, 20), (16, 16), (17, 12), (18, 7)];

const HOLE: &str = "INSERT … ON CONFLICT DO UPDATE reads and writes rows that row security hides \
    (CVE-2026-120154, CVE-2026-16237)";

/// Whether a server's release has a known hole; `number` is its `server_version_num`, for example
/// 180006. Of a major version that isn't known here nothing is known.
pub fn old_release(number: u32) -> Option<OldRelease> {
    let running = (number / 10_000, number % 10_000);
    let needed = FIRST_SAFE
        .into_iter()
        .find(|(major, _)| *major == running.0)?;
    (running.1 < needed.1).then_some(OldRelease {
        running,
        needed,
        hole: HOLE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_before_the_fix_is_old_and_the_fix_is_not() {
        for (major, minor) in FIRST_SAFE {
            let old = old_release(major * 10_000 + minor - 1).expect("it is old");
            assert_eq!(old.running, (major, minor - 1));
            assert_eq!(old.needed, (major, minor));
            assert_eq!(old_release(major * 10_000 + minor), None);
            assert_eq!(old_release(major * 10_000 + minor + 1), None);
            assert!(old_release(major * 10_000).is_some());
        }
        assert_eq!(old_release(190_000), None);
    }
}
