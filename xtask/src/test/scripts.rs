//! The part of the tests that runs in Node.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Count, failure, tests};
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{process, scripts};

/// The client library and the page's script: types, size, what is committed; and the library's tests under this machine's Node.
pub(super) fn js(ui: &Ui) -> Result<Count> {
    tools::check_prerequisites(ui, false)?;
    let tools = Tools::ensure(ui)?;
    scripts::compile(ui, &tools)?;
    let of = |result: Result<()>| match result {
        Ok(()) => Count { passed: 1, failed: 0 },
        Err(error) => failure(&error),
    };
    let files = test_files(&scripts::client().join("tests"))?;
    let node = process::find_program("node").context("Node.js 20 or newer: https://nodejs.org")?;
    Ok(Count { passed: 1, failed: 0 }
        + of(scripts::check_page(&tools))
        + of(scripts::check_client_size(ui, &tools))
        + tests("node --test", Command::new(node).args(["--test", "--test-reporter=tap"]).args(files))?)
}

/// The `*.test.js` of a directory.
fn test_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.js") {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("no tests in {}", dir.display());
    }
    files.sort();
    Ok(files)
}
