//! `cargo xtask bench weight`: what the upload of the Worker consists of.
//!
//! Functions by their names (`target/named/`, which has them as they are uploaded), what is no function by its section. A piece
//! weighs what `gzip` makes of it behind the window before it, as it stands in the upload: their sum is about that of the whole.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

use crate::bundle::{self, gzip};
use crate::paths;

/// What functions are called that belong to a part; the first that fits.
const PARTS: [(&str, &[&str]); 8] = [
    ("JSON", &["serde", "json::"]),
    ("futures of whole requests: routes, and objects' doors", &["future_to_promise", "ropeline_edge::routes"]),
    ("objects", &["ropeline_edge::objects"]),
    ("the rest of the Worker", &["ropeline_edge"]),
    ("the engine", &["ropeline_queue"]),
    ("tickets, keys, hashes", &["ropeline_ticket", "sha2", "hmac", "digest", "base64", "getrandom"]),
    ("maps and sorting", &["btree", "hashbrown", "slice::sort"]),
    ("formatting", &["fmt", "zmij", "itoa"]),
];
/// Functions of no part.
const REST: &str = "standard library, allocator, bindings";
/// What is compressed looks back so far, bytes.
const WINDOW: usize = 32 * 1_024;

/// Prints the table.
pub(super) fn run(bundle: &Path) -> Result<()> {
    let uploaded = std::fs::read(bundle.join("index_bg.wasm")).context("the Worker is not built")?;
    let named = std::fs::read(paths::target().join("named/ropeline_edge.wasm")).context("no module with names")?;
    let mut parts = weigh(&uploaded, &names(&named)?)?;
    parts.push(("the glue in JavaScript", gzip(&std::fs::read(bundle.join("index.js"))?)?));
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    println!("\n{:<56} {:>8}", "what", "KB, gzip");
    for (part, bytes) in &parts {
        println!("{part:<56} {:>8.1}", kb(*bytes));
    }
    let sum = parts.iter().map(|(_, bytes)| bytes).sum();
    println!("{:<56} {:>8.1}", "the pieces", kb(sum));
    println!("{:<56} {:>8.1}", "the whole", kb(bundle::size(bundle)?.gzip));
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn kb(bytes: u64) -> f64 {
    bytes as f64 / 1_024.0
}

/// Names of functions by their index.
fn names(module: &[u8]) -> Result<BTreeMap<u32, String>> {
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(section) = section.as_known() else { continue };
        for subsection in section {
            let Name::Function(functions) = subsection? else { continue };
            for function in functions {
                let function = function?;
                names.insert(function.index, function.name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Bytes of gzip by part, in no order.
fn weigh(module: &[u8], names: &BTreeMap<u32, String>) -> Result<Vec<(&'static str, u64)>> {
    let mut parts = BTreeMap::<&str, u64>::new();
    // Imported functions have the first indexes.
    let mut index = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let (part, range) = match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    index += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
                ("types, imports, exports", imports.range())
            }
            Payload::CodeSectionEntry(body) => {
                let part = names.get(&index).map_or(REST, |name| part(name));
                index += 1;
                (part, body.range())
            }
            Payload::CodeSectionStart { .. } => continue,
            Payload::DataSection(data) => ("texts, pages and tables", data.range()),
            other => match other.as_section() {
                Some((_, range)) => ("types, imports, exports", range),
                None => continue,
            },
        };
        let (start, end) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
        let window = start.saturating_sub(WINDOW);
        let weight = gzip(&module[window..end])?.saturating_sub(gzip(&module[window..start])?);
        *parts.entry(part).or_default() += weight;
    }
    Ok(parts.into_iter().collect())
}

/// Where a function belongs.
fn part(name: &str) -> &'static str {
    PARTS.iter().find(|(_, words)| words.iter().any(|word| name.contains(word))).map_or(REST, |(part, _)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_what_its_name_says_first() {
        assert_eq!(part("<ropeline_queue::wire::Board as ropeline_queue::json::FromJson>::from_json::h98"), "JSON");
        assert_eq!(part("ropeline_queue::line::Line::restore::haad"), "the engine");
        assert_eq!(part("alloc::collections::btree::map::BTreeMap<K,V,A>::insert::h6e"), "maps and sorting");
        assert_eq!(part("<str>::to_lowercase"), REST);
    }

    #[test]
    fn functions_are_counted_after_those_that_are_imported() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for section in [
            b"\x01\x04\x01\x60\0\0".as_slice(),                     // one type
            b"\x02\x07\x01\x01a\x01b\0\0",                          // function 0, imported
            b"\x03\x02\x01\0",                                      // function 1
            b"\x0a\x04\x01\x02\0\x0b",                              // its body
            b"\0\x1b\x04name\x01\x14\x01\x01\x11ropeline_queue::x", // its name
        ] {
            module.extend_from_slice(section);
        }
        let weights = weigh(&module, &names(&module).unwrap()).unwrap();
        assert!(weights.iter().any(|(part, _)| *part == "the engine"), "{weights:?}");
    }
}
