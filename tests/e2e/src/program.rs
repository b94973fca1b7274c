//! What the programs behind `cargo xtask`'s commands have in common.

use std::process::ExitCode;

use anyhow::Result;
use xtask::ui::Ui;

/// Does `work`; fails when it does, or says that something does not hold. Whatever it starts ends with it.
#[must_use]
pub fn run(work: impl AsyncFnOnce(&Ui) -> Result<bool>) -> ExitCode {
    let ui = Ui::new();
    let done = xtask::process::stop_children_on_signals().and_then(|_stop| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(work(&ui))
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
