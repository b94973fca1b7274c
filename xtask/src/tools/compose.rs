//! What reads Compose files as `docker compose` does, without Docker: a small program in Go around the library of the Compose specification.

use std::path::PathBuf;

use anyhow::Result;

use super::{Lock, go};
use crate::paths;
use crate::ui::Ui;

/// Builds `tests/e2e/compose` if it is not there. `program FILE` prints the project as JSON, or what is wrong with the file.
///
/// # Errors
/// When Go is missing (and how to get it), or the build fails.
pub fn ensure(ui: &Ui) -> Result<PathBuf> {
    go::require()?;
    let _lock = Lock::take(ui)?;
    let source = paths::root().join("tests/e2e/compose");
    go::build(ui, "compose", "the reader of Compose files, in Go", &source)
}
