//! Good and bad passes, each with the judgement that every verifier must come to: `tests/vectors/*.json`.
//!
//! The files are made by [`files`] from [`keys`] that everybody knows, and are committed, so that a verifier in any language can be held
//! against them. `cargo run -p ropeline-vectors` writes them anew; a test holds them to what would be written.
//!
//! Invariant: a vector is judged alike at every moment from 2026 to 2099, so that a verifier with a real clock can be asked, too.
//! What depends on the second is in the tests of `ticket` and in the end-to-end tests.

pub mod keys;
mod make;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use make::files;

/// `iss` of every good pass.
pub const ISSUER: &str = "https://queue.example.com";
/// `aud` of every good pass.
pub const AUDIENCE: &str = "https://shop.example.com";
/// `evt` of every good pass.
pub const EVENT: &str = "demo";
/// The moment at which the vectors are judged, seconds since 1970; any other one from 2026 to 2099 does as well.
pub const NOW: u64 = 1_795_374_000;
/// `iat` of every good pass: in 2023.
pub const ISSUED: u64 = 1_700_000_000;
/// `exp` of every good pass: in 2100.
pub const EXPIRES: u64 = 4_102_444_800;
/// Longer tokens are refused, bytes.
pub const LONGEST: usize = 4_096;

/// One file: vectors that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What the vectors are about, for readers.
    pub about: String,
    /// The algorithm of the key that they are for: `ES256` or `EdDSA`.
    pub algorithm: String,
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// One pass, good or bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vector {
    /// Its name; no other one has it.
    pub name: String,
    /// What a visitor shows.
    pub token: String,
    /// The verifier's issuer.
    pub issuer: String,
    /// The verifier's audience.
    pub audience: String,
    /// The verifier's event.
    pub event: String,
    /// The verifier's time, seconds since 1970.
    pub now: u64,
    /// What must become of it.
    pub judgement: Judgement,
    /// Why, for readers.
    pub reason: String,
    /// Other verifiers than `ticket` may judge otherwise; `reason` says why that does no harm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may: bool,
    /// `sub` of an accepted pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `num` of an accepted pass; none where no queue was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// What must become of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Its holder is let in.
    Accept,
    /// Its holder is not let in.
    Reject,
}

/// Where the committed files are.
#[must_use]
pub fn dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The committed files with vectors, by name.
///
/// # Errors
/// When one cannot be read.
pub fn committed() -> Result<Vec<(String, File)>> {
    let mut names: Vec<String> = files().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.into_iter().map(|name| Ok((name.clone(), serde_json::from_str(&read(&dir().join(name))?)?))).collect()
}

/// All files with their text, as they are to be committed: the vectors, and the keys.
///
/// # Errors
/// When one cannot be written as JSON.
pub fn texts() -> Result<Vec<(PathBuf, String)>> {
    let mut texts = vec![(dir().join("keys.json"), pretty(&serde_json::to_value(keys::published())?)?)];
    for (name, file) in files() {
        texts.push((dir().join(name), pretty(&file)?));
    }
    Ok(texts)
}

/// A file's text.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("{}: `cargo run -p ropeline-vectors` writes it", path.display()))
}

fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The claims of a good pass.
pub(crate) fn good_claims() -> Value {
    serde_json::json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "visitor-1", "evt": EVENT, "num": 42, "seq": 7, "iat": ISSUED, "exp": EXPIRES,
        "jti": ropeline_ticket::pass_jti(EVENT, 7),
    })
}
