//! `cargo xtask bench profile`: where the CPU time of a route goes, beside that of its floor.
//!
//! `perf` takes samples of both, one after the other. A sample counts for the innermost frame that names a part of the runtime
//! ([`PARTS`]); where none does, for what the runtime was about.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::load::{Kind, Load};
use super::station::{Yard, load, measure};
use crate::process;
use crate::ui::Ui;
use crate::workerd::Workerd;

/// Samples a second.
const RATE: u32 = 2_000;

/// What frames are called that belong to a part.
const PARTS: [(&str, &[&str]); 11] = [
    ("WebAssembly, JavaScript, glue", &["JS:", "Liftoff"]),
    ("V8's threads: compiling, collecting", &["DefaultWorkerThreads", "WasmCompilationUnit"]),
    ("garbage", &["Heap::CollectGarbage", "cppgc::internal::Sweeper", "cppgc::internal::Heap", "Marking", "Scaveng"]),
    ("SQLite", &["sqlite3", "Sqlite", "SqlStorage"]),
    ("signatures, MACs by WebCrypto", &["SubtleCrypto"]),
    ("timers", &["etTimeout", "clearTimeout", "Timeout"]),
    ("calls to objects", &["api::Fetcher", "fetchImpl", "DurableObjectNamespace", "DurableObjectId"]),
    ("answers", &["api::Response", "Response15InitializerDict"]),
    (
        "requests: body, headers, address",
        &["api::Request", "api::Body", "api::Headers", "api7Request", "api7Headers", "api4Body"],
    ),
    ("texts across the border", &["TextDecoder", "TextEncoder", "Utf8Decoder"]),
    ("clock", &["DateNow", "DateCurrentTime", "IoContext::now"]),
];

/// Where a sample belongs that has no frame of a part.
const REST: [(&str, &[&str]); 2] = [("microtasks", &["RunMicrotasks"]), ("HTTP, sockets", &["hyper", "tcp", "epoll"])];
const DISPATCH: &str = "requests' contexts, dispatch, promises";

/// What is profiled.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// enter, claim or status
    #[arg(long, value_enum, default_value_t = Kind::Enter)]
    kind: Kind,
    /// Requests of each
    #[arg(long, default_value_t = 6_400)]
    count: usize,
}

/// Prints the table.
pub(super) fn run(ui: &Ui, options: &Options, yard: &Yard<'_>) -> Result<()> {
    let product = taken(ui, options, &yard.profiled_product()?, &yard.file("product.perf"))?;
    let floor = taken(ui, options, &yard.profiled_floor()?, &yard.file("floor.perf"))?;
    let sum = |of: &BTreeMap<&str, f64>| of.values().sum::<f64>();
    let mut rows: Vec<(&str, f64, f64)> = product
        .keys()
        .chain(floor.keys().filter(|part| !product.contains_key(*part)))
        .map(|part| (*part, product.get(part).copied().unwrap_or(0.0), floor.get(part).copied().unwrap_or(0.0)))
        .collect();
    rows.sort_by(|a, b| (b.1 - b.2).total_cmp(&(a.1 - a.2)));
    rows.push(("all", sum(&product), sum(&floor)));
    println!("\n{:<40} {:>9} {:>9} {:>8} {:>8}", options.kind.name(), "CPU µs", "floor µs", "%", "floor %");
    for (part, ours, least) in rows {
        let share = |of: f64| 100.0 * of / sum(&product);
        println!("{part:<40} {ours:>9.1} {least:>9.1} {:>8.1} {:>8.1}", share(ours), share(least));
    }
    Ok(())
}

/// Microseconds of each part for one answer.
#[allow(clippy::cast_precision_loss)]
fn taken<'a>(ui: &Ui, options: &Options, server: &Workerd, file: &Path) -> Result<BTreeMap<&'a str, f64>> {
    ui.step(format!("perf record of {} requests", options.count));
    let load = Load { count: options.count, ..load(options.kind, server) };
    measure(&Load { count: options.count / 2, ..load.clone() })?;
    let mut command = Command::new("perf");
    command.args(["record", "--quiet", "-e", "cpu-clock", "-g", "-F", &RATE.to_string()]);
    command.args(["-p", &server.id().to_string(), "-o"]).arg(file).arg("--");
    command.arg(std::env::current_exe()?).arg("load").args(load.arguments());
    let told =
        process::output("perf record", &mut command).context("is perf there? On Debian: apt install linux-perf")?;
    ensure!(told.contains("\"failed\":0"), "requests failed: {told}");
    let mut command = Command::new("perf");
    command.args(["script", "-F", "comm,ip,sym", "-i"]).arg(file);
    let script = process::output("perf script", &mut command)?;
    std::fs::remove_file(format!("/tmp/perf-{}.map", server.id())).ok();
    let each = 1_000_000.0 / f64::from(RATE) / options.count as f64;
    let mut parts = BTreeMap::new();
    for sample in script.split("\n\n").filter(|sample| !sample.trim().is_empty()) {
        *parts.entry(part(sample)).or_default() += each;
    }
    Ok(parts)
}

/// Where a sample belongs: a line with the thread's name, then its frames, innermost first, each an address and a name.
fn part<'a>(sample: &str) -> &'a str {
    let frames = || sample.lines().skip(1).filter_map(|line| line.trim().split_once(' ')).map(|(_, name)| name);
    // What a template is made of says nothing about where we are; names that could not be read have no '<'.
    let plain = |name: &str| name.split('<').next().unwrap_or_default().to_owned();
    let named = |table: &[(&'a str, &[&str])], name: &str| {
        table.iter().find(|(_, words)| words.iter().any(|word| name.contains(word))).map(|(part, _)| *part)
    };
    let innermost = frames().find_map(|name| named(&PARTS, &plain(name)));
    innermost.or_else(|| frames().find_map(|name| named(&REST, name))).unwrap_or(DISPATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_for_the_innermost_frame_that_names_a_part() {
        let sample = "workerd \n\t 1 malloc\n\t 2 kj::heap<workerd::api::Response>\n\t 3 workerd::api::SubtleCrypto::sign\n\t 4 JS:*a";
        assert_eq!(part(sample), "signatures, MACs by WebCrypto");
        assert_eq!(part("workerd \n\t 1 memcpy\n\t 2 JS:wasm-function[7]"), "WebAssembly, JavaScript, glue");
        assert_eq!(part("workerd \n\t 1 do_epoll_wait\n"), "HTTP, sockets");
        assert_eq!(part("workerd \n\t 1 kj::heap\n"), DISPATCH);
    }
}
