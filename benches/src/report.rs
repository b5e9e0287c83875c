//! The report: tables in Markdown, and all numbers.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use crate::cells::{CELADOR, Cell};
use crate::databases::{Databases, Size};
use crate::peers::Peer;
use crate::statements::Group;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// PostgreSQL's version.
    pub(crate) version: String,
    /// Contacts.
    pub(crate) rows: i32,
    /// People.
    pub(crate) users: i32,
    /// Groups.
    pub(crate) groups: i32,
    /// The statements.
    pub(crate) cells: Vec<Cell>,
}

impl Report {
    pub(crate) fn new(databases: &Databases, size: Size) -> Result<Self> {
        let version = databases.plain()?.query_one("SHOW server_version", &[])?;
        Ok(Self {
            version: version.get(0),
            rows: size.rows,
            users: size.staff.users,
            groups: size.staff.groups,
            cells: Vec::new(),
        })
    }

    /// The tables, and what is over its goal.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "PostgreSQL {}, {} contacts, {} people, {} groups. CPU time of the server's process, as a \
             multiple of the WHERE that is written by hand for that very person; in brackets that \
             one's milliseconds.\n",
            self.version,
            grouped(self.rows),
            grouped(self.users),
            grouped(self.groups)
        );
        for group in Group::ALL {
            for prepared in [false, true] {
                let cells: Vec<&Cell> = (self.cells.iter())
                    .filter(|cell| cell.group == group && cell.prepared == prepared)
                    .collect();
                if cells.is_empty() {
                    continue;
                }
                let how = if prepared {
                    "prepared"
                } else {
                    "planned each time"
                };
                let _ = write!(
                    text,
                    "\n**{}**, {how}\n\n{}",
                    group.title(),
                    table(&cells, group)
                );
            }
        }
        let over: Vec<&Cell> = self.cells.iter().filter(|cell| !cell.is_met()).collect();
        let _ = writeln!(
            text,
            "\nOver the goal: {} of {}.\n",
            over.len(),
            self.cells.len()
        );
        for cell in over {
            let _ = writeln!(text, "- {}", named(cell));
        }
        text
    }
}

/// An operation a line: Celador as each of the people, and the worst of them in each peer's form.
fn table(cells: &[&Cell], group: Group) -> String {
    let mut text = "| |".to_owned();
    for level in group.levels() {
        let _ = write!(text, " {} |", level.name());
    }
    text.push_str(" worst |");
    for peer in Peer::ALL {
        let _ = write!(text, " {} |", peer.name());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(group.levels().len() + 1 + Peer::ALL.len()));
    text.push('\n');
    let mut operations: Vec<&str> = cells.iter().map(|cell| cell.operation).collect();
    operations.dedup();
    for operation in operations {
        let _ = write!(text, "| {operation} |");
        let of: Vec<&&Cell> = (cells.iter())
            .filter(|cell| cell.operation == operation)
            .collect();
        for cell in &of {
            let mark = if cell.is_met() { "" } else { "**" };
            let by_hand = cell
                .hand_written()
                .map_or("stopped".to_owned(), milliseconds);
            let _ = write!(text, " {mark}{}{mark} ({by_hand}) |", ratio(cell, CELADOR));
        }
        for form in [CELADOR].into_iter().chain(Peer::ALL.map(Peer::name)) {
            let _ = write!(text, " {} |", worst(&of, form));
        }
        text.push('\n');
    }
    text
}

/// The worst of several people; somebody whose statement was stopped is worse than any.
fn worst(cells: &[&&Cell], form: &str) -> String {
    let stopped = cells.iter().find(|cell| cell.of(form).is_none());
    let worst = stopped.or_else(|| {
        cells
            .iter()
            .max_by(|one, other| times(one, form).total_cmp(&times(other, form)))
    });
    worst.map_or_else(String::new, |cell| ratio(cell, form))
}

fn times(cell: &Cell, form: &str) -> f64 {
    match (cell.of(form), cell.hand_written()) {
        (Some(took), Some(by_hand)) => took / by_hand,
        (Some(_) | None, _) => f64::INFINITY,
    }
}

fn ratio(cell: &Cell, form: &str) -> String {
    if cell.of(form).is_none() {
        return "stopped".to_owned();
    }
    let times = times(cell, form);
    if times < 10.0 {
        format!("{times:.2}")
    } else {
        format!("{times:.0}")
    }
}

fn named(cell: &Cell) -> String {
    let how = if cell.prepared {
        "prepared"
    } else {
        "planned each time"
    };
    format!(
        "{}, {} as {}, {how}: {} ({} by hand, {} under Celador; goal {}{})",
        cell.group.title(),
        cell.operation,
        cell.level.name(),
        ratio(cell, CELADOR),
        cell.hand_written()
            .map_or("stopped".to_owned(), milliseconds),
        cell.of(CELADOR).map_or("stopped".to_owned(), milliseconds),
        cell.goal.times,
        if cell.goal.or_microseconds > 0.0 {
            format!(" or +{} µs", cell.goal.or_microseconds)
        } else {
            String::new()
        }
    )
}

fn milliseconds(number: f64) -> String {
    match number {
        small if small < 1.0 => format!("{small:.3} ms"),
        middle if middle < 100.0 => format!("{middle:.1} ms"),
        large => format!("{large:.0} ms"),
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: i32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
