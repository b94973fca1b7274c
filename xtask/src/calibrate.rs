//! `cargo xtask calibrate`: are the estimates of waiting times worth trusting?

use anyhow::{Context, Result};
use clap::Args;
use ropeline_calibration::{SEEDS, judge, table};

use crate::paths;
use crate::ui::Ui;

/// Options of `cargo xtask calibrate`.
#[derive(Debug, Args)]
pub struct Options {
    /// Play each sale with the seeds 1 to this, instead of those of the published table
    #[arg(long)]
    seeds: Option<u64>,
    /// Put the table into docs/estimates.md
    #[arg(long, conflicts_with = "seeds")]
    write: bool,
}

/// Plays the sales of all shapes, judges every answer, and prints the table.
///
/// # Errors
/// When docs/estimates.md cannot be written, or has no place for the table.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    let seeds: Vec<u64> = options.seeds.map_or_else(|| SEEDS.to_vec(), |last| (1..=last).collect());
    ui.step(format!("playing sales with {} seeds", seeds.len()));
    let table = table::table(&judge::judge_all(&seeds));
    print!("{table}");
    if options.write {
        let path = paths::root().join("docs/estimates.md");
        let page = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let page = table::put_into(&page, &table).context("docs/estimates.md has no place for the table")?;
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
        ui.step("docs/estimates.md has the new table");
    }
    Ok(())
}
