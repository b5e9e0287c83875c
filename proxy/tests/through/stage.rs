//! A server with the sample CRM, and a proxy in front of it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::thread::sleep;
use std::time::{Duration, Instant};

use celador_tests::{Database, cluster, install};
use postgres::config::SslMode;
use postgres::{Client, NoTls};
use postgres_protocol::password::scram_sha_256;

/// The role that carries people, and its password.
pub(crate) const CARRIER: &str = "crm_proxy";
const SECRET: &str = "carried-17";
/// Who may sign in, with the key of each in the sample's directory. The password is the name and `-pw`.
pub(crate) const PEOPLE: [(&str, &str); 4] = [
    ("sergio", "9"),
    ("tomas", "6"),
    ("marta", "4"),
    ("ghost", "999"),
];

/// The sample CRM under a policy, and the role that carries people to it.
pub(crate) fn sample() -> Database {
    let database = Database::preset("s1-matrix");
    database.ensure_login(CARRIER, &format!("PASSWORD '{SECRET}' IN ROLE crm_users"));
    database.run(&format!(
        "GRANT EXECUTE ON FUNCTION celador.assume(text) TO {CARRIER};
         ALTER ROLE {CARRIER} SET log_parameter_max_length = 0"
    ));
    with_password();
    database
}

/// The cluster lets anybody in; not so the role that carries people.
fn with_password() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let path = cluster().data().join("pg_hba.conf");
        let text = fs::read_to_string(&path).expect("there is pg_hba.conf");
        let line = format!("host all {CARRIER} 127.0.0.1/32 scram-sha-256\n");
        fs::write(&path, line + &text).expect("it can be written");
        let mut superuser =
            Client::connect(&cluster().url("postgres", "postgres"), NoTls).expect("connected");
        superuser
            .execute("SELECT pg_reload_conf()", &[])
            .expect("read again");
    });
}

/// What a test changes in the configuration.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) listen_tls: String,
    pub(crate) upstream_tls: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) limits: String,
    /// Lines of the users file.
    pub(crate) users: String,
    /// What names the person, and what goes with it; `{people}` is the path of the file with these lines.
    pub(crate) identity: String,
    pub(crate) people: String,
    /// The key file's text; the server's own by default.
    pub(crate) keys: String,
    pub(crate) password: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        let line = |(login, key)| user(login, &format!("{key:?}"));
        Self {
            listen_tls: "mode = \"disable\"".to_owned(),
            upstream_tls: "mode = \"disable\"".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: cluster().port(),
            user: CARRIER.to_owned(),
            limits: String::new(),
            users: PEOPLE.map(line).concat(),
            identity: "source = \"login\"".to_owned(),
            people: String::new(),
            keys: fs::read_to_string(cluster().key_file()).expect("the key file can be read"),
            password: Some(SECRET.to_owned()),
        }
    }
}

impl Setup {
    /// Writes the configuration and the files that it names.
    pub(crate) fn write(&self, dir: &Path, database: &str) -> PathBuf {
        let secret = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).expect("it can be written");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("and closed");
            path.display().to_string()
        };
        let password = match &self.password {
            Some(password) => format!("password_file = {:?}", secret("password", password)),
            None => String::new(),
        };
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\ntls = {{ {} }}\n\
             [upstream]\nhost = {:?}\nport = {}\ndatabase = {database:?}\nuser = {:?}\n{password}\n\
             tls = {{ {} }}\n\
             [authentication]\nusers_file = {:?}\n\
             [identity]\n{}\nkey_file = {:?}\n\
             [limits]\n{}\n",
            self.listen_tls,
            self.host,
            self.port,
            self.user,
            self.upstream_tls,
            secret("users", &self.users),
            self.identity
                .replace("{people}", &secret("people", &self.people)),
            secret("keys", &self.keys),
            self.limits,
        );
        let path = dir.join("proxy.toml");
        fs::write(&path, text).expect("it can be written");
        path
    }

    /// Starts a proxy in front of the database.
    pub(crate) fn start(&self, database: &Database) -> Proxy {
        let dir = tempfile::tempdir().expect("a directory");
        let file = self.write(dir.path(), database.name());
        let mut child = command()
            .args(["run", "--log-level", "debug"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the proxy starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut proxy = Proxy {
            child,
            log,
            port: 0,
            database: database.name().to_owned(),
            dir,
        };
        let listening = proxy.wait_for_log("listening address=127.0.0.1:");
        let line = listening.lines().find(|line| line.contains("listening"));
        let port = line
            .and_then(|line| line.rsplit(':').next())
            .expect("a port");
        proxy.port = port.trim().parse().expect("a port");
        proxy
    }
}

/// A line of the users file; the password is the login and `-pw`.
pub(crate) fn user(login: &str, person: &str) -> String {
    let verifier = scram_sha_256(format!("{login}-pw").as_bytes());
    format!("\"{login}\" \"{verifier}\" {person}\n")
}

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_celador-proxy"))
}

/// A proxy that runs.
pub(crate) struct Proxy {
    child: Child,
    log: Arc<Mutex<String>>,
    pub(crate) port: u16,
    database: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Proxy {
    pub(crate) fn config(&self, login: &str) -> postgres::Config {
        let mut config = Client::configure();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(login)
            .password(format!("{login}-pw"))
            .dbname(&self.database)
            .ssl_mode(SslMode::Disable);
        config
    }

    /// A session of somebody who signs in.
    #[track_caller]
    pub(crate) fn login(&self, login: &str) -> Client {
        self.config(login)
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("{login}: {error:?}\n{}", self.log()))
    }

    /// A connection without a word said.
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("set");
        socket
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &str) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            if log.contains(words) {
                return log;
            }
            assert!(Instant::now() < until, "no {words:?} in:\n{log}");
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.child.id()).expect("a process");
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(id),
            nix::sys::signal::Signal::SIGTERM,
        )
        .expect("sent");
    }

    /// The most that the process has had in memory, in kB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("a number").parse().expect("a number")
    }

    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_some()
    }

    /// psql through the proxy, with more settings of libpq's as `PGSSLMODE=require`.
    pub(crate) fn psql(&self, login: &str, settings: &[(&str, &str)], sql: &str) -> Output {
        let output = Command::new(install().program("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", login)
            .env("PGPASSWORD", format!("{login}-pw"))
            .env("PGDATABASE", &self.database)
            .env("PGCONNECT_TIMEOUT", "20")
            .env("HOME", self.dir.path())
            .envs(settings.iter().copied())
            .output()
            .expect("psql runs");
        Output {
            good: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            err: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }
    }
}

/// What psql printed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) good: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the proxy's log:\n{}", self.log());
        }
    }
}

/// The number that a query returns.
#[track_caller]
pub(crate) fn number(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

/// The person for whom a session acts.
#[track_caller]
pub(crate) fn who(client: &mut Client) -> Option<String> {
    client
        .query_one("SELECT \"user\" FROM celador.whoami()", &[])
        .expect("everybody may ask")
        .get(0)
}
