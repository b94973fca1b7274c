//! Standard output: text for people, JSON for scripts, and an end without noise when nobody reads on.
//!
//! Invariant: what came from elsewhere (names, messages, problems) moves no cursor: control characters are shown as spaces.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Writes a line, or several.
///
/// # Errors
/// [`Failure::Closed`] when nobody reads any more.
pub fn say(text: impl std::fmt::Display) -> Result<(), Failure> {
    write(&format!("{text}\n"))
}

/// Writes text as it is.
///
/// # Errors
/// As [`say`].
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Failed(format!("cannot write: {error}")),
    })
}

/// Writes one JSON object over several lines.
///
/// # Errors
/// As [`say`].
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    say(text.map_err(|error| Failure::Failed(format!("cannot write: {error}")))?)
}

/// Whether a person looks at standard output.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Text without control characters.
#[must_use]
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The same, but lines stay lines.
#[must_use]
pub fn lines(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}

/// Rows under their heads, each column as wide as it needs.
#[must_use]
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let wide = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(wide).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, wide)| format!("{cell:<wide$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    std::iter::once(&heads).chain(&rows).map(|row| line(row)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [vec!["a".to_owned(), "ü".to_owned()], vec!["long one".to_owned(), "b\x1b[2J".to_owned()]];
        assert_eq!(table(&["id", "name"], &rows), "id        name\na         ü\nlong one  b [2J");
    }

    #[test]
    fn nothing_from_elsewhere_moves_the_cursor() {
        assert_eq!(plain("a\nb\x1b[1A\u{9b}c"), "a b [1A c");
        assert_eq!(lines("a\nb\r\x07"), "a\nb  ");
    }
}
