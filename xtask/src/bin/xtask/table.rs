//! Results as text: small tables, side by side.

/// A width for the cells of tables that stand next to others.
pub(crate) const NARROW: usize = 24;
const GAP: &str = "    ";

/// Lines of text with a width.
pub(crate) struct Block {
    lines: Vec<String>,
    width: usize,
}

impl Block {
    /// A title above a table. Columns of numbers are aligned on the right, longer cells than `limit`
    /// end in an ellipsis.
    pub(crate) fn table(
        title: &str,
        columns: &[String],
        rows: &[Vec<String>],
        limit: usize,
    ) -> Self {
        let widths: Vec<usize> = (0..columns.len())
            .map(|at| {
                let cells = rows.iter().map(|row| width(&row[at]).min(limit));
                cells.chain([width(&columns[at])]).max().unwrap_or(0)
            })
            .collect();
        let numbers: Vec<bool> = (0..columns.len())
            .map(|at| rows.iter().all(|row| row[at].parse::<f64>().is_ok()))
            .collect();
        let line = |cells: &[String]| -> String {
            let padded: Vec<String> = cells
                .iter()
                .enumerate()
                .map(|(at, cell)| pad(&shortened(cell, limit), widths[at], numbers[at]))
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        let mut lines = vec![title.to_owned(), line(columns)];
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        lines.push(rule.join("  "));
        lines.extend(rows.iter().map(|row| line(row)));
        if rows.is_empty() {
            lines.push("(no rows)".to_owned());
        }
        Self::new(lines)
    }

    /// A title above a text, which is wrapped between words.
    pub(crate) fn text(title: &str, text: &str) -> Self {
        let mut lines = vec![title.to_owned(), String::new()];
        for word in text.split_whitespace() {
            let last = lines.len() - 1;
            if lines[last].is_empty() {
                lines[last].push_str(word);
            } else if width(&lines[last]) + 1 + width(word) <= 2 * NARROW {
                lines[last].push(' ');
                lines[last].push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        Self::new(lines)
    }

    fn new(lines: Vec<String>) -> Self {
        let width = lines.iter().map(|line| width(line)).max().unwrap_or(0);
        Self { lines, width }
    }
}

/// Puts as many blocks next to each other as fit, the others below.
pub(crate) fn side_by_side(blocks: &[Block], available: usize) -> String {
    let mut text = String::new();
    let mut rest = blocks;
    while !rest.is_empty() {
        let mut used = 0;
        let fitting = rest
            .iter()
            .take_while(|block| {
                used += block.width + GAP.len();
                used <= available + GAP.len()
            })
            .count()
            .max(1);
        let (row, below) = rest.split_at(fitting);
        let height = row.iter().map(|block| block.lines.len()).max().unwrap_or(0);
        for at in 0..height {
            let cells: Vec<String> = row
                .iter()
                .map(|block| {
                    let line = block.lines.get(at).map_or("", String::as_str);
                    pad(line, block.width, false)
                })
                .collect();
            text.push_str(cells.join(GAP).trim_end());
            text.push('\n');
        }
        text.push('\n');
        rest = below;
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, to: usize, right: bool) -> String {
    let space = " ".repeat(to.saturating_sub(width(text)));
    if right {
        space + text
    } else {
        text.to_owned() + &space
    }
}

fn shortened(cell: &str, limit: usize) -> String {
    let cell = cell.replace('\n', " ");
    if width(&cell) <= limit {
        return cell;
    }
    cell.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{Block, NARROW, side_by_side};

    fn words(row: &[&str]) -> Vec<String> {
        row.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_on_the_right() {
        let rows = [words(&["won", "7"]), words(&["negotiation", "12"])];
        let block = Block::table("seller", &words(&["stage", "n"]), &rows, NARROW);
        let expected = "seller\n\
                        stage         n\n\
                        ───────────  ──\n\
                        won           7\n\
                        negotiation  12\n\n";
        assert_eq!(side_by_side(&[block], 80), expected);
    }

    #[test]
    fn blocks_that_do_not_fit_go_below() {
        let block = |title| Block::table(title, &words(&["n"]), &[words(&["1"])], NARROW);
        let blocks = [block("aaaa"), block("bbbb"), block("cccc")];
        let expected = "aaaa    bbbb\n\
                        n       n\n\
                        ─       ─\n\
                        1       1\n\n\
                        cccc\nn\n─\n1\n\n";
        assert_eq!(side_by_side(&blocks, 12), expected);
    }

    #[test]
    fn an_empty_result_says_so() {
        let block = Block::table("analyst", &words(&["name"]), &[], NARROW);
        assert!(side_by_side(&[block], 80).contains("(no rows)"));
    }

    #[test]
    fn long_cells_are_shortened_and_long_texts_wrapped() {
        let rows = [words(&[&"ü".repeat(40)])];
        let table = Block::table("t", &words(&["c"]), &rows, NARROW);
        let text = side_by_side(&[table], 80);
        assert!(text.contains(&format!("{}…", "ü".repeat(23))));
        let wrapped = Block::text("t", &"word ".repeat(40));
        let text = side_by_side(&[wrapped], 80);
        assert!(text.lines().all(|line| line.chars().count() <= 48));
        assert_eq!(text.matches("word").count(), 40);
    }
}
