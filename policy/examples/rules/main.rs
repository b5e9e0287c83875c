//! Writes docs/rules.md: every rule of `celador.lint()` and `celador.check()`.

mod markdown;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("rules.md"), markdown::markdown())
}
