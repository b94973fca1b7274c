//! The secrets of a deployment, made and kept as `ropeline keys` makes them: in `ropeline-keys`.

use anyhow::Result;
pub use ropeline_keys::{Keys, random, sha256, write_secret};

/// `cargo xtask keys`: fresh secrets on stdout, with what to do with them. The same as `ropeline keys new`.
///
/// # Errors
/// When they cannot be made.
pub fn print() -> Result<()> {
    eprintln!("{}", Keys::advice());
    print!("{}", Keys::generate()?.told());
    Ok(())
}
