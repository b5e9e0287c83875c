//! Whose session it is. Exactly one configured source names the person; nothing that a client's SQL says does.
//!
//! | source | whose secret opens the session | what names the person |
//! |---|---|---|
//! | `login` | the person's own | the login's line in the users file |
//! | `startup-option` | a service's | the startup option `celador.person`, by the people file; without it the service's line |
//! | `delegated-login` | a service's | the login that the client gives, by the people file |
//!
//! Whoever knows a service's secret chooses among the people, so they are a closed list, and compared byte by byte: of
//! a list of exceptions `4` would be in and `+4` not, which the server takes for the same key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::config::Identity;
use crate::identity::person_key;
use crate::quoted;
use crate::reply::Refusal;
use crate::startup_packet::{PERSON, Startup, not_taken};
use crate::verifier::Login;

/// What names the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The login that the client has proven.
    Login,
    /// An application with one shared login says at the start of each session whose it is.
    StartupOption {
        /// The logins of such applications; nobody else signs in.
        services: Vec<String>,
        /// What the option may say, with the person's key of each.
        people_file: PathBuf,
    },
    /// An application opens sessions by the person's login and its own secret.
    DelegatedLogin {
        /// The login whose secret it is.
        service: String,
        /// The logins that it may give, with the person's key of each.
        people_file: PathBuf,
    },
}

/// `[identity]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    source: Name,
    key_file: PathBuf,
    services: Option<Vec<String>>,
    service: Option<String>,
    people_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Login,
    StartupOption,
    DelegatedLogin,
}

impl TryFrom<Written> for Identity {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let others: &[(&str, bool)] = &[
            ("services", written.services.is_some()),
            ("service", written.service.is_some()),
            ("people_file", written.people_file.is_some()),
        ];
        let (allowed, name): (&[&str], _) = match written.source {
            Name::Login => (&[], "login"),
            Name::StartupOption => (&["services", "people_file"], "startup-option"),
            Name::DelegatedLogin => (&["service", "people_file"], "delegated-login"),
        };
        if let Some((key, _)) = others
            .iter()
            .find(|(key, given)| *given && !allowed.contains(key))
        {
            return Err(format!(
                "identity.{key}: has no use where source is \"{name}\""
            ));
        }
        let missing = |key| format!("identity.{key}: is needed where source is \"{name}\"");
        let source = match written.source {
            Name::Login => Source::Login,
            Name::StartupOption => Source::StartupOption {
                services: written
                    .services
                    .filter(|services| !services.is_empty())
                    .ok_or_else(|| missing("services"))?,
                people_file: written.people_file.ok_or_else(|| missing("people_file"))?,
            },
            Name::DelegatedLogin => Source::DelegatedLogin {
                service: written.service.ok_or_else(|| missing("service"))?,
                people_file: written.people_file.ok_or_else(|| missing("people_file"))?,
            },
        };
        Ok(Self {
            source,
            key_file: written.key_file,
        })
    }
}

impl Source {
    /// Who may be named, where somebody else than the person knows the secret.
    pub fn people_file(&self) -> Option<&Path> {
        match self {
            Self::Login => None,
            Self::StartupOption { people_file, .. } | Self::DelegatedLogin { people_file, .. } => {
                Some(people_file)
            }
        }
    }

    /// The logins that must be in the users file, since sessions are opened by their secrets.
    pub fn services(&self) -> &[String] {
        match self {
            Self::Login => &[],
            Self::StartupOption { services, .. } => services,
            Self::DelegatedLogin { service, .. } => std::slice::from_ref(service),
        }
    }

    /// Looks at what a client asks for, before it has proven anything.
    ///
    /// # Errors
    /// It names a person where another source does.
    pub fn admit(&self, startup: &Startup) -> Result<(), Refusal> {
        if startup.person.is_some() && !matches!(self, Self::StartupOption { .. }) {
            return Err(not_taken(PERSON));
        }
        Ok(())
    }

    /// The login whose secret a client has to know. `None`: it may know whatever it likes.
    pub fn login<'a>(&'a self, given: &'a str) -> Option<&'a str> {
        match self {
            Self::Login => Some(given),
            Self::StartupOption { services, .. } => services
                .iter()
                .any(|service| service == given)
                .then_some(given),
            Self::DelegatedLogin { service, .. } => Some(service),
        }
    }

    /// Whose session it is, after the client has proven that it knows the secret of `login`.
    ///
    /// # Errors
    /// Nobody is named, or somebody who may not be.
    pub fn person(
        &self,
        startup: &Startup,
        login: &Login,
        people: Option<&People>,
    ) -> Result<String, Refusal> {
        match self {
            Self::Login => Ok(login.person.clone().unwrap_or_else(|| startup.user.clone())),
            Self::StartupOption { .. } => match (&startup.person, &login.person) {
                (Some(name), _) => named(people, name),
                (None, Some(person)) => Ok(person.clone()),
                (None, None) => Err(Refusal::new(
                    "28000",
                    format!(
                        "service login \"{}\" doesn't say whose session it is",
                        startup.user
                    ),
                    format!("Connect with the startup option -c {PERSON}=NAME."),
                )),
            },
            Self::DelegatedLogin { .. } => named(people, &startup.user),
        }
    }
}

/// The key of the person for whom a name stands.
fn named(people: Option<&People>, name: &str) -> Result<String, Refusal> {
    let key = people.and_then(|people| people.0.get(name));
    key.cloned().ok_or_else(|| {
        Refusal::new(
            "28000",
            format!("\"{name}\" stands for nobody"),
            "The proxy's people file has a line for everybody who may be named.",
        )
    })
}

/// Who may be named: for whom each name stands.
///
/// ```text
/// ; name, and the person's key where it isn't the name
/// "sergio" "9"
/// ```
#[derive(Debug)]
pub struct People(HashMap<String, String>);

impl People {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// A line is anything else, or a name comes twice. The message names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let people = quoted::by_name(text, "name", named_key)?;
        if people.is_empty() {
            bail!("there is nobody");
        }
        Ok(Self(people))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn named_key(name: &str, others: &[String]) -> Result<String> {
    match others {
        [] => person_key(name),
        [key] => person_key(key),
        [_, _, ..] => bail!("there is more than name and person"),
    }
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people() {
        let people = People::parse("; bi\n\"sergio\" \"9\"\n \"o\"\"hara\"\n# end\n").unwrap();
        assert_eq!(people.count(), 2);
        for (name, key) in [
            ("sergio", Some("9")),
            ("o\"hara", Some("o\"hara")),
            ("Sergio", None),
            ("9", None),
            ("", None),
        ] {
            assert_eq!(named(Some(&people), name).ok().as_deref(), key, "{name}");
            assert!(named(None, name).is_err());
        }
        for bad in [
            "",
            "sergio",
            "\"sergio",
            "\"\"",
            "\"a\" \"\"",
            "\"a\" \"b\" \"c\"",
            "\"a\"\n\"a\" \"9\"",
        ] {
            assert!(People::parse(bad).is_err(), "{bad}");
        }
    }
}
