//! Where everything lies. All that we make is under cargo's target directory,
//! except the Worker's bundle `build/`, which `wrangler.toml` points at.

use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Cargo's target directory: `CARGO_TARGET_DIR` if set, else `target`.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => root().join(dir),
        _ => root().join("target"),
    }
}

/// Installed tools. One place per checkout, whatever the target directory is,
/// so that a second target directory does not install everything again.
#[must_use]
pub fn tools() -> PathBuf {
    root().join("target").join("tools")
}

/// What `cargo xtask up` keeps: keys, the Worker's state, the broker's data.
#[must_use]
pub fn up() -> PathBuf {
    target().join("up")
}

/// The product's Worker bundle, as `wrangler.toml` names it.
#[must_use]
pub fn worker_bundle() -> PathBuf {
    root().join("build")
}

/// The bundle of the two ceilings in `tests/bench`.
#[must_use]
pub fn bench_bundle() -> PathBuf {
    root().join("target").join("bench-worker")
}
