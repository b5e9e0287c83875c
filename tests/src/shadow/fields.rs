//! What people see of the fields of a row, and which of them they may write: told by hand, like rows,
//! apart from everything that Celador computes.

use super::oracle::any;

/// What is left of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// All of it.
    Clear,
    /// Nothing.
    Null,
    /// Always this.
    Constant(&'static str),
    /// So many characters at the beginning and at the end.
    Partial(usize, usize),
    /// The first character, and what stands behind the last `@`.
    Email,
    /// A keyed hash of a text.
    Hash,
    /// The year's beginning.
    Year,
    /// The month's beginning, in UTC.
    Month,
    /// The multiple that is next towards zero.
    Round(u32),
}

/// A field of a row `r`, for one person.
#[derive(Debug, Clone)]
pub struct Field {
    /// The column.
    pub column: &'static str,
    /// Conditions on the row as it is stored, each with what it shows then: the first that holds counts.
    pub cases: Vec<(String, Rendering)>,
    /// What all other rows show.
    pub otherwise: Rendering,
    /// In which rows the person may write it.
    pub write: String,
}

/// The function of a shadow that hashes a text as the cluster's key file says, in schema `oracle`.
///
/// RFC 2104: `H((k ⊕ opad) ‖ H((k ⊕ ipad) ‖ m))`, of which the first half counts; `m` is the kind of the
/// value, a zero byte, and the value.
pub fn hash_function(key_file: &str) -> String {
    let digits = key_file
        .lines()
        .find_map(|line| line.strip_prefix("hash "))
        .expect("the key file has a key for hashes")
        .trim();
    let key: Vec<u8> = (0..64)
        .map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2).unwrap_or("00"), 16))
        .collect::<Result<_, _>>()
        .expect("the key is hexadecimal");
    let padded = |pad: u8| -> String {
        key.iter()
            .map(|byte| format!("{:02x}", byte ^ pad))
            .collect()
    };
    format!(
        "CREATE FUNCTION oracle.hash(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
           SELECT left(encode(sha256('\\x{}'::bytea || sha256('\\x{}'::bytea || convert_to('text', 'UTF8') || '\\x00' || convert_to($1, 'UTF8'))), 'hex'), 32)
         $$",
        padded(0x5c),
        padded(0x36)
    )
}

impl Rendering {
    /// What is left of a value of a type, as SQL.
    pub fn sql(self, value: &str, type_name: &str) -> String {
        let shown = match self {
            Self::Clear => return value.to_owned(),
            Self::Null => "NULL".to_owned(),
            Self::Constant(text) => format!("'{text}'"),
            Self::Partial(left, right) => format!(
                "CASE WHEN length({value}) > {} THEN left({value}, {left}) || '****' || right({value}, {right}) WHEN {value} IS NOT NULL THEN '****' END",
                left + right
            ),
            Self::Email => format!(
                "CASE WHEN {value} ~ '.@[^@]*$' THEN left({value}, 1) || '****@' || substring({value} from '[^@]*$') WHEN {value} IS NOT NULL THEN '****' END"
            ),
            Self::Hash => format!("oracle.hash({value})"),
            Self::Year => date_trunc("year", value, type_name),
            Self::Month => date_trunc("month", value, type_name),
            Self::Round(step) => format!("trunc({value} / {step}::numeric) * {step}"),
        };
        format!("({shown})::{type_name}")
    }
}

fn date_trunc(unit: &str, value: &str, type_name: &str) -> String {
    if type_name == "timestamp with time zone" {
        format!("date_trunc('{unit}', {value} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")
    } else {
        format!("date_trunc('{unit}', {value}::timestamp)")
    }
}

impl Field {
    /// What a row `r`, as it is stored, shows of the field, as SQL.
    pub fn shown(&self, type_name: &str) -> String {
        let value = format!("r.{}", self.column);
        let shown = |rendering: Rendering| rendering.sql(&value, type_name);
        let mut sql = String::new();
        for (condition, rendering) in &self.cases {
            match condition.as_str() {
                "false" => {}
                "true" if sql.is_empty() => return shown(*rendering),
                _ => sql.push_str(&format!("WHEN {condition} THEN {} ", shown(*rendering))),
            }
        }
        if sql.is_empty() {
            return shown(self.otherwise);
        }
        format!("CASE {sql}ELSE {} END", shown(self.otherwise))
    }
}

/// A condition that any role grants.
pub fn granted(roles: &[&str], of_role: impl Fn(&str) -> String) -> String {
    let all: Vec<String> = roles.iter().map(|role| of_role(role)).collect();
    any(&all)
}
