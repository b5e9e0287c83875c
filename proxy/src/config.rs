//! The one configuration file: what is in it, and what of it isn't allowed.
//!
//! An unknown key is an error, and so is a value that stands for something that isn't built. Nothing
//! is passed over in silence.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::source::Source;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients connect.
    pub listen: Listen,
    /// The server that people are carried to.
    pub upstream: Upstream,
    /// How clients prove who they are.
    pub authentication: Authentication,
    /// Whose statement it is.
    pub identity: Identity,
    /// Server connections and clients.
    #[serde(default)]
    pub pool: Pool,
    /// What bounds clients.
    #[serde(default)]
    pub limits: Limits,
}

/// Where clients connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address and port, such as `0.0.0.0:6432`.
    pub address: SocketAddr,
    /// TLS towards clients.
    pub tls: ListenTls,
}

/// TLS towards clients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenTls {
    /// Whether clients may, or must, use it.
    pub mode: ListenMode,
    /// The certificate and those above it, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
}

/// What clients get, in the words of `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenMode {
    /// No TLS.
    Disable,
    /// TLS for those who ask for it.
    Prefer,
    /// Nobody without TLS.
    Require,
}

/// The server that people are carried to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Who enforces the policy there.
    #[serde(default)]
    pub mode: UpstreamMode,
    /// A name, an address, or a directory with the server's socket.
    pub host: String,
    /// The port; 5432 by default.
    #[serde(default = "postgres_port")]
    pub port: u16,
    /// The database. Clients name it too.
    pub database: String,
    /// The database role that carries people: it may call `celador.assume` and nothing stronger.
    pub user: String,
    /// A file with its password and nothing else.
    pub password_file: Option<PathBuf>,
    /// The environment variable with its password.
    pub password_env: Option<String>,
    /// TLS towards the server.
    pub tls: UpstreamTls,
}

/// Who enforces the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamMode {
    /// The server, which has the extension.
    #[default]
    Delegate,
}

/// TLS towards the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// What is asked of the server.
    pub mode: UpstreamTlsMode,
    /// Whom certificates are trusted from, in PEM.
    pub root_certificate: Option<PathBuf>,
}

/// What is asked of the server, in the words of `sslmode`. `allow` and `prefer` aren't there: whoever
/// sits between would choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamTlsMode {
    /// No TLS.
    Disable,
    /// TLS with whoever answers.
    Require,
    /// A certificate that a trusted authority signed, whatever its name.
    VerifyCa,
    /// And for the server's name.
    VerifyFull,
}

/// How clients prove who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// Logins with their verifiers, as pgbouncer writes them.
    pub users_file: PathBuf,
}

/// Whose statement it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "crate::source::Written")]
pub struct Identity {
    /// What names the person.
    pub source: Source,
    /// The server's `celador.key_file`, or a copy of it.
    pub key_file: PathBuf,
}

/// Server connections and clients.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How long a client has a server connection to itself.
    #[serde(default)]
    pub mode: PoolMode,
}

/// How long a client has a server connection to itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolMode {
    /// As long as it is connected; nobody else ever has that connection.
    #[default]
    Session,
}

/// What bounds clients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Clients at one time.
    pub clients: usize,
    /// Clients at one time that haven't proven who they are.
    pub unauthenticated: usize,
    /// Of these, from one address.
    pub unauthenticated_per_address: usize,
    /// How long they may take to prove it.
    pub authentication_seconds: u64,
    /// How long the server may take to let a session in.
    pub connect_seconds: u64,
    /// How long a session, and its identity, lasts. Then the client connects again.
    pub session_seconds: u64,
    /// How long open transactions may go on when the proxy is asked to stop.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 500,
            unauthenticated: 100,
            unauthenticated_per_address: 20,
            authentication_seconds: 15,
            connect_seconds: 10,
            session_seconds: 12 * 60 * 60,
            drain_seconds: 30,
        }
    }
}

impl Limits {
    /// See [`Self::authentication_seconds`].
    pub fn authentication(&self) -> Duration {
        Duration::from_secs(self.authentication_seconds)
    }

    /// See [`Self::connect_seconds`].
    pub fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_seconds)
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, a key is unknown, missing or of the wrong kind, or keys don't go together. The
    /// message names the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} can't be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        let tls = &self.listen.tls;
        let certified = (tls.certificate.is_some(), tls.key.is_some());
        match (tls.mode, certified) {
            (ListenMode::Disable, (false, false))
            | (ListenMode::Prefer | ListenMode::Require, (true, true)) => {}
            (ListenMode::Disable, _) => {
                bail!("listen.tls: a certificate or key has no use where mode is \"disable\"")
            }
            (ListenMode::Prefer | ListenMode::Require, _) => {
                bail!("listen.tls: certificate and key are both needed unless mode is \"disable\"")
            }
        }
        let upstream = &self.upstream;
        let verifies = match upstream.tls.mode {
            UpstreamTlsMode::VerifyCa | UpstreamTlsMode::VerifyFull => true,
            UpstreamTlsMode::Disable | UpstreamTlsMode::Require => false,
        };
        if verifies != upstream.tls.root_certificate.is_some() {
            bail!(
                "upstream.tls.root_certificate: goes with mode \"verify-ca\" or \"verify-full\", \
                 and with these alone"
            );
        }
        if upstream.is_socket() && upstream.tls.mode != UpstreamTlsMode::Disable {
            bail!("upstream.tls.mode: a socket in a directory has no TLS; write \"disable\"");
        }
        if upstream.password_file.is_some() && upstream.password_env.is_some() {
            bail!("upstream.password_file, upstream.password_env: name one of them");
        }
        for (key, value) in [
            ("upstream.host", &upstream.host),
            ("upstream.database", &upstream.database),
            ("upstream.user", &upstream.user),
        ] {
            if value.is_empty() || value.contains('\0') {
                bail!("{key}: is empty, or has a zero byte");
            }
        }
        let limits = &self.limits;
        for (key, value) in [
            ("clients", limits.clients as u64),
            ("unauthenticated", limits.unauthenticated as u64),
            (
                "unauthenticated_per_address",
                limits.unauthenticated_per_address as u64,
            ),
            ("authentication_seconds", limits.authentication_seconds),
            ("connect_seconds", limits.connect_seconds),
            ("session_seconds", limits.session_seconds),
        ] {
            if value == 0 || value > MOST {
                bail!("limits.{key}: is from 1 to {MOST}");
            }
        }
        Ok(())
    }
}

