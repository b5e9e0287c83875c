//! Row policies as people write them, as roles of their own on tables that Celador doesn't protect.

use anyhow::Result;
use postgres::Client;
use serde::Serialize;

use crate::people::Division;
use crate::rules::{self, Rule};

/// A way to write row policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// `EXISTS (SELECT …)`.
    Exists,
    /// `column = ANY (ARRAY(SELECT …))`.
    Any,
    /// `column IN (SELECT …)`.
    In,
    /// A function in SQL, asked for each row.
    Function,
}

/// The person, in the policies.
const ME: &str = "current_setting('bench.me')::int";

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Exists, Self::Any, Self::In, Self::Function];

    /// As a table's head says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exists => "EXISTS",
            Self::Any => "= ANY (ARRAY(SELECT))",
            Self::In => "IN (SELECT)",
            Self::Function => "function",
        }
    }

    /// The database role whose policies are written so.
    pub(crate) fn role(self, division: Division) -> String {
        let way = match self {
            Self::Exists => "exists",
            Self::Any => "any",
            Self::In => "in",
            Self::Function => "function",
        };
        format!("{way}_{}", division.role())
    }
}

/// Makes the roles and their policies.
pub(crate) fn create(client: &mut Client) -> Result<()> {
    for table in ["contacts", "deals", "projects", "notes", "tickets"] {
        client.batch_execute(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))?;
    }
    for division in Division::ALL {
        for peer in Peer::ALL {
            let role = peer.role(division);
            client.batch_execute(&format!("GRANT bench_people TO {role}"))?;
            for table in rules::tables(division) {
                let terms: Vec<String> = (rules::of(division, table).iter().enumerate())
                    .map(|(at, rule)| {
                        let name = format!("{role}_{table}_{at}");
                        term(client, peer, rule, table, &name)
                    })
                    .collect::<Result<_>>()?;
                client.batch_execute(&format!(
                    "CREATE POLICY {role} ON {table} TO {role} USING ({})",
                    terms.join(" OR ")
                ))?;
            }
        }
    }
    Ok(())
}

fn term(
    client: &mut Client,
    peer: Peer,
    rule: &Rule,
    table: &str,
    function: &str,
) -> Result<String> {
    let (column, keys, keys_by_policy) = match rule {
        Rule::All => return Ok("true".to_owned()),
        Rule::Condition(condition) => return Ok(format!("({})", condition.replace("{r}", table))),
        Rule::Among {
            column,
            keys,
            keys_by_policy,
            ..
        } => (
            column,
            keys.replace("{me}", ME),
            keys_by_policy.replace("{me}", ME),
        ),
    };
    Ok(match peer {
        Peer::Exists => {
            format!(
                "EXISTS (SELECT FROM ({keys_by_policy}) AS k (key) WHERE k.key = {table}.{column})"
            )
        }
        Peer::Any => format!("{column} = ANY (ARRAY({keys_by_policy}))"),
        Peer::In => format!("{column} IN ({keys_by_policy})"),
        Peer::Function => {
            // Its owner's rights, as such functions have, so that it reads what it needs.
            client.batch_execute(&format!(
                "CREATE FUNCTION {function}(key int) RETURNS boolean
                   LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
                   AS $$ SELECT EXISTS (SELECT FROM ({keys}) AS k (key) WHERE k.key = $1) $$"
            ))?;
            format!("{function}({column})")
        }
    })
}
