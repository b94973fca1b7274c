//! k6, the load generator of `tests/load`.

use std::path::PathBuf;

use anyhow::Result;

use super::{Lock, go};
use crate::ui::Ui;

/// Its version.
pub const K6: &str = "v1.8.1";

/// `k6`, built unless it is there.
///
/// # Errors
/// When Go is missing (and how to get it), or the build fails.
pub fn ensure(ui: &Ui) -> Result<PathBuf> {
    go::require()?;
    let _lock = Lock::take(ui)?;
    go::install(ui, "k6", &format!("go.k6.io/k6@{K6}"))
}
