//! `celador-proxy check`: whether people can be carried as the configuration says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use crate::config::{Config, ListenMode, UpstreamTlsMode};
use crate::identity::SessionIdentity;
use crate::session::Proxy;
use crate::stream::say;
use crate::upstream::{Failure, Server, describe};

/// Nobody has this key: what is signed here is of no use to anybody.
const NOBODY: &str = "celador-proxy check";

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    lines: String,
    bad: bool,
}

impl Report {
    fn good(&mut self, what: impl std::fmt::Display) {
        let _ = writeln!(self.lines, "ok       {what}");
    }

    fn warning(&mut self, what: impl std::fmt::Display) {
        let _ = writeln!(self.lines, "warning  {what}");
    }

    fn bad(&mut self, what: impl std::fmt::Display) {
        self.bad = true;
        let _ = writeln!(self.lines, "wrong    {what}");
    }

    /// The lines, to be printed.
    pub fn text(&self) -> &str {
        &self.lines
    }

    /// Whether people can be carried.
    pub fn is_good(&self) -> bool {
        !self.bad
    }
}

/// Reads the files that the configuration names, and looks at the server.
pub async fn check(config: Config) -> Report {
    let mut report = Report::default();
    let (_stop, stopping) = watch::channel(false);
    let proxy = match Proxy::new(config, stopping) {
        Ok(proxy) => proxy,
        Err(error) => {
            report.bad(format!("{error:#}"));
            return report;
        }
    };
    if let Err(error) = who_signs_in(&proxy, &mut report) {
        report.bad(format!("{error:#}"));
    }
    on_paper(&proxy.config, &mut report);

    let looking = proxy.upstream.look(&[]);
    let server = match tokio::time::timeout(proxy.config.limits.connect(), looking).await {
        Ok(Ok(server)) => server,
        Ok(Err(Failure::Other(error))) => {
            report.bad(format!("no session on the server: {error:#}"));
            return report;
        }
        Ok(Err(Failure::OfClient(refusal))) => {
            report.bad(format!("no session on the server: {}", refusal.message));
            return report;
        }
        Err(_) => {
            report.bad("no session on the server: it takes too long");
            return report;
        }
    };
    let carrier = &server.carrier;
    report.good(format!("PostgreSQL {} can be reached", carrier.server));
    if let Some(version) = &carrier.extension {
        let own = env!("CARGO_PKG_VERSION");
        if version == own {
            report.good(format!("celador {version} is there"));
        } else {
            report.warning(format!(
                "celador {version} is there, and the proxy is of {own}"
            ));
        }
    }
    let problems = carrier.problems(&proxy.config.upstream.user);
    if problems.is_empty() {
        report.good(format!(
            "role {} carries tokens, and is nothing more",
            proxy.config.upstream.user
        ));
    }
    if carrier.shows_statements {
        report.warning(format!(
            "clients share role {role}, and see in pg_stat_activity what the others write into their statements; \
             ALTER ROLE {role} SET track_activities = off hides it",
            role = proxy.config.upstream.user
        ));
    }
    let may_try = problems.is_empty();
    for problem in problems {
        report.bad(format!("{}. {}", problem.what, problem.remedy));
    }
    if may_try {
        match sign_in(&proxy, server).await {
            Ok(()) => report.good("the server believes the proxy's tokens"),
            Err(error) => report.bad(format!("the server doesn't believe the proxy: {error:#}")),
        }
    }
    report
}

/// Who may sign in, by the source of the person.
fn who_signs_in(proxy: &Proxy, report: &mut Report) -> Result<()> {
    let users = proxy.users()?;
    let services: BTreeSet<&String> = proxy.config.identity.source.services().iter().collect();
    let (serving, missing): (Vec<&String>, Vec<&String>) =
        services.iter().partition(|name| users.get(name).is_some());
    for service in missing {
        report.bad(format!(
            "service login {service} isn't in the users file: nobody comes in by it"
        ));
    }
    let serving = serving.len();
    match proxy.people()? {
        None => report.good(format!("{} logins may sign in", users.count())),
        Some(people) => report.good(format!(
            "{serving} service logins may open sessions of {} people",
            people.count()
        )),
    }
    let idle = users.count() - serving;
    if !services.is_empty() && idle > 0 {
        report.warning(format!(
            "{idle} logins of the users file can't sign in here: the source is another than \"login\""
        ));
    }
    Ok(())
}

/// What is allowed, and better wasn't.
fn on_paper(config: &Config, report: &mut Report) {
    match config.listen.tls.mode {
        ListenMode::Require => {}
        ListenMode::Disable | ListenMode::Prefer if config.listen.address.ip().is_loopback() => {}
        ListenMode::Disable | ListenMode::Prefer => report.warning(
            "listen.tls.mode: clients from elsewhere may send and receive records in clear; \
             write \"require\"",
        ),
    }
    match config.upstream.tls.mode {
        UpstreamTlsMode::VerifyFull | UpstreamTlsMode::VerifyCa => {}
        UpstreamTlsMode::Require => report.warning(
            "upstream.tls.mode: \"require\" trusts whoever answers; write \"verify-full\"",
        ),
        UpstreamTlsMode::Disable if config.upstream.is_socket() => {}
        UpstreamTlsMode::Disable => {
            report.warning("upstream.tls.mode: records and tokens go to the server in clear");
        }
    }
}

/// Signs nobody in, to see that keys and clocks agree.
async fn sign_in(proxy: &Proxy, server: Server) -> Result<()> {
    let carrier = &server.carrier;
    let mut identity =
        SessionIdentity::new(NOBODY, carrier.database, carrier.process, carrier.clock, 1);
    let messages = identity.messages(&*proxy.keys()?, false)?;
    let mut stream = server.stream;
    say(&mut stream, &messages).await?;
    let mut buffer = BytesMut::new();
    let mut told = None;
    let answers = async {
        loop {
            while let Some(message) = Message::parse(&mut buffer)? {
                if let Message::ErrorResponse(body) = message {
                    told = Some(describe(&body));
                } else if let Message::ReadyForQuery(_) = message {
                    return anyhow::Ok(());
                }
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("the server has closed the connection");
            }
        }
    };
    tokio::time::timeout(proxy.config.limits.connect(), answers)
        .await
        .context("it takes too long")??;
    match told {
        None => Ok(()),
        Some(error) => {
            bail!("{error}. Is identity.key_file a copy of the server's celador.key_file?")
        }
    }
}