/// More than this of anything is a slip.
const MOST: u64 = 1_000_000;

impl Upstream {
    /// Whether the host is a directory with the server's socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

fn postgres_port() -> u16 {
    5432
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[listen]
address = "127.0.0.1:6432"
tls = { mode = "require", certificate = "proxy.crt", key = "proxy.key" }
[upstream]
host = "db.example"
database = "crm"
user = "crm_proxy"
password_env = "CRM_PROXY_PASSWORD"
tls = { mode = "verify-full", root_certificate = "root.crt" }
[authentication]
users_file = "users"
[identity]
source = "login"
key_file = "keys"
"#;

    #[test]
    fn the_least_that_is_needed() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!(config.upstream.port, 5432);
        assert_eq!(config.upstream.mode, UpstreamMode::Delegate);
        assert_eq!(config.pool.mode, PoolMode::Session);
        assert_eq!(config.limits.session_seconds, 43_200);
    }

    #[test]
    fn the_page_shows_what_is_read() {
        let page = include_str!("../../docs/proxy.md");
        let block = page.split("```toml\n").nth(1).unwrap();
        let text = block.split("```").next().unwrap();
        let shown = Config::parse(text).unwrap();
        let limits = format!("{:?}", shown.limits);
        assert_eq!(limits, format!("{:?}", Limits::default()));
        // Every setting that a client may bring is named there.
        for setting in crate::startup_packet::SETTINGS {
            let named = page.to_lowercase().contains(&format!("`{setting}`"))
                || setting.ends_with("_timeout")
                || setting.starts_with("default_transaction_");
            assert!(named, "{setting}");
        }
    }

    #[test]
    fn the_page_shows_each_source() {
        let page = include_str!("../../docs/proxy.md");
        let login = "[identity]\nsource = \"login\"\nkey_file = \"keys\"\n";
        let sources: Vec<Source> = page
            .split("```toml\n[identity]")
            .skip(1)
            .map(|rest| {
                let block = rest.split("```").next().unwrap();
                let text = GOOD.replace(login, &format!("[identity]{block}"));
                Config::parse(&text).unwrap().identity.source
            })
            .collect();
        assert!(matches!(
            sources.as_slice(),
            [Source::StartupOption { services, .. }, Source::DelegatedLogin { service, .. }]
                if services.len() == 2 && service == "bi"
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (old, new, said) in [
            ("[identity]", "[identity]\nsecrets = 1", "secrets"),
            ("host =", "hosts =", "hosts"),
            ("source = \"login\"", "", "source"),
            // Not built: no word for it, so no silence about it.
            ("\"login\"", "\"comment\"", "comment"),
            ("\"login\"", "\"startup-option\"", "identity.services"),
            (
                "\"login\"",
                "\"startup-option\"\nservices = []",
                "identity.services",
            ),
            (
                "\"login\"",
                "\"startup-option\"\nservices = [\"crm\"]\nservice = \"bi\"",
                "identity.service:",
            ),
            (
                "\"login\"",
                "\"delegated-login\"\nservice = \"bi\"",
                "identity.people_file",
            ),
            (
                "\"login\"",
                "\"delegated-login\"\npeople_file = \"p\"",
                "identity.service",
            ),
            (
                "\"login\"",
                "\"startup-option\"\nservices = [\"crm\"]",
                "identity.people_file",
            ),
            (
                "\"login\"",
                "\"login\"\npeople_file = \"p\"",
                "identity.people_file",
            ),
            (
                "[identity]",
                "[pool]\nmode = \"transaction\"\n[identity]",
                "transaction",
            ),
            ("host =", "mode = \"rewrite\"\nhost =", "rewrite"),
            (
                "[identity]",
                "auth_query = \"SELECT 1\"\n[identity]",
                "auth_query",
            ),
            ("\"verify-full\"", "\"prefer\"", "prefer"),
            ("\"require\"", "\"verify-full\"", "verify-full"),
            (
                ", root_certificate = \"root.crt\"",
                "",
                "upstream.tls.root_certificate",
            ),
            (
                "\"verify-full\"",
                "\"require\"",
                "upstream.tls.root_certificate",
            ),
            ("\"require\"", "\"disable\"", "listen.tls"),
            (", key = \"proxy.key\"", "", "listen.tls"),
            ("\"db.example\"", "\"/run/postgresql\"", "upstream.tls.mode"),
            (
                "password_env =",
                "password_file = \"p\"\npassword_env =",
                "upstream.password_file",
            ),
            ("\"crm_proxy\"", "\"\"", "upstream.user"),
            ("127.0.0.1:6432", "localhost", "address"),
            (
                "[identity]",
                "[limits]\nclients = 0\n[identity]",
                "limits.clients",
            ),
            (
                "[identity]",
                "[limits]\nconnect_seconds = -1\n[identity]",
                "connect_seconds",
            ),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let text = GOOD.replacen(old, new, 1);
            let error = format!("{:#}", Config::parse(&text).expect_err(new));
            assert!(error.contains(said), "{new}: {error}");
        }
    }
}
