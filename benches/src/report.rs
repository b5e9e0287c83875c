//! The report: tables in Markdown, and all numbers.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use crate::cells::{CELADOR, Cell};
use crate::databases::{Databases, Size};
use crate::figures::{Bound, Figure};
use crate::groups::{Goal, Group};
use crate::peers::Peer;

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
    /// After how many seconds statements were stopped.
    pub(crate) timeout: u64,
    /// The statements.
    pub(crate) cells: Vec<Cell>,
    /// Numbers that stand by themselves.
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(databases: &Databases, size: Size, timeout: u64) -> Result<Self> {
        let version = databases.plain()?.query_one("SHOW server_version", &[])?;
        Ok(Self {
            version: version.get(0),
            rows: size.rows,
            users: size.staff.users,
            groups: size.staff.groups,
            timeout,
            cells: Vec::new(),
            figures: Vec::new(),
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
                let how = how(prepared);
                let table = self.table(&cells);
                let _ = write!(text, "\n**{}**, {how}\n\n{table}", group.title());
            }
        }
        if !self.figures.is_empty() {
            text.push_str("\n| | | goal |\n|---|---|---|\n");
            for figure in &self.figures {
                let _ = writeln!(text, "{}", line(figure));
            }
        }
        self.name_what_is_over(&mut text);
        text
    }

    fn name_what_is_over(&self, text: &mut String) {
        let cells: Vec<&Cell> = self.cells.iter().filter(|cell| !cell.is_met()).collect();
        let figures: Vec<&Figure> = (self.figures.iter())
            .filter(|figure| !figure.is_met())
            .collect();
        let _ = writeln!(
            text,
            "\nOver the goal: {} of {}.\n",
            cells.len() + figures.len(),
            self.cells.len()
                + self
                    .figures
                    .iter()
                    .filter(|figure| figure.goal.is_some())
                    .count()
        );
        for (at, cell) in cells.iter().enumerate() {
            let is_same =
                |other: &&Cell| other.group == cell.group && other.operation == cell.operation;
            if cells[..at].iter().any(is_same) {
                continue;
            }
            let of = cells[at..].iter().copied().filter(is_same);
            let people: Vec<String> = of.map(|cell| self.over(cell)).collect();
            let (title, goal) = (cell.group.title(), goal(cell.goal));
            let _ = writeln!(
                text,
                "- {title}, {} ({goal}): {}",
                cell.operation,
                people.join("; ")
            );
        }
        for figure in figures {
            let _ = writeln!(
                text,
                "- {}: {}",
                figure.name,
                number(figure.value, figure.unit)
            );
        }
    }

    /// An operation a line: Celador as each of the people, and the worst of them in each form.
    fn table(&self, cells: &[&Cell]) -> String {
        let (people, operations) = (
            each(cells, |cell| cell.who),
            each(cells, |cell| cell.operation),
        );
        let mut text = format!("| | {} |", people.join(" | "));
        if people.len() > 1 {
            text.push_str(" worst |");
        }
        for peer in Peer::ALL {
            let _ = write!(text, " {} |", peer.name());
        }
        let columns = text.matches('|').count() - 2;
        let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns));
        for operation in operations {
            let _ = write!(text, "| {operation} |");
            let of: Vec<&Cell> = (cells.iter().copied())
                .filter(|cell| cell.operation == operation)
                .collect();
            for cell in &of {
                let mark = if cell.is_met() { "" } else { "**" };
                let (ratio, by_hand) = (self.ratio(cell, CELADOR), self.by_hand(cell));
                let _ = write!(text, " {mark}{ratio}{mark} ({by_hand}) |");
            }
            let celador = (people.len() > 1).then_some(CELADOR);
            for form in celador.into_iter().chain(Peer::ALL.map(Peer::name)) {
                let _ = write!(text, " {} |", self.worst(&of, form));
            }
            text.push('\n');
        }
        text
    }

    /// The worst of several people; somebody whose statement was stopped is worse than any.
    fn worst(&self, cells: &[&Cell], form: &str) -> String {
        let worst =
            (cells.iter()).max_by(|one, other| times(one, form).total_cmp(&times(other, form)));
        worst.map_or_else(String::new, |cell| self.ratio(cell, form))
    }

    fn ratio(&self, cell: &Cell, form: &str) -> String {
        match times(cell, form) {
            stopped if stopped.is_infinite() => self.stopped(),
            small if small < 10.0 => format!("{small:.2}"),
            large => format!("{large:.0}"),
        }
    }

    fn by_hand(&self, cell: &Cell) -> String {
        (cell.hand_written()).map_or_else(|| self.stopped(), |took| number(took, "ms"))
    }

    fn stopped(&self) -> String {
        format!(">{} s", self.timeout)
    }

    /// Somebody for whom a statement takes too long.
    fn over(&self, cell: &Cell) -> String {
        let prepared = if cell.prepared { ", prepared" } else { "" };
        let took = cell.of(CELADOR);
        let took = took.map_or_else(|| self.stopped(), |took| number(took, "ms"));
        format!(
            "{}{prepared} {} ({took}, by hand {})",
            cell.who,
            self.ratio(cell, CELADOR),
            self.by_hand(cell)
        )
    }
}

fn goal(goal: Goal) -> String {
    match goal.or_microseconds {
        0.0 => format!("goal {}", goal.times),
        more => format!("goal {} or +{more} µs", goal.times),
    }
}

fn how(prepared: bool) -> &'static str {
    if prepared {
        "prepared"
    } else {
        "planned each time"
    }
}

/// What cells have, each once, in their order.
fn each(cells: &[&Cell], of: impl Fn(&Cell) -> &'static str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for cell in cells {
        if !found.contains(&of(cell)) {
            found.push(of(cell));
        }
    }
    found
}

/// As a multiple of what is written by hand.
fn times(cell: &Cell, form: &str) -> f64 {
    match (cell.of(form), cell.hand_written()) {
        (Some(took), Some(by_hand)) => took / by_hand,
        (Some(_) | None, _) => f64::INFINITY,
    }
}

fn line(figure: &Figure) -> String {
    let mark = if figure.is_met() { "" } else { "**" };
    let value = number(figure.value, figure.unit);
    let goal = match figure.goal {
        None => String::new(),
        Some(Bound::AtMost(most)) => format!("at most {most} {}", figure.unit),
        Some(Bound::AtLeast(least)) => format!("at least {least} {}", figure.unit),
    };
    format!(
        "| {} | {mark}{value}{mark} | {} |",
        figure.name,
        goal.trim_end()
    )
}

fn number(value: f64, unit: &str) -> String {
    let text = match value.abs() {
        small if small < 1.0 => format!("{value:.3}"),
        few if few < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    format!("{text} {unit}").trim_end().to_owned()
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
