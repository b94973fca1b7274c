//! Secrets: strings that do not show themselves, and the one way to get one, from a file or the environment.
//!
//! Invariant: neither `Debug` nor any mistake found on the way has a part of the secret in it.

use std::path::Path;
use std::{fmt, fs};

use super::mistakes::Mistakes;

/// Files with secrets are short; anything longer is another file.
const MOST_BYTES: u64 = 4_096;

/// A key or password. `Debug` shows that it is there, never what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Where a secret comes from: an environment variable, else a file that a setting names. Never the configuration itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretSource {
    /// The setting that names the file, like `worker.key_file`.
    pub setting: &'static str,
    /// The environment variable, which takes precedence.
    pub variable: &'static str,
    /// What it is, like `relay key`.
    pub name: &'static str,
}

impl SecretSource {
    /// The secret: `value` of the variable, else the one line of `file`, without its line end. A required one that is
    /// nowhere, or cannot be had, is a mistake.
    pub fn get(self, value: Option<String>, file: Option<&Path>, mistakes: &mut Mistakes) -> Option<Secret> {
        let Self { setting, variable, name } = self;
        match (value, file) {
            (Some(value), _) => Some(Secret::new(value.trim_end_matches(['\r', '\n']))),
            (None, Some(file)) => match read_line(file) {
                Ok(line) => Some(Secret(line)),
                Err(what) => {
                    mistakes.add(setting, Some(shown(file)), format!("{what}; it must hold the {name} in one line"));
                    None
                }
            },
            (None, None) => {
                mistakes.add(
                    setting,
                    None,
                    format!("there is no {name}: set {variable}, or name here the file that holds it"),
                );
                None
            }
        }
    }
}

/// The first and only line.
fn read_line(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("the file cannot be read: {error}");
    let length = fs::metadata(path).map_err(cannot)?.len();
    if length > MOST_BYTES {
        return Err(format!("the file has {length} bytes"));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    if line.contains('\n') {
        return Err("the file has several lines".to_owned());
    }
    Ok(line.to_owned())
}

/// A path, unless it may be the secret itself, put in the wrong place.
pub(super) fn shown(path: &Path) -> String {
    if path.is_absolute() {
        return format!("\"{}\"", path.display());
    }
    "(not shown: no absolute path, it may be the secret itself)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_place_of_a_path_is_not_shown() {
        let source = SecretSource { setting: "a.key_file", variable: "A_KEY", name: "key" };
        let mut mistakes = Mistakes::default();
        assert!(source.get(None, Some(Path::new("hunter2")), &mut mistakes).is_none());
        let said = mistakes.finish().unwrap_err().to_string();
        assert!(!said.contains("hunter2") && said.contains("a.key_file"), "{said}");
    }
}
