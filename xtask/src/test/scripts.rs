//! The parts of the tests that run in Node and in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Count, failure, tests};
use crate::keys::Keys;
use crate::services::{Shop, ShopOptions};
use crate::tools::chromium::Chromium;
use crate::tools::{self, Tools};
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};
use crate::{bundle, free_port, paths, process, scripts};

/// The client library and the pages' scripts: types, sizes, what is committed; and what runs under this machine's Node.
pub(super) fn js(ui: &Ui) -> Result<Count> {
    tools::check_prerequisites(ui, false)?;
    let tools = Tools::ensure(ui)?;
    scripts::compile(ui, &tools)?;
    let of = |result: Result<()>| match result {
        Ok(()) => Count::passed(1),
        Err(error) => failure(&error),
    };
    let mut files = test_files(&scripts::client().join("tests"))?;
    files.extend(test_files(&paths::root().join("src/console/tests"))?);
    let node = process::find_program("node").context("Node.js 20 or newer: https://nodejs.org")?;
    let mut command = Command::new(node);
    command
        .args(["--test", "--test-reporter=tap"])
        .args(files)
        .env("ROPELINE_CONSOLE_PARTS", scripts::console_parts(&tools)?);
    let kept =
        scripts::PAGES.iter().fold(Count::default(), |count, page| count + of(scripts::check_page(&tools, page)));
    Ok(Count::passed(1)
        + kept
        + of(scripts::check_client_size(ui, &tools))
        + of(scripts::check_console_size(ui))
        + tests("node --test", &mut command)?)
}

/// The waiting page and the console in Chromium, before the real Worker, with the example shop behind two events.
pub(super) fn browser(ui: &Ui) -> Result<Count> {
    const EVENTS: [&str; 2] = ["walk", "plain"];
    tools::check_prerequisites(ui, false)?;
    let tools = Tools::ensure(ui)?;
    let chromium = Chromium::ensure(ui, &tools.node)?;
    scripts::compile(ui, &tools)?;
    bundle::worker(ui, &tools)?;
    bundle::programs(ui)?;
    let home = paths::root().join("tests/browser");

    let dir = paths::target().join("browser");
    let _ = std::fs::remove_dir_all(&dir);
    let keys = Keys::generate()?;
    // Turnstile's check is played by the tests.
    let siteverify = free_port()?;
    let mut options = WorkerdOptions::product(free_port()?, dir.join("state"), &keys)
        .var("ROPELINE_TURNSTILE_SITE_KEY", "0x-browser")
        .var("ROPELINE_TURNSTILE_SECRET", "0x-secret");
    options.services.push(("SITEVERIFY", siteverify));
    let worker = Workerd::start(&tools, &options)?;
    let mut command = Command::new(&tools.node);
    command
        .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
        .current_dir(&home)
        .env("ROPELINE_URL", worker.url())
        .env("ROPELINE_ADMIN_KEY", &keys.admin)
        .env("ROPELINE_ORIGIN_KEY", &keys.origin)
        .env("ROPELINE_CHROMIUM", chromium.program)
        .env("ROPELINE_CHROMIUM_LIBRARIES", chromium.libraries)
        .env("ROPELINE_MODULES", chromium.modules)
        .env("ROPELINE_SITEVERIFY_PORT", siteverify.to_string())
        .env("ROPELINE_SCREENS", paths::target().join("screens"));
    let mut shops = Vec::new();
    for event in EVENTS {
        let log = dir.join(format!("shop-{event}.log"));
        let shop = Shop::start(&ShopOptions::new(free_port()?, &worker.url(), event, &keys.origin, &log))?;
        command.env(format!("ROPELINE_SHOP_{}", event.to_uppercase()), shop.return_url());
        shops.push(shop);
    }
    tests("node --test", command.args(test_files(&home)?))
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
