//! The matrix as a picture: SVG that needs nothing else, without scripts.
//!
//! Modules go down, roles across, so that names are read as they are written and the picture grows
//! downwards. A cell's letter and colour say how far reading reaches; the bars beside it say the same
//! of the other actions, by colour and by height, each in the place that has its number. Each cell has
//! its text as a title.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::svg::{cut, escaped};
use super::{Depth, lines};
use crate::action::Action;
use crate::policy_set::{Grant, PolicySet};

/// A group in the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PicturedGroup {
    /// The key.
    pub key: String,
    /// The name.
    pub name: Option<String>,
    /// The key of the group above.
    pub parent: Option<String>,
    /// How many members it has.
    pub members: usize,
    /// The roles that each member holds through it.
    pub roles: BTreeSet<String>,
}

/// What stands in the cells after reading, by number from 1.
const BARS: [(Action, &str); 8] = [
    (Action::Create, "create"),
    (Action::Update, "update"),
    (Action::Delete, "delete"),
    (Action::Assign, "assign"),
    (Action::Claim, "claim"),
    (Action::Import, "import"),
    (Action::Export, "export"),
    (Action::Customise, "customise"),
];

const CELL_WIDTH: usize = 92;
/// Where a cell's bars begin, how far apart they stand, and how wide they are.
const BAR: (usize, usize, usize) = (27, 7, 5);
const CELL_HEIGHT: usize = 20;
const LEFT: usize = 208;
const MARGIN: usize = 16;
const LEGEND: usize = 112;
/// How many groups are drawn.
const MOST_GROUPS: usize = 400;

