//! What is measured, and how long.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use crate::churn::Busy;
use crate::databases::Size;
use crate::interleaved::Rounds;
use crate::people::{Level, Staff};
use crate::wide::Width;

/// Measure statements under Celador next to what people write by hand
///
/// Sets up a cluster of its own with made-up contacts, the same each time, twice: under Celador, and
/// under row policies as people write them. Each statement first has to give the same rows in every
/// form. What is measured is the CPU time of the server's processes, the median of rounds in which all
/// forms take their turn. The report is printed as Markdown; target/benches/ has it too, with all
/// numbers as JSON.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
pub struct Arguments {
    /// Contacts; other tables follow. 10m takes about 30 GB of disk
    #[arg(long, default_value = "1m", value_parser = number)]
    pub rows: i32,
    /// People; a tenth as many groups [default: one for 50 contacts, up to 20,000]
    #[arg(long, value_parser = number)]
    pub users: Option<i32>,
    /// Major version of PostgreSQL: 15 to 18
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub pg: u32,
    /// Rounds in which all forms take their turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// CPU milliseconds after which a round of a form is long enough
    #[arg(long, value_name = "MS", default_value_t = 4)]
    pub enough: u64,
    /// Seconds after which a statement is stopped, and shown as `>S s`
    #[arg(long, value_name = "S", default_value_t = 3)]
    pub timeout: u64,
    /// Values that are in reach, bound to a statement one after another
    #[arg(long, default_value_t = 12)]
    pub values: i64,
    /// Sessions that are busy while memberships change
    #[arg(long, default_value_t = 200)]
    pub busy: usize,
    /// Milliseconds for which their throughput is taken, each time
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    pub busy_time: u64,
    /// Roles of the wide policy
    #[arg(long, default_value_t = 50)]
    pub roles: usize,
    /// Tables of the wide policy
    #[arg(long, default_value_t = 200)]
    pub tables: usize,
    /// Measure only these: owner, link, tree, additive, parent, related, search, pool, identity,
    /// knowing, masks, wide, churn, process
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Ask only as these: agent, lead, regional, vice, director
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub people: Vec<String>,
    /// Keep the cluster in this directory, or use the data of the one that is there [default: a new
    /// one below target/, removed at the end]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

impl Arguments {
    /// How large the data is.
    pub(crate) fn size(&self) -> Result<Size> {
        let users = match self.users {
            Some(users) => users,
            None => (self.rows / 50).clamp(400, 20_000) / 400 * 400,
        };
        if users < 400 || users % 400 != 0 {
            bail!("the number of users has to be a multiple of 400");
        }
        if self.rows < 2_000 || self.rows % 7919 == 0 {
            bail!("at least 2,000 rows, and no multiple of 7919");
        }
        Ok(Size {
            rows: self.rows,
            staff: Staff {
                users,
                groups: users / 10,
            },
        })
    }

    pub(crate) fn rounds(&self) -> Rounds {
        Rounds {
            rounds: self.rounds,
            enough: Duration::from_millis(self.enough),
            most: Duration::from_secs(self.timeout),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(crate) fn width(&self) -> Width {
        Width {
            roles: self.roles,
            tables: self.tables,
        }
    }

    pub(crate) fn busy(&self) -> Busy {
        Busy {
            sessions: self.busy,
            rounds: self.rounds,
            time: Duration::from_millis(self.busy_time),
        }
    }

    /// Whether statements are measured as somebody at that place.
    pub(crate) fn asks_as(&self, level: Level) -> bool {
        self.people.is_empty()
            || self
                .people
                .iter()
                .any(|only| level.name().starts_with(only))
    }

    /// Whether a table of the report is wanted.
    pub(crate) fn measures(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

/// A number that may end in `k` or `m`.
fn number(text: &str) -> Result<i32, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, times) = match lower.strip_suffix(['k', 'm']) {
        Some(digits) if lower.ends_with('k') => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (lower.as_str(), 1),
    };
    let number: Option<i32> = digits.parse().ok().and_then(|n: i32| n.checked_mul(times));
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| "a number such as 2000, 100k or 1m".to_owned())
}
