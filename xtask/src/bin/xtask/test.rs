//! `cargo xtask test`.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use xtask::dependencies;
use xtask::extension::{self, Profile};
use xtask::postgres::Install;
use xtask::workspace;

/// The crates that need no PostgreSQL to build.
const PURE: [&str; 5] = [
    "--package=celador-policy",
    "--package=celador-identity",
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
        step("format".into(), &|| {
            cargo(&["fmt", "--all", "--check"], &[])
        });
        step("clippy".into(), &|| {
            let mut words = vec!["clippy", "--all-targets"];
            words.extend(PURE);
            words.extend(["--", "--deny=warnings"]);
            cargo(&words, &[])
        });
        step("dependencies".into(), &dependencies::check);
        step("unit tests".into(), &|| {
            let packages = ["--package=celador-policy", "--package=celador-identity"];
            test(&packages, &[])
        });
    }
    for major in &arguments.pg {
        let number = major.to_string();
        let ready = step(format!("PostgreSQL {major}: extension"), &|| {
            extension::install(&Install::ensure(*major)?, Profile::Dev)
        });
        if !ready {
            continue;
        }
        let settings = arguments.settings.join(",");
        let environment = [
            ("CELADOR_PG", number.as_str()),
            ("CELADOR_SETTINGS", &settings),
        ];
        let integration = "--package=celador-tests";
        if let Some(name) = &arguments.name {
            step(format!("PostgreSQL {major}: {name}"), &|| {
                test(&[integration, name], &environment)
            });
            continue;
        }
        step(format!("PostgreSQL {major}: clippy"), &|| {
            extension::lint(&Install::ensure(*major)?)
        });
        step(format!("PostgreSQL {major}: tests"), &|| {
            let packages = ["--package=xtask", integration, "--package=celador-benches"];
            test(&packages, &environment)
        });
    }
    summary(&steps)
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
fn test(words: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    cargo(&[&["test", "--no-fail-fast"], words].concat(), environment)
}

/// Runs Cargo in the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(words: &[S], environment: &[(&str, &str)]) -> Result<()> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(words)
        .envs(environment.iter().copied())
        .status()?;
    if !status.success() {
        let words: Vec<_> = words
            .iter()
            .map(|word| word.as_ref().to_string_lossy())
            .collect();
        bail!("cargo {} failed", words.join(" "));
    }
    Ok(())
}
