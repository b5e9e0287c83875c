//! Who may sign in: SCRAM verifiers, in a file as pgbouncer reads it.
//!
//! ```text
//! ; login, verifier, and the person's key where it isn't the login
//! "sergio" "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$…:…" "9"
//! ```
//!
//! The verifiers are what PostgreSQL keeps in `pg_authid.rolpassword`. Passwords in clear and MD5 are
//! refused.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::identity::person_key;
use crate::quoted;

const KEY_BYTES: usize = 32;
const SCHEME: &str = "SCRAM-SHA-256$";
/// PostgreSQL asks for no fewer; more than the second makes clients hang.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;

/// What proves a password without being one.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// How often the password is hashed.
    pub iterations: u32,
    /// What it is hashed with.
    pub salt: Vec<u8>,
    /// The hash of the client's key.
    pub stored_key: [u8; KEY_BYTES],
    /// What the server proves itself with.
    pub server_key: [u8; KEY_BYTES],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME)?;
        let (head, keys) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| <[u8; KEY_BYTES]>::try_from(BASE64_STANDARD.decode(text).ok()?).ok();
        Some(Self {
            iterations: iterations
                .parse()
                .ok()
                .filter(|number| ITERATIONS.contains(number))?,
            salt: BASE64_STANDARD
                .decode(salt)
                .ok()
                .filter(|salt| !salt.is_empty())?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What proves it.
    pub verifier: Verifier,
    /// For whom it stands, where the line says it: the key in the server's directory of people.
    pub person: Option<String>,
}

/// Everybody who may sign in.
#[derive(Debug)]
pub struct Users {
    logins: HashMap<String, Login>,
    /// Iterations and length of the salt, of all of them.
    shapes: Vec<(u32, usize)>,
}

impl Users {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// A line is anything else, or a login comes twice. The message names the line, and not what it holds.
    pub fn parse(text: &str) -> Result<Self> {
        let logins = quoted::by_name(text, "login", login)?;
        if logins.is_empty() {
            bail!("there is no login");
        }
        let shape = |login: &Login| (login.verifier.iterations, login.verifier.salt.len());
        let mut shapes: Vec<_> = logins.values().map(shape).collect();
        shapes.sort_unstable();
        Ok(Self { logins, shapes })
    }

    /// A login by its name.
    pub fn get(&self, name: &str) -> Option<&Login> {
        self.logins.get(name)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.logins.len()
    }

    /// What is shown of somebody who isn't there: each time the same for a name, as long a salt and as many
    /// iterations as one of those who are. Nothing proves it.
    pub fn mock(&self, name: &str, secret: &[u8]) -> Verifier {
        let derive = |what: &[u8]| -> [u8; KEY_BYTES] {
            Hmac::<Sha256>::new_from_slice(secret)
                .expect("HMAC takes keys of any length")
                .chain_update(b"celador proxy mock ")
                .chain_update(what)
                .chain_update(name.as_bytes())
                .finalize()
                .into_bytes()
                .into()
        };
        let [a, b, c, d, ..] = derive(b"shape ");
        // By its place among them: where one comes or goes, a name at a border changes and no other.
        let part = u64::from(u32::from_be_bytes([a, b, c, d]));
        let at = ((part * self.shapes.len() as u64) >> 32) as usize;
        let (iterations, length) = self.shapes[at];
        let salt = (0u8..).flat_map(|block| derive(&[b's', block, b' ']));
        Verifier {
            iterations,
            salt: salt.take(length).collect(),
            stored_key: derive(b"stored key "),
            server_key: derive(b"server key "),
        }
    }
}

fn login(name: &str, others: &[String]) -> Result<Login> {
    let (verifier, person) = match others {
        [] => bail!("a login and its verifier are two texts between double quotes"),
        [verifier] => (verifier, None),
        [verifier, person] => (verifier, Some(person)),
        [_, _, ..] => bail!("there is more than login, verifier and person"),
    };
    person_key(person.map_or(name, String::as_str))?;
    let Some(verifier) = Verifier::parse(verifier) else {
        bail!(
            "the second text isn't a SCRAM verifier as PostgreSQL keeps it (SCRAM-SHA-256$…, of at least \
             {} iterations); passwords and MD5 aren't taken",
            ITERATIONS.start()
        );
    };
    let person = person.cloned();
    Ok(Login { verifier, person })
}

#[cfg(test)]
mod tests {
    use postgres_protocol::password::scram_sha_256;

    use super::*;

    #[test]
    fn a_file() {
        let verifier = scram_sha_256(b"secret");
        let text = format!(
            "; people\n\n\"ana\" \"{verifier}\"\n  \"o\"\"hara\"\t\"{verifier}\"   \"17\"\n# end\n"
        );
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.count(), 2);
        assert_eq!(users.get("ana").unwrap().person, None);
        assert_eq!(users.get("o\"hara").unwrap().person.as_deref(), Some("17"));
        assert_eq!(users.get("ana").unwrap().verifier.iterations, 4096);
        assert!(users.get("Ana").is_none());
    }

    #[test]
    fn errors_name_the_line_and_no_secret() {
        let good = scram_sha_256(b"secret");
        for line in [
            "ana".to_owned(),
            "\"ana\"".to_owned(),
            "\"ana\" \"hunter2\"".to_owned(),
            "\"ana\" \"md5d41d8cd98f00b204e9800998ecf8427e\"".to_owned(),
            format!("\"ana\" \"{good}"),
            format!("\"ana\" {good}"),
            format!("\"\" \"{good}\""),
            format!("\"ana\" \"{good}\" \"\""),
            format!("\"ana\" \"{good}\" \"9\" \"9\""),
            format!("\"ana\" \"{}\"", good.replace("4096", "1")),
            format!("\"ana\" \"{}\"", &good[..good.len() - 4]),
            format!("\"ana\" \"{}x\"", good),
            format!("\"bob\" \"{good}\""),
        ] {
            let text = format!("\"bob\" \"{good}\"\n{line}\n");
            let error = format!("{:#}", Users::parse(&text).expect_err(&line));
            assert!(error.contains("line 2"), "{line}: {error}");
            assert!(
                !error.contains("hunter2") && !error.contains(&good[14..30]),
                "{error}"
            );
        }
        assert!(Users::parse("; nobody\n").is_err());
    }

    #[test]
    fn somebody_who_is_not_there_looks_like_somebody() {
        let users = Users::parse(&format!("\"ana\" \"{}\"", scram_sha_256(b"secret"))).unwrap();
        let first = users.mock("eve", b"key");
        assert_eq!(first, users.mock("eve", b"key"));
        assert_ne!(first.salt, users.mock("mallory", b"key").salt);
        assert_ne!(first.salt, users.mock("eve", b"other key").salt);
        let real = &users.get("ana").unwrap().verifier;
        assert_eq!(
            (first.iterations, first.salt.len()),
            (real.iterations, real.salt.len())
        );
        assert_ne!(first.stored_key, first.server_key);
    }
}
