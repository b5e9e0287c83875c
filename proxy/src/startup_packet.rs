//! The first packets of a connection, before there are messages with a type.
//!
//! What isn't understood in full is refused. Names and values must be UTF-8: nothing is replaced.

use crate::reply::Refusal;

/// The longest packet, as in PostgreSQL.
pub const MAX_BYTES: usize = 10_000;

const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;
/// The newest minor version of protocol 3 that is spoken.
const NEWEST_MINOR: u16 = 2;

/// What a client asks first.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// TLS from here on.
    Ssl,
    /// GSSAPI from here on.
    Gss,
    /// Another connection's statement is to end.
    Cancel {
        /// The number of the process, as that connection was told.
        process: i32,
        /// The key that it was told.
        key: Vec<u8>,
    },
    /// A session.
    Startup(Startup),
}

/// What a client says of the session that it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The minor version that both sides speak.
    pub minor: u16,
    /// Whether the client asked for a newer version, or for options of the protocol.
    pub negotiate: bool,
    /// The options of the protocol that it asked for; none is known.
    pub protocol_options: Vec<String>,
    /// The login.
    pub user: String,
    /// The database; the login's name unless it is said.
    pub database: String,
    /// By which name a service says whose session it is.
    pub person: Option<String>,
    /// Settings of the session, of the closed list.
    pub settings: Vec<(String, String)>,
}

/// What a service says whose session it is by. It never reaches the server.
pub(crate) const PERSON: &str = "celador.person";

/// What a client may set where its session begins. Each is a setting that SQL may change later too.
pub(crate) const SETTINGS: [&str; 16] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "timezone",
];

/// Reads a packet's body: what follows its length.
///
/// # Errors
/// It is malformed, or asks for what a client doesn't get.
pub fn parse(body: &[u8]) -> Result<Packet, Refusal> {
    let Some((code, rest)) = body.split_first_chunk::<4>() else {
        return Err(Refusal::protocol("invalid length of startup packet"));
    };
    match u32::from_be_bytes(*code) {
        SSL if rest.is_empty() => Ok(Packet::Ssl),
        GSS if rest.is_empty() => Ok(Packet::Gss),
        CANCEL => match rest.split_first_chunk::<4>() {
            Some((process, key)) if (4..=256).contains(&key.len()) => Ok(Packet::Cancel {
                process: i32::from_be_bytes(*process),
                key: key.to_vec(),
            }),
            Some(_) | None => Err(Refusal::protocol("invalid length of cancel request")),
        },
        version if version >> 16 == 3 => {
            startup((version & 0xffff) as u16, rest).map(Packet::Startup)
        }
        SSL | GSS => Err(Refusal::protocol("invalid length of startup packet")),
        version => Err(Refusal::new(
            "0A000",
            format!(
                "unsupported frontend protocol {}.{}: the proxy speaks 3.0 to 3.{NEWEST_MINOR}",
                version >> 16,
                version & 0xffff
            ),
            "",
        )),
    }
}

fn startup(asked: u16, body: &[u8]) -> Result<Startup, Refusal> {
    let malformed =
        || Refusal::protocol("invalid startup packet layout: expected terminator as last byte");
    let mut pairs = Vec::new();
    let mut rest = body;
    loop {
        let name;
        (name, rest) = text(rest).ok_or_else(malformed)??;
        if name.is_empty() {
            break;
        }
        let value;
        (value, rest) = text(rest).ok_or_else(malformed)??;
        pairs.push((name, value));
    }
    if !rest.is_empty() {
        return Err(malformed());
    }

    let mut startup = Startup {
        minor: asked.min(NEWEST_MINOR),
        negotiate: asked > NEWEST_MINOR,
        protocol_options: Vec::new(),
        user: String::new(),
        database: String::new(),
        person: None,
        settings: Vec::new(),
    };
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in &pairs {
        if seen.contains(name) {
            return Err(Refusal::protocol(format!(
                "startup parameter {name} comes twice"
            )));
        }
        seen.push(name);
        match *name {
            "user" => startup.user = (*value).to_owned(),
            "database" => startup.database = (*value).to_owned(),
            "options" => {
                for (name, value) in options(value)? {
                    add(&mut startup, &name, &value)?;
                }
            }
            "replication" => {
                return Err(Refusal::new(
                    "0A000",
                    "replication isn't possible through the proxy",
                    "Connect to the server itself, as a maintenance role.",
                ));
            }
            option if option.starts_with("_pq_.") => {
                startup.negotiate = true;
                startup.protocol_options.push(option.to_owned());
            }
            name => add(&mut startup, name, value)?,
        }
    }
    if startup.user.is_empty() {
        return Err(Refusal::new(
            "28000",
            "no PostgreSQL user name specified in startup packet",
            "",
        ));
    }
    if startup.database.is_empty() {
        startup.database.clone_from(&startup.user);
    }
    Ok(startup)
}

/// The text before the next zero byte, and what follows.
type Text<'a> = (&'a str, &'a [u8]);

/// `None`: there is no zero byte.
fn text(bytes: &[u8]) -> Option<Result<Text<'_>, Refusal>> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&bytes[..end])
        .map_err(|_| Refusal::new("22021", "the startup packet isn't UTF-8", ""));
    Some(text.map(|text| (text, &bytes[end + 1..])))
}

/// Takes a setting of the closed list; what is said last counts, as in PostgreSQL. The person is said once: whoever
/// can add to an application's options becomes nobody else.
fn add(startup: &mut Startup, name: &str, value: &str) -> Result<(), Refusal> {
    let name = name.to_ascii_lowercase();
    if name == PERSON {
        return match startup.person.replace(value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(Refusal::protocol(format!(
                "startup parameter {PERSON} comes twice"
            ))),
        };
    }
    if !SETTINGS.contains(&name.as_str()) {
        return Err(not_taken(&name));
    }
    startup.settings.retain(|(known, _)| *known != name);
    startup.settings.push((name, value.to_owned()));
    Ok(())
}

pub(crate) fn not_taken(name: &str) -> Refusal {
    Refusal::new(
        "0A000",
        format!("the proxy takes no startup parameter {name}"),
        "Leave it out, and SET it in the session if you need it.",
    )
}

/// Takes `-c name=value`, `-cname=value` and `--name=value` apart. A backslash takes the next character as it is.
fn options(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                if let Some(next) = characters.next() {
                    word.get_or_insert_default().push(next);
                }
            }
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);

    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => word.strip_prefix("--").map(str::to_owned),
        };
        let pair = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='));
        let Some((name, value)) = pair else {
            return Err(Refusal::new(
                "0A000",
                format!("the proxy takes no startup option {word}"),
                "Options are -c name=value.",
            ));
        };
        // PostgreSQL takes hyphens in names for underscores here.
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
#[path = "startup_packet_test.rs"]
mod tests;
