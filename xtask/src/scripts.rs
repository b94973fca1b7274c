//! What is written in TypeScript: the client library in `clients/js`, and the scripts of our pages.
//!
//! Those of [`PAGES`] are committed as they are made, so that the Worker builds without Node: `cargo xtask page` makes them, and a test
//! says when one is not what its sources make.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::{paths, process};

/// What the library may weigh in a browser, bytes of gzip.
pub const MOST_CLIENT_GZIP: u64 = 4 * 1_024;

/// What the console may weigh, document, script and style sheet together, bytes of gzip.
pub const MOST_CONSOLE_GZIP: u64 = 20 * 1_024;

/// What visitors' scripts may be written in: no newer syntax than old phones know.
const VISITORS: &str = "--target=es2020";
/// The same for operators, whose browsers are of these years.
const OPERATORS: &str = "--target=es2022";

/// The client library.
#[must_use]
pub fn client() -> PathBuf {
    paths::root().join("clients/js")
}

/// A page whose script is made here. Paths are from the root.
#[derive(Debug)]
pub struct Page {
    /// Where its sources are, `main.ts` first.
    sources: &'static str,
    /// What they are made of, for whoever reads what is made.
    made_of: &'static str,
    /// Where it is kept.
    made: &'static str,
    target: &'static str,
}

/// The waiting page, which has the client library inside, and the console.
pub const PAGES: [Page; 2] = [
    Page {
        sources: "src/page/script",
        made_of: "src/page/script and clients/js",
        made: "src/page/made/wait.js",
        target: VISITORS,
    },
    Page {
        sources: "src/console/script",
        made_of: "src/console/script and src/console/texts",
        made: "src/console/made/console.js",
        target: OPERATORS,
    },
];

/// What a browser loads for the console.
const CONSOLE: [&[&str]; 3] = [
    &["src/console/console.html"],
    &["src/console/made/console.js"],
    &["src/page/colours.css", "src/console/console.css"],
];

/// What of the console runs without a browser, for its tests.
const CONSOLE_PARTS: [&str; 3] = ["samples", "checks", "changes"];

impl Page {
    fn sources(&self) -> PathBuf {
        paths::root().join(self.sources)
    }

    /// The script, made of its sources as they are now.
    ///
    /// # Errors
    /// When esbuild fails.
    fn bundled(&self, tools: &Tools) -> Result<String> {
        let head = format!("--banner:js=// Made of {} by `cargo xtask page`.", self.made_of);
        bundle(tools, &self.sources().join("main.ts"), &[self.target, "--format=iife", &head])
    }

    /// The script as it is kept.
    fn kept(&self) -> Result<String> {
        read(self.made)
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(paths::root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Checks all types, and compiles the library into `clients/js/dist`.
///
/// # Errors
/// When something does not fit; the compiler has said where.
pub fn compile(ui: &Ui, tools: &Tools) -> Result<()> {
    let compiler = tools::ensure_typescript(ui)?;
    for project in std::iter::once(client()).chain(PAGES.iter().map(Page::sources)) {
        let mut tsc = Command::new(&tools.node);
        tsc.arg(&compiler).args(["--pretty", "false", "-p"]).arg(&project);
        process::run(&format!("tsc -p {}", project.display()), &mut tsc)?;
    }
    Ok(())
}

/// The library in one piece, as a bundler makes it for a browser.
///
/// # Errors
/// When esbuild fails.
pub fn bundled_client(tools: &Tools) -> Result<String> {
    bundle(tools, &client().join("src/index.ts"), &[VISITORS, "--format=esm"])
}

/// The parts of the console that need no browser, each a module of its own in one directory.
///
/// # Errors
/// When esbuild fails.
pub fn console_parts(tools: &Tools) -> Result<PathBuf> {
    let dir = paths::target().join("console");
    std::fs::create_dir_all(&dir)?;
    for part in CONSOLE_PARTS {
        let source = paths::root().join(format!("src/console/script/{part}.ts"));
        std::fs::write(dir.join(part).with_extension("mjs"), bundle(tools, &source, &[OPERATORS, "--format=esm"])?)?;
    }
    Ok(dir)
}

fn bundle(tools: &Tools, entry: &PathBuf, options: &[&str]) -> Result<String> {
    let mut esbuild = Command::new(&tools.esbuild);
    esbuild.arg(entry).args(["--bundle", "--minify", "--charset=utf8", "--log-level=warning"]).args(options);
    process::output("esbuild", &mut esbuild)
}

/// `cargo xtask page`: makes the pages' scripts anew.
///
/// # Errors
/// When the sources do not compile.
pub fn make_pages(ui: &Ui) -> Result<()> {
    let tools = Tools::ensure(ui)?;
    compile(ui, &tools)?;
    for page in &PAGES {
        let path = paths::root().join(page.made);
        std::fs::write(&path, page.bundled(&tools)?).with_context(|| format!("cannot write {}", path.display()))?;
        ui.step(format!("{} is what {} make", page.made, page.made_of));
    }
    Ok(())
}

/// # Errors
/// When the committed script of a page is not what its sources make.
pub fn check_page(tools: &Tools, page: &Page) -> Result<()> {
    if page.kept()? != page.bundled(tools)? {
        bail!("{} is not what {} make: run `cargo xtask page` and commit it", page.made, page.made_of);
    }
    Ok(())
}

/// # Errors
/// When the console is heavier than it may be.
pub fn check_console_size(ui: &Ui) -> Result<()> {
    let mut size = 0;
    for file in CONSOLE {
        let text = file.iter().map(|path| read(path)).collect::<Result<String>>()?;
        size += crate::bundle::gzip(text.as_bytes())?;
    }
    ui.note(format!("the console: {size} bytes gzip"));
    if size > MOST_CONSOLE_GZIP {
        bail!("the console has {size} bytes gzip; at most {MOST_CONSOLE_GZIP} are allowed");
    }
    Ok(())
}

/// # Errors
/// When the library is heavier than it may be.
pub fn check_client_size(ui: &Ui, tools: &Tools) -> Result<()> {
    let size = crate::bundle::gzip(bundled_client(tools)?.as_bytes())?;
    ui.note(format!("the client library: {size} bytes gzip"));
    if size > MOST_CLIENT_GZIP {
        bail!("the client library has {size} bytes gzip; at most {MOST_CLIENT_GZIP} are allowed");
    }
    Ok(())
}
