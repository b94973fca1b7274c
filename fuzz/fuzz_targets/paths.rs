//! Paths at the gate. However an origin reads a path that was judged to need no pass (decoded once, twice, not at all; with parameters
//! or without; in any case), it is not one that needs a pass.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ropeline_queue::gate::{Gate, PlainPath};

const PROTECTED: &str = "/checkout";

static LISTED: LazyLock<Gate> = LazyLock::new(|| Gate { protect: vec![PROTECTED.to_owned()], ..Gate::default() });
static WHOLE: LazyLock<Gate> = LazyLock::new(|| Gate { open_paths: vec!["/static/*".to_owned()], ..Gate::default() });

/// What is not well encoded stays.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match path {
        [b'%', high, low, rest @ ..] if digit(*high).is_some() && digit(*low).is_some() => {
            let value = digit(*high).unwrap_or(0) * 16 + digit(*low).unwrap_or(0);
            [&[value as u8][..], &decoded(rest)].concat()
        }
        [byte, rest @ ..] => [&[*byte][..], &decoded(rest)].concat(),
        [] => Vec::new(),
    }
}

/// As an origin that resolves dots and drops empty segments, and parameters or not, sees it.
fn resolved(path: &str, separators: &[char], parameters: bool) -> String {
    let mut segments = Vec::new();
    for segment in path.split(separators) {
        match if parameters { segment.split(';').next().unwrap_or("") } else { segment } {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/")).to_ascii_lowercase()
}

fuzz_target!(|data: &[u8]| {
    let Ok(sent) = std::str::from_utf8(data) else { return };
    if sent.len() > 512 || !sent.starts_with('/') {
        return;
    }
    let Ok(path) = PlainPath::of(sent) else { return };
    let mut readings = vec![data.to_vec()];
    for _ in 0..2 {
        readings.push(decoded(readings.last().map_or(&[], Vec::as_slice)));
    }
    for reading in &readings {
        let reading = String::from_utf8_lossy(reading);
        let ways = [(&['/'][..], true), (&['/'], false), (&['/', '\\'], true), (&['/', '\\'], false)];
        for (separators, parameters) in ways {
            let seen = resolved(&reading, separators, parameters);
            assert!(LISTED.protects(&path).is_some() || !seen.starts_with(PROTECTED), "{sent:?} is {seen:?}");
            assert!(!WHOLE.opens(&path) || seen == "/static" || seen.starts_with("/static/"), "{sent:?} is {seen:?}");
        }
    }
});
