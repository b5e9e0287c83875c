//! What needs no server is measured by criterion, in a program of its own; its results are read here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::workspace;

use crate::figures::Figure;

/// Runs `benches/in_process`, which prints what it does, and reads the medians.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let results = workspace().join("target/criterion");
    if results.exists() {
        // Benchmarks of an earlier version.
        fs::remove_dir_all(&results)?;
    }
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args([
            "bench",
            "--quiet",
            "--package=celador-benches",
            "--bench=in_process",
        ])
        .env("CRITERION_HOME", &results)
        .stdout(std::process::Stdio::null())
        .status()?;
    if !status.success() {
        bail!("cargo bench failed");
    }
    let mut figures = Vec::new();
    for estimates in found(&results)? {
        figures.push(figure(&estimates)?);
    }
    figures.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(figures)
}

/// The directories of the newest results.
fn found(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("can't read {}", dir.display()))? {
        let path = entry?.path();
        if path.join("estimates.json").exists() {
            all.extend(path.ends_with("new").then_some(path));
        } else if path.is_dir() {
            all.extend(found(&path)?);
        }
    }
    Ok(all)
}

fn figure(dir: &Path) -> Result<Figure> {
    let read = |name: &str| -> Result<Value> {
        let text = fs::read_to_string(dir.join(name))?;
        Ok(serde_json::from_str(&text)?)
    };
    let name = read("benchmark.json")?;
    let name = name["title"].as_str().context("a benchmark has no title")?;
    let nanoseconds = read("estimates.json")?["median"]["point_estimate"]
        .as_f64()
        .context("a benchmark has no median")?;
    let name = name.replace('/', ": ");
    Ok(if nanoseconds < 1e3 {
        Figure::new(name, nanoseconds, "ns", None)
    } else if nanoseconds < 1e6 {
        Figure::new(name, nanoseconds / 1e3, "µs", None)
    } else {
        Figure::new(name, nanoseconds / 1e6, "ms", None)
    })
}