const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1b1f24}\
.back{fill:#fff}.big{font-size:17px;font-weight:600}.small{font-size:11px;fill:#57606a}\
.mark{font-size:11px;font-weight:600}.tiny{font-size:8px;fill:#57606a}\
.none{fill:#b6bec7}.when{stroke:#1b1f24;stroke-dasharray:2 1;fill-opacity:.4}\
.line{stroke:#d0d7de;stroke-width:1;fill:none}.band{fill:#f3f5f7}\
.d0{fill:#eaeef2}.d1{fill:#d3e6f8}.d2{fill:#cdeccd}.d3{fill:#fbe79a}.d4{fill:#f9c28a}.d5{fill:#f2a0a0}\
.b1{fill:#2f7fc4}.b2{fill:#3a8f3a}.b3{fill:#a88400}.b4{fill:#c2620c}.b5{fill:#b3262b}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}.back{fill:#0d1117}.small,.tiny{fill:#9aa4af}.none{fill:#4a525b}.when{stroke:#e6edf3}.line{stroke:#3d444d}.band{fill:#161b22}\
.d0{fill:#21262d}.d1{fill:#143a5c}.d2{fill:#17421c}.d3{fill:#4d3f00}.d4{fill:#5c3006}.d5{fill:#641a1e}\
.b1{fill:#6cb4f0}.b2{fill:#6fce72}.b3{fill:#e3bf3a}.b4{fill:#f29b4b}.b5{fill:#ff8080}}";

/// Draws the matrix, and the groups as a tree below it.
pub fn picture(policy: &PolicySet, groups: &[PicturedGroup]) -> String {
    let roles: Vec<&str> = policy.roles.keys().map(String::as_str).collect();
    let modules: Vec<&str> = policy.modules.keys().map(String::as_str).collect();
    let longest = roles.iter().map(|role| role.chars().count().min(24)).max();
    // Names of roles stand at an angle of 50 degrees.
    let head = 34 + longest.unwrap_or(0) * 6;
    let tree = Tree::new(groups);
    let top = LEGEND + head;
    let tree_top = top + modules.len() * CELL_HEIGHT + 44;
    let width = (LEFT + roles.len() * CELL_WIDTH + head + MARGIN).max(900);
    let height = tree_top + tree.height() + MARGIN;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title about\">\n\
         <title id=\"title\">Who may what: {} roles, {} modules, {} groups</title>\n\
         <desc id=\"about\">A line for each module, a column for each role. The letter and the colour of a cell say \
         how far reading reaches, its bars how far the other actions do. The same as a table: celador.matrix().</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"big\" x=\"{MARGIN}\" y=\"32\">{} roles × {} modules</text>\n",
        roles.len(),
        modules.len(),
        groups.len(),
        roles.len(),
        modules.len(),
    );
    legend(&mut svg);
    heads(&mut svg, &roles, top);
    cells(&mut svg, policy, &roles, &modules, top);
    tree.draw(&mut svg, tree_top);
    svg.push_str("</svg>\n");
    svg
}

fn letter(depth: Depth) -> &'static str {
    match depth {
        Depth::None => "–",
        Depth::Own => "O",
        Depth::Linked => "L",
        Depth::Group => "G",
        Depth::Tree => "T",
        Depth::All => "A",
    }
}

fn legend(svg: &mut String) {
    let meaning = |depth: Depth| match depth {
        Depth::None => "nothing",
        Depth::Own => "own",
        Depth::Linked => "linked, by rule",
        Depth::Group => "group",
        Depth::Tree => "tree below",
        Depth::All => "all",
    };
    svg.push_str("<g>\n");
    let mut x = MARGIN;
    for depth in Depth::EVERY {
        let _ = writeln!(
            svg,
            "<rect class=\"d{n}\" x=\"{x}\" y=\"46\" width=\"20\" height=\"16\" rx=\"2\"/>\
             <text class=\"mark\" x=\"{}\" y=\"58\" text-anchor=\"middle\">{}</text><text x=\"{}\" y=\"58\">{}</text>",
            x + 10,
            letter(depth),
            x + 26,
            meaning(depth),
            n = depth as usize,
        );
        x += 46 + meaning(depth).len() * 6;
    }
    let bars: Vec<String> = (1..)
        .zip(&BARS)
        .map(|(number, (_, name))| format!("{number} {name}"))
        .collect();
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{MARGIN}\" y=\"82\">Letter: read. Bars, the higher the farther: {}.</text>\n\
         <text class=\"small\" x=\"{MARGIN}\" y=\"100\">A dashed outline: so far only while a setting is on.</text>\n</g>",
        bars.join(", ")
    );
}

fn heads(svg: &mut String, roles: &[&str], top: usize) {
    svg.push_str("<g>\n");
    for (at, role) in roles.iter().enumerate() {
        let left = LEFT + at * CELL_WIDTH;
        let (x, y) = (left + CELL_WIDTH / 2, top - 18);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-50 {x} {y})\"><title>{}</title>{}</text>",
            escaped(role),
            escaped(&cut(role, 24)),
        );
        let (first, apart, wide) = BAR;
        for number in 1..=BARS.len() {
            let _ = write!(
                svg,
                "<text class=\"tiny\" x=\"{}.5\" y=\"{}\" text-anchor=\"middle\">{number}</text>",
                left + first + (number - 1) * apart + wide / 2,
                top - 3,
            );
        }
        svg.push('\n');
    }
    svg.push_str("</g>\n");
}

fn cells(svg: &mut String, policy: &PolicySet, roles: &[&str], modules: &[&str], top: usize) {
    let mut told: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let all = lines(policy);
    for line in &all {
        let when = line
            .when
            .as_ref()
            .map_or_else(String::new, |when| format!(" while {when}"));
        told.entry((&line.module, &line.role))
            .or_default()
            .push(format!(
                "{} {}{when}",
                line.action.name(),
                line.scopes.join(", ")
            ));
    }
    for (row, module) in modules.iter().enumerate() {
        let y = top + row * CELL_HEIGHT;
        svg.push_str("<g>\n");
        if row % 2 == 1 {
            let _ = writeln!(
                svg,
                "<rect class=\"band\" x=\"{MARGIN}\" y=\"{y}\" width=\"{}\" height=\"{CELL_HEIGHT}\"/>",
                LEFT - MARGIN + roles.len() * CELL_WIDTH
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\"><title>{}</title>{}</text>",
            LEFT - 10,
            y + 14,
            escaped(module),
            escaped(&cut(module, 26)),
        );
        for (column, role) in roles.iter().enumerate() {
            let text = match told.get(&(*module, *role)) {
                Some(told) => told.join("; "),
                None => "nothing".to_owned(),
            };
            cell(
                svg,
                policy,
                (module, role, &text),
                (LEFT + column * CELL_WIDTH, y),
            );
        }
        svg.push_str("</g>\n");
    }
}

fn cell(
    svg: &mut String,
    policy: &PolicySet,
    (module, role, text): (&str, &str, &str),
    (x, y): (usize, usize),
) {
    let read = policy.grants(role, module, Action::Read);
    let depth = Depth::of_all(read);
    let _ = write!(
        svg,
        "<g><title>{}</title><rect class=\"d{}{}\" x=\"{}\" y=\"{}\" width=\"20\" height=\"16\" rx=\"2\"/>\
         <text class=\"mark\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        escaped(&format!("{role}, {module}: {text}")),
        depth as usize,
        switched(read, depth),
        x + 2,
        y + 2,
        x + 12,
        y + 14,
        letter(depth),
    );
    let others = BARS.map(|(action, _)| policy.grants(role, module, action));
    if others.iter().any(|grants| !grants.is_empty()) {
        let (first, apart, wide) = BAR;
        for (at, grants) in others.into_iter().enumerate() {
            let depth = Depth::of_all(grants);
            let height = 1 + 3 * depth as usize;
            let class = match depth {
                Depth::None => "none".to_owned(),
                Depth::Own | Depth::Linked | Depth::Group | Depth::Tree | Depth::All => {
                    format!("b{}{}", depth as usize, switched(grants, depth))
                }
            };
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{wide}\" height=\"{height}\"/>",
                x + first + at * apart,
                y + 18 - height,
            );
        }
    }
    svg.push_str("</g>\n");
}

/// The class of what reaches so far only while a setting is on.
fn switched(grants: &[Grant], depth: Depth) -> &'static str {
    let mut so_far = grants.iter().filter(|grant| Depth::of(grant) == depth);
    if !grants.is_empty() && so_far.all(|grant| grant.when.is_some()) {
        " when"
    } else {
        ""
    }
}

/// The groups in the order in which they are drawn, each with its depth.
struct Tree<'a> {
    groups: Vec<(usize, &'a PicturedGroup)>,
    left_out: usize,
}

impl<'a> Tree<'a> {
    fn new(groups: &'a [PicturedGroup]) -> Self {
        let mut below: BTreeMap<Option<&str>, Vec<&PicturedGroup>> = BTreeMap::new();
        let known: BTreeSet<&str> = groups.iter().map(|group| group.key.as_str()).collect();
        for group in groups {
            let parent = group.parent.as_deref().filter(|key| known.contains(key));
            below.entry(parent).or_default().push(group);
        }
        for groups in below.values_mut() {
            groups.sort_by_key(|group| (group.name.as_deref().unwrap_or(&group.key), &group.key));
        }
        let mut drawn = Vec::new();
        let mut next: Vec<(usize, &PicturedGroup)> = Vec::new();
        let push = |next: &mut Vec<_>, depth: usize, of: Option<&str>| {
            let below = below.get(&of).into_iter().flatten().rev();
            next.extend(below.map(|group| (depth, *group)));
        };
        push(&mut next, 0, None);
        while let Some((depth, group)) = next.pop() {
            drawn.push((depth, group));
            push(&mut next, depth + 1, Some(&group.key));
        }
        let left_out = drawn.len().saturating_sub(MOST_GROUPS);
        drawn.truncate(MOST_GROUPS);
        Self {
            groups: drawn,
            left_out,
        }
    }

    fn height(&self) -> usize {
        if self.groups.is_empty() {
            0
        } else {
            30 + (self.groups.len() + usize::from(self.left_out > 0)) * 20
        }
    }

    fn draw(&self, svg: &mut String, top: usize) {
        if self.groups.is_empty() {
            return;
        }
        let _ = writeln!(
            svg,
            "<g>\n<text class=\"big\" x=\"{MARGIN}\" y=\"{top}\">Groups</text>"
        );
        // Depth → where the line from there begins.
        let mut starts: Vec<usize> = Vec::new();
        for (at, (depth, group)) in self.groups.iter().enumerate() {
            let y = top + 26 + at * 20;
            let x = MARGIN + depth * 22;
            starts.truncate(*depth);
            if let Some(start) = starts.last() {
                let line = x - 22 + 6;
                let _ = writeln!(
                    svg,
                    "<path class=\"line\" d=\"M{line} {}V{}H{}\"/>",
                    start + 5,
                    y - 4,
                    x - 3,
                );
            }
            starts.push(y);
            let name = group.name.as_deref().unwrap_or(&group.key);
            let members = match group.members {
                1 => "1 member".to_owned(),
                count => format!("{count} members"),
            };
            let roles: Vec<&str> = group.roles.iter().map(String::as_str).collect();
            let roles = if roles.is_empty() {
                String::new()
            } else {
                format!(", each {}", roles.join(", "))
            };
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\">{}<tspan class=\"small\" dx=\"8\">{}</tspan></text>",
                escaped(&cut(name, 60)),
                escaped(&format!("{members}{roles}")),
            );
        }
        if self.left_out > 0 {
            let y = top + 26 + self.groups.len() * 20;
            let _ = writeln!(
                svg,
                "<text class=\"small\" x=\"{MARGIN}\" y=\"{y}\">and {} more</text>",
                self.left_out
            );
        }
        svg.push_str("</g>\n");
    }
}
