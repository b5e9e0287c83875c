//! Writes docs/policy-reference.md: every key of a policy document.

mod markdown;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = root.join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("policy-reference.md"), markdown::markdown())
}
