//! `cargo xtask test`.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use xtask::dependencies;
use xtask::extension::{self, Profile};
use xtask::postgres::Install;
use xtask::workspace;

/// The crates that need no PostgreSQL to build.
const PURE: [&str; 6] = [
    "--package=celador-policy",
    "--package=celador-identity",
    "--package=celador-proxy",
    "--package=celador-tests",
    "--package=celador-benches",
    "--package=xtask",
];

/// Check the format, lint, check the dependencies, and run all tests
#[derive(Args)]
pub(crate) struct Arguments {
    /// Major versions of PostgreSQL to test with: 15 to 18
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_value = "15,18"
    )]
    pg: Vec<u32>,
    /// Give the servers of the tests this setting, as in celador.fold=off
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Run only the integration tests whose names contain this
    name: Option<String>,
}

/// What was run, how it ended, and how long it took.
struct Step {
    name: String,
    passed: bool,
    took: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Vec::new();
    let mut step = |name: String, work: &dyn Fn() -> Result<()>| {
        println!("── {name}");
        let start = Instant::now();
        let result = work();
        if let Err(error) = &result {
            eprintln!("xtask: {name}: {error:#}");
        }
        steps.push(Step {
            name,
            passed: result.is_ok(),
            took: start.elapsed(),
        });
        result.is_ok()
    };

    if arguments.name.is_none() {
        step("format".into(), &|| cargo(&["fmt", "--all", "--check"]));
        step("clippy".into(), &|| {
            let mut words = vec!["clippy", "--all-targets"];
            words.extend(PURE);
            words.extend(["--", "--deny=warnings"]);
            cargo(&words)
        });
        step("dependencies".into(), &dependencies::check);
        step("unit tests".into(), &|| {
            let packages = ["--package=celador-policy", "--package=celador-identity"];
            test(&packages)
        });
    }
    let mut ready = Vec::new();
    for major in &arguments.pg {
        let built = step(format!("PostgreSQL {major}: extension"), &|| {
            extension::install(&Install::ensure(*major)?, Profile::Dev)
        });
        if built {
            ready.push(*major);
        }
        if built && arguments.name.is_none() {
            step(format!("PostgreSQL {major}: clippy"), &|| {
                extension::lint(&Install::ensure(*major)?)
            });
        }
    }
    // The proxy's unit tests take seconds, and are in the same package.
    let integration = ["--package=celador-tests", "--package=celador-proxy"];
    // These are about no version of PostgreSQL: they run once, beside the last, which has the fewest others.
    let once: &[&str] = match arguments.name {
        Some(_) => &[],
        None => &["--package=xtask", "--package=celador-benches"],
    };
    let name: Vec<&str> = arguments.name.as_deref().into_iter().collect();
    let words = [&integration[..], once, &name].concat();
    let of_version = |major: u32| match ready.last() {
        Some(last) if *last == major => words.clone(),
        Some(_) | None => [&integration[..], &name].concat(),
    };
    let built = step("integration tests: build".into(), &|| {
        test(&[&["--no-run"], words.as_slice()].concat())
    });
    if built {
        for majors in ready.chunks(AT_ONCE) {
            steps.extend(side_by_side(majors, arguments, &of_version));
        }
    }
    summary(&steps)
}

/// How many versions are tested at once: a test waits for the server as often as it computes.
const AT_ONCE: usize = 2;

/// Runs the tests of several versions: what the first prints is seen at once, the others' when they
/// end.
fn side_by_side<'a>(
    majors: &[u32],
    arguments: &Arguments,
    words: &(impl Fn(u32) -> Vec<&'a str> + Sync),
) -> Vec<Step> {
    let settings = arguments.settings.join(",");
    let test = |major: u32, at_once: bool| {
        let name = format!("PostgreSQL {major}: tests");
        let mut command = cargo_command(&test_words(&words(major)));
        command
            .env("CELADOR_PG", major.to_string())
            .env("CELADOR_SETTINGS", &settings);
        let start = Instant::now();
        let printed = if at_once {
            println!("── {name}");
            command.status().map(|status| (status, Vec::new()))
        } else {
            // One pipe for both: lines stay in their order.
            output_of_both(&mut command)
        };
        let took = start.elapsed();
        (name, printed, took)
    };
    let ran: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (majors.iter().enumerate())
            .map(|(at, major)| scope.spawn(move || test(*major, at == 0)))
            .collect();
        let ended = running.into_iter().map(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ended.collect()
    });
    let steps = ran.into_iter().map(|(name, printed, took)| {
        let passed = match printed {
            Ok((status, printed)) => {
                if !printed.is_empty() {
                    println!("── {name}");
                    print!("{}", String::from_utf8_lossy(&printed));
                }
                status.success()
            }
            Err(error) => {
                eprintln!("xtask: {name}: {error}");
                false
            }
        };
        Step { name, passed, took }
    });
    steps.collect()
}

/// Runs a command to its end; what it prints to standard output and to standard error, in one.
fn output_of_both(command: &mut Command) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command keeps the pipe's other end open until it is dropped.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed)?;
    Ok((child.wait()?, printed))
}

fn summary(steps: &[Step]) -> Result<()> {
    println!("── summary");
    for step in steps {
        let verdict = if step.passed { "passed" } else { "FAILED" };
        println!("{verdict}  {:>5} s  {}", step.took.as_secs(), step.name);
    }
    let failed = steps.iter().filter(|step| !step.passed).count();
    if failed > 0 {
        bail!("{failed} of {} steps failed", steps.len());
    }
    Ok(())
}

/// Runs all tests even if some fail, to tell of all at once.
fn test(words: &[&str]) -> Result<()> {
    cargo(&test_words(words))
}

fn test_words<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["test", "--no-fail-fast"], words].concat()
}

/// Runs Cargo in the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(words: &[S]) -> Result<()> {
    if !cargo_command(words).status()?.success() {
        let words: Vec<_> = words
            .iter()
            .map(|word| word.as_ref().to_string_lossy())
            .collect();
        bail!("cargo {} failed", words.join(" "));
    }
    Ok(())
}

fn cargo_command<S: AsRef<OsStr>>(words: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(words);
    command
}
