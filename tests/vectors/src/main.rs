//! `cargo run -p ropeline-vectors`: writes `tests/vectors/*.json`.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    for (path, text) in ropeline_vectors::texts()? {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
