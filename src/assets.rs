//! Static files of our pages: a page's script and its style sheet, inside the module.
//!
//! A document asks for them by an address with their [`fingerprint`]: a new build is never shown with an old build's files.

use std::borrow::Cow;

/// `Content-Type` of scripts.
pub const SCRIPT: &str = "text/javascript; charset=utf-8";
/// `Content-Type` of style sheets.
pub const STYLE: &str = "text/css; charset=utf-8";

/// One static file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The whole body.
    pub body: Cow<'static, str>,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its `ETag`, with quotes.
    pub etag: String,
}

impl Asset {
    /// With the tag that goes with its body.
    #[must_use]
    pub fn new(body: Cow<'static, str>, content_type: &'static str) -> Self {
        let etag = format!("\"{:016x}\"", fingerprint(&[&body]));
        Self { body, content_type, etag }
    }
}

/// FNV-1a of texts, for cache keys only: it notices an edit, not an attacker.
#[must_use]
pub const fn fingerprint(mut texts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let [text, others @ ..] = texts {
        let mut bytes = text.as_bytes();
        while let [byte, rest @ ..] = bytes {
            hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
            bytes = rest;
        }
        texts = others;
    }
    hash
}
