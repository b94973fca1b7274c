//! Bearer secrets: where they come from, and that they are never shown.
//!
//! Invariant: a secret comes from a file or the environment, never from the command line; `Debug` and every error redact it.

use std::fmt;
use std::path::Path;

use reqwest::header::HeaderValue;

use crate::failure::Failure;

/// The environment variable of each role's secret.
pub const ADMIN: &str = "ROPELINE_ADMIN_KEY";
/// As [`ADMIN`].
pub const ORIGIN: &str = "ROPELINE_ORIGIN_KEY";
/// As [`ADMIN`].
pub const RELAY: &str = "ROPELINE_RELAY_KEY";
/// As [`ADMIN`].
pub const METRICS: &str = "ROPELINE_METRICS_KEY";

/// A bearer secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The one in `file`, else the one in the environment variable `name`; an empty variable counts as absent.
    ///
    /// # Errors
    /// When the file cannot be read, or what was found is no secret. It is not shown.
    pub fn find(file: Option<&Path>, name: &str) -> Result<Option<Self>, Failure> {
        let (from, text) = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                (
                    path.display().to_string(),
                    text.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
                )
            }
            None => match std::env::var_os(name).filter(|value| !value.is_empty()) {
                None => return Ok(None),
                Some(value) => (name.to_owned(), value.to_string_lossy().into_owned()),
            },
        };
        Self::parse(&text).map(Some).ok_or_else(|| {
            Failure::usage(format!("{from} is no bearer secret: it must be one line of printable ASCII without spaces"))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The value of `Authorization`, which HTTP libraries redact.
    #[must_use]
    pub fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_is_never_shown() {
        let secret = Secret::parse(" 5ecret\n").unwrap();
        assert_eq!(secret, Secret("5ecret".to_owned()));
        assert!(!format!("{secret:?} {:?}", secret.bearer().unwrap()).contains("5ecret"));
        for bad in ["", " \n", "two words", "two\nlines", "ümlaut", "a\u{0}b"] {
            assert!(Secret::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_secret_is_named_and_not_shown() {
        let path = std::env::temp_dir().join(format!("ropeline-secret-{}", std::process::id()));
        std::fs::write(&path, "5ecret one\n5ecret two\n").unwrap();
        let error = Secret::find(Some(&path), "NOWHERE").unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("ropeline-secret-") && !shown.contains("5ecret"), "{shown}");
        assert!(Secret::find(Some(&path), "NOWHERE").is_err(), "a file that is not there is an error");
        assert_eq!(Secret::find(None, "ROPELINE_NOWHERE").unwrap(), None);
    }
}
